"""The heads of tables: of pandas' and polars' frames and series, and of any rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

from nbpipe.store.preview_texts import MAX_BYTES, cell

_ROWS, _COLUMNS, _ELEMENTS = 8, 12, 8


def table_preview(
    columns: Sequence[Any], rows: Sequence[Sequence[Any]], shape: Sequence[int], index: Sequence[Any] | None = None
) -> dict[str, Any]:
    """Show the first rows and columns.

    Args:
        columns: Their labels.
        rows: The cells; more than are shown are left out.
        shape: Of the whole: rows and columns, or rows alone for a series.
        index: The labels of the rows.
    """
    shown: dict[str, Any] = {
        "kind": "table",
        "columns": [cell(label) for label in columns[:_COLUMNS]],
        "index": None if index is None else [cell(label) for label in index[:_ROWS]],
        "rows": [[cell(part) for part in row[:_COLUMNS]] for row in rows[:_ROWS]],
        "shape": list(shape),
    }
    if index is None:
        del shown["index"]
    while len(json.dumps(shown)) > MAX_BYTES and shown["rows"]:
        for name in {"rows", "index"} & shown.keys():
            shown[name] = shown[name][:-1]
    return shown


def frame_preview(value: Any) -> dict[str, Any]:
    """Show the head of a frame or series of pandas'."""
    frame = value.to_frame() if value.ndim == 1 else value
    head = frame.iloc[:_ROWS, :_COLUMNS]
    rows = list(head.astype(object).itertuples(index=False, name=None))
    return table_preview(list(head.columns), rows, value.shape, list(head.index))


def polars_preview(value: Any) -> dict[str, Any]:
    """Show the head of a frame or series of polars'; of a list only its head."""
    import polars as pl

    frame = value.to_frame() if isinstance(value, pl.Series) else value
    head = frame[:_ROWS, :_COLUMNS]
    lists = [name for name, dtype in head.schema.items() if isinstance(dtype, pl.List)]
    if lists:
        head = head.with_columns(pl.col(lists).list.head(_ELEMENTS))
    shown = table_preview(head.columns, head.rows(), value.shape)
    if isinstance(value, pl.Series):
        shown["note"] = f"{len(value):,} values of {cell(value.dtype)}"
    return shown


def fields_preview(array: Any) -> dict[str, Any]:
    """Show the head of an array of fields, as a table."""
    names = list(array.dtype.names)
    rows = [[row[name] for name in names[:_COLUMNS]] for row in islice(array, _ROWS)]
    return table_preview(names, rows, (len(array), len(names)))
