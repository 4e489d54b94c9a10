"""What there is to see of schedules at one moment: how each stands, when it fires next, what became of its firings.

The rows are the operation log's, and are looked at as often as one likes: what was worked out of a row holds as long as
the row is the same one. Only firings are asked of the catalog, and only again when their schedule's row is another, or
while a run that one of them made goes on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any

from nbpipe.errors import NbpipeError
from nbpipe.records.schedules import CatchUp, Overlap
from nbpipe.schedule.firing import fires_after, next_fire
from nbpipe.services.schedule_records import ACTIVE, OVER, PAUSED, Firing, ScheduleRecord, record_in
from nbpipe.services.schedules import ScheduleService
from nbpipe.services.workspace import Workspace

OVERDUE = "overdue"
SORTS = ("name", "status", "next")
_STATUSES = (OVERDUE, ACTIVE, PAUSED, OVER)
MOST_FIRINGS = 8
MOST_COUNTED = 100
# A scheduler looks several times a second; what it has not seen to for so long, none has.
_PATIENCE = timedelta(seconds=5)
_GOES_ON = ("running", "pending")
CATCHUP_WORDS = {
    CatchUp.LAST: "the last of them fires, the others are told as missed",
    CatchUp.ALL: "they fire one after another, at most ten; the others are told as missed",
    CatchUp.NONE: "all are told as missed, but for one of the last hour",
}
OVERLAP_WORDS = {
    Overlap.SKIP: "it is skipped",
    Overlap.QUEUE: "it waits",
    Overlap.PARALLEL: "it runs beside it",
}


@dataclass(frozen=True, slots=True)
class SeenSchedule:
    """A schedule, as it stood when it was looked at.

    Attributes:
        record: The schedule.
        status: `active`, `overdue`, `paused` or `over`.
        next: When it fires next.
        overdue_since: The first instant that came due and that nobody has seen to.
        problem: Why it cannot fire here.
    """

    record: ScheduleRecord
    status: str
    next: datetime | None = None
    overdue_since: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SeenFiring:
    """What became of a firing, and how its run stood.

    Attributes:
        firing: The firing.
        run_id: Its run, or `""`.
        run_status: How that stood: a status, `waiting` before it has begun, or `deleted`; `""` without a run.
    """

    firing: Firing
    run_id: str = ""
    run_status: str = ""


@dataclass(slots=True)
class _Known:
    row: Any
    record: ScheduleRecord
    first: datetime | None
    next: datetime | None
    problem: str = ""


class SeenSchedules:
    """The schedules of a workspace, or of one pipeline; `look` before asking.

    Args:
        workspace: The workspace.
        pipeline: Only those of this pipeline.
    """

    def __init__(self, workspace: Workspace, pipeline: str | None = None) -> None:
        self._workspace = workspace
        self._service = ScheduleService(workspace)
        self._pipeline = pipeline
        self._known: dict[str, _Known] = {}
        self._firings: tuple[Any, list[SeenFiring]] = (None, [])
        self.all: list[SeenSchedule] = []

    def look(self, at: datetime) -> None:
        """Look how they stand at an instant.

        Raises:
            CatalogError: The workspace cannot be read.
        """
        rows = [row for row in [*self._workspace.catalog.state().schedules.values()] if row is not None]
        shown = [row for row in rows if row["deleted"] is None and self._pipeline in (None, row["pipeline"])]
        self._known = {row["id"]: self._look_at(row, at) for row in shown}
        self.all = [_standing(known, at) for known in self._known.values()]

    def get(self, schedule_id: str) -> SeenSchedule | None:
        """Give one of them, if it is there."""
        return next((one for one in self.all if one.record.id == schedule_id), None)

    def firings(self, schedule_id: str) -> list[SeenFiring]:
        """Give what became of a schedule's last firings, the latest first.

        Raises:
            CatalogError: The workspace cannot be read.
        """
        known = self._known.get(schedule_id)
        if known is None:
            return []
        row, found = self._firings
        if row is not known.row or any(one.run_status in _GOES_ON for one in found):
            found = [_seen_firing(one) for one in self._service.fires(known.record, limit=MOST_FIRINGS)]
            self._firings = known.row, found
        return found

    def _look_at(self, row: Any, at: datetime) -> _Known:
        known = self._known.get(row["id"])
        if known is None or known.row is not row:
            record = record_in(row, self._workspace)
            if record.problem:
                return _Known(row, record, None, None, record.problem)
            known = _Known(row, record, next_fire(record.schedule, record.seen_to), None)
            known.next = known.first
        if known.next is not None and known.next <= at:
            known.next = next_fire(known.record.schedule, at)
        return known


def overdue_text(seen: SeenSchedule, at: datetime) -> str:
    """Say how much is overdue, and what a scheduler that comes now does about it."""
    if seen.overdue_since is None:
        return ""
    record = seen.record
    passed = takewhile(lambda instant: instant <= at, fires_after(record.schedule, record.seen_to))
    number = len(list(islice(passed, MOST_COUNTED)))
    if number == 1:
        fires = "is told as missed if it is over an hour ago" if record.schedule.catchup is CatchUp.NONE else "fires"
        return f"1 firing is overdue; it {fires} when a scheduler comes."
    many = f"{number}{' and more' if number == MOST_COUNTED else ''}"
    return f"{many} firings are overdue. When a scheduler comes, {CATCHUP_WORDS[record.schedule.catchup]}."


def matching(seen: Sequence[SeenSchedule], text: str) -> list[SeenSchedule]:
    """Pick those whose name, pipeline or snapshot holds a text."""
    wanted = text.strip().casefold()

    def says(one: SeenSchedule) -> bool:
        record = one.record
        return any(wanted in word.casefold() for word in (record.name, record.pipeline, record.snapshot_label))

    return [one for one in seen if says(one)] if wanted else list(seen)


def in_order(seen: Sequence[SeenSchedule], sort: str) -> list[SeenSchedule]:
    """Put schedules in order: by `name`, `status` or `next`, or the other way round with a `-` before it."""
    found = sorted(seen, key=lambda one: (one.record.name.casefold(), one.record.id))
    match sort.removeprefix("-"):
        case "status":
            found.sort(key=lambda one: _STATUSES.index(one.status))
        case "next":
            found.sort(key=lambda one: one.next.timestamp() if one.next is not None else math.inf)
    return found[::-1] if sort.startswith("-") else found


def _standing(known: _Known, at: datetime) -> SeenSchedule:
    record = known.record
    if not record.is_active:
        return SeenSchedule(record, PAUSED, problem=known.problem)
    if known.first is None and not known.problem and not record.owed:
        return SeenSchedule(record, OVER)
    is_overdue = known.first is not None and known.first <= at - _PATIENCE
    return SeenSchedule(
        record, OVERDUE if is_overdue else ACTIVE, known.next, known.first if is_overdue else None, known.problem
    )


def _seen_firing(firing: Firing) -> SeenFiring:
    if not firing.run_id:
        return SeenFiring(firing)
    try:
        run = firing.run
    except NbpipeError:
        return SeenFiring(firing, firing.run_id, "deleted")
    return SeenFiring(firing, firing.run_id, run.status.value if run is not None else "waiting")
