"""A small picture of a value, for cards: the head of a frame, an image, the start of a text.

At most 8 KiB of JSON, or 64 KiB where it is an image. A preview is never what somebody computes with:
it holds texts, cut to a width, and nothing in it has to be trusted but its length. The kinds, and what each
has:

    table    columns, rows, shape; index, note
    array    dtype, shape, min, max; values, note
    image    png (base64), width, height; note
    text     text; length, of the whole
    json     value

A materializer that somebody registers may have a method `preview`, which gives one of these for a value: a `table`
with cells of any type, an `image` with the PNG as bytes. It is brought into bounds, and what is none of them is
replaced by a text that says so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from nbpipe.errors import BadValueError
from nbpipe.store.plain import NotPlain, to_plain
from nbpipe.store.preview_arrays import array_preview, masked_preview, sparse_preview, tensor_preview, tensors_preview
from nbpipe.store.preview_pictures import figure_preview, image_preview, png_preview
from nbpipe.store.preview_tables import frame_preview, polars_preview, table_preview
from nbpipe.store.preview_texts import MAX_BYTES, NOTE_LETTERS, VALUES, cell, cut, text_preview

__all__ = ["MAX_BYTES", "preview", "preview_by", "text_preview"]


def preview(value: Any) -> dict[str, Any]:
    """Make the preview of any value."""
    try:
        made = _preview(value)
    except Exception:  # noqa: BLE001 - drawing and `repr` are the value's own code
        made = None
    return made if made is not None else _name_of(value)


def preview_by(materializer: object, value: Any) -> dict[str, Any]:
    """Make the preview of a value that a materializer wrote, by that one's `preview` if it has one."""
    own: Callable[[Any], Any] | None = getattr(materializer, "preview", None)
    if own is None:
        return preview(value)
    try:
        return _in_bounds(own(value))
    except Exception as error:  # noqa: BLE001 - somebody's own code, for which no artifact is given up
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return text_preview(f"a {type(value).__name__}; its preview could not be made: {cut(why, NOTE_LETTERS)}")


def _preview(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        return text_preview(value)
    if isinstance(value, bytes):
        return text_preview(f"{len(value):,} bytes")
    special = _special(value)
    if special is not None:
        return special
    if isinstance(value, Mapping):
        tensors = tensors_preview(value)
        if tensors is not None:
            return tensors
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        return _json(value)
    return text_preview(repr(value))


def _special(value: Any) -> dict[str, Any] | None:
    """Make the preview of what a library made, if that is imported at all."""
    kind = type(value)
    root = kind.__module__.partition(".")[0]
    if root == "pandas" and kind.__name__ in ("DataFrame", "Series"):
        return frame_preview(value)
    if root == "polars" and kind.__name__ in ("DataFrame", "Series"):
        return polars_preview(value)
    if kind.__module__.startswith("scipy.sparse") and hasattr(value, "nnz"):
        return sparse_preview(value)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return masked_preview(value) if isinstance(value, numpy.ma.MaskedArray) else array_preview(value)
    if torch is not None and isinstance(value, torch.Tensor):
        return tensor_preview(value)
    figures, images = sys.modules.get("matplotlib.figure"), sys.modules.get("PIL.Image")
    if figures is not None and isinstance(value, figures.Figure):
        return figure_preview(value)
    if images is not None and isinstance(value, images.Image):
        return image_preview(value)
    return None


def _json(value: Any) -> dict[str, Any]:
    if len(value) <= MAX_BYTES // 2:
        try:
            shown = {"kind": "json", "value": to_plain(value)}
            if len(json.dumps(shown)) <= MAX_BYTES:
                return shown
        except NotPlain:
            return text_preview(repr(value))
    return text_preview(f"a {type(value).__name__} of {len(value):,}")


def _name_of(value: Any) -> dict[str, Any]:
    return text_preview(f"a {type(value).__name__}")


def _in_bounds(said: Any) -> dict[str, Any]:
    """Bring what somebody's materializer says into the bounds of a preview.

    Raises:
        Exception: It is no preview.
    """
    if not isinstance(said, Mapping):
        raise BadValueError(f"it is a {type(said).__name__} and no dictionary with a kind")
    note = {"note": cell(said["note"], NOTE_LETTERS)} if said.get("note") is not None else {}
    match said.get("kind"):
        case "table":
            rows = [list(row) for row in said["rows"]]
            columns = list(said["columns"])
            if any(len(row) != len(columns) for row in rows):
                raise BadValueError("a row is not as long as the columns")
            shape = [int(length) for length in said.get("shape", (len(rows), len(columns)))]
            return table_preview(columns, rows, shape) | note
        case "array":
            sizes = [int(length) for length in said["shape"]]
            ends = {name: None if said.get(name) is None else cell(said[name]) for name in ("min", "max")}
            values = {"values": [cell(part) for part in list(said["values"])[:VALUES]]} if "values" in said else {}
            return {"kind": "array", "dtype": cell(said["dtype"]), "shape": sizes[:32], **ends, **values, **note}
        case "image":
            shown = png_preview(said["png"])
            if shown is None:
                raise BadValueError("the image is too large: 64 KiB in base64 are the most")
            return shown | note
        case "text":
            return text_preview(str(said["text"]))
        case "json":
            return _json(said["value"]) if isinstance(said["value"], (dict, list)) else text_preview(str(said["value"]))
    raise BadValueError(f"{cell(said.get('kind'))!r} is none of the kinds table, array, image, text, json")
