"""Polars' frames and series as Arrow files.

The blob is an uncompressed Arrow IPC file as polars writes it: any tool reads it, and enumerations, categories and
nested types stand in its schema. Whether a type comes back the same is asked of polars each time, by a frame
without rows; columns of Python objects are declined. A lazy frame is no data but a plan (`store.live`).

Polars is never imported unless a value of its types is written or read.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, ClassVar

from nbpipe.store.buffers import Piece
from nbpipe.store.loading import Loading

if TYPE_CHECKING:
    import polars as pl

_FRAME, _SERIES = b"nbpipe: frame", b"nbpipe: series"


class Polars:
    """Frames and series of polars'."""

    name: ClassVar[str] = "polars"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ("polars.DataFrame", "polars.Series")

    def encode(self, value: pl.DataFrame | pl.Series) -> list[Piece] | None:
        """Write an Arrow file, or decline what would not come back as it was."""
        import polars as pl

        if type(value) not in (pl.DataFrame, pl.Series):
            return None
        frame = value.to_frame() if isinstance(value, pl.Series) else value
        # Polars ends some questions about nested objects with a panic, so it is not asked.
        if holds_objects(frame.schema) or _read(_written(frame.clear())).schema != frame.schema:
            return None
        return [_written(frame), _SERIES if isinstance(value, pl.Series) else _FRAME]

    def decode(self, data: memoryview, loading: Loading) -> pl.DataFrame | pl.Series:
        """Read the file; one from elsewhere is looked through before polars sees it."""
        is_series = bytes(data[-len(_SERIES) :]) == _SERIES
        file = data[: -len(_SERIES if is_series else _FRAME)]
        if not loading.is_trusted:
            _check(file)
        frame = _read(file)
        return frame.to_series() if is_series else frame


def holds_objects(part: Any) -> bool:
    """Tell whether a schema or a type has Python objects somewhere."""
    import polars as pl

    if isinstance(part, pl.Schema):
        return any(map(holds_objects, part.values()))
    return part == pl.Object or any(map(holds_objects, inner_types(part).values()))


def inner_types(dtype: Any) -> dict[str, Any]:
    """Give the types that a nested type is made of: of a list's elements, of a struct's fields by their names."""
    if hasattr(dtype, "fields"):
        return {field.name: field.dtype for field in dtype.fields}
    return {name: getattr(dtype, name) for name in ("inner", "key", "value") if hasattr(dtype, name)}


def _written(frame: pl.DataFrame) -> memoryview:
    file = io.BytesIO()
    frame.write_ipc(file, compression="uncompressed")
    return file.getbuffer()


def _read(data: memoryview) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.read_ipc(io.BytesIO(data))
    except BaseException as error:
        # What polars did not expect of a file is a panic, which no `except Exception` catches.
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError("polars cannot read this file") from error


def _check(data: memoryview) -> None:
    """Refuse a file with offsets, texts or numbers that are none: polars takes them for granted.

    Raises:
        ValueError: There are such. Whole numbers of 128 bits cannot be looked through.
    """
    import pyarrow as pa

    try:
        with pa.ipc.open_file(pa.py_buffer(data)) as file:
            for place in range(file.num_record_batches):
                file.get_batch(place).validate(full=True)
    except pa.ArrowNotImplementedError as error:
        why = f"a frame from elsewhere could not be checked ({error}). Pass trust=True if you know who made it"
        raise ValueError(why) from error
