"""What is too large for its place and scrolls there: Tab stops at it, else keys alone would not reach its end.

Some browsers stop there by themselves, and others do not. How large something comes out is guessed from its text,
since nothing here knows the page; what surely has room is no stop, for each stop is one more press on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nbpipe.views.lettering import text_columns

_LETTERS_IN_LINE = 60
_LINE_PX = 17
_LETTER_PX, _GAP_PX = 7, 14
_WIDE_PX = 700
_MOST_WRAPPED = 62  # letters: what is longer is broken into lines


def stop_of_lines(text: str, height_px: int) -> int | None:
    """Give the `tabindex` of a text that wraps, in a place of this height."""
    lines = sum(1 + len(line) // _LETTERS_IN_LINE for line in text.split("\n"))
    return 0 if lines * _LINE_PX > height_px else None


def stop_of_columns(rows: Iterable[Sequence[str]]) -> int | None:
    """Give the `tabindex` of a table of these cells, its headings among them."""
    widths = (max(map(text_columns, cells)) for cells in zip(*rows, strict=True))
    return 0 if sum(min(width, _MOST_WRAPPED) * _LETTER_PX + _GAP_PX for width in widths) > _WIDE_PX else None
