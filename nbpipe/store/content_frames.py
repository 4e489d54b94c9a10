"""How pandas' frames, series and indexes are written.

A frame is its columns in their order, its index and its attributes; how pandas laid it out in
blocks or chunks does not count. Under copy-on-write two frames never share anything that could be
changed, so the only mutable part of a frame is the frame, and whatever its object columns hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from nbpipe.store.content_arrays import elements_digest
from nbpipe.store.content_arrow import arrow_token
from nbpipe.store.content_walk import Form, Walk, node, word

if TYPE_CHECKING:
    import pandas as pd


def form_of(kind: type) -> Form | None:
    """Say how values of a type of pandas' are written, or `None` if as any object."""
    import pandas as pd

    if kind is pd.DataFrame:
        return _frame_form
    if kind is pd.Series:
        return _series_form
    if issubclass(kind, pd.Index):
        return _index_form
    return _extension_form if issubclass(kind, pd.api.extensions.ExtensionArray) else None


def _frame_form(walk: Walk, value: pd.DataFrame) -> bytes:
    walk.note_mutable(value)
    columns = [_values(walk, column.array) for _, column in value.items()]
    axes = walk.token(value.columns), walk.token(value.index)
    return node(b"df", *axes, walk.token(value.attrs), _flag(value), *columns)


def _series_form(walk: Walk, value: pd.Series[Any]) -> bytes:
    walk.note_mutable(value)
    labels = walk.token(value.name), walk.token(value.index)
    return node(b"ds", *labels, walk.token(value.attrs), _flag(value), _values(walk, value.array))


def _flag(value: Any) -> bytes:
    return b"T" if value.flags.allows_duplicate_labels else b"F"


def _index_form(walk: Walk, value: pd.Index[Any]) -> bytes:
    import pandas as pd

    kind = walk.identity(type(value))
    names = walk.token(tuple(value.names))
    if isinstance(value, pd.RangeIndex):
        return node(b"di", kind, names, walk.token((value.start, value.stop, value.step)))
    if isinstance(value, pd.MultiIndex):
        # The order of a level counts, it is the order of what is unstacked; what is unused in it does not.
        used = value.remove_unused_levels()
        levels = [_values(walk, level.array) for level in used.levels]
        codes = [elements_digest(codes.astype("int64")) for codes in used.codes]
        return node(b"di", kind, names, *levels, *codes)
    # The frequency decides what shifting does, and pandas keeps it with the index.
    frequency = walk.token(getattr(value, "freqstr", None))
    return node(b"di", kind, names, frequency, _values(walk, value.array))


def _extension_form(walk: Walk, value: Any) -> bytes:
    walk.note_mutable(value)
    return node(b"de", _values(walk, value))


def _values(walk: Walk, array: Any) -> bytes:
    """Write the elements of a column, by the kind of array that holds them."""
    import pandas as pd

    dtype = array.dtype
    said = word(b"s", str(dtype).encode())
    if isinstance(array, pd.arrays.NumpyExtensionArray):
        return node(b"da", said, _plain_values(walk, array.to_numpy()))
    if isinstance(array, (pd.arrays.DatetimeArray, pd.arrays.TimedeltaArray, pd.arrays.PeriodArray)):
        return node(b"dt", said, elements_digest(cast("Any", array).asi8))
    if isinstance(array, (pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray)):
        missing = array.isna()
        held = array.to_numpy(dtype=dtype.numpy_dtype, na_value=0)
        return node(b"dm", said, elements_digest(held), elements_digest(missing))
    if isinstance(array, pd.Categorical):
        ordered = b"T" if array.ordered else b"F"
        return node(b"dc", elements_digest(array.codes.astype("int64")), walk.token(array.categories), ordered)
    if isinstance(dtype, pd.ArrowDtype) or (isinstance(dtype, pd.StringDtype) and dtype.storage == "pyarrow"):
        absent = word(b"s", repr(getattr(dtype, "na_value", None)).encode())
        return node(b"dw", said, absent, arrow_token(array.__arrow_array__()))
    # Rare kinds (intervals, sparse, those of other packages): element by element, slow and right.
    elements = tuple(array.to_numpy(dtype=object).tolist())
    walk.hold(elements)
    return node(b"dx", said, walk.token(elements))


def _plain_values(walk: Walk, values: Any) -> bytes:
    # Not through `walk.token`: the memory of a frame is nobody else's, see above.
    if values.dtype.kind == "O":
        return walk.token(tuple(values.tolist()))
    return elements_digest(values)
