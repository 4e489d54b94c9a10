"""How polars' frames and series are written.

A series is its name, its type with all that it is made of, and its elements as Arrow has them; in which chunks it lies
and whether polars knows it to be sorted does not count. Frames share memory only until one of them is changed, so
the only mutable part of a frame is the frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbpipe.store.content_arrow import arrow_token
from nbpipe.store.content_walk import Form, NoCanonicalForm, Walk, node, word
from nbpipe.store.polars_frames import holds_objects, inner_types

if TYPE_CHECKING:
    import polars as pl


def form_of(kind: type) -> Form | None:
    """Say how values of a type of polars' are written, or `None` if as any object."""
    import polars as pl

    if kind is pl.DataFrame:
        return _frame_form
    if kind is pl.Series:
        return _series_form
    return _type_form if issubclass(kind, pl.DataType) else None


def _frame_form(walk: Walk, value: pl.DataFrame) -> bytes:
    walk.note_mutable(value)
    if holds_objects(value.schema):
        raise NoCanonicalForm
    return node(b"pf", b"%d;" % value.height, *(_column(walk, column) for column in value.get_columns()))


def _series_form(walk: Walk, value: pl.Series) -> bytes:
    walk.note_mutable(value)
    if holds_objects(value.dtype):
        raise NoCanonicalForm
    return node(b"ps", _column(walk, value))


def _type_form(walk: Walk, value: Any) -> bytes:
    return node(b"pt", _type_token(walk, value))


def _column(walk: Walk, column: pl.Series) -> bytes:
    import polars as pl

    kind = walk.token(column.name) + _type_token(walk, column.dtype)
    if column.dtype in (pl.Int128, pl.UInt128):
        # Arrow has no whole numbers of this length.
        column = column.cast(pl.String)
    return kind + arrow_token(column.to_arrow())


def _type_token(walk: Walk, dtype: Any) -> bytes:
    import polars as pl

    parts = [walk.token(name) + _type_token(walk, part) for name, part in inner_types(dtype).items()]
    if isinstance(dtype, pl.Enum):
        said = walk.token(dtype.categories.to_list())
    else:
        said = walk.token(getattr(dtype, "shape", None)) if parts else word(b"s", repr(dtype).encode())
    return node(b"py", word(b"s", type(dtype).__name__.encode()), said, *parts)
