"""Schedules and what became of their firings, as a caller meets them.

The row is the operation log's; when it fires next is worked out from it each time it is asked. What became of single
firings the catalog's view of them answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from nbpipe.base.clock import now
from nbpipe.base.displaying import Displayed
from nbpipe.errors import NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.operations import Timing
from nbpipe.records.schedules import CatchUp, Overlap, Schedule, is_zone
from nbpipe.records.state import Row
from nbpipe.schedule.firing import Due, due, fires_after, what
from nbpipe.schedule.words import in_words
from nbpipe.services.instants import as_instant
from nbpipe.services.snapshot_finding import find_snapshot
from nbpipe.services.workspace import Workspace

if TYPE_CHECKING:
    from nbpipe.services.recorded import Run
    from nbpipe.services.snapshot_records import Snapshot

ACTIVE, PAUSED, OVER, STUCK, DELETED = "active", "paused", "over", "stuck", "deleted"


@dataclass(frozen=True)
class ScheduleRecord(Displayed):
    """A schedule as it stood when it was asked for.

    Attributes:
        id: Its id.
        name: Its name.
        pipeline: The pipeline of its snapshot.
        snapshot_id: The snapshot that it runs.
        schedule: When it fires, as it is kept: with its zone, and its instants in UTC.
        is_active: Whether it may fire.
        created: When it was made.
        deleted: When it was deleted; `None` while it is there.
        last_fired: The last instant at which it was due and fired.
        seen_to: The instant up to which what was due was seen to.
        owed: The runs that it promised and that have not begun, by when they were due.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "name": "text",
        "status": "text",
        "fires": "text",
        "next_fire": "instant",
        "timezone": "text",
        "catchup": "text",
        "overlap": "text",
        "pipeline": "text",
        "snapshot": "text",
        "last_fired": "instant",
        "id": "text",
    }

    id: str
    name: str
    pipeline: str
    snapshot_id: str
    schedule: Schedule
    is_active: bool
    created: datetime
    deleted: datetime | None
    last_fired: datetime | None
    seen_to: datetime
    owed: Mapping[datetime, str] = field(repr=False)
    workspace: Workspace = field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<ScheduleRecord {shorten(self.name)}: {what(self.schedule)}, {self.status}>"

    @property
    def status(self) -> str:
        """How it stands: `active`, `paused`, `over` (it fires no more), `stuck` (see `problem`) or `deleted`."""
        if self.deleted is not None:
            return DELETED
        if self.problem:
            return STUCK
        if not self.is_active:
            return PAUSED
        return ACTIVE if self.owed or next(fires_after(self.schedule, self.seen_to), None) is not None else OVER

    @property
    def problem(self) -> str:
        """Why it cannot fire on this machine, or `""`: one that was made elsewhere may be of a zone not known here."""
        if is_zone(self.timezone):
            return ""
        return f"This machine knows no zone {shorten(self.timezone)}, so it cannot fire: update it with another."

    @property
    def cron_expression(self) -> str | None:
        """Its cron expression, if it has one."""
        return self.schedule.cron_expression

    @property
    def timezone(self) -> str:
        """The zone whose wall clocks it means."""
        return self.schedule.timezone or "UTC"

    @property
    def fires(self) -> str:
        """When it fires, as it was said: `0 2 * * *`, `every 30 minutes`."""
        return what(self.schedule)

    @property
    def words(self) -> str:
        """When it fires, in words."""
        return in_words(self.schedule)

    @property
    def next_fire(self) -> datetime | None:
        """The next instant at which it fires, in UTC; `None` if it fires no more, or is paused or deleted."""
        return next(iter(self.next_fires(1)), None)

    def next_fires(self, number: int = 5) -> list[datetime]:
        """Give the next instants at which it fires, in UTC: none if it is paused, deleted or over."""
        if not self.is_active or self.problem:
            return []
        return list(islice(fires_after(self.schedule, max(self.seen_to, now())), number))

    def overdue(self, at: datetime | None = None) -> Due:
        """Say what has come due and nobody has seen to: what the next scheduler fires, and what it tells as missed.

        Args:
            at: The instant of which that is asked; now if not given.
        """
        return due(self.schedule, self.seen_to, at or now()) if self.is_active and not self.problem else Due()

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that it runs.

        Raises:
            NotFoundError: It was deleted.
        """
        return find_snapshot(self.workspace, self.snapshot_id)

    @property
    def snapshot_label(self) -> str:
        """What its snapshot goes by: its name, or the beginning of its id."""
        row = self.workspace.catalog.state().snapshots.get(self.snapshot_id)
        return (row["name"] if row is not None else "") or self.snapshot_id[:8]

    def as_row(self) -> dict[str, Any]:
        """Give its plain facts."""
        return {
            "name": self.name,
            "status": self.status,
            "fires": self.fires,
            "next_fire": self.next_fire,
            "timezone": self.timezone,
            "catchup": self.schedule.catchup.value,
            "overlap": self.schedule.overlap.value,
            "pipeline": self.pipeline,
            "snapshot": self.snapshot_label,
            "last_fired": self.last_fired,
            "id": self.id,
        }


@dataclass(frozen=True)
class Firing(Displayed):
    """What became of an instant at which a schedule was due, or of several that were missed.

    Attributes:
        schedule: The schedule's name.
        schedule_id: Its id.
        due: When it was due; the first of those that were missed.
        outcome: `fired`, `skipped`, `missed` or `refused`.
        run_id: The run that it made, or promised; `""` if none.
        last_due: When the last was due of several that were missed.
        number: How many were missed, 10,000 if it was as many or more; 1 of others.
        error: Why it was refused, or `""`.
        claimed: When somebody saw to it.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "schedule": "text",
        "due": "instant",
        "outcome": "text",
        "number": "int",
        "run": "text",
        "error": "text",
        "claimed": "instant",
    }

    schedule: str
    schedule_id: str
    due: datetime
    outcome: str
    run_id: str
    last_due: datetime | None
    number: int
    error: str
    claimed: datetime
    workspace: Workspace = field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<Firing of {shorten(self.schedule)}, due {self.due.isoformat(timespec='seconds')}: {self.outcome}>"

    @property
    def run(self) -> Run | None:
        """The run that it made; `None` if it made none, or if it has not begun.

        Raises:
            NotFoundError: It was deleted.
        """
        from nbpipe.services.recorded import run_with_id

        if not self.run_id:
            return None
        try:
            return run_with_id(self.workspace, self.run_id)
        except NotFoundError:
            row = self.workspace.catalog.state().schedules.get(self.schedule_id)
            if row is not None and any(promise["run_id"] == self.run_id for promise in row["owed"]):
                return None
        # It may have begun between the two looks.
        return run_with_id(self.workspace, self.run_id)

    def as_row(self) -> dict[str, Any]:
        """Give its plain facts."""
        return {
            "schedule": self.schedule,
            "due": self.due,
            "outcome": self.outcome,
            "number": self.number,
            "run": self.run_id,
            "error": self.error,
            "claimed": self.claimed,
        }


def timing_of(schedule: Schedule) -> Timing:
    """Give a schedule that is settled as the log keeps it."""
    assert schedule.timezone is not None, "a schedule that is settled has a zone"
    return Timing(
        cron_expression=schedule.cron_expression,
        interval_s=schedule.interval_second,
        run_at=schedule.run_once_start_time,
        starts=schedule.start_time,
        ends=schedule.end_time,
        timezone=schedule.timezone,
        catchup=schedule.catchup.value,
        overlap=schedule.overlap.value,
    )


def schedule_of(row: Row) -> Schedule:
    """Give the schedule that a row of the operations' state keeps."""
    # It was checked before it was written, and an end that has passed by now is no mistake.
    return Schedule.model_construct(
        name=row["name"],
        cron_expression=row["cron_expression"],
        interval_second=row["interval_s"],
        run_once_start_time=_instant(row["run_at"]),
        start_time=_instant(row["starts"]),
        end_time=_instant(row["ends"]),
        timezone=row["timezone"],
        catchup=CatchUp(row["catchup"]),
        overlap=Overlap(row["overlap"]),
    )


def record_in(row: Row, workspace: Workspace) -> ScheduleRecord:
    """Make the record of a row of the operations' state."""
    return ScheduleRecord(
        id=row["id"],
        name=row["name"],
        pipeline=row["pipeline"],
        snapshot_id=row["snapshot_id"],
        schedule=schedule_of(row),
        is_active=row["active"],
        created=as_instant(row["created"]),
        deleted=_instant(row["deleted"]),
        last_fired=_instant(row["last_fired"]),
        seen_to=as_instant(row["since"]),
        owed={as_instant(promise["due"]): promise["run_id"] for promise in row["owed"]},
        workspace=workspace,
    )


def _instant(written: str | None) -> datetime | None:
    return as_instant(written) if written is not None else None
