"""How wide text will be when a browser draws it in a font that we cannot ask.

Estimates after a wide sans-serif font: a box rather has room to spare than text cut by it.
"""

from __future__ import annotations

import unicodedata
from math import fsum

_NARROW = frozenset("ijlI.,:;'|!()[]{} ft-·/\\")
_BROAD = frozenset("mwMW@%…—")


def columns(character: str) -> int:
    """Give how many columns of a terminal a character takes: none, one or two."""
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def text_columns(text: str) -> int:
    """Give how many columns of a terminal `text` takes."""
    return len(text) if text.isascii() else sum(map(columns, text))


def width_px(text: str, size: float, *, bold: bool = False) -> float:
    """Estimate the width of `text`, in pixels, at a font size in pixels."""
    return size * fsum(map(_advance, text)) * (1.1 if bold else 1.0)


def fitting(text: str, size: float, room_px: float, *, bold: bool = False) -> str:
    """Give `text`, or as much of it as fits into `room_px` with an ellipsis."""
    if width_px(text, size, bold=bold) <= room_px:
        return text
    kept, advanced, last = [], 0.0, _advance("…")
    for character in text:
        advanced += _advance(character)
        if size * (advanced + last) * (1.1 if bold else 1.0) > room_px:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def cut(text: str, width: int) -> str:
    """Cut `text` to `width` columns of a terminal; what was cut shows as `…`."""
    if text_columns(text) <= width:
        return text
    kept, room = [], width - 1
    for character in text:
        room -= columns(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + "…"


def _advance(character: str) -> float:
    if character in _NARROW:
        return 0.4
    if character in _BROAD:
        return 1.0
    wide = columns(character)
    return 1.05 if wide == 2 else wide * (0.74 if character.isupper() else 0.63)
