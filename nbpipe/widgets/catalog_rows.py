"""How rows of the catalog are written: as data for the live table, and as a plain one.

The plain one can leave out what differs between two equal runs: ids, instants, durations, and
names that hold an id. This module decides nothing; it is told a page and writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbpipe.records.refs import Kind
from nbpipe.services.browsing import BrowsedRow, Page
from nbpipe.services.browsing_columns import Column, Form
from nbpipe.services.browsing_nouns import noun_named
from nbpipe.services.browsing_questions import METRIC
from nbpipe.views.amounts import duration_text, number_text, shorten, size_text, time_text, value_text
from nbpipe.views.markup import one_line
from nbpipe.views.tables import Table
from nbpipe.views.theme import look, signed

_TO_THE_RIGHT = {Form.NUMBER, Form.SIZE, Form.DURATION}
_MOVING = {Form.ID, Form.INSTANT, Form.DURATION}
_MOST_IN_CELL = 120
_MOST_IN_TITLE = 1000
_MOST_IN_LABEL = 200
_MOST_TAGS = 8
_ID_LETTERS = 8
# A version that is sound is nothing to point at.
_PLAIN_STATUSES = {"sound": "completed", "active": "running", "paused": "pending", "stopped": "pending"}


def view_of(page: Page, *, opened: str = "") -> dict[str, Any]:
    """Write a page as the live table takes it.

    Args:
        page: The page.
        opened: The id of the row whose card is shown.
    """
    noun, asked = noun_named(page.question.noun), page.question
    first, last = _shown(page)
    columns = [_head(column.name, column.heading, column.form) for column in first]
    columns += [_head(METRIC + name, name, Form.NUMBER) for name in page.metrics]
    columns += [_head("", "tags", "tags", sortable=False)] if noun.kind is not None else []
    columns += [_head(column.name, column.heading, column.form) for column in last]
    rows = [
        {"id": row.id, "label": shorten(one_line(row.label), _MOST_IN_LABEL), "cells": _cells(page, row, first, last)}
        for row in page.rows
    ]
    nothing = f"No {noun.name.replace('_', ' ')} fit." if asked.text or asked.filters else "There are none yet."
    return {
        "label": noun.name.replace("_", " "),
        "columns": columns,
        "rows": rows,
        "sort": asked.sort,
        "descending": asked.descending,
        "first": (page.number - 1) * asked.size + 1,
        "total": page.total,
        "opened": opened,
        "none": nothing,
    }


def table_of(page: Page, *, stable: bool) -> Table:
    """Write a page as a plain table; `stable` leaves out what differs between two equal runs."""
    noun = noun_named(page.question.noun)
    both = [[one for one in some if not (stable and _moves(noun.kind, one))] for some in _shown(page)]
    first, last = both
    with_tags = noun.kind is not None
    columns = [*(column.heading for column in first), *page.metrics, *(["tags"] if with_tags else [])]
    columns += [column.heading for column in last]
    rows = []
    for row in page.rows:
        before, after = ([_text(one, row.values[one.name], stable=stable) or None for one in some] for some in both)
        tags = [", ".join(row.tags) or None] if with_tags else []
        rows.append([*before, *(row.metrics.get(name) for name in page.metrics), *tags, *after])
    right = {column.heading for column in first if column.form in _TO_THE_RIGHT}
    return Table(columns, rows, frozenset({*right, *page.metrics}))


def count_text(page: Page) -> str:
    """Say which rows of how many a page shows."""
    name = page.question.noun.replace("_", " ")
    if not page.rows:
        return f"no {name}"
    first = (page.number - 1) * page.question.size + 1
    return f"{first:,}–{first + len(page.rows) - 1:,} of {page.total:,} {name}"


def _shown(page: Page) -> tuple[list[Column], list[Column]]:
    """Give the columns that are shown: those before metrics and tags, and the wide ones behind them."""
    shown = [column for column in page.columns if column.is_shown]
    return [one for one in shown if not one.is_wide], [one for one in shown if one.is_wide]


def _moves(kind: Kind | None, column: Column) -> bool:
    return column.form in _MOVING or (kind is Kind.RUN and column.name == "name")


def _head(name: str, heading: str, form: str, *, sortable: bool = True) -> dict[str, Any]:
    align = "right" if form in _TO_THE_RIGHT else "left"
    return {"name": name, "heading": shorten(one_line(heading), 60), "form": form, "align": align, "sortable": sortable}


def _cells(page: Page, row: BrowsedRow, first: Sequence[Column], last: Sequence[Column]) -> list[dict[str, Any]]:
    cells = [_cell(column, row.values[column.name]) for column in first]
    for name in page.metrics:
        value = row.metrics.get(name)
        cells.append(
            {"text": "" if value is None else number_text(value), "title": "" if value is None else repr(value)}
        )
    if row.kind is not None:
        tags = [{"name": tag, "text": shorten(one_line(tag), 60)} for tag in row.tags[:_MOST_TAGS]]
        more = len(row.tags) - _MOST_TAGS
        cells.append({"tags": tags, "more": f"and {more} more" if more > 0 else "", "text": ""})
    return cells + [_cell(column, row.values[column.name]) for column in last]


def _cell(column: Column, value: Any) -> dict[str, Any]:
    text = _text(column, value, stable=False)
    if column.form is Form.STATUS and value:
        shown = look(_PLAIN_STATUSES.get(value, value))
        return {"text": text, "fill": shown.fill, "ink": shown.text, "line": shown.line}
    title = one_line(value) if isinstance(value, str) else text
    return {"text": shorten(text, _MOST_IN_CELL), "title": shorten(title, _MOST_IN_TITLE) if title else ""}


def _text(column: Column, value: Any, *, stable: bool) -> str:
    if value is None or value == "":
        return ""
    match column.form:
        case Form.STATUS:
            sign = look(_PLAIN_STATUSES.get(value, value)).sign
            return f"{sign} {value}" if value in _PLAIN_STATUSES else signed(value)
        case Form.ID:
            return str(value)[:_ID_LETTERS]
        case Form.INSTANT:
            return time_text(value)
        case Form.DURATION:
            return duration_text(value)
        case Form.SIZE:
            return size_text(value)
        case Form.FLAG:
            return "yes" if value else ""
        case Form.VALUES if isinstance(value, Mapping):
            return ", ".join(f"{one_line(str(name))}={value_text(one)}" for name, one in value.items())
    if stable and column.name == "model" and isinstance(value, str):
        # A version may be named after its run's id.
        return one_line(value.partition("@")[0])
    return value_text(value, most=_MOST_IN_TITLE)
