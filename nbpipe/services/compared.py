"""Several runs side by side, as values: what each was given, what came of it, and in what they differ.

What is compared are values: of data its digest, of code what a step's source is made of. How long
something took is told and is no difference. How the runs are read is `services.comparing`, how a
comparison looks `views.comparison`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbpipe.base.displaying import Displayed
from nbpipe.catalog.questions import frame_of
from nbpipe.records.base import shorten
from nbpipe.records.runs import Status
from nbpipe.services.recorded import Run

if TYPE_CHECKING:
    import pandas as pd

GROUPS = ("run", "parameters", "metrics", "steps", "data", "code", "tags")


@dataclass(frozen=True, slots=True)
class ComparedStep:
    """What became of one step in one run.

    Attributes:
        status: How it ended; `reused` if an earlier result was.
        duration_s: How long it took, in seconds.
        source: The digest of its source.
        error: What it raised, or `""`.
    """

    status: Status
    duration_s: float | None
    source: str
    error: str


@dataclass(frozen=True, slots=True)
class ComparedData:
    """A piece of data that one run made or read.

    Attributes:
        label: How a reader names it: `raw_data@7`, or the path of a file.
        digest: What tells its content from another; the artifact version's id where there is no digest.
    """

    label: str
    digest: str


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One of the runs, with all that is compared.

    Attributes:
        run: The run itself.
        metrics: Numbers by dotted path, the latest of each; what its steps logged on its model version is among them.
        steps: What became of each step, by its name in the graph.
        data: Outputs by `node.output`, inputs from elsewhere by `node ← name`, files by `file path`.
        tags: Its tags.
        model_version: The model version it worked on, as in `iris@3`, or `""`.
    """

    run: Run
    metrics: Mapping[str, float]
    steps: Mapping[str, ComparedStep]
    data: Mapping[str, ComparedData]
    tags: tuple[str, ...]
    model_version: str


@dataclass(frozen=True, slots=True)
class StepCode:
    """The code of one step in the runs.

    Attributes:
        variants: Which of its sources each run had, by the run's place: 0 is the first that was met.
        said: How each variant differs from the first, in a few words; of the first `""`.
    """

    variants: Mapping[int, int]
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ComparedFact:
    """One thing across the runs.

    Attributes:
        group: One of `GROUPS`.
        name: What it is called in its group.
        values: Its value in each run, by the run's place; a run that does not have it is left out.
        differs: Whether two runs differ in it.
    """

    group: str
    name: str
    values: Mapping[int, Any]
    differs: bool


@dataclass(frozen=True)
class ComparedRuns(Displayed):
    """Two runs or more, side by side.

    Attributes:
        runs: The runs, in the order in which they were named.
        code: The code of each step, by its name in the graph.
    """

    runs: tuple[ComparedRun, ...]
    code: Mapping[str, StepCode] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<ComparedRuns: {', '.join(shorten(side.run.name) for side in self.runs[:3])}, {len(self.runs)} in all>"

    @cached_property
    def facts(self) -> tuple[ComparedFact, ...]:
        """Everything that is compared, group by group."""
        return tuple(fact for fact in self._facts() if fact.values)

    def shown(self, *, only_differences: bool = True) -> list[ComparedFact]:
        """Give the facts in which the runs differ, or all."""
        return [fact for fact in self.facts if fact.differs or not only_differences]

    def df(self, *, only_differences: bool = True) -> pd.DataFrame:
        """Give a pandas frame: a row for each run, a column for each fact, as in `parameters.rate`."""
        facts = self.shown(only_differences=only_differences)
        kinds = {"run": "text", "name": "text", "took_s": "float"}
        kinds |= {f"{fact.group}.{fact.name}": _kind(fact) for fact in facts}
        rows = [
            {"run": side.run.id, "name": side.run.name, "took_s": side.run.duration_s}
            | {f"{fact.group}.{fact.name}": _plain(fact, place) for fact in facts}
            for place, side in enumerate(self.runs)
        ]
        return frame_of(rows, kinds)

    def as_plain(self, *, only_differences: bool = True) -> dict[str, Any]:
        """Give plain facts: the runs, then for each group the values by name, one for each run in their order."""
        told: dict[str, Any] = {"only_differences": only_differences, "runs": [_run_plain(side) for side in self.runs]}
        told |= {group: {} for group in GROUPS}
        for fact in self.shown(only_differences=only_differences):
            told[fact.group][fact.name] = [_plain(fact, place) for place in range(len(self.runs))]
        return told

    def _facts(self) -> Iterator[ComparedFact]:
        runs = [side.run for side in self.runs]
        yield self._fact("run", "pipeline", [{"": run.pipeline} for run in runs])
        yield self._fact("run", "status", [{"": run.status.value} for run in runs])
        yield self._fact("run", "model", [{"": side.model_version} if side.model_version else {} for side in self.runs])
        yield self._fact("run", "error", [{"": run.error} if run.error else {} for run in runs])
        yield from self._group("parameters", [_parameters(run) for run in runs])
        yield from self._group("metrics", [side.metrics for side in self.runs])
        yield from self._group("steps", [side.steps for side in self.runs])
        yield from self._group("data", [side.data for side in self.runs])
        for node, code in self.code.items():
            said = {place: code_text(variant, code.said[variant]) for place, variant in code.variants.items()}
            yield ComparedFact("code", node, said, len(set(code.variants.values())) > 1)
        yield from self._group("tags", [dict.fromkeys(side.tags, True) for side in self.runs])

    def _group(self, group: str, sides: Sequence[Mapping[str, Any]]) -> Iterator[ComparedFact]:
        for name in dict.fromkeys(name for side in sides for name in side):
            values = {place: side[name] for place, side in enumerate(sides) if name in side}
            yield ComparedFact(group, name, values, self._differ(group, values))

    def _fact(self, group: str, name: str, sides: Sequence[Mapping[str, Any]]) -> ComparedFact:
        values = {place: side[""] for place, side in enumerate(sides) if side}
        return ComparedFact(group, name, values, self._differ(group, values))

    def _differ(self, group: str, values: Mapping[int, Any]) -> bool:
        if 0 < len(values) < len(self.runs):
            return True
        return len({_identity(group, value) for value in values.values()}) > 1


def code_text(variant: int, said: str) -> str:
    """Name one of several sources of a step: `A`, `B: source of scale changed`."""
    letters = ""
    number = variant + 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"{letters}: {said}" if said else letters


def _parameters(run: Run) -> dict[str, Any]:
    # What was set for single steps only; the others stand among the parameters already.
    return {**run.parameters, **{name: value for name, value in run.differences.items() if name not in run.parameters}}


def _identity(group: str, value: Any) -> object:
    """Give what tells a value from another: `1`, `1.0` and `"1"` differ, and what is no number is like itself."""
    match group:
        case "steps":
            return value.status
        case "data":
            return value.digest
        case "metrics":
            # A zero is a zero, whatever its sign.
            return repr(float(value) + 0.0)
    return as_written(value)


def as_written(value: Any) -> str:
    """Write a value as text: `1`, `1.0`, `True` and `"1"` differ, dicts with other orders of keys do not."""
    return json.dumps(value, sort_keys=True, default=repr)


def _kind(fact: ComparedFact) -> str:
    """Say what a column holds, a word of `catalog.questions.DTYPES`."""
    if fact.group != "parameters":
        return {"metrics": "float", "tags": "bool"}.get(fact.group, "text")
    types = {type(value) for value in fact.values.values() if value is not None}
    if types == {int} and all(value is None or -(2**63) <= value < 2**63 for value in fact.values.values()):
        return "int"
    return "float" if types == {float} else "text" if types == {str} else "data"


def _plain(fact: ComparedFact, place: int) -> Any:
    value = fact.values.get(place)
    match value:
        case ComparedStep():
            return value.status.value
        case ComparedData():
            return value.label
    return value is True if fact.group == "tags" else value


def _run_plain(side: ComparedRun) -> dict[str, Any]:
    run = side.run
    return {
        **run.as_row(),
        "model_version": side.model_version or None,
        "tags": list(side.tags),
        "steps": {
            node: {"status": step.status.value, "duration_s": step.duration_s, "source": step.source}
            for node, step in side.steps.items()
        },
        "data": {place: {"artifact": data.label, "digest": data.digest} for place, data in side.data.items()},
    }
