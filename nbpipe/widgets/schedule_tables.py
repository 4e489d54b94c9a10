"""How schedules and their firings are written on the board: rows for the live table, tables beneath it.

Instants stand on the wall clock of the schedule's own zone. This module decides nothing; it is told what was
seen, and the present instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nbpipe.schedule.words import instant_in_words, until_in_words
from nbpipe.services.schedule_records import ScheduleRecord
from nbpipe.views.amounts import shorten
from nbpipe.views.markup import one_line
from nbpipe.views.tables import Table
from nbpipe.views.theme import look
from nbpipe.widgets.schedule_seen import CATCHUP_WORDS, OVERLAP_WORDS, SeenFiring, SeenSchedule

_MOST_IN_CELL = 80
_MOST_IN_TITLE = 500
_A_WEEK = timedelta(days=6)
# The look of another thing that stands for it.
_LOOKS = {"overdue": "stale"}
# What may be long comes last, where it can be cut off.
_HEADINGS = (("name", "name"), ("status", "status"), ("next", "next"), ("", "last fired"), ("", "fires"))


def view_of(
    shown: Sequence[SeenSchedule],
    at: datetime,
    *,
    first: int,
    total: int,
    sort: str,
    opened: str,
    nothing: str,
) -> dict[str, Any]:
    """Write the schedules of a page as the live table takes them.

    Args:
        shown: Those of the page.
        at: The present instant.
        first: The number of the first of them, from 1.
        total: How many there are on all pages.
        sort: What they are in order of; see `schedule_seen.in_order`.
        opened: The id of the one that is shown below.
        nothing: What is said where there is none.
    """
    columns = [
        {"name": name, "heading": heading, "form": "text", "align": "left", "sortable": bool(name)}
        for name, heading in _HEADINGS
    ]
    return {
        "label": "schedules",
        "columns": columns,
        "rows": [{"id": one.record.id, "label": _cut(one.record.name), "cells": _cells(one, at)} for one in shown],
        "sort": sort.removeprefix("-"),
        "descending": sort.startswith("-"),
        "first": first,
        "total": total,
        "opened": opened,
        "none": nothing,
        "selectable": False,
    }


def facts_of(seen: SeenSchedule) -> list[tuple[str, object]]:
    """Give what there is to know of a schedule, by name."""
    record = seen.record
    kept = record.schedule
    begins = ("begins", kept.start_time) if kept.interval_second is not None else ("not before", kept.start_time)
    facts: list[tuple[str, object]] = [
        ("fires", record.words),
        ("cron", kept.cron_expression),
        ("zone", record.timezone),
        (begins[0], _there(begins[1], record)),
        ("not after", _there(kept.end_time, record)),
        ("of what was missed", CATCHUP_WORDS[kept.catchup]),
        ("while a run goes on", OVERLAP_WORDS[kept.overlap]),
        ("runs", f"snapshot {record.snapshot_label} of {record.pipeline}"),
    ]
    return [(name, value) for name, value in facts if value]


def fires_table(instants: Sequence[datetime], zone: str, at: datetime) -> Table:
    """Lay out instants to come, each with how long it is until then."""
    there = [instant.astimezone(ZoneInfo(zone)) for instant in instants]
    # Either all have seconds or none has.
    clock = "%H:%M:%S" if any(one.second for one in there) else "%H:%M"
    rows = [
        (f"{_weekday(one)} {one:%Y-%m-%d {clock}} {one.tzname()}", until_in_words(instant - at))
        for one, instant in zip(there, instants, strict=True)
    ]
    return Table(("next fires", ""), rows)


def firings_table(found: Sequence[SeenFiring], record: ScheduleRecord) -> Table:
    """Lay out what became of firings, the latest first."""
    rows = [(_there(one.firing.due, record), outcome_text(one, record)) for one in found]
    return Table(("was due", "what became of it"), rows)


def outcome_text(one: SeenFiring, record: ScheduleRecord) -> str:
    """Say what became of a firing."""
    firing = one.firing
    match firing.outcome:
        case "fired" if one.run_status in ("waiting", "deleted"):
            return f"• run {one.run_id[:8]} {'has not begun' if one.run_status == 'waiting' else 'was deleted'}"
        case "fired":
            sign = look(one.run_status).sign
            return f"{sign} run {one.run_id[:8]} {one.run_status}"
        case "missed" if firing.number > 1:
            more = " or more" if firing.number >= 10_000 else ""
            return f"{look('missed').sign} {firing.number:,}{more} missed, the last {_there(firing.last_due, record)}"
    sign = look(firing.outcome).sign
    why = f": {shorten(one_line(firing.error), 300)}" if firing.error else ""
    return f"{sign} {firing.outcome}{why}".strip()


def status_text(status: str) -> str:
    """Write how a schedule stands, with its sign."""
    return f"{look(_LOOKS.get(status, status)).sign} {status}"


def status_look(status: str) -> str:
    """Give the status known to `views.theme` whose look a schedule's has."""
    return _LOOKS.get(status, status)


def _cells(one: SeenSchedule, at: datetime) -> list[dict[str, Any]]:
    record, shown = one.record, look(_LOOKS.get(one.status, one.status))
    words = record.words
    return [
        {"text": _cut(record.name), "title": shorten(one_line(record.name), _MOST_IN_TITLE)},
        {"text": status_text(one.status), "fill": shown.fill, "ink": shown.text, "line": shown.line},
        {"text": _next_text(one, at), "title": _there(one.next, record) if one.next is not None else one.problem},
        {"text": _near(record.last_fired, record.timezone, at), "title": _there(record.last_fired, record)},
        {"text": _cut(words), "title": shorten(f"{record.fires}: {words}", _MOST_IN_TITLE)},
    ]


def _next_text(one: SeenSchedule, at: datetime) -> str:
    if one.next is None:
        return "–"
    # Seconds would have the whole table drawn anew all the time.
    seconds = (one.next - at).total_seconds()
    soon = until_in_words(one.next - at) if seconds >= 120 else "in a minute" if seconds >= 60 else "within a minute"
    return f"{_near(one.next, one.record.timezone, at)}, {soon}"


def _near(instant: datetime | None, zone: str, at: datetime) -> str:
    """Write an instant briefly: of a day of this week or the last, the weekday says which."""
    if instant is None:
        return ""
    there = instant.astimezone(_zone(zone))
    return f"{_weekday(there)} {there:%H:%M}" if abs(instant - at) < _A_WEEK else f"{there:%Y-%m-%d %H:%M}"


def _weekday(there: datetime) -> str:
    # Not `%a`, which follows the locale.
    return ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[there.weekday()]


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return UTC


def _there(instant: datetime | None, record: ScheduleRecord) -> str:
    return instant_in_words(instant, record.timezone) if instant is not None else ""


def _cut(text: str) -> str:
    return shorten(one_line(text), _MOST_IN_CELL)
