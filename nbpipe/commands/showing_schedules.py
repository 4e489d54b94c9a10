"""Schedules as cards: when one fires next, what became of the last times, and what is overdue since nobody is there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from nbpipe.base.clock import now
from nbpipe.records.schedules import Schedule
from nbpipe.schedule.words import in_words, instant_in_words, until_in_words
from nbpipe.services.schedule_records import Firing, ScheduleRecord
from nbpipe.services.scheduler_process import schedulers
from nbpipe.services.schedules import ScheduleService
from nbpipe.views.amounts import time_text
from nbpipe.views.frames import Bundle, Card, Section, shown_facts, shown_table, written
from nbpipe.views.markup import render
from nbpipe.views.tables import Table

NOBODY = "No scheduler runs in this workspace, so nothing fires by itself: start one with `nbpipe scheduler start`."
_CATCHUPS = {
    "last": "last: of what was missed, the last fires",
    "all": "all: what was missed fires, ten at most",
    "none": "none: what was missed by more than an hour is only told",
}
_OVERLAPS = {
    "skip": "skip: not while the run before goes on",
    "queue": "queue: after the run before",
    "parallel": "parallel: beside the run before",
}
_LAST_FIRES = 5


def schedule_bundle(record: ScheduleRecord, *, stable: bool = False) -> Bundle:
    """Show a schedule.

    Args:
        record: The schedule.
        stable: Leave out what differs from one time to the next.
    """
    schedule = record.schedule
    facts: list[tuple[str, object]] = [
        ("fires", record.words),
        ("pipeline", record.pipeline),
        ("cron", schedule.cron_expression),
        ("snapshot", None if stable else record.snapshot_label),
        ("catch-up", _CATCHUPS[schedule.catchup.value]),
        ("overlap", _OVERLAPS[schedule.overlap.value]),
    ]
    if not stable:
        facts += [
            ("from", _at(schedule.start_time, record.timezone)),
            ("until", _at(schedule.end_time, record.timezone)),
            ("last fired", _at(record.last_fired, record.timezone)),
            ("created", time_text(record.created)),
            ("deleted", time_text(record.deleted)),
            ("id", record.id),
        ]
    sections = [] if stable else _sections(record)
    problem = record.problem or ("" if stable else overdue_text(record))
    return written(Card("schedule", record.name, record.status, facts=facts, problem=problem, sections=sections))


def overdue_text(record: ScheduleRecord) -> str:
    """Say what has come due and waits for somebody; `""` if nothing does, or a scheduler is there to see to it."""
    if not record.is_active or schedulers(record.workspace.paths):
        return ""
    late = record.overdue()
    number = len(late.fire) + late.missed
    if not number:
        return NOBODY if record.status == "active" else ""
    fires = f"{len(late.fire)} would fire" if late.fire else "none would fire"
    return f"{number} time{'s' if number > 1 else ''} due and not seen to ({fires} now). {NOBODY}"


def next_table(schedule: Schedule, instants: Sequence[datetime]) -> Table:
    """Give instants to come as a table."""
    zone = schedule.timezone or "UTC"
    at = now()
    return Table(
        ("fires", ""), [(instant_in_words(instant, zone), until_in_words(instant - at)) for instant in instants]
    )


def explained_bundle(schedule: Schedule, instants: Sequence[datetime]) -> Bundle:
    """Say when a schedule would fire."""
    shown = shown_table(next_table(schedule, instants))
    said = shown_facts([("fires", in_words(schedule))])
    return Bundle(render(said.element) + render(shown.element), f"{said.text}\n\n{shown.text}")


def firing_bundle(firing: Firing, *, stable: bool = False) -> Bundle:
    """Show what became of a firing.

    Args:
        firing: The firing.
        stable: Leave out the run.
    """
    facts: list[tuple[str, object]] = [
        ("due", time_text(firing.due)),
        ("until", time_text(firing.last_due) if firing.number > 1 else None),
        ("number", firing.number if firing.number > 1 else None),
        ("run", None if stable else firing.run_id),
        ("why", firing.error),
    ]
    return written(Card("firing", firing.schedule, firing.outcome, facts=facts))


def _sections(record: ScheduleRecord) -> list[Section]:
    found = []
    coming = record.next_fires(5)
    if coming:
        found.append(Section("next", shown_table(next_table(record.schedule, coming))))
    last = ScheduleService(record.workspace).fires(record, limit=_LAST_FIRES)
    if last:
        from nbpipe.commands.listed import listed_table

        found.append(Section("last times", shown_table(listed_table(last))))
    return found


def _at(instant: datetime | None, zone: str) -> str | None:
    return instant_in_words(instant, zone) if instant is not None else None
