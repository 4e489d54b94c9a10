"""What may be handed on inside one process without going through bytes.

A consumer must never see what somebody else does to his input. A frame is copied on write, so a
shallow copy of it is safe and free; an array is copied; what nobody can change is handed on as it
is. Whatever is left is loaded from its stored form.
"""

from __future__ import annotations

import re
import sys
from datetime import date, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from nbpipe.store.arrays_in_memory import overlaps_itself, span_of
from nbpipe.store.content_walk import MAX_DEPTH, Mutables

LARGE_BYTES = 1 << 20
_BYTES_A_CELL = 8

IMMUTABLE = frozenset({type(None), bool, int, float, complex, str, bytes, range, timedelta, Decimal, UUID, re.Pattern})


def handed_over(value: Any) -> Any:
    """Give what a consumer in this process may have for `value`; `None` means the stored form."""
    if is_immutable(value):
        return value
    if _is_frame(value):
        return value.copy(deep=False) if _holds_no_objects(value) else None
    if _is_array(value):
        return None if value.dtype.hasobject or overlaps_itself(value) else _copied(value)
    return None


def mutables_of_large(value: Any) -> Mutables | None:
    """Give what can be changed in a large value that `stand_in` can copy; `None` for any other value.

    Large is more than 1 MiB, of a frame by a count of its cells. The value is not walked.
    """
    if type(value) in (bytes, str):
        return Mutables() if len(value) > LARGE_BYTES else None
    if _is_array(value):
        large = value.nbytes > LARGE_BYTES and not value.dtype.hasobject and not overlaps_itself(value)
        return Mutables(ranges=(span_of(value),)) if large else None
    if _is_frame(value) and value.size * _BYTES_A_CELL > LARGE_BYTES and _has_no_object_columns(value):
        return Mutables(frozenset({id(value)}))
    return None


def stand_in(value: Any) -> Any:
    """Give what can be written later in the place of a large frame, array, text or bytes."""
    if type(value) in (bytes, str):
        return value
    return _copied(value) if _is_array(value) else value.copy(deep=False)


def is_immutable(value: Any) -> bool:
    """Tell whether nobody can change `value` or anything in it; of what is nested deeply this is not known."""
    return _is_immutable(value, 0)


def _is_immutable(value: Any, depth: int) -> bool:
    kind = type(value)
    if kind in IMMUTABLE:
        return True
    if kind in (tuple, frozenset):
        return depth < MAX_DEPTH and all(_is_immutable(part, depth + 1) for part in value)
    if isinstance(value, (date, time)):
        return isinstance(getattr(value, "tzinfo", None), (type(None), timezone, ZoneInfo))
    if isinstance(value, (PurePath, Enum)):
        return True
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic) and not isinstance(value, numpy.void)


def _copied(array: Any) -> Any:
    """Copy an array as it lies in memory; one that may not be written to gives such a one."""
    copy = array.copy(order="K")
    copy.flags.writeable = array.flags.writeable
    return copy


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray


def _is_frame(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and type(value) in (pandas.DataFrame, pandas.Series)


def _dtypes(frame: Any) -> list[Any]:
    return [frame.dtype] if frame.ndim == 1 else list(frame.dtypes)


def _has_no_object_columns(frame: Any) -> bool:
    # Not by `kind`: text and categories are "O" too, and theirs cannot be changed in place.
    return "object" not in map(str, set(_dtypes(frame)))


def _holds_no_objects(frame: Any) -> bool:
    """Tell whether what stands in a frame's cells cannot be changed."""
    if _has_no_object_columns(frame):
        return True
    columns = [frame] if frame.ndim == 1 else [column for _, column in frame.items()]
    kinds = {kind for column in columns if str(column.dtype) == "object" for kind in set(map(type, column))}
    return kinds <= IMMUTABLE
