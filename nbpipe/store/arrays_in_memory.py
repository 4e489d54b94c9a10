"""Where arrays lie in memory, and how those that share it are pickled.

Pickle knows identity and not memory: an array and a view of it come back as two arrays. Here all
that reaches into the same memory is found by its addresses, however it was made (by slicing, by a
field's name, by strides, from a `bytearray`), that memory is pickled once, and the arrays are
pickled as views of it.

Arrays of Python objects hold addresses, which cannot be written as bytes; theirs is the memory of
the array that they were sliced from.
"""

from __future__ import annotations

import sys
from array import array as packed_array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_HOLDERS = (bytearray, packed_array)


@dataclass(frozen=True, slots=True)
class Root:
    """Memory that is pickled once, for all that reach into it.

    Attributes:
        first: The address of its first byte.
        behind: The address behind its last.
        holder: An array of bytes, an array of objects, or the value to which the memory belongs.
    """

    first: int
    behind: int
    holder: Any


class Roots:
    """The memory in which several arrays meet.

    Args:
        roots: They overlap nowhere.
    """

    def __init__(self, roots: Iterable[Root] = ()) -> None:
        self._roots = sorted(roots, key=lambda root: root.first)
        self._starts = [root.first for root in self._roots]
        self._holders = {id(root.holder) for root in self._roots}

    def __bool__(self) -> bool:
        return bool(self._roots)

    def under(self, value: Any) -> Root | None:
        """Give the root in which an array or a record lies; `None` for the holder itself, and if there is none."""
        if id(value) in self._holders:
            return None
        first, behind = span_of(value)
        place = bisect_right(self._starts, first) - 1
        if first == behind or place < 0 or behind > self._roots[place].behind:
            return None
        root = self._roots[place]
        return root if _holds_objects(root.holder) == _holds_objects(value) else None


def span_of(value: Any) -> tuple[int, int]:
    """Give the memory that a value reaches: its first byte, and the one behind its last; `(0, 0)` for none.

    Arrays have such memory, and so have records of arrays, `bytearray` and `array.array`.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return 0, 0
    if isinstance(value, numpy.ndarray):
        from numpy.lib.array_utils import byte_bounds

        return byte_bounds(value) if value.size else (0, 0)
    if not isinstance(value, (*_HOLDERS, numpy.void)) or (isinstance(value, numpy.void) and value.dtype.hasobject):
        return 0, 0
    held = memoryview(value)
    if not held.nbytes:
        return 0, 0
    first = numpy.frombuffer(value, numpy.uint8).__array_interface__["data"][0]
    return first, first + held.nbytes


def overlaps_itself(value: np.ndarray[Any, Any]) -> bool:
    """Tell whether an array shows some of its memory at several places, as a broadcast or a sliding window does."""
    first, behind = span_of(value)
    return bool(value.size * value.dtype.itemsize > behind - first)


def is_pickled_as_array(kind: type) -> bool:
    """Tell whether a subclass of numpy's array is pickled by its elements and what is noted on it."""
    import numpy as np

    reduced_by: Any = kind.__reduce__, kind.__reduce_ex__
    return reduced_by in (
        (np.ndarray.__reduce__, np.ndarray.__reduce_ex__),
        (np.ma.MaskedArray.__reduce__, np.ndarray.__reduce_ex__),
    )


def reach_into_memory(parts: Iterable[Any]) -> list[Any]:
    """Pick from the parts of a value those that have memory which somebody else may reach."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return []
    kinds = (numpy.ndarray, numpy.void, *_HOLDERS)
    return [part for part in parts if isinstance(part, kinds)]


def roots_of(parts: Iterable[Any]) -> Roots:
    """Find the memory in which several of `parts` meet, or one meets itself."""
    return Roots(root for group in _overlapping(parts) if (root := _root_of(group)) is not None)


def view_of(
    holder: Any,
    offset: int,
    layout: tuple[tuple[int, ...], tuple[int, ...]],
    dtype: np.dtype[Any],
    is_writeable: bool,
) -> np.ndarray[Any, Any]:
    """Stand in a pickle for an array that looks into the memory of `holder`."""
    import numpy as np

    shape, strides = layout
    made: np.ndarray[Any, Any]
    if dtype.hasobject:
        rest = holder.ravel(order="K")[offset // dtype.itemsize :]
        made = np.lib.stride_tricks.as_strided(rest, shape, strides)
    else:
        made = np.ndarray(shape, dtype=dtype, buffer=holder, offset=offset, strides=strides)
    if not is_writeable:
        made.flags.writeable = False
    return made


def record_of(holder: Any, offset: int, dtype: np.dtype[Any]) -> Any:
    """Stand in a pickle for a record that looks into the memory of `holder`."""
    import numpy as np

    return np.ndarray((), dtype=dtype, buffer=holder, offset=offset)[()]


def _overlapping(parts: Iterable[Any]) -> Iterator[list[tuple[int, int, Any]]]:
    placed = sorted(((*span_of(part), part) for part in parts), key=lambda found: found[:2])
    group: list[tuple[int, int, Any]] = []
    reach = 0
    for first, behind, part in placed:
        if first == behind:
            continue
        if group and first >= reach:
            yield group
            group = []
        group.append((first, behind, part))
        reach = max(reach, behind)
    if group:
        yield group


def _root_of(group: list[tuple[int, int, Any]]) -> Root | None:
    """Give the memory that a group shares; `None` if it shares none, or none that can be pickled."""
    parts = [part for _, _, part in group]
    if len(parts) == 1 and (isinstance(parts[0], _HOLDERS) or _is_record(parts[0]) or not overlaps_itself(parts[0])):
        return None
    first, behind = group[0][0], max(behind for _, behind, _ in group)
    holder: Any
    if any(map(_holds_objects, parts)):
        holder = _array_behind(parts[0])
    else:
        holders = [part for part in parts if isinstance(part, _HOLDERS)]
        holder = holders[0] if holders else _bytes_at(first, behind, parts)
    start, end = span_of(holder)
    # Two kinds of memory in one place, or a holder that is shorter than what reaches into it: nobody's to mend.
    return Root(start, end, holder) if start <= first and behind <= end else None


def _holds_objects(value: Any) -> bool:
    return not isinstance(value, _HOLDERS) and bool(value.dtype.hasobject)


def _is_record(value: Any) -> bool:
    import numpy as np

    return isinstance(value, np.void)


def _is_writeable(value: Any) -> bool:
    return not memoryview(value).readonly if _is_record(value) else bool(value.flags.writeable)


def _array_behind(value: Any) -> Any:
    """Give the array of objects from which another was sliced."""
    found = value
    base = value.base
    while base is not None:
        if type(base) is type(found) and base.dtype == value.dtype:
            found = base
        # What `as_strided` makes has an object in between that is no array.
        base = getattr(base, "base", None)
    return found if found.flags.forc and found.dtype.kind == "O" else value


class _Memory:
    """What numpy is told to see a piece of memory as an array of bytes."""

    def __init__(self, first: int, behind: int, *, is_writeable: bool, owners: list[Any]) -> None:
        self.__array_interface__ = {
            "data": (first, not is_writeable),
            "shape": (behind - first,),
            "typestr": "|u1",
            "version": 3,
        }
        self.owners = owners


def _bytes_at(first: int, behind: int, owners: list[Any]) -> np.ndarray[Any, Any]:
    """See the memory that overlapping arrays reach as bytes. Each byte of it lies between two of one of them."""
    import numpy as np

    return np.asarray(_Memory(first, behind, is_writeable=any(map(_is_writeable, owners)), owners=owners))
