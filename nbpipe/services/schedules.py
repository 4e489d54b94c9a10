"""Schedules: a snapshot that is to be run at instants to come; made, changed, paused, deleted, and fired by hand.

What a schedule may say was checked by its record; what of it needs a clock is checked here, before anything is written.
A schedule fires when some scheduler runs (`services.scheduler`), or when somebody ticks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from nbpipe.base.clock import now
from nbpipe.base.ids import may_be_id_prefix, new_id
from nbpipe.errors import AmbiguousNameError, BadValueError, NotFoundError
from nbpipe.records.base import plain_name, shorten
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.records.operations import ActivateSchedule, ChangeSchedule, CreateSchedule, DeleteSchedule, DeleteSnapshot
from nbpipe.records.schedules import Schedule, is_zone
from nbpipe.records.state import Row
from nbpipe.schedule.firing import settled
from nbpipe.services.firing import Firer, claim_due
from nbpipe.services.instants import as_instant, meant_instant
from nbpipe.services.listing import Listing
from nbpipe.services.schedule_records import Firing, ScheduleRecord, record_in, schedule_of, timing_of
from nbpipe.services.snapshot_finding import find_snapshot
from nbpipe.services.snapshot_records import Snapshot, snapshot_in
from nbpipe.services.snapshot_running import traced_for
from nbpipe.services.workspace import Workspace

_KINDS = ("cron_expression", "interval_second", "run_once_start_time")
# `start_time=datetime.now()` was a moment ago when it is read here, and is meant.
_A_MOMENT = timedelta(minutes=1)
_JUST_BEFORE = timedelta(microseconds=1)
_FIRINGS = """
SELECT f.*, coalesce(s.name, '') AS schedule FROM firings AS f LEFT JOIN schedules AS s ON s.id = f.schedule_id
WHERE $id IS NULL OR f.schedule_id = $id ORDER BY f.due DESC, f.schedule_id LIMIT $most
"""


class ScheduleService:
    """What may be asked of schedules.

    Args:
        workspace: Where they are kept.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    # Making ----------------------------------------------------------------------------------

    def create(
        self,
        name: str | None,
        snapshot: object,
        schedule: Schedule | Mapping[str, Any] | None = None,
        *,
        replace: bool = False,
        **said: Any,
    ) -> ScheduleRecord:
        """Have a snapshot run at instants to come.

        Args:
            name: The schedule's name; the one that the schedule says, or else the pipeline's, if not given.
            snapshot: The snapshot, or what names one.
            schedule: When it runs; or say so here: `cron_expression="0 2 * * *"`.
            replace: Whether a schedule of this name and pipeline is to be changed, should there be one.
            said: The fields of a `Schedule`.

        Raises:
            NotFoundError: There is no such snapshot.
            BadValueError: No schedule, one that never fires, or a name that is none.
            ParameterError: A parameter of the snapshot has no value.
            EnvironmentMismatchError: A package that its steps import is not installed.
            ConflictError: There is a schedule of that name.
        """
        wanted = as_schedule(schedule, said)
        frozen = find_snapshot(self._workspace, snapshot)
        title = plain_name("schedule", name or wanted.name or frozen.pipeline)
        at = now()
        kept = settled(wanted.model_copy(update={"name": None}), at)
        traced_for(frozen, PipelineRunConfiguration())
        former = _named(self._workspace, title) if replace else None
        if former is not None and former["pipeline"] == frozen.pipeline:
            return self._changed(former, frozen, wanted, kept, at)
        row = self._workspace.catalog.transact(
            CreateSchedule(
                id=new_id(),
                name=title,
                pipeline=frozen.pipeline,
                snapshot_id=frozen.id,
                timing=timing_of(kept),
                since=_since(kept, at),
            ),
            durable=True,
        )
        return record_in(row, self._workspace)

    def take(self, made: Snapshot, schedule: Schedule) -> ScheduleRecord:
        """Have a snapshot that was just made for it run at instants to come; see `create`.

        A schedule of its name and pipeline is changed. Where the snapshot is not used, it goes: another that is equal
        is scheduled already, or the schedule was refused.
        """
        taken = None
        try:
            taken = self.create(None, made, schedule, replace=True)
        finally:
            if taken is None or taken.snapshot_id != made.id:
                self._workspace.catalog.transact(DeleteSnapshot(id=made.id))
        return taken

    def _changed(self, former: Row, frozen: Snapshot, wanted: Schedule, kept: Schedule, at: datetime) -> ScheduleRecord:
        """Change a schedule that is made once more; one that says the same goes on as it does."""
        start = schedule_of(former).start_time if wanted.start_time is None else kept.start_time
        same = timing_of(kept.model_copy(update={"start_time": start})) == timing_of(schedule_of(former))
        own = self._workspace.catalog.state().snapshots.get(former["snapshot_id"])
        is_equal = own is not None and snapshot_in(own, self._workspace).digest == frozen.digest
        operation = ChangeSchedule(
            id=former["id"],
            snapshot_id=None if is_equal else frozen.id,
            timing=None if same else timing_of(kept),
            since=None if same else _since(kept, at),
        )
        if not same:
            self._tell_missed(former, at)
        return record_in(self._workspace.catalog.transact(operation, durable=True), self._workspace)

    # Asking ----------------------------------------------------------------------------------

    def get(self, ref: object) -> ScheduleRecord:
        """Find a schedule.

        Args:
            ref: Its name, its id, a unique prefix of that, or a record. A deleted one answers to its
                name as long as no other has it.

        Raises:
            NotFoundError: There is none.
            AmbiguousNameError: Several ids begin so.
        """
        return record_in(find_schedule(self._workspace, ref), self._workspace)

    def list(self, pipeline: str | None = None, *, include_deleted: bool = False) -> Listing[ScheduleRecord]:
        """List schedules, newest first.

        Args:
            pipeline: Only those of this pipeline.
            include_deleted: Those too that were deleted and whose history was kept.
        """
        rows = [row for row in _rows(self._workspace) if pipeline in (None, row["pipeline"])]
        there = [row for row in rows if include_deleted or row["deleted"] is None]
        there.sort(key=lambda row: (row["created"], row["id"]), reverse=True)
        return Listing([record_in(row, self._workspace) for row in there], ScheduleRecord)

    def fires(self, ref: object = None, *, limit: int = 100) -> Listing[Firing]:
        """List what became of firings, the latest first.

        Args:
            ref: Of which schedule; of all if not given.
            limit: How many at most.

        Raises:
            NotFoundError: There is no such schedule.
            BadValueError: A limit that is no number from 1 on.
        """
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise BadValueError(f"limit={shorten(limit)} is no number of firings; give one from 1 on.")
        asked = {"id": find_schedule(self._workspace, ref)["id"] if ref is not None else None, "most": limit}
        found = self._workspace.catalog.rows(_FIRINGS, asked)
        return Listing([_firing(row, self._workspace) for row in found], Firing)

    # Changing --------------------------------------------------------------------------------

    def update(
        self,
        ref: object,
        *,
        name: str | None = None,
        snapshot: object = None,
        schedule: Schedule | Mapping[str, Any] | None = None,
        **said: Any,
    ) -> ScheduleRecord:
        """Say anew when a schedule fires, what it runs, or what it is called; the rest stays as it is.

        Args:
            ref: The schedule.
            name: Another name.
            snapshot: Another snapshot.
            schedule: All of when it fires: what this does not say is no longer said.
            said: Fields of a `Schedule` that are to be others; a `cron_expression` takes the place of an interval.

        Raises:
            NotFoundError: There is no such schedule or snapshot.
            BadValueError: What is said makes no schedule; the former is kept.
            ConflictError: There is a schedule of that name.
        """
        former, at = find_schedule(self._workspace, ref), now()
        title = plain_name("schedule", name) if name is not None else None
        frozen = find_snapshot(self._workspace, snapshot) if snapshot is not None else None
        if frozen is not None:
            traced_for(frozen, PipelineRunConfiguration())
        kept = self._said_anew(former, said, at) if said and schedule is None else None
        if schedule is not None:
            kept = settled(as_schedule(schedule, said).model_copy(update={"name": None}), at)
        if title is None and frozen is None and kept is None:
            raise BadValueError(
                "Nothing was said that is to be changed; give a cron expression, an interval, a snapshot or a name."
            )
        operation = ChangeSchedule(
            id=former["id"],
            name=title,
            snapshot_id=frozen.id if frozen is not None else None,
            pipeline=frozen.pipeline if frozen is not None else None,
            timing=timing_of(kept) if kept is not None else None,
            since=_since(kept, at) if kept is not None else None,
        )
        if kept is not None:
            self._tell_missed(former, at)
        return record_in(self._workspace.catalog.transact(operation, durable=True), self._workspace)

    def _said_anew(self, former: Row, said: Mapping[str, Any], at: datetime) -> Schedule:
        before = schedule_of(former)
        kept = {name: value for name in Schedule.model_fields if (value := getattr(before, name)) is not None}
        kept.pop("name")
        another = [kind for kind in _KINDS if said.get(kind) is not None]
        if another:
            # One way takes the place of another, and with it goes what only that one had.
            for name in _KINDS:
                kept.pop(name, None)
            if "interval_second" not in another or before.interval_second is None:
                kept.pop("start_time", None)
        return settled(as_schedule(None, {**kept, **{k: v for k, v in said.items() if v is not None}}), at)

    def activate(self, ref: object) -> ScheduleRecord:
        """Let a schedule fire again, from now on: what was due meanwhile is not made up for.

        Raises:
            NotFoundError: There is no such schedule.
        """
        return self._let(ref, is_active=True)

    def deactivate(self, ref: object) -> ScheduleRecord:
        """Keep a schedule from firing until it is activated; a run of it that goes on, goes on.

        Raises:
            NotFoundError: There is no such schedule.
        """
        return self._let(ref, is_active=False)

    def _let(self, ref: object, *, is_active: bool) -> ScheduleRecord:
        row, at = find_schedule(self._workspace, ref), now()
        self._tell_missed(row, at)
        operation = ActivateSchedule(id=row["id"], active=is_active, since=at)
        return record_in(self._workspace.catalog.transact(operation, durable=True), self._workspace)

    def delete(self, ref: object, *, hard: bool = False) -> None:
        """Delete a schedule: its history stays and its name is free. Its runs stay in any case.

        Args:
            ref: The schedule; one that was deleted before can be deleted for good.
            hard: Whether its history goes too.

        Raises:
            NotFoundError: There is no such schedule.
        """
        row = find_schedule(self._workspace, ref)
        self._tell_missed(row, now())
        self._workspace.catalog.transact(DeleteSchedule(id=row["id"], for_good=hard), durable=True)

    def _tell_missed(self, row: Row, at: datetime) -> None:
        """Have what came due by an instant, and nobody has seen to, be told as missed: it will not be made up for."""
        firer = Firer(self._workspace)
        # When it was due in a zone that this machine does not know, nobody here can tell.
        while row["active"] and is_zone(row["timezone"]) and firer.pass_over(row, at):
            row = find_schedule(self._workspace, row["id"])

    # Firing ----------------------------------------------------------------------------------

    def tick(self, now: datetime | str | None = None) -> Listing[Firing]:
        """Fire what is due at an instant, and wait for the runs, one after another.

        What is fired for an instant is fired: a tick for tonight leaves tonight's scheduler nothing to do.

        Args:
            now: The instant; this one if not given. One without a zone is meant in this machine's.

        Returns:
            What became of all that was due, the latest first.

        Raises:
            BadValueError: It is no instant.
        """
        at = meant_instant("now", now) if now is not None else _present()
        firer = Firer(self._workspace)
        before = {row["id"]: as_instant(row["since"]) for row in firer.rows()}
        claim_due(firer, at)
        owed = [*firer.owed()]
        while owed:
            for each in owed:
                with firer.taken(each) as lock:
                    run = firer.start(each, lock) if lock is not None else None
                    if run is not None:
                        run.wait_quietly()
            tried = {each.run_id for each in owed}
            owed = [each for each in firer.owed() if each.run_id not in tried]
        self._workspace.publish_soon()
        found = [each for each in self.fires(limit=1_000) if each.due > before.get(each.schedule_id, at)]
        return Listing(found, Firing)


def find_schedule(workspace: Workspace, ref: object) -> Row:
    """Find a schedule's row by its name, its id, a unique prefix of that, or a record; a deleted one last of all.

    Raises:
        NotFoundError: There is none.
        AmbiguousNameError: Several ids begin so.
    """
    text = ref.id if isinstance(ref, ScheduleRecord) else ref
    if not isinstance(text, str) or not text.strip():
        raise BadValueError(f"{shorten(ref)} names no schedule; give its name.")
    named, rows = _named(workspace, text.strip()), _rows(workspace)
    if named is not None:
        return named
    prefix = text.strip().lower()
    begun = [row for row in rows if may_be_id_prefix(prefix) and row["id"].startswith(prefix)]
    if len(begun) > 1:
        raise AmbiguousNameError("schedule", text, [row["id"] for row in begun])
    if not begun:
        begun = [row for row in rows if row["name"] == text.strip()][-1:]
    if not begun:
        raise NotFoundError("schedule", text, [row["name"] for row in rows if row["deleted"] is None])
    return begun[0]


def _rows(workspace: Workspace) -> list[Row]:
    # The state goes on changing while others write.
    return [row for row in [*workspace.catalog.state().schedules.values()] if row is not None]


def _named(workspace: Workspace, name: str) -> Row | None:
    return next((row for row in _rows(workspace) if row["name"] == name and row["deleted"] is None), None)


def as_schedule(given: Schedule | Mapping[str, Any] | None, said: Mapping[str, Any]) -> Schedule:
    """Give the schedule that a user meant by a record, a dict or arguments.

    Raises:
        BadValueError: It is none; the field is named.
    """
    if isinstance(given, Schedule):
        return Schedule.read({**given.model_dump(exclude_none=True), **said}) if said else given
    if given is not None and not isinstance(given, Mapping):
        raise BadValueError(f'{shorten(given)} is no schedule; give Schedule(cron_expression="0 2 * * *").')
    return Schedule.read({**(given or {}), **said})


def _since(kept: Schedule, at: datetime) -> datetime:
    """Give the instant after which a new schedule's instants are to be seen to: its own start is one of them."""
    start = kept.start_time
    if kept.interval_second is not None and start is not None and at - _A_MOMENT <= start <= at:
        return start - _JUST_BEFORE
    return at


def _present() -> datetime:
    return now()


def _firing(row: Mapping[str, Any], workspace: Workspace) -> Firing:
    return Firing(
        schedule=row["schedule"],
        schedule_id=row["schedule_id"],
        due=row["due"],
        outcome=row["outcome"],
        run_id=row["run_id"] or "",
        last_due=row["last_due"],
        number=row["number"],
        error=row["error"] or "",
        claimed=row["claimed_at"],
        workspace=workspace,
    )
