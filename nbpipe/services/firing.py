"""Firing what is due: the claim, the promised run in a process of its own, and the promise kept.

A claim says in the operation log under which id a run will come; from then on it is owed. Whoever starts it holds a
lock file of that name meanwhile, and so does the run's process as long as the run goes on. From these two it can be
told after any kill what is still to be started: what is owed, is held by nobody and is unknown to the catalog has not
begun. So each firing runs once, or is told as missed, skipped or refused, however many schedulers there are.

This module looks once. Who looks again and again is `services.scheduler`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nbpipe.base.locks import is_locked, try_lock_file
from nbpipe.catalog.writable import cannot_write
from nbpipe.errors import NbpipeError, NotFoundError
from nbpipe.records.operations import ClaimFirings, KeepPromise, Missed, Promise
from nbpipe.records.schedules import CatchUp, Overlap, is_zone
from nbpipe.records.state import Row
from nbpipe.schedule.firing import Due, due
from nbpipe.services.apart import RunApart
from nbpipe.services.instants import as_instant
from nbpipe.services.recorded import run_with_id
from nbpipe.services.schedule_records import schedule_of
from nbpipe.services.snapshot_finding import find_snapshot
from nbpipe.services.snapshot_running import run_apart
from nbpipe.services.starting import new_run_id
from nbpipe.services.workspace import Workspace

MOST_OWED = 20


@dataclass(frozen=True, slots=True)
class Owed:
    """A run that was promised and has not begun.

    Attributes:
        schedule_id: The schedule.
        name: Its name.
        snapshot_id: What is run.
        run_id: The id that the run will have.
        due: When it was due.
        alone: Whether it waits until no other run of its schedule goes on.
    """

    schedule_id: str
    name: str
    snapshot_id: str
    run_id: str
    due: datetime
    alone: bool


class Firer:
    """Claims what is due, and starts what is owed.

    Args:
        workspace: Whose schedules.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._folder = workspace.paths.schedules

    def rows(self) -> list[Row]:
        """Give the schedules that may fire: those that are not paused, and of a zone that is known here."""
        # The state goes on changing while others write.
        rows = [*self._workspace.catalog.state().schedules.values()]
        return [row for row in rows if row is not None and row["active"] and is_zone(row["timezone"])]

    def claim(self, row: Row, now: datetime) -> bool:
        """Claim what has come due of a schedule; tell whether there was anything and nobody was quicker."""
        schedule, since = schedule_of(row), as_instant(row["since"])
        found = due(schedule, since, now)
        if not found.fire and not found.missed:
            return False
        is_catching_up = schedule.catchup is CatchUp.ALL and len(found.fire) > 1
        is_skipped = bool(found.fire) and not is_catching_up and self._is_skipped(row, schedule.overlap)
        alone = is_catching_up or schedule.overlap is not Overlap.PARALLEL
        fire = () if is_skipped else found.fire
        return bool(
            self._workspace.catalog.transact(
                ClaimFirings(
                    id=row["id"],
                    since=since,
                    until=max(filter(None, (*found.fire, found.missed_until))),
                    promises=tuple(Promise(run_id=new_run_id(), due=at, alone=alone) for at in fire),
                    skipped=found.fire[-1] if is_skipped else None,
                    missed=_missed(found),
                ),
                durable=True,
            )["is_claimed"]
        )

    def pass_over(self, row: Row, now: datetime) -> bool:
        """Tell all that has come due of a schedule as missed; give whether there was anything."""
        schedule, since = schedule_of(row), as_instant(row["since"])
        found = due(schedule, since, now)
        instants = [*filter(None, (found.missed_from, found.missed_until)), *found.fire]
        if instants:
            missed = Missed(number=found.missed + len(found.fire), first=instants[0], last=instants[-1])
            operation = ClaimFirings(id=row["id"], since=since, until=instants[-1], missed=missed)
            self._workspace.catalog.transact(operation, durable=True)
        return bool(instants)

    def _is_skipped(self, row: Row, overlap: Overlap) -> bool:
        if overlap is Overlap.SKIP:
            return bool(row["owed"]) or self.is_running(row["id"])
        # Whoever asks for more than can ever be run is not promised all of it.
        return len(row["owed"]) >= MOST_OWED

    def owed(self) -> Iterator[Owed]:
        """Give what may be started now, in the order in which it was due."""
        found = []
        for row in self.rows():
            is_busy = bool(row["owed"]) and self.is_running(row["id"])
            for promise in row["owed"]:
                if not (promise["alone"] and is_busy):
                    at = as_instant(promise["due"])
                    found.append(
                        Owed(row["id"], row["name"], row["snapshot_id"], promise["run_id"], at, promise["alone"])
                    )
                if promise["alone"]:
                    is_busy = True
        yield from sorted(found, key=lambda each: (each.due, each.run_id))

    def is_running(self, schedule_id: str) -> bool:
        """Tell whether a run of a schedule goes on, whoever started it."""
        return any(is_locked(place) for place in self._folder.glob(f"{schedule_id}.*.lock"))

    def running(self) -> int:
        """Give how many runs of schedules go on, whoever started them."""
        return sum(1 for place in self._folder.glob("*.*.lock") if is_locked(place))

    @contextmanager
    def taken(self, owed: Owed) -> Iterator[int | None]:
        """Hold what is owed meanwhile: the open lock file, or nothing if somebody else has it or it is owed no more.

        Raises:
            WorkspaceError: The workspace cannot be written.
        """
        place = self._folder / f"{owed.schedule_id}.{owed.run_id}.lock"
        lock = self._locked(place)
        try:
            yield lock if lock is not None and self._is_owed(owed) else None
        finally:
            if lock is not None:
                os.close(lock)
                # Its run may go on, and holds the file then.
                if not self._is_owed(owed) and not is_locked(place):
                    place.unlink(missing_ok=True)

    def start(self, owed: Owed, lock: int) -> RunApart | None:
        """Start what is owed, and give its run; nothing if it began before or cannot be started, which is told.

        Args:
            owed: What is started.
            lock: The lock file that is held for it.
        """
        if self._has_begun(owed.run_id):
            self._keep(owed)
            return None
        try:
            snapshot = find_snapshot(self._workspace, owed.snapshot_id)
            run = run_apart(snapshot, run_id=owed.run_id, held=(lock,), schedule_id=owed.schedule_id)
        except NbpipeError as error:
            self._keep(owed, str(error) or type(error).__name__)
            return None
        self._keep(owed)
        return run

    def refuse(self, owed: Owed, why: str) -> None:
        """Tell that what is owed could not be started."""
        self._keep(owed, why)

    def tidy_up(self) -> None:
        """Take away the lock files of processes that are gone."""
        for place in self._folder.glob("*.*.lock"):
            if not is_locked(place):
                place.unlink(missing_ok=True)

    def _locked(self, place: Path) -> int | None:
        try:
            self._workspace.paths.ensure()
            self._folder.mkdir(mode=0o700, exist_ok=True)
            return try_lock_file(place)
        except OSError as error:
            raise cannot_write(self._workspace.paths, error.strerror or str(error)) from error

    def _is_owed(self, owed: Owed) -> bool:
        row = self._workspace.catalog.state().schedules.get(owed.schedule_id)
        return row is not None and any(promise["run_id"] == owed.run_id for promise in row["owed"])

    def _has_begun(self, run_id: str) -> bool:
        try:
            run_with_id(self._workspace, run_id)
        except NotFoundError:
            return False
        return True

    def _keep(self, owed: Owed, error: str = "") -> None:
        operation = KeepPromise(id=owed.schedule_id, due=owed.due, run_id=owed.run_id, error=error)
        self._workspace.catalog.transact(operation, durable=True)


def claim_due(firer: Firer, now: datetime, *, again: Callable[[], bool] = lambda: False) -> int:
    """Claim all that has come due by an instant, and tell of how many schedules.

    Args:
        firer: Whose.
        now: The instant.
        again: Asked before each schedule whether to leave it there.
    """
    number = 0
    for row in firer.rows():
        if again():
            break
        number += firer.claim(row, now)
    return number


def _missed(found: Due) -> Missed | None:
    if not found.missed:
        return None
    assert found.missed_from is not None, "what was missed has a first"
    assert found.missed_until is not None, "what was missed has a last"
    return Missed(number=found.missed, first=found.missed_from, last=found.missed_until)
