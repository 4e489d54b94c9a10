"""The table of a comparison: what differs down the side and a run in each column, or the other way round.

A few runs read best side by side; many of them, one below the other. Both ways are written as
HTML and as aligned text. The best of a metric has a sign and stands out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from nbpipe.views.amounts import duration_text, shorten
from nbpipe.views.compared import BEST, NOTHING, ComparedRow, ComparisonFacts, cell_texts, delta_text, numbers_of
from nbpipe.views.lettering import text_columns
from nbpipe.views.markup import Child, Element, element, one_line
from nbpipe.views.scrolling import stop_of_columns
from nbpipe.views.tables import Table, table_text
from nbpipe.views.theme import FAINT, HAIRLINE, TINT, signed

MOST_ROWS = 120
_MOST_IN_NAME = 60
_MOST_IN_CELL = 70
_MOST_IN_LIST = 34
_WORDY = ("run", "parameters", "data", "code")
_MOST_IN_TITLE = 400
_WIDEST_TEXT = 28
_LEAST_TEXT_WIDTH = 40
_MOST_IN_SIGHT = 24


@dataclass(frozen=True, slots=True)
class Grid:
    """A comparison as cells.

    Attributes:
        heads: The runs' labels.
        titles: What a pointer shows at each of them.
        lines: Each row with its name and one cell for each run, group by group.
        left_out: How many rows there were too many.
    """

    heads: Sequence[str]
    titles: Sequence[str]
    lines: Sequence[Line]
    left_out: int


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a grid: its group, its name, the cells, which of them are best, and how two runs differ in it."""

    group: str
    name: str
    cells: Sequence[str]
    best: frozenset[int] = frozenset()
    change: str = ""
    is_number: bool = False


def grid(facts: ComparisonFacts, rows: Sequence[ComparedRow], *, stable: bool = False) -> Grid:
    """Write the cells of a comparison.

    Args:
        facts: The comparison.
        rows: Those of its rows that are to be shown.
        stable: Leave ids, names of runs and durations out.
    """
    runs = facts.runs
    heads = [shorten(one_line(label), 24) for label in facts.labels(stable=stable)]
    titles = [] if stable else [f"{run.name} {signed(run.status)}" for run in runs]
    lines = [] if any(row.group == "run" and row.name == "status" for row in rows) else [_status(facts)]
    if not stable:
        took = [NOTHING if run.duration_s is None else duration_text(run.duration_s) for run in runs]
        lines.append(Line("run", "took", took, is_number=True))
    shown, left_out = [], 0
    for _, members in groupby(rows, key=lambda row: row.group):
        listed = list(members)
        shown += listed[:MOST_ROWS]
        left_out += max(0, len(listed) - MOST_ROWS)
    lines += [_line(facts, row, stable=stable) for row in shown]
    # The runs' own facts come first, whichever were added.
    lines.sort(key=lambda line: line.group != "run")
    return Grid(heads, titles, lines, left_out)


def _status(facts: ComparisonFacts) -> Line:
    return Line("run", "status", [signed(run.status) for run in facts.runs])


def _line(facts: ComparisonFacts, row: ComparedRow, *, stable: bool) -> Line:
    texts = cell_texts(row, stable=stable)
    best = facts.best(row) if row.group == "metrics" else frozenset()
    cells = [
        f"{BEST} {texts[place]}" if place in best else texts.get(place, NOTHING) for place in range(len(facts.runs))
    ]
    change = ""
    if len(cells) == 2 and row.group == "metrics":
        numbers = numbers_of(row)
        change = delta_text(numbers[0], numbers[1]) if len(numbers) == 2 else NOTHING
    arrow = "" if not best else " ↑" if facts.is_more_better(row.name) else " ↓"
    name = f"{shorten(one_line(row.name), _MOST_IN_NAME)}{arrow}"
    return Line(row.group, name, cells, best, change, is_number=row.group == "metrics")


# As text -----------------------------------------------------------------------------------------


def transposed_text(cells: Grid, *, width: int) -> str:
    """Write a run in each column; where they do not fit, several tables one below the other."""
    has_change = any(line.change for line in cells.lines)
    blocks = []
    for places in _chunks(cells, width):
        columns = ["", *(cells.heads[place] for place in places), *(["change"] if has_change else [])]
        rows: list[Sequence[object]] = []
        for group, members in groupby(cells.lines, key=lambda line: line.group):
            rows.append((group, *([None] * (len(columns) - 1))))
            for line in members:
                change = [line.change or None] if has_change else []
                rows.append((f"  {line.name}", *(line.cells[place] for place in places), *change))
        blocks.append(_lettered(columns, rows, width))
    return "\n\n".join([*blocks, *_rest(cells)])


def by_run_text(cells: Grid, *, width: int) -> str:
    """Write a run in each row, for each group a table or, where it does not fit, several."""
    blocks = []
    for group, members in groupby(cells.lines, key=lambda line: line.group):
        room = max(width - max(map(text_columns, cells.heads)), _LEAST_TEXT_WIDTH)
        for lines in _fitting(list(members), room):
            columns = [group, *(line.name for line in lines)]
            rows = [(head, *(line.cells[place] for line in lines)) for place, head in enumerate(cells.heads)]
            right = frozenset(line.name for line in lines if line.is_number)
            blocks.append(table_text(Table(columns, rows, right), width=width))
    return "\n\n".join([*blocks, *_rest(cells)])


def _lettered(columns: Sequence[str], rows: Sequence[Sequence[object]], width: int) -> str:
    # A table marks its first column as text by writing it; blanks before a name would be lost there.
    indented = [(str(row[0]).replace("  ", "· ", 1), *row[1:]) for row in rows]
    return table_text(Table(columns, indented), width=width)


def _chunks(cells: Grid, width: int) -> Iterator[range]:
    """Part the runs so that their columns fit, each at its natural width up to a limit."""
    first = max((text_columns(line.name) for line in cells.lines), default=0) + 2
    change = max((text_columns(line.change) for line in cells.lines), default=0)
    room = max(width - min(first, width // 3) - change - 4, _LEAST_TEXT_WIDTH)
    start, used = 0, 0
    for place, head in enumerate(cells.heads):
        wide = max([text_columns(head), *(text_columns(line.cells[place]) for line in cells.lines)])
        wide = min(wide, _WIDEST_TEXT) + 2
        if used + wide > room and place > start:
            yield range(start, place)
            start, used = place, 0
        used += wide
    yield range(start, len(cells.heads))


def _fitting(lines: list[Line], room: int) -> Iterator[list[Line]]:
    some: list[Line] = []
    used = 0
    for line in lines:
        wide = min(max(map(text_columns, [line.name, *line.cells])), _WIDEST_TEXT) + 2
        if some and used + wide > room:
            yield some
            some, used = [], 0
        some.append(line)
        used += wide
    yield some


def _rest(cells: Grid) -> list[str]:
    return [f"… and {cells.left_out:,} more rows"] if cells.left_out else []


# As HTML -----------------------------------------------------------------------------------------


def transposed_element(cells: Grid) -> Element:
    """Build the table with a run in each column."""
    has_change = any(line.change for line in cells.lines)
    head = [
        _corner(f"border-bottom:1px solid {HAIRLINE};"),
        *_run_heads(cells, "col"),
        _head("change", "left") if has_change else None,
    ]
    body: list[Element] = []
    for group, members in groupby(cells.lines, key=lambda line: line.group):
        span = len(cells.heads) + 1 + has_change
        body.append(_row([element("th", group, colspan=span, scope="rowgroup", style=_GROUP)], 0))
        for number, line in enumerate(members):
            change = element("td", line.change, style=_style("left", "white-space:nowrap;")) if has_change else None
            body.append(_row([_named(line), *(_cell(line, n) for n in range(len(cells.heads))), change], number))
    rows = [["", *cells.heads], *([line.name, *line.cells] for line in cells.lines)]
    return _table(_row(head, 0), body, cells, rows)


def by_run_element(cells: Grid) -> Element:
    """Build the table with a run in each row."""
    groups = [(group, list(members)) for group, members in groupby(cells.lines, key=lambda line: line.group)]
    over = [element("th", group, colspan=len(lines), scope="colgroup", style=_GROUP) for group, lines in groups]
    lines = [line for _, members in groups for line in members]
    names = [_head(line.name, "right" if line.is_number else "left") for line in lines]
    body = [
        _row([head, *(_listed_cell(line, number) for line in lines)], number)
        for number, head in enumerate(_run_heads(cells, "row"))
    ]
    columns = [["run", *cells.heads], *([line.name, *line.cells] for line in lines)]
    rows = [*zip(*columns, strict=True)]
    return _table([_row([_corner(), *over], 0), _row([_head("run", "left"), *names], 0)], body, cells, rows)


def _table(head: Child, body: Sequence[Element], cells: Grid, rows: Sequence[Sequence[str]]) -> Element:
    rest = [element("div", text, style="font-size:12px; opacity:0.75;") for text in _rest(cells)]
    table = element(
        "table",
        element("thead", head),
        element("tbody", body),
        style="border-collapse:collapse; border:none; margin:4px 0; font-size:13px;",
    )
    stop = 0 if len(body) > _MOST_IN_SIGHT else stop_of_columns(rows)
    return element("div", table, rest, tabindex=stop, style="overflow:auto; max-height:640px;")


_GROUP = "text-align:left; padding:7px 10px 1px 4px; border:none; font-size:12px; font-weight:600; opacity:0.75;"


def _style(align: str, more: str = "") -> str:
    return f"text-align:{align}; padding:3px 10px 3px 4px; vertical-align:top; border:none; {more}"


def _row(cells: Sequence[Child], number: int) -> Element:
    # Laid on each row, since a notebook's own zebra is made for one of its two schemes.
    return element("tr", cells, style=f"background-color:{FAINT if number % 2 else 'transparent'};")


def _head(name: str, align: str) -> Element:
    return element(
        "th", name, scope="col", style=_style(align, f"white-space:nowrap; border-bottom:1px solid {HAIRLINE};")
    )


def _corner(more: str = "") -> Element:
    # A heading that says nothing would be read out as one.
    return element("td", style=_style("left", more))


def _run_heads(cells: Grid, scope: str) -> list[Element]:
    titles: Sequence[str | None] = cells.titles or [None] * len(cells.heads)
    border = f"border-bottom:1px solid {HAIRLINE};" if scope == "col" else "white-space:nowrap;"
    return [
        element("th", head, scope=scope, title=title, style=_style("left", border))
        for head, title in zip(cells.heads, titles, strict=True)
    ]


def _named(line: Line) -> Element:
    return element("th", line.name, scope="row", style=_style("left", "font-weight:normal; overflow-wrap:anywhere;"))


def _cell(line: Line, place: int) -> Element:
    return _written(line, place, _MOST_IN_CELL, "left", "max-width:340px; overflow-wrap:anywhere;")


def _listed_cell(line: Line, place: int) -> Element:
    # Of numbers the digits stand below each other when they end at the right.
    return _written(line, place, _MOST_IN_LIST, "right" if line.is_number else "left", "white-space:nowrap;")


def _written(line: Line, place: int, most: int, align: str, more: str) -> Element:
    text = line.cells[place]
    look = ""
    if place in line.best:
        look = f"font-weight:600; background-color:{TINT}; "
    elif text == NOTHING:
        look = "opacity:0.7; "
    # What may be cut is told in full on pointing, short or not: attributes must not depend on data.
    title = shorten(text, _MOST_IN_TITLE) if line.group in _WORDY else None
    return element("td", shorten(text, most), title=title, style=_style(align, f"{look}{more}"))
