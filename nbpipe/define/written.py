"""What the body of a pipeline wrote at a call: which of its names stands for which argument.

A value alone does not say where it comes from: `1` is the same object everywhere, and two parameters
may hold it. The text of the call says it. It is found by the place at which the calling code stands,
and read once for each place.

This knows text, frames and values. What nodes are made of them is `define.trace`.
"""

from __future__ import annotations

import ast
import dis
import linecache
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType
from typing import Any

from nbpipe.source.syntax import expression_tree

_STORES = ("STORE_FAST", "STORE_DEREF", "STORE_NAME", "DELETE_FAST", "DELETE_DEREF")
_PLACES = 4096
# Python keeps one object for each of these.
_SMALL = range(-5, 257)


@dataclass(frozen=True, slots=True)
class Written:
    """One call as it is written.

    Attributes:
        args: For each argument given by place, the names that it is made of.
        kwargs: The same of those given by name.
        is_whole: Whether that is all: neither `*args` nor `**kwargs`.
        plain: Those of the arguments that are nothing but a name.
        steady: The names that stand for the same throughout the body: what it was called with.
    """

    args: tuple[frozenset[str], ...]
    kwargs: Mapping[str, frozenset[str]]
    is_whole: bool
    plain: frozenset[int | str]
    steady: frozenset[str]

    def of(self, name: str, inputs: Collection[str]) -> tuple[frozenset[str], bool] | None:
        """Give the names that an argument is made of, and whether it is nothing but one; `None` if it is not written.

        Args:
            name: The argument.
            inputs: All arguments of what is called, in order.
        """
        if name in self.kwargs:
            return self.kwargs[name], name in self.plain
        place = tuple(inputs).index(name)
        return (self.args[place], place in self.plain) if place < len(self.args) else None


_UNKNOWN = Written((), {}, False, frozenset(), frozenset())
_TEXT_IS_GONE = Written((), {}, True, frozenset(), frozenset())


def parameters_behind(
    passed: Mapping[str, Any], inputs: Collection[str], parameters: Mapping[str, Any], body: CodeType | None
) -> dict[str, str | None]:
    """Say which of a pipeline's parameters each value is that its body passes to a step, if it is one.

    Args:
        passed: The values as they are passed, by argument.
        inputs: All arguments of the step, in order.
        parameters: The values that the body was given.
        body: Its code.
    """
    if not passed or not parameters:
        return {}
    call = _call_in_progress(body)
    return {name: _parameter_behind(name, value, inputs, parameters, call) for name, value in passed.items()}


def held_by(value: Any, parameters: Mapping[str, Any]) -> str | None:
    """Find the one parameter that is this very object; no object that is the same everywhere tells anything."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and value in _SMALL):
        return None
    same = [parameter for parameter, held in parameters.items() if held is value]
    return same[0] if len(same) == 1 else None


def _parameter_behind(
    name: str, value: Any, inputs: Collection[str], parameters: Mapping[str, Any], call: Written
) -> str | None:
    written = call.of(name, inputs)
    if written is None:
        # What is not written is what a cell's step takes by itself: what the pipeline has under its name.
        is_its_own = call.is_whole and name in parameters and _same(parameters[name], value)
        return name if is_its_own else held_by(value, parameters)
    names, is_plain_name = written
    steady = names & call.steady & parameters.keys()
    if is_plain_name:
        return next(iter(steady)) if steady else held_by(value, parameters)
    # `rate or 0.1`, `float(rate)`: it is the parameter if it came out as that very object.
    same = [parameter for parameter in steady if parameters[parameter] is value]
    return same[0] if len(same) == 1 else None


def _same(one: Any, other: Any) -> bool:
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # noqa: BLE001 — an == of the user's that raises or answers an array means: not known to be equal
        return False


def _call_in_progress(body: CodeType | None) -> Written:
    """Read the call in the body that is going on; what a function calls that the body called tells nothing.

    Args:
        body: The body's code; what is written within it, as in a list's comprehension, is its own.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("nbpipe."):
        frame = frame.f_back
    if frame is None or body is None or not _is_within(frame.f_code, body):
        return _UNKNOWN
    return _read(frame.f_code, frame.f_lasti, body)


def call_at(frame: FrameType) -> ast.Call | None:
    """Read the call that a frame is making; `None` if its text is gone, or is not that of the code any more."""
    return _call(frame.f_code, frame.f_lasti)


@lru_cache(_PLACES)
def _read(code: CodeType, instruction: int, body: CodeType) -> Written:
    call = _call(code, instruction)
    if call is None:
        return _TEXT_IS_GONE
    # What stands behind `*more` has no place that the text tells.
    given = [] if any(isinstance(one, ast.Starred) for one in call.args) else call.args
    named = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    by_place: dict[int | str, ast.expr] = dict(enumerate(given))
    return Written(
        args=tuple(_names_in(one) for one in given),
        kwargs={name: _names_in(one) for name, one in named.items()},
        is_whole=len(given) == len(call.args) and len(named) == len(call.keywords),
        plain=frozenset(place for place, one in (by_place | named).items() if isinstance(one, ast.Name)),
        steady=_steady(body) & frozenset((*code.co_freevars, *(body.co_varnames if code == body else ()))),
    )


@lru_cache(_PLACES)
def _call(code: CodeType, instruction: int) -> ast.Call | None:
    place = next(islice(code.co_positions(), instruction // 2, None), None)
    if place is None or None in place:
        return None
    line, last_line, start, end = (int(number or 0) for number in place)
    lines = [text.encode() for text in linecache.getlines(code.co_filename)[line - 1 : last_line]]
    if len(lines) != last_line - line + 1:
        return None
    # The end first: it may lie on the same line.
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    try:
        called = expression_tree(f"({b''.join(lines).decode()})")
    except (SyntaxError, ValueError):
        # The text is not that of the code any more.
        return None
    return called if isinstance(called, ast.Call) else None


def _names_in(expression: ast.expr) -> frozenset[str]:
    return frozenset(node.id for node in ast.walk(expression) if isinstance(node, ast.Name))


@lru_cache(_PLACES)
def _steady(body: CodeType) -> frozenset[str]:
    """Name what the body takes and never binds anew."""
    taken = body.co_varnames[: body.co_argcount + body.co_kwonlyargcount]
    bound = {one.argval for code in _codes(body) for one in dis.get_instructions(code) if one.opname in _STORES}
    return frozenset(taken) - bound


def _is_within(code: CodeType, body: CodeType) -> bool:
    # No deeper than that: what is free in there might be bound between the two.
    return code is body or any(code is inner for inner in body.co_consts)


def _codes(body: CodeType) -> list[CodeType]:
    inner = [one for one in body.co_consts if isinstance(one, CodeType)]
    return [body, *(code for one in inner for code in _codes(one))]
