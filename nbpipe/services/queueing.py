"""Runs that wait for their turn: each is a file, from the moment at which it is promised until it has begun.

Who asks for a run is given the id that it will have. The file under that id is written and synced first, so that a
promise outlives the process that made it. Beside it lies a lock file, which the process that runs it holds as long as
it lives: a run whose lock is free is run by nobody, and one that the catalog knows has begun. From these two it can be
told after any kill what is still to be started, so that each run starts once.

What was asked for is checked before it is promised. What could not be started all the same is kept here with the
reason, without the values that it was asked with.

This module knows the files. Who takes them up is `services.queue_workers`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nbpipe.base.clock import now_text
from nbpipe.base.ids import is_uuid_like
from nbpipe.base.locks import is_locked, try_lock_file
from nbpipe.base.log import sync_folder
from nbpipe.catalog.writable import cannot_write
from nbpipe.errors import BadValueError, NotFoundError, QueueFullError
from nbpipe.records.config import as_configuration
from nbpipe.services.recorded import run_with_id
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.services.snapshot_running import traced_for
from nbpipe.services.starting import new_run_id
from nbpipe.services.workspace import Workspace

MOST_WAITING = 100
QUEUED, REFUSED = "queued", "refused"
_KEPT_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """A run that was promised.

    Attributes:
        id: The id that it will have.
        snapshot_id: What is run.
        pipeline: Its pipeline.
        asked: When it was asked for, ISO 8601.
        asked_by: By whom, such as the name of a token.
        status: `queued`, or `refused` if it could not be started.
        error: Why not, or `""`.
        configuration: How it is to differ; empty once it was refused.
    """

    id: str
    snapshot_id: str
    pipeline: str
    asked: str
    asked_by: str = ""
    status: str = QUEUED
    error: str = ""
    configuration: Mapping[str, Any] = field(default_factory=dict, repr=False)


class RunQueue:
    """The runs of a workspace that wait.

    Args:
        workspace: Whose.
        most: How many may wait at a time.
    """

    def __init__(self, workspace: Workspace, *, most: int = MOST_WAITING) -> None:
        self._workspace, self._most = workspace, most
        self._folder = workspace.paths.queue

    def ask(self, snapshot: Snapshot, configuration: Mapping[str, Any] | None = None, *, by: str = "") -> QueuedRun:
        """Promise a run of a snapshot.

        Args:
            snapshot: What is to be run.
            configuration: How the run is to differ, as plain data.
            by: Who asks.

        Raises:
            BadValueError: Values that do not fit; nothing was written down.
            EnvironmentMismatchError: A package that its steps import is not installed.
            QueueFullError: As many wait as may.
            WorkspaceError: The workspace cannot be written.
        """
        given = dict(configuration or {})
        traced_for(snapshot, as_configuration(given))
        if len(self.waiting()) >= self._most:
            raise QueueFullError(self._most)
        asked = QueuedRun(new_run_id(), snapshot.id, snapshot.pipeline, now_text(), by, configuration=given)
        self._write(asked)
        return asked

    def get(self, run_id: str) -> QueuedRun:
        """Give a run that waits, or that could not be started.

        Raises:
            NotFoundError: There is none of this id: it has begun, or there never was one.
        """
        found = self._read(self._place(run_id)) if is_uuid_like(run_id) else None
        if found is None:
            raise NotFoundError("run", run_id)
        return found

    def waiting(self) -> list[QueuedRun]:
        """List the runs that wait, in the order in which they were asked for."""
        return [one for one in self.all() if one.status == QUEUED]

    def all(self) -> list[QueuedRun]:
        """List the runs that wait and those that could not be started, in the order in which they were asked for."""
        found = filter(None, map(self._read, self._folder.glob("*.json")))
        return sorted(found, key=lambda one: (one.asked, one.id))

    def withdraw(self, run_id: str) -> bool:
        """Take back a run that waits; tell whether it still did."""
        asked = self.get(run_id)
        lock = self.claim(asked)
        if lock is None:
            return False
        try:
            self._place(run_id).unlink(missing_ok=True)
        finally:
            self.let_go(asked, lock)
        return True

    # For those who start them ------------------------------------------------------------------

    def claim(self, asked: QueuedRun) -> int | None:
        """Take a run on if nobody has: the open lock file, or nothing. A run that has begun is no longer kept here."""
        try:
            lock = try_lock_file(self._lock_place(asked.id))
        except FileNotFoundError:
            return None
        if lock is None:
            return None
        # Another may have been quicker, and may be done with it already.
        if not self._place(asked.id).exists():
            os.close(lock)
            return None
        if self._has_begun(asked.id):
            self.has_begun(asked)
            self.let_go(asked, lock)
            return None
        return lock

    def has_begun(self, asked: QueuedRun) -> None:
        """Keep a run here no longer: the catalog has it."""
        self._place(asked.id).unlink(missing_ok=True)

    def refuse(self, asked: QueuedRun, why: str) -> None:
        """Keep note that a run could not be started."""
        self._write(replace(asked, status=REFUSED, error=why, configuration={}))

    def let_go(self, asked: QueuedRun, lock: int) -> None:
        """Give a lock back, and leave no file of it."""
        self._lock_place(asked.id).unlink(missing_ok=True)
        os.close(lock)

    def running(self) -> int:
        """Give how many runs are taken on, by whatever process."""
        return sum(1 for place in self._folder.glob("*.lock") if is_locked(place))

    def tidy_up(self) -> None:
        """Take away what nobody needs any more: locks of processes that are gone, and what was refused long ago."""
        for place in self._folder.glob("*.lock"):
            if not place.with_suffix(".json").exists() and not is_locked(place):
                place.unlink(missing_ok=True)
        for place in self._folder.glob("*.json"):
            found = self._read(place)
            with suppress(OSError):
                if found is not None and found.status == REFUSED and time.time() - place.stat().st_mtime > _KEPT_S:
                    place.unlink()

    def _has_begun(self, run_id: str) -> bool:
        try:
            run_with_id(self._workspace, run_id)
        except NotFoundError:
            return False
        return True

    def _read(self, place: Path) -> QueuedRun | None:
        try:
            data = json.loads(place.read_text(encoding="utf-8"))
            return QueuedRun(**data)
        except (FileNotFoundError, ValueError, TypeError):
            # Begun meanwhile; or written by another nbpipe, and for that one to read.
            return None

    def _write(self, asked: QueuedRun) -> None:
        """Write the file beside its place and rename it, so that there is all of it or nothing."""
        self._workspace.paths.ensure()
        draft = self._folder / f".{asked.id}.draft"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with open(draft, "w", encoding="utf-8", opener=_private) as file:
                json.dump(_plain(asked), file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._place(asked.id))
            sync_folder(self._folder)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise cannot_write(self._workspace.paths, error.strerror or str(error)) from error

    def _place(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.json"

    def _lock_place(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.lock"


def _plain(asked: QueuedRun) -> dict[str, Any]:
    try:
        json.dumps(asked.configuration, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadValueError(f"A run that waits takes plain values only: {error}.") from None
    return asdict(asked)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
