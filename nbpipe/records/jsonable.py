"""Values as the JSON of an answer: what a step gave, for whoever called over HTTP.

Frames become lists of rows, arrays lists, records objects. JSON has no number that is not finite,
so such a one is `null`; nor has it half of a surrogate pair. What has no such form, what holds itself too,
is not guessed at: its type is told instead, and the value stays where it is kept.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from pydantic_core import to_jsonable_python

_DEEPEST = 64
# About the 4,300 digits that Python reads back from text.
_LONGEST_NUMBER_BITS = 14_000


def as_answer(value: Any) -> Any:
    """Give a value as JSON data.

    Args:
        value: Anything.

    Returns:
        Plain data; `{"type": …}` with the name of the type in the place of what JSON cannot say.
    """
    return _plain(value, set())


def _plain(value: Any, around: set[int]) -> Any:
    """Give a value as JSON data; `around` are the ids of those that it stands in."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() else writable(value)
    if kind is int:
        return value if value.bit_length() <= _LONGEST_NUMBER_BITS else {"type": "int"}
    if kind in (bool, type(None)):
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if len(around) >= _DEEPEST or id(value) in around:
        return {"type": kind.__name__}
    around.add(id(value))
    try:
        return _opened(value, around)
    except (ValueError, TypeError, RecursionError):
        return {"type": kind.__name__}
    finally:
        around.discard(id(value))


def _opened(value: Any, around: set[int]) -> Any:
    if isinstance(value, dict):
        return {_key(key): _plain(item, around) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, around) for item in value]
    tabular = _of_libraries(value)
    if tabular is not None:
        return _plain(tabular[0], around)
    return _plain(to_jsonable_python(value, serialize_as_any=True, inf_nan_mode="constants"), around)


def _key(key: Any) -> str:
    text = key if type(key) is str else str(key)
    return text if text.isascii() else writable(text)


def writable(text: str) -> str:
    """Give a text as it can be written in UTF-8: a replacement stands for half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _of_libraries(value: Any) -> tuple[Any] | None:
    """Give a frame, a series, an array or a number of theirs as lists and dicts, alone in a tuple; else `None`.

    A value can only be of a library's types if that is loaded already.
    """
    pandas, numpy, polars, arrow = (sys.modules.get(name) for name in ("pandas", "numpy", "polars", "pyarrow"))
    if pandas is not None:
        if isinstance(value, pandas.DataFrame):
            return (value.to_dict(orient="records"),)
        if isinstance(value, pandas.Series | pandas.Index):
            return (value.tolist(),)
        if value is pandas.NA or value is pandas.NaT:
            return (None,)
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        plain = value.tolist()
        # What numpy has no plain form of (a long double) it gives back as it is.
        return (str(plain),) if isinstance(plain, numpy.generic) else (plain,)
    if polars is not None and isinstance(value, polars.DataFrame | polars.Series):
        return (value.to_dicts() if isinstance(value, polars.DataFrame) else value.to_list(),)
    if arrow is not None and isinstance(value, arrow.Table | arrow.Array | arrow.ChunkedArray):
        return (value.to_pylist(),)
    return None
