"""How Arrow's tables and arrays are written, whatever their slicing history.

Arrow keeps a value in many ways: in chunks, behind an offset, with anything in the place of a
null. Here it is brought to one: one chunk, no offset, nothing in the place of a null. Buffers
that already lie so are hashed where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128

from nbpipe.store.content_arrays import elements_digest
from nbpipe.store.content_walk import Form, NoCanonicalForm, Walk, node, word

if TYPE_CHECKING:
    import numpy as np


def form_of(kind: type) -> Form | None:
    """Say how values of a type of Arrow's are written, or `None` if as any object."""
    import pyarrow as pa

    if issubclass(kind, (pa.Table, pa.RecordBatch)):
        return _table_form
    return _array_form if issubclass(kind, (pa.Array, pa.ChunkedArray)) else None


def arrow_token(data: Any) -> bytes:
    """Write an Arrow array or chunked array, by type and elements.

    Raises:
        NoCanonicalForm: Its type has none.
    """
    import pyarrow as pa

    said = str(data.type)
    if pa.types.is_string(data.type) or pa.types.is_string_view(data.type):
        data = data.cast(pa.large_string())
    elif pa.types.is_binary(data.type) or pa.types.is_binary_view(data.type):
        data = data.cast(pa.large_binary())
    if isinstance(data, pa.ChunkedArray):
        data = data.chunk(0) if data.num_chunks == 1 else pa.concat_arrays(data.chunks or [pa.array([], data.type)])
    return node(b"W", word(b"s", said.encode()), b"%d;" % len(data), _nulls(data), *_parts(data))


def _table_form(walk: Walk, value: Any) -> bytes:
    columns = [
        walk.token(name) + arrow_token(column) for name, column in zip(value.column_names, value.columns, strict=True)
    ]
    return node(b"R", walk.identity(type(value)), walk.token(value.schema.metadata), b"%d;" % value.num_rows, *columns)


def _array_form(_walk: Walk, value: Any) -> bytes:
    return arrow_token(value)


def _nulls(array: Any) -> bytes:
    import numpy as np

    if not array.null_count:
        return b"-"
    return word(b"u", np.packbits(array.is_null().to_numpy(zero_copy_only=False)).tobytes())


def _parts(array: Any) -> list[bytes]:
    """Give what the elements are made of; null places hold nothing."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, is_a = array.type, pa.types
    if is_a.is_null(kind) or not len(array):
        return []
    if is_a.is_boolean(kind):
        return [elements_digest(np.packbits(pc.fill_null(array, False).to_numpy(zero_copy_only=False)))]
    if is_a.is_integer(kind) or is_a.is_floating(kind):
        if is_a.is_float16(kind) and array.null_count:
            # Arrow fills no gaps in these; every one of them is a number in the next longer type.
            array = array.cast(pa.float32())
        filled = pc.fill_null(array, pa.scalar(0, array.type)) if array.null_count else array
        return [elements_digest(filled.to_numpy())]
    if is_a.is_temporal(kind) and not is_a.is_interval(kind):
        return _parts(array.view(pa.int32() if kind.bit_width == 32 else pa.int64()))
    if is_a.is_large_string(kind) or is_a.is_large_binary(kind):
        return _texts(array)
    if is_a.is_dictionary(kind):
        return [arrow_token(array.dictionary_decode())]
    if is_a.is_list(kind) or is_a.is_large_list(kind):
        lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
        return [elements_digest(lengths.to_numpy()), arrow_token(array.flatten())]
    if is_a.is_fixed_size_list(kind):
        return [arrow_token(array.flatten())]
    if is_a.is_struct(kind):
        names = [word(b"s", kind.field(place).name.encode()) for place in range(kind.num_fields)]
        return [name + arrow_token(field) for name, field in zip(names, array.flatten(), strict=True)]
    if is_a.is_decimal(kind):
        return [arrow_token(array.cast(pa.large_string()))]
    raise NoCanonicalForm


def _texts(array: Any) -> list[bytes]:
    import numpy as np
    import pyarrow.compute as pc

    offsets = _offsets(array)
    if array.null_count:
        absent = array.is_null().to_numpy(zero_copy_only=False)
        if np.diff(offsets)[absent].any():
            array = pc.fill_null(array, "" if str(array.type) == "large_string" else b"")
            offsets = _offsets(array)
    first, behind = int(offsets[0]), int(offsets[-1])
    held = array.buffers()[2]
    hasher = xxh3_128()
    if held is not None:
        hasher.update(memoryview(held)[first:behind])
    return [elements_digest(offsets - first if first else offsets), hasher.digest()]


def _offsets(array: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.frombuffer(array.buffers()[1], dtype=np.int64)[array.offset : array.offset + len(array) + 1]
