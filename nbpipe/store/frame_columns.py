"""One column of a frame as an Arrow array and back, exactly.

Numbers, dates and categories are not converted but wrapped: the Arrow array is the memory that
pandas has, and what is read is the memory of the file. A column whose type would not come back
the same is declined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import numpy as np


class Declined(Exception):
    """Inside this room: the column would not come back as it was."""


def column_to_arrow(array: Any) -> tuple[Any, Any]:
    """Give an Arrow array with the elements of a pandas array, and what `column_from_arrow` must be told.

    Raises:
        Declined: It would not come back as it was.
    """
    import pandas as pd

    if isinstance(array, pd.arrays.NumpyExtensionArray):
        values = array.to_numpy()
        return _numbers_to_arrow(values), str(values.dtype)
    if isinstance(array, pd.Categorical):
        return _categories_to_arrow(array)
    dtype = array.dtype
    _check_named(dtype)
    said = str(dtype)
    if isinstance(array, (pd.arrays.DatetimeArray, pd.arrays.TimedeltaArray)):
        return _moments_to_arrow(array), said
    if isinstance(array, (pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray)):
        return array.__arrow_array__(), said
    if isinstance(dtype, (pd.StringDtype, pd.ArrowDtype)):
        return _one_chunk(array.__arrow_array__()), said
    raise Declined


def column_from_arrow(column: Any, said: Any, memory: memoryview) -> Any:
    """Give the pandas or numpy array that a column was made of.

    Args:
        column: From the file that lies in `memory`.
        said: What `column_to_arrow` told.
        memory: Where numbers and dates are used in place.
    """
    import numpy as np
    import pandas as pd

    if isinstance(said, dict):
        codes = _in_place(column.indices, np.dtype(said["codes"]), memory)
        categories = pd.Index(column_from_arrow(column.dictionary, said["categories"], memory))
        return pd.Categorical.from_codes(codes, categories=categories, ordered=said["ordered"])
    dtype = pd.api.types.pandas_dtype(said)
    if isinstance(dtype, pd.DatetimeTZDtype):
        ticks = _in_place(column, np.dtype(f"datetime64[{dtype.unit}]"), memory)
        return pd.array(ticks, dtype=ticks.dtype, copy=False).tz_localize("UTC").tz_convert(dtype.tz)
    if isinstance(dtype, np.dtype):
        return column.to_numpy(zero_copy_only=False) if dtype.kind == "b" else _in_place(column, dtype, memory)
    # A protocol that pandas describes and its stubs do not.
    return cast("Any", dtype).__from_arrow__(column)


def _check_named(dtype: Any) -> None:
    """Decline a type that its own name does not bring back."""
    import pandas as pd

    try:
        again = pd.api.types.pandas_dtype(str(dtype))
    except (TypeError, ValueError, NotImplementedError):
        raise Declined from None
    # A zone of one name is equal, whichever library it is of.
    if again != dtype or type(getattr(again, "tz", None)) is not type(getattr(dtype, "tz", None)):
        raise Declined


def _numbers_to_arrow(values: np.ndarray[Any, Any]) -> Any:
    import pyarrow as pa

    if values.dtype.kind == "b":
        return pa.array(values)
    if values.dtype.kind not in "iuf" or values.dtype.itemsize > 8 or not values.dtype.isnative:
        raise Declined
    return _wrapped(values, pa.from_numpy_dtype(values.dtype), None)


def _moments_to_arrow(array: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    if isinstance(array.dtype, pd.DatetimeTZDtype):
        kind = pa.timestamp(array.unit, str(array.dtype.tz))
    else:
        kind = pa.timestamp(array.unit) if isinstance(array, pd.arrays.DatetimeArray) else pa.duration(array.unit)
    return _wrapped(array.asi8, kind, array.isna())


def _categories_to_arrow(array: Any) -> tuple[Any, Any]:
    import pandas as pd
    import pyarrow as pa

    categories = array.categories
    if categories.name is not None or getattr(categories, "freq", None) is not None:
        raise Declined
    if isinstance(categories, pd.RangeIndex):
        raise Declined
    dictionary, said = column_to_arrow(categories.array)
    codes = array.codes
    indices = _wrapped(codes, pa.from_numpy_dtype(codes.dtype), codes == -1)
    column = pa.DictionaryArray.from_arrays(indices, dictionary, ordered=array.ordered)
    return column, {"codes": codes.dtype.str, "categories": said, "ordered": array.ordered}


def _wrapped(values: np.ndarray[Any, Any], kind: Any, missing: np.ndarray[Any, Any] | None) -> Any:
    """See the memory of an array as an Arrow array; `missing` places are null there."""
    import numpy as np
    import pyarrow as pa

    valid = None
    if missing is not None and missing.any():
        valid = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(np.ascontiguousarray(values))])


def _one_chunk(chunks: Any) -> Any:
    import pyarrow as pa

    # Arrow cuts a batch wherever one of its columns is cut, and a cut column is not contiguous.
    if not isinstance(chunks, pa.ChunkedArray):
        return chunks
    return chunks.chunk(0) if chunks.num_chunks == 1 else pa.concat_arrays(chunks.chunks or [pa.array([], chunks.type)])


def _in_place(column: Any, dtype: np.dtype[Any], memory: memoryview) -> np.ndarray[Any, Any]:
    """See the values of a column as an array, where they lie in `memory`."""
    import numpy as np

    if not len(column):
        return np.empty(0, dtype)
    whole = np.frombuffer(memory, np.uint8)
    start = column.buffers()[1].address - whole.__array_interface__["data"][0]
    if not 0 <= start < len(whole):
        raise ValueError("a column lies outside its file")
    return np.frombuffer(memory, dtype, len(column), start + column.offset * dtype.itemsize)
