"""A part of a pipeline: which of its steps a run is to run.

- `until`: these steps and all that they wait for; what did not change is reused as in any run.
- `from`: these steps and all that waits for them; they run, whatever is recorded, on what the newest
  executions of the steps before them gave.
- `only`: just these, likewise.

Both ends together are what lies between them. A run of a part is no run of the pipeline: it moves
nothing that points at the newest, neither an exclusive tag nor a model's latest version.

This module holds the words. Which steps are meant is `define.parting`, what they read
`services.partial_runs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten


@dataclass(frozen=True, slots=True)
class Taken:
    """What a step that is left out had given, for an argument or a condition of one that runs.

    Attributes:
        reader: The node that runs.
        argument: Its argument; `""` where a condition of it asks.
        node: The node that is left out.
        output: Its output.
        run: The run in which that ran or was reused.
        artifact: The id of the artifact version that it gave.
        name: The artifact's name.
    """

    reader: str
    argument: str
    node: str
    output: str
    run: str
    artifact: str
    name: str


@dataclass(frozen=True, slots=True)
class Part:
    """Which steps are to run, by the names of steps or of single calls of them; all of them if it names none.

    Attributes:
        from_steps: These and all that waits for them.
        until_steps: These and all that they wait for.
        only_steps: Just these.
        taken: What steps that are left out had given, where that is settled: in a run that goes on from another.
    """

    from_steps: tuple[str, ...] = ()
    until_steps: tuple[str, ...] = ()
    only_steps: tuple[str, ...] = ()
    taken: tuple[Taken, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether it names no step."""
        return not (self.from_steps or self.until_steps or self.only_steps)

    @property
    def runs_anew(self) -> bool:
        """Whether its steps run whatever is recorded."""
        return bool(self.from_steps or self.only_steps)

    def as_record(self, taken: Iterable[Taken]) -> dict[str, Any]:
        """Give it as plain data, with what was taken."""
        said = {"from": list(self.from_steps), "until": list(self.until_steps), "only": list(self.only_steps)}
        return {**{word: names for word, names in said.items() if names}, "taken": [asdict(one) for one in taken]}

    @classmethod
    def read(cls, said: Mapping[str, Any] | None) -> Part:
        """Read what `as_record` wrote; nothing is the whole pipeline."""
        if not said:
            return cls()
        taken = tuple(Taken(**one) for one in said["taken"])
        return cls(tuple(said.get("from", ())), tuple(said.get("until", ())), tuple(said.get("only", ())), taken)


WHOLE = Part()


def as_part(
    from_steps: str | Iterable[str] | None = None,
    until_steps: str | Iterable[str] | None = None,
    only_steps: str | Iterable[str] | None = None,
) -> Part:
    """Give the part that a user meant by names; each may be one name or several.

    Raises:
        BadValueError: What is no name, or `only` beside one of the others.
    """
    part = Part(_names("from", from_steps), _names("until", until_steps), _names("only", only_steps))
    if part.only_steps and (part.from_steps or part.until_steps):
        other = "from" if part.from_steps else "until"
        raise BadValueError(f"Give either only or {other}: only {shorten(part.only_steps[0])} runs nothing besides.")
    return part


def _names(word: str, given: str | Iterable[str] | None) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given or ()) if isinstance(given, Iterable | None) else None
    if names is None or not all(isinstance(name, str) and name.strip() for name in names):
        raise BadValueError(f"{word} {shorten(given)} names no step; give the name of one, or a list of names.")
    return tuple(dict.fromkeys(name.strip() for name in names))


def part_said(said: Mapping[str, Any]) -> str:
    """Say in a line what was run of a pipeline, and on what: `from train; clean as in run 1f3a9c20`."""
    words = [f"{word} {', '.join(said[word])}" for word in ("from", "until", "only") if word in said]
    by_run: dict[str, list[str]] = {}
    for one in said["taken"]:
        by_run.setdefault(one["run"], []).append(one["node"])
    taken = [f"{', '.join(dict.fromkeys(nodes))} as in run {run[:8]}" for run, nodes in by_run.items()]
    return "; ".join([" ".join(words), *taken])
