"""What a step can be mapped over, and what is said of a thing that it cannot.

A step is mapped over lists, tuples, ranges and the rows of arrays: things that have an order and a length. Text, sets,
dictionaries and frames have several ways to be taken apart; whoever writes the pipeline says which is meant.

This module knows kinds of values. When they are looked at, and what is run for each item, it does not know.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, get_origin

from nbpipe.errors import BadValueError, DefinitionError
from nbpipe.records.base import shorten

_CURES = {
    "str": "split it in a step, and map over the list",
    "bytes": "split it in a step, and map over the list",
    "dict": "give list(….items()) or list(….values())",
    "set": "give sorted(…), for a set has no order",
    "frozenset": "give sorted(…), for a set has no order",
    "DataFrame": "give a list of its rows or groups, such as ….to_dict('records')",
    "Series": "give ….tolist()",
    "generator": "give list(…)",
}
_CURE = "give a list"
_SINGLE = frozenset({"int", "float", "bool", "complex", "NoneType"})


def items_given(step: str, argument: str, value: Any) -> list[Any]:
    """Give the items of what a pipeline's body maps a step over.

    Raises:
        DefinitionError: It is nothing to map over; the cure is named.
    """
    found = items_in(value)
    if found is None:
        raise DefinitionError(not_mappable(step, argument, type(value).__name__, said=f"was given {shorten(value)},"))
    return list(found)


def items_in(value: Any) -> Sequence[Any] | None:
    """Give what can be walked through by place; `None` if a value is nothing to map over."""
    if isinstance(value, (list, tuple, range)):
        return value
    numpy = sys.modules.get("numpy")
    return value if numpy is not None and isinstance(value, numpy.ndarray) and value.ndim > 0 else None


def check_lengths(step: str, lengths: Mapping[str, int]) -> None:
    """Check that lists that are walked side by side have one length.

    Raises:
        BadValueError: They have not; two of them are named with theirs.
    """
    (first, length), *others = lengths.items()
    for name, other in others:
        if other != length:
            raise BadValueError(
                f"{step}.map walks through its lists side by side, but {first!r} has {length:,} items and {name!r} has "
                f"{other:,}; give lists of one length, and by name what is the same for every item."
            )


def check_mappable(step: str, argument: str, annotation: Any, *, said: str) -> None:
    """Check that what is declared to be given can be mapped over, where the declaration tells.

    Raises:
        DefinitionError: It cannot; the cure is named.
    """
    kind = get_origin(annotation) or annotation
    name = kind.__name__ if isinstance(kind, type) else ""
    if name in _CURES or name in _SINGLE:
        raise DefinitionError(not_mappable(step, argument, name, said=said))


def not_mappable(step: str, argument: str, kind: str, *, said: str) -> str:
    """Say that something cannot be mapped over, and what can be done."""
    return (
        f"{step}.map walks through a list as {argument!r}, but {said} a {kind}: {_CURES.get(kind, _CURE)}.\n"
        "What is the same for every item is given by name."
    )
