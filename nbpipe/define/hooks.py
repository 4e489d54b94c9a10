"""Hooks: functions that are called when a run, or one of its steps, has ended.

What a hook leans on is text like that of a step, so that it travels in snapshots. It takes as many
of the facts that are offered as it has arguments for: `on_failure` of a step is offered the step
and the exception, every other the run or the step alone. This module calls none.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nbpipe.define.reading import Reading, read_source
from nbpipe.define.texts import Surroundings, text_of
from nbpipe.errors import DefinitionError
from nbpipe.records.base import shorten
from nbpipe.source.closure import Source, close_over
from nbpipe.source.places import Places

OFFERED = {("step", "on_failure"): 2}
_ONE = 1


@dataclass(frozen=True)
class Hook:
    """One hook.

    Attributes:
        function: The function.
        owner: What it is a hook of, for messages: `"step train"`.
        when: `"on_success"` or `"on_failure"`.
        takes: How many of the facts that are offered it takes.
        text: Its text.
        frozen: What it is made of, where that is fixed: a hook of a snapshot.
    """

    function: Callable[..., Any]
    owner: str
    when: str
    takes: int
    text: str = field(repr=False)
    frozen: Source | None = field(default=None, repr=False)
    # What it was found to be made of the last time, alone in a list: the hook itself never changes.
    _last: list[Reading | None] = field(default_factory=lambda: [None], init=False, repr=False, compare=False)

    @classmethod
    def of(cls, function: Any, kind: str, name: str, when: str, frozen: Source | None = None) -> Hook:
        """Read a function as a hook.

        Args:
            function: The function.
            kind: What it is a hook of: `"step"` or `"pipeline"`.
            name: That one's name.
            when: `"on_success"` or `"on_failure"`.
            frozen: What it is made of, where that is fixed.

        Raises:
            DefinitionError: It is no top-level function, or needs more than it would be given.
        """
        owner = f"{kind} {name}"
        if not inspect.isfunction(function):
            raise DefinitionError(f"{when} of {owner} is {shorten(function)}; give a function.")
        if inspect.iscoroutinefunction(function) or function.__name__ == "<lambda>":
            what = "a lambda" if function.__name__ == "<lambda>" else "a coroutine"
            raise DefinitionError(f"{when} of {owner} is {what}; give a function that is written with def.")
        offered = OFFERED.get((kind, when), _ONE)
        takes = _taken(function, offered)
        if takes is None:
            facts = "the step and the exception" if offered > _ONE else f"the {'run' if kind == 'pipeline' else kind}"
            raise DefinitionError(f"{when} of {owner}: {function.__name__} is called with {facts}, and needs more.")
        text = frozen.text if frozen is not None else text_of(function, f"{when} of {owner},")
        return cls(function, owner, when, takes, text, frozen)

    def source(self, seen: Places | None = None) -> Source:
        """Read what it is made of, as it is now.

        Raises:
            UncapturedNameError: It reads a name that is no text.
        """
        if self.frozen is not None:
            return self.frozen
        seen, reading = seen or Places(), self._last[0]
        if reading is not None and seen.is_current(reading.stamps):
            return reading.source
        source, self._last[0] = read_source(self.function, self._read, seen)
        return source

    def _read(self, around: Surroundings) -> Source:
        return close_over(
            self.text,
            kind="function",
            entry=self.function.__name__,
            step=f"{self.when} of {self.owner}",
            units=around.corpus,
            value_of=around.value_of,
            search_path=around.search_path,
        )


def _taken(function: Callable[..., Any], offered: int) -> int | None:
    """Say how many of the facts that are offered a function takes; `None` if it needs others."""
    signature = inspect.signature(function)
    for count in range(offered, -1, -1):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return count
    return None


@dataclass(frozen=True)
class Hooks:
    """The hooks of a pipeline or of a step."""

    on_success: Hook | None = None
    on_failure: Hook | None = None

    @classmethod
    def of(cls, kind: str, name: str, on_success: Any, on_failure: Any) -> Hooks:
        """Read functions as hooks; `None` is none.

        Raises:
            DefinitionError: One is no top-level function, or needs more than it would be given.
        """
        if on_success is None and on_failure is None:
            return NO_HOOKS
        given = {"on_success": on_success, "on_failure": on_failure}
        return cls(**{when: Hook.of(one, kind, name, when) for when, one in given.items() if one is not None})

    def changed(self, kind: str, name: str, given: Mapping[str, Any]) -> Hooks:
        """Give them with some others in their place.

        Raises:
            DefinitionError: As for `of`.
        """
        read = {when: None if one is None else Hook.of(one, kind, name, when) for when, one in given.items()}
        return replace(self, **read)

    def __iter__(self) -> Iterator[Hook]:
        return (hook for hook in (self.on_success, self.on_failure) if hook is not None)


NO_HOOKS = Hooks()
