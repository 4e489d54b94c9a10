"""Tables: the same columns and rows as HTML and as aligned text.

Cells are plain values; how each kind is written is `views.amounts`. A column of numbers stands
to the right. Both forms depend on nothing but the table (and the local zone, for instants).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nbpipe.views.amounts import value_text
from nbpipe.views.lettering import cut, text_columns
from nbpipe.views.markup import Child, Element, element, one_line, render
from nbpipe.views.scrolling import stop_of_columns
from nbpipe.views.theme import FAINT, HAIRLINE

_GAP = "  "
_LEAST_WIDTH = 4
_MOST_IN_CELL = 400
# One long text must not leave the others a word a line; an instant or a number has one line.
_ROOM, _IN_ONE_LINE = "max-width:440px;", "white-space:nowrap;"
_SHORT = int | float | datetime | timedelta


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows.

    Attributes:
        columns: Their headings.
        rows: As many cells each as there are columns: text, numbers, instants (`datetime`), durations
            (`timedelta`), `None` for an empty cell.
        right: Headings of further columns that stand to the right; those of numbers do anyway.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    right: frozenset[str] = frozenset()


def table_html(table: Table) -> str:
    """Write a table as HTML."""
    return render(table_element(table))


def table_element(table: Table) -> Element:
    """Build a table as an element, to be put into something larger."""
    aligned = ["right" if right else "left" for right in _right_columns(table)]
    head = element(
        "tr",
        [
            # A heading that says nothing would be read out as one.
            element(
                "th" if name.strip() else "td",
                one_line(name),
                style=_cell_style(align, f"border-bottom:1px solid {HAIRLINE};"),
            )
            for name, align in zip(table.columns, aligned, strict=True)
        ],
        style="background-color:transparent;",
    )
    body = [
        element(
            "tr",
            [
                element("td", text, style=_cell_style(align, _IN_ONE_LINE if isinstance(cell, _SHORT) else _ROOM))
                for cell, text, align in zip(row, _texts(row), aligned, strict=True)
            ],
            # Laid on each row, since a notebook's own zebra is made for one of its two schemes.
            style=f"background-color:{FAINT if number % 2 else 'transparent'};",
        )
        for number, row in enumerate(table.rows)
    ]
    if not body:
        empty = element("td", "none", colspan=max(len(table.columns), 1), style=_cell_style("left", "opacity:0.7;"))
        body = [element("tr", empty, style="background-color:transparent;")]
    return element(
        "table",
        element("thead", head),
        element("tbody", body),
        style="border-collapse:collapse; border:none; margin:4px 0; font-size:13px; overflow-wrap:break-word;",
    )


def scrolling_table(table: Table, *below: Child) -> Element:
    """Build a table that scrolls by itself where it is wider than the page."""
    cells = [[one_line(name) for name in table.columns], *map(_texts, table.rows)]
    return element("div", table_element(table), *below, tabindex=stop_of_columns(cells), style="overflow:auto;")


def table_text(table: Table, *, width: int = 100) -> str:
    """Write a table as lines of text, at most `width` characters each as far as four a column allow it."""
    rows = [[one_line(name) for name in table.columns], *(_texts(row) for row in table.rows)]
    widths = _fitted([max(map(text_columns, column)) for column in zip(*rows, strict=True)], width)
    right = _right_columns(table)
    lines = [
        _GAP.join(
            _padded(text, room, to_right=to_right) for text, room, to_right in zip(row, widths, right, strict=True)
        )
        for row in rows
    ]
    lines.insert(1, _GAP.join("─" * room for room in widths))
    if not table.rows:
        lines.append("(none)")
    return "\n".join(line.rstrip() for line in lines)


def _texts(row: Sequence[object]) -> list[str]:
    return ["" if cell is None else value_text(cell, most=_MOST_IN_CELL) for cell in row]


def _right_columns(table: Table) -> list[bool]:
    found = []
    for place, name in enumerate(table.columns):
        cells = [row[place] for row in table.rows if row[place] is not None]
        numbers = all(isinstance(cell, int | float | timedelta) and not isinstance(cell, bool) for cell in cells)
        found.append(name in table.right or (bool(cells) and numbers))
    return found


def _fitted(widths: list[int], width: int) -> list[int]:
    """Take from the widest column until all fit."""
    room = width - len(_GAP) * (len(widths) - 1)
    while widths and sum(widths) > room and max(widths) > _LEAST_WIDTH:
        widest = widths.index(max(widths))
        others = sorted(widths[:widest] + widths[widest + 1 :])
        goal = max(others[-1] - 1 if others else 0, widths[widest] - (sum(widths) - room), _LEAST_WIDTH)
        widths[widest] = min(goal, widths[widest] - 1)
    return widths


def _padded(text: str, width: int, *, to_right: bool) -> str:
    shown = cut(text, width)
    blank = " " * (width - text_columns(shown))
    return blank + shown if to_right else shown + blank


def _cell_style(align: str, more: str = "") -> str:
    return f"text-align:{align}; padding:3px 10px 3px 4px; vertical-align:top; border:none; {more}"
