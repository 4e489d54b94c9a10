"""What an artifact holds, in small: the head of a frame, an image, a few lines of text.

A preview is a plain mapping that was made when the artifact was stored; its `kind` says which
shape it has. It may come from an older nbpipe or a damaged record: whatever does not have the
shape it claims is shown as the text it is, and nothing here ever fails over a preview.

Kinds: `table` (columns, rows, shape, note), `array` (dtype, shape, min, max, values, note), `image` (png in
base64, width, height, note), `text` (text, length), `json` (value), `object` (repr). A `note` is the sentence below.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nbpipe.views.amounts import number_text, value_text
from nbpipe.views.markup import Element, element, plain, render
from nbpipe.views.scrolling import stop_of_lines
from nbpipe.views.tables import Table, scrolling_table, table_text
from nbpipe.views.theme import MONOSPACE, TINT

Preview = Mapping[str, Any]

_MOST_LETTERS = 4_000
_MOST_LINES = 60
_MOST_ROWS = 20
_MOST_COLUMNS = 20
_TEXT_PX = 320


@dataclass(frozen=True, slots=True)
class Shown:
    """One thing in both of its forms.

    Attributes:
        element: As HTML.
        text: As lines of text.
    """

    element: Element
    text: str


def preview_html(preview: Preview) -> str:
    """Write a preview as HTML."""
    return render(shown_preview(preview).element)


def preview_text(preview: Preview) -> str:
    """Write a preview as text."""
    return shown_preview(preview).text


def shown_preview(preview: Preview) -> Shown:
    """Give both forms of a preview; one of an unknown kind or a wrong shape is shown as its own text."""
    show = _KINDS.get(str(preview.get("kind")), _other)
    try:
        return show(preview)
    except (KeyError, TypeError, ValueError, IndexError, RecursionError):
        return _other(preview)


def shown_text(text: str, *, length: int | None = None) -> Shown:
    """Give both forms of a longer text, cut where it would fill the page.

    Args:
        text: It may have many lines.
        length: How many characters the whole has, if `text` is only its beginning.
    """
    whole = max(len(text), length or 0)
    kept = "\n".join(plain(text[:_MOST_LETTERS]).split("\n")[:_MOST_LINES])
    if len(kept) < whole:
        kept += f"\n… ({whole - len(kept):,} more characters)"
    block = element(
        "pre",
        kept,
        tabindex=stop_of_lines(kept, _TEXT_PX),
        style=f"font-family:{MONOSPACE}; font-size:12px; background-color:{TINT}; padding:6px 8px; margin:4px 0; "
        "white-space:pre-wrap; word-break:normal; overflow-wrap:anywhere; border-radius:4px; overflow:auto; "
        f"max-height:{_TEXT_PX}px;",
    )
    return Shown(block, kept)


def _table(preview: Preview) -> Shown:
    columns = [value_text(name, most=60) for name in preview["columns"]][:_MOST_COLUMNS]
    rows = [list(row)[: len(columns)] for row in preview["rows"][:_MOST_ROWS]]
    if any(len(row) < len(columns) for row in rows):
        raise ValueError("a row is shorter than the columns")
    count, *width = (int(size) for size in preview["shape"])
    said = _note(preview) or (
        f"{_counted(count, 'row')} × {_counted(width[0], 'column')}" if width else _counted(count, "value")
    )
    # The cells are text by now, so what is a number has to be guessed from how it looks.
    right = frozenset(
        name for place, name in enumerate(columns) if rows and all(_is_number(row[place]) for row in rows)
    )
    table = Table(columns, rows, right)
    return Shown(
        element("div", scrolling_table(table), _remark(said)),
        f"{table_text(table)}\n{said}",
    )


def _array(preview: Preview) -> Shown:
    shape = " × ".join(f"{int(size):,}" for size in preview["shape"]) or "scalar"
    said = f"array {shape} of {value_text(preview['dtype'], most=60)}"
    if preview.get("min") is not None and preview.get("max") is not None:
        said += f", {value_text(preview['min'], most=60)} … {value_text(preview['max'], most=60)}"
    note, values = _note(preview), [value_text(value, most=60) for value in preview.get("values") or ()]
    if not note and not values:
        return _sentence(said)
    # Told from the shape, so that nothing of a value is needed to see that it goes on.
    goes_on = len(values) < math.prod(int(size) for size in preview["shape"])
    lines = [said, *([", ".join(values) + (", …" if goes_on else "")] if values else []), *([note] if note else [])]
    first, *rest = (_sentence(line) for line in lines)
    return Shown(
        element("div", first.element, *map(_remark, lines[1:])), "\n".join([first.text, *(one.text for one in rest)])
    )


def _image(preview: Preview) -> Shown:
    known = "width" in preview or "height" in preview
    said = _note(preview) or (
        f"image, {int(preview['width']):,} × {int(preview['height']):,} pixels" if known else "image"
    )
    picture = element(
        "img",
        alt=said,
        src=f"data:image/png;base64,{preview['png']}",
        style="max-width:100%; max-height:320px; background-color:#ffffff;",
    )
    if len(picture.attributes) < 3:
        raise ValueError("not a picture in base64")
    return Shown(element("div", picture, _remark(said)), said)


def _text(preview: Preview) -> Shown:
    return shown_text(str(preview["text"]), length=int(preview.get("length") or 0))


def _json(preview: Preview) -> Shown:
    value = preview["value"]
    if isinstance(value, str | int | float | bool | None):
        return _sentence(number_text(value) if isinstance(value, int | float) else json.dumps(value)[:_MOST_LETTERS])
    return shown_text(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def _object(preview: Preview) -> Shown:
    return shown_text(str(preview["repr"]))


def _other(preview: Preview) -> Shown:
    return _sentence(value_text(preview, most=400))


_KINDS: dict[str, Callable[[Preview], Shown]] = {
    "table": _table,
    "array": _array,
    "image": _image,
    "text": _text,
    "json": _json,
    "object": _object,
}


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _note(preview: Preview) -> str:
    return value_text(preview.get("note") or "")


def _is_number(cell: object) -> bool:
    if isinstance(cell, int | float):
        return True
    try:
        float(str(cell).replace(",", ""))
    except ValueError:
        return str(cell) in ("", "NaN", "<NA>", "None")
    return True


def _sentence(said: str) -> Shown:
    return Shown(element("code", said, style=f"font-family:{MONOSPACE}; font-size:12px;"), plain(said))


def _remark(said: str) -> Element:
    return element("div", said, style="font-size:12px; opacity:0.75;")
