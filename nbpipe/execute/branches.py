"""Whether a node runs at all: what it depends on succeeded, and its conditions hold.

A branch that is not taken is no failure: its steps are skipped, and so is what depends on them, unless that is
content with one of several branches. What a condition asks about is loaded here; it is no part of any key.

This module decides. It knows no driver and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbpipe.errors import BadValueError
from nbpipe.execute.settled import Settled
from nbpipe.graph.graph import Condition, Node, Origin, OutputOf, ParameterOf, outputs_behind
from nbpipe.records.base import shorten
from nbpipe.records.runs import NOT_TAKEN, Status

_COMPLETED, _REUSED = Status.COMPLETED, Status.REUSED


def is_good(settled: Settled) -> bool:
    """Tell whether a node gave what it was to give."""
    return settled.status is _COMPLETED or settled.status is _REUSED


def hindrance(node: Node, settled: Mapping[str, Settled]) -> str:
    """Say why a node cannot run for what became of those that it depends on; nothing if it can.

    Args:
        node: The node.
        settled: What became of all nodes that it waits for.
    """
    untaken = ""
    for group in node.groups:
        if is_good(settled[group[0]]) or any(is_good(settled[name]) for name in group):
            continue
        failed = next((name for name in group if not settled[name].is_not_taken), None)
        if failed is not None:
            return f"{failed} did not succeed"
        untaken = untaken or f"{NOT_TAKEN}: {' and '.join(dict.fromkeys(group))} {_was(group)} not"
    return untaken


def _was(group: tuple[str, ...]) -> str:
    return "was" if len(set(group)) == 1 else "were"


def taken_one(origin: Origin, settled: Mapping[str, Settled]) -> OutputOf | None:
    """Give the output from which a value comes: of several branches, that of the first that was taken."""
    if isinstance(origin, OutputOf):
        return origin
    outputs = outputs_behind(origin)
    return next((output for output in outputs if is_good(settled[output.node])), outputs[0] if outputs else None)


def refusal(node: Node, value_of: Callable[[Origin], Any]) -> str:
    """Say which condition of a node does not hold; nothing if all do.

    Args:
        node: The node.
        value_of: Gives the value that a condition asks about.

    Raises:
        BadValueError: A value is neither true nor false, or cannot be compared.
    """
    for condition in node.conditions:
        value = value_of(condition.origin)
        if _holds(condition, value) is condition.negated:
            wanted = f", not {condition.equals[0]!r}" if condition.equals and not condition.negated else ""
            return f"{NOT_TAKEN}: {_asked(condition.origin)} {shorten(value, 60)}{wanted}"
    return ""


def _holds(condition: Condition, value: Any) -> bool:
    try:
        return bool(value == condition.equals[0]) if condition.equals else bool(value)
    except Exception as error:
        asked = f"equal to {condition.equals[0]!r}" if condition.equals else "true"
        raise BadValueError(
            f"Whether a {type(value).__name__} is {asked} cannot be told ({type(error).__name__}: {error}); let the "
            "step that decides give True or False."
        ) from error


def _asked(origin: Origin) -> str:
    if isinstance(origin, ParameterOf):
        return f"{origin.name} is"
    names = " or ".join(dict.fromkeys(output.node for output in outputs_behind(origin)))
    return f"{names} gave" if names else "the condition is"
