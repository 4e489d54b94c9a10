"""The bounds of previews, and texts within them."""

from __future__ import annotations

from typing import Any

MAX_BYTES = 8 * 1024
NOTE_LETTERS = 200
CELL_LETTERS = 40
VALUES = 8
_TEXT_LETTERS = 2_000


def text_preview(text: str) -> dict[str, Any]:
    """Show the first 2,000 letters of a text."""
    shown = {"kind": "text", "text": _in_utf_8(text[:_TEXT_LETTERS])}
    return shown | {"length": len(text)} if len(text) > _TEXT_LETTERS else shown


def cell(value: Any, most: int = CELL_LETTERS) -> str:
    """Write one value of a table or an array, cut to a width."""
    return cut(f"{value:.6g}" if isinstance(value, float) else str(value), most)


def cut(text: str, most: int) -> str:
    """Cut a text to a width."""
    text = _in_utf_8(text[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "…"


def _in_utf_8(text: str) -> str:
    # A lone surrogate has no UTF-8, and a record is UTF-8.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
