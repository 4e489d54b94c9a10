"""`progress`: how a step says how far it is.

It costs a step next to nothing and changes nothing: what is said is shown while the step runs, and
forgotten. Who shows it, and how often, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import suppress
from numbers import Real
from typing import Any, TypeVar, overload

from nbpipe.errors import BadValueError
from nbpipe.execute.context import current_step
from nbpipe.execute.glimpses import Progress
from nbpipe.records.base import shorten

_T = TypeVar("_T")
# Beyond any count, and still a number that can be divided.
_MOST = 1e300


@overload
def progress(done: float, total: float | None = None, note: str = "") -> None: ...
@overload
def progress(done: Iterable[_T], total: float | None = None, note: str = "") -> Iterator[_T]: ...
def progress(done: Any, total: Any = None, note: Any = "") -> Any:
    """Say inside a step how far it is; whoever watches the run sees a bar.

    `progress(3, 10, "fold 3")` says it once; `for fold in progress(folds):` says it at every turn. It may be called
    as often as you like. Outside of a step nobody watches, and nothing happens.

    Args:
        done: How much is done, in whatever you count; or what to go through item by item.
        total: How much there is to do, if that is known; the number of items if they have one. If more than that
            is done in the end, both are shown, and the bar is full.
        note: What the step is at.

    Returns:
        Nothing, or the items.

    Raises:
        BadValueError: A number that is negative, infinite or none at all; a note that is no text.
    """
    if not (_is_amount(done) and (total is None or _is_amount(total)) and type(note) is str):
        if not _is_number(done):
            return _through(done, total, note)
        done, total, note = _checked(done, total, note)
    context = current_step()
    if context is not None and context.report is not None:
        context.report(Progress(done, total, note))
    return None


def _is_amount(value: Any) -> bool:
    # One comparison keeps out what is negative, infinite and NaN.
    return (type(value) is int or type(value) is float) and 0 <= value <= _MOST


def _is_number(value: Any) -> bool:
    """Tell whether it is a number of whatever library; `True` is none, and says nothing of how far a step is."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _through(items: Any, total: Any, note: Any) -> Iterator[Any]:
    # Whoever writes progress("loading") means a note, and would see nothing.
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise BadValueError(
            f"progress({shorten(items)}) is neither a number nor a collection; "
            "say progress(done, total, note), or go through `for item in progress(items)`."
        )
    if total is None and isinstance(items, Sized):
        total = _length(items)
    _, total, note = _checked(0, total, note)
    return _told(items, total, note)


def _length(items: Sized) -> int:
    try:
        return len(items)
    except TypeError:
        # An array without dimensions has a length only by name.
        raise BadValueError(f"progress({shorten(items)}) has no items to go through; give a plain number.") from None


def _told(items: Iterable[_T], total: float | None, note: str) -> Iterator[_T]:
    """Give the items, each after the number of those before it was told."""
    # The step in which the loop begins: a generator may be asked for its next item anywhere.
    context = current_step()
    report = context.report if context is not None else None
    if report is None:
        yield from items
        return
    done = 0
    report(Progress(done, total, note))
    for done, item in enumerate(items, 1):
        yield item
        report(Progress(done, total, note))


def _checked(done: Any, total: Any, note: Any) -> tuple[float, float | None, str]:
    """Give the values as plain ones.

    Raises:
        BadValueError: One will not do.
    """
    if not isinstance(note, str):
        raise BadValueError(f"progress(note={shorten(note)}) is no text; write note=f'…'.")
    return _amount("done", done), None if total is None else _amount("total", total), str(note)


def _amount(name: str, value: Any) -> float:
    if _is_number(value):
        with suppress(OverflowError):
            plain = int(value) if hasattr(value, "__index__") else float(value)
            if 0 <= plain <= _MOST:
                return plain
    raise BadValueError(f"progress({name}={shorten(value)}) will not do; it takes a number from 0 up.")
