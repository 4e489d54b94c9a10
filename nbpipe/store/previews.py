"""A small picture of a value, for cards: the head of a frame, an image, the start of a text.

At most 8 KiB of JSON, or 64 KiB where it is an image. A preview is never what somebody computes with:
it holds texts, cut to a width, and nothing in it has to be trusted but its length.
"""

from __future__ import annotations

import io
import json
import sys
from base64 import b64encode
from typing import Any

from nbpipe.store.plain import NotPlain, to_plain

MAX_BYTES = 8 * 1024
MAX_IMAGE_LETTERS = 64 * 1024
_ROWS, _COLUMNS, _CELL_LETTERS, _TEXT_LETTERS = 8, 12, 40, 2_000

# In pixels; the last of each fits whatever the picture shows.
_FIGURE_EDGES, _IMAGE_EDGES = (640, 320, 120), (320, 160, 80)


def preview(value: Any) -> dict[str, Any]:
    """Make the preview of any value.

    Returns:
        One of `{"kind": "table", "columns", "index", "rows", "shape"}`, `{"kind": "text", "text"}`,
        `{"kind": "image", "png"}` with base64, `{"kind": "json", "value"}`. An array is a text
        that says shape, type and range.
    """
    try:
        made = _preview(value)
    except Exception:  # noqa: BLE001 - drawing and `repr` are the value's own code
        made = None
    return made if made is not None else {"kind": "text", "text": f"a {type(value).__name__}"}


def _preview(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        return text_preview(value)
    if isinstance(value, bytes):
        return text_preview(f"{len(value):,} bytes")
    root = type(value).__module__.partition(".")[0]
    if root == "pandas" and type(value).__name__ in ("DataFrame", "Series"):
        return _table(value)
    if root == "numpy" and type(value).__name__ == "ndarray":
        return text_preview(_range_of(value))
    figures, images = sys.modules.get("matplotlib.figure"), sys.modules.get("PIL.Image")
    if figures is not None and isinstance(value, figures.Figure):
        return _figure(value)
    if images is not None and isinstance(value, images.Image):
        return _image(value)
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        return _json(value)
    return text_preview(repr(value))


def text_preview(text: str) -> dict[str, Any]:
    """Show the first 2,000 letters of a text."""
    # A lone surrogate has no UTF-8, and a record is UTF-8.
    shown = text if text.isascii() else text[:_TEXT_LETTERS].encode("utf-8", "replace").decode()
    return {"kind": "text", "text": shown[:_TEXT_LETTERS]}


def _json(value: Any) -> dict[str, Any]:
    if len(value) <= MAX_BYTES // 2:
        try:
            shown = {"kind": "json", "value": to_plain(value)}
            if len(json.dumps(shown)) <= MAX_BYTES:
                return shown
        except NotPlain:
            return text_preview(repr(value))
    return text_preview(f"a {type(value).__name__} of {len(value):,}")


def _table(value: Any) -> dict[str, Any]:
    frame = value.to_frame() if value.ndim == 1 else value
    head = frame.iloc[:_ROWS, :_COLUMNS]
    shown = {
        "kind": "table",
        "columns": [_cell(label) for label in head.columns],
        "index": [_cell(label) for label in head.index],
        "rows": [[_cell(cell) for cell in row] for row in head.astype(object).itertuples(index=False, name=None)],
        "shape": list(value.shape),
    }
    while len(json.dumps(shown)) > MAX_BYTES and shown["rows"]:
        shown["rows"], shown["index"] = shown["rows"][:-1], shown["index"][:-1]
    return shown


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= _CELL_LETTERS else text[: _CELL_LETTERS - 1] + "…"


def _range_of(array: Any) -> str:
    said = f"{' × '.join(map(str, array.shape)) or 'one'} {array.dtype}"
    if array.size and array.dtype.kind in "iuf" and array.size <= 10_000_000:
        return f"{said}, {array.min():.6g} to {array.max():.6g}"
    return said


def _figure(figure: Any) -> dict[str, Any] | None:
    for edge in _FIGURE_EDGES:
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=min(72, edge / max(figure.get_size_inches())))
        shown = _png(file)
        if shown is not None:
            return shown
    return None


def _image(image: Any) -> dict[str, Any] | None:
    for edge in _IMAGE_EDGES:
        small = image.copy()
        small.thumbnail((edge, edge))
        file = io.BytesIO()
        (small if small.mode in ("1", "L", "LA", "RGB", "RGBA", "P") else small.convert("RGB")).save(file, "PNG")
        shown = _png(file)
        if shown is not None:
            return shown
    return None


def _png(file: io.BytesIO) -> dict[str, Any] | None:
    letters = b64encode(file.getvalue()).decode()
    return {"kind": "image", "png": letters} if len(letters) <= MAX_IMAGE_LETTERS else None
