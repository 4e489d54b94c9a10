"""Branches that are decided when a pipeline runs: steps with conditions, and what comes of whichever was taken.

In a pipeline's body nothing is decided: a condition goes with the node. Anywhere else a condition is looked at, and a
step that is not taken gives what stands for that.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from typing import Any, Final, Protocol

from nbpipe.define.references import Reference
from nbpipe.define.trace import current_trace
from nbpipe.define.written import call_at
from nbpipe.errors import DefinitionError
from nbpipe.graph.graph import Condition, EitherOf, OutputOf, outputs_behind
from nbpipe.records.base import shorten
from nbpipe.records.definitions import AnyStep


class _Mark:
    """A value that stands for something that is no value."""

    def __init__(self, said: str) -> None:
        self._said = said

    def __repr__(self) -> str:
        return self._said

    def __bool__(self) -> bool:
        return False


NOT_TAKEN: Final[Any] = _Mark("<not taken>")
ANYTHING: Final[Any] = _Mark("<true>")

_Asked = tuple[Any, Any, bool, str]


def name_passed(condition: object) -> str:
    """Give the name that the caller of `when` or `unless` wrote for a condition; `""` if it wrote no plain name.

    True and False are the same objects everywhere: which parameter one of them is, only the body's text says.
    """
    if isinstance(condition, Reference) or current_trace() is None:
        return ""
    called = call_at(sys._getframe(2))
    passed = called.args[0] if called is not None and called.args else None
    return passed.id if isinstance(passed, ast.Name) else ""


class _Called(AnyStep, Protocol):
    """A step that can be called and mapped."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""

    def map(self, *lists: Any, **fixed: Any) -> Any:
        """Call it for each item."""


class ConditionalStep:
    """A step that runs only if all of its conditions hold; called and mapped as the step itself.

    Args:
        step: The step.
        asked: For each condition the value, what it must equal, whether it must not, and its `name_passed`.
    """

    def __init__(self, step: _Called, asked: tuple[_Asked, ...]) -> None:
        self._step = step
        self._asked = asked

    def when(self, condition: Any, *, equals: Any = ANYTHING) -> ConditionalStep:
        """Add a condition; see `Step.when`."""
        return ConditionalStep(self._step, (*self._asked, (condition, equals, False, name_passed(condition))))

    def unless(self, condition: Any, *, equals: Any = ANYTHING) -> ConditionalStep:
        """Add a condition that must not hold; see `Step.unless`."""
        return ConditionalStep(self._step, (*self._asked, (condition, equals, True, name_passed(condition))))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Leave a node with its conditions; outside of a pipeline's body call the function, or give `<not taken>`."""
        trace = current_trace()
        if trace is not None:
            return trace.call(self._step, args, kwargs, conditions=self._conditions())
        return self._step(*args, **kwargs) if self._hold() else untaken(self._step)

    def map(self, *lists: Any, **fixed: Any) -> Any:
        """Call it for each item of lists; see `Step.map`."""
        trace = current_trace()
        if trace is not None and lists:
            return trace.call(self._step, lists, fixed, is_mapped=True, conditions=self._conditions())
        return self._step.map(*lists, **fixed) if trace is not None or self._hold() else untaken(self._step)

    def _conditions(self) -> tuple[Condition, ...]:
        trace = current_trace()
        assert trace is not None, "only a body has conditions"
        return tuple(
            trace.condition(value, equals=() if equals is ANYTHING else (equals,), negated=negated, name=name)
            for value, equals, negated, name in self._asked
        )

    def _hold(self) -> bool:
        return all(
            value is not NOT_TAKEN and bool(value if equals is ANYTHING else value == equals) is not negated
            for value, equals, negated, _ in self._asked
        )

    def __repr__(self) -> str:
        return f"<step {self._step.name}, under {len(self._asked)} conditions>"


def either(*branches: Any) -> Any:
    """Give what the first branch gave that was taken: `either(retrain.when(bad)(data), keep.unless(bad)(model))`.

    Args:
        branches: What steps give that run under conditions.

    Raises:
        DefinitionError: Fewer than two, or something that no step gives.
    """
    if len(branches) < 2:
        raise DefinitionError("either() is given fewer than two branches; give the output of each: either(a, b).")
    if current_trace() is None:
        return next((branch for branch in branches if branch is not NOT_TAKEN), NOT_TAKEN)
    outputs: list[OutputOf] = []
    for branch in branches:
        found = outputs_behind(branch.origin) if isinstance(branch, Reference) else ()
        if not found or not all(output.output for output in found):
            cure = "a step with several gives a tuple: choose one of it" if isinstance(branch, tuple) else "give those"
            raise DefinitionError(f"either() takes outputs of steps; {shorten(branch)} is none. {cure.capitalize()}.")
        outputs += found
    return Reference(EitherOf(of=tuple(outputs)))


def untaken(step: AnyStep) -> Any:
    """Give what stands for each output of a step that was not taken."""
    signature = step.signature
    return (NOT_TAKEN,) * len(signature.outputs) if signature.is_tuple else NOT_TAKEN


def is_untaken(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Tell whether something that was not taken is among the arguments of a call."""
    return any(value is NOT_TAKEN for value in (*args, *kwargs.values()))
