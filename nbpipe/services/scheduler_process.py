"""Schedulers as processes: which of them are there, and how one is started and ended.

Each holds the lock of a file of its own as long as it lives, and has written into it who it is: a file whose lock is
free is what a killed one left. To end it is to write a file beside it, which it looks for. What a scheduler does is
`services.scheduler`.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from nbpipe.base.clock import now_text
from nbpipe.base.locks import is_locked, try_lock_file
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.writable import cannot_write
from nbpipe.errors import ConflictError, SchedulerError
from nbpipe.services.instants import as_instant
from nbpipe.services.scheduler import USUAL_WORKERS, Say, Scheduler
from nbpipe.services.workspace import Workspace

_PATIENCE_S = 30.0
_LOOK_UP_S = 0.05
_LONGEST_LOG_BYTES = 5 << 20


@dataclass(frozen=True, slots=True)
class SchedulerProcess:
    """A scheduler that is there.

    Attributes:
        pid: Its process.
        started: When it began, ISO 8601.
        workers: How many runs it lets go on at once.
        background: Whether it was started to be there by itself.
    """

    pid: int
    started: str
    workers: int
    background: bool

    @property
    def since(self) -> datetime:
        """When it began."""
        return as_instant(self.started)


def schedulers(paths: WorkspacePaths) -> list[SchedulerProcess]:
    """Give the schedulers of a workspace that are there, the oldest first."""
    found = []
    for place in paths.schedules.glob("scheduler-*.json"):
        if is_locked(place):
            with suppress(OSError, ValueError, TypeError):
                found.append(SchedulerProcess(**json.loads(place.read_text(encoding="utf-8"))))
    return sorted(found, key=lambda each: each.started)


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """How a scheduler is to be.

    Attributes:
        workers: How many runs go on at once.
        background: Whether it is there by itself.
    """

    workers: int = USUAL_WORKERS
    background: bool = False


def run_scheduler(workspace: Workspace, settings: SchedulerSettings, say: Say) -> None:
    """Be a scheduler until somebody ends that: by an interrupt, SIGTERM, or `stop_schedulers`.

    Args:
        workspace: Whose schedules.
        settings: How.
        say: Told in lines what is going on.

    Raises:
        BadValueError: A number of workers that is none.
        WorkspaceError: The workspace cannot be written.
    """
    scheduler = Scheduler(workspace, at_once=settings.workers, say=say)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    paths = workspace.paths
    me = SchedulerProcess(os.getpid(), now_text(), settings.workers, settings.background)
    with _noted(workspace, me) as place:
        ended = {number: signal.signal(number, lambda *_: scheduler.end()) for number in _SIGNALS}
        watch = threading.Thread(target=_watch, args=(place, scheduler), name="nbpipe-scheduler-watch", daemon=True)
        watch.start()
        say(f"A scheduler fires what is due in {paths.root}; an interrupt ends it.")
        try:
            scheduler.run()
        finally:
            for number, handler in ended.items():
                signal.signal(number, handler)
            place.with_suffix(".stop").unlink(missing_ok=True)
    left = running(paths)
    goes_on = f" {left} run{'s' if left > 1 else ''} that it began go{'es' if left == 1 else ''} on." if left else ""
    say(f"The scheduler has ended.{goes_on}")


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def running(paths: WorkspacePaths) -> int:
    """Give how many runs of schedules go on."""
    return sum(1 for place in paths.schedules.glob("*.*.lock") if is_locked(place))


def start_scheduler(paths: WorkspacePaths, *, workers: int = USUAL_WORKERS) -> SchedulerProcess:
    """Start a scheduler that is there by itself, and wait until it is.

    Raises:
        ConflictError: One is there already.
        SchedulerError: It ended at once, or did not come up in time.
    """
    there = schedulers(paths)
    if there:
        raise ConflictError(f"A scheduler of this workspace is there already (process {there[0].pid}).")
    paths.ensure()
    paths.schedules.mkdir(mode=0o700, exist_ok=True)
    log = log_place(paths)
    if log.exists() and log.stat().st_size > _LONGEST_LOG_BYTES:
        log.replace(log.with_suffix(".old.log"))
    command = [sys.executable, "-P", "-m", "nbpipe", "scheduler", "run", "--workers", str(workers), "--background"]
    with open(log, "ab") as output:
        process = subprocess.Popen(  # noqa: S603 — this interpreter, and words of ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "NBPIPE_HOME": str(paths.root), "PYTHONUNBUFFERED": "1"},
            cwd=paths.root.parent,
            # It outlives whoever starts it, and what interrupts that one.
            start_new_session=True,
        )
    # Should it end before this process does, nothing is left of it.
    threading.Thread(target=process.wait, name="nbpipe-reaper", daemon=True).start()
    deadline_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline_s:
        for each in schedulers(paths):
            if each.pid == process.pid:
                return each
        if process.poll() is not None:
            raise SchedulerError(f"The scheduler ended at once; see {log}.")
        time.sleep(_LOOK_UP_S)
    process.kill()
    raise SchedulerError(f"The scheduler did not come up in {_PATIENCE_S:g} s; see {log}.")


def stop_schedulers(paths: WorkspacePaths) -> list[SchedulerProcess]:
    """End the schedulers of a workspace, and wait until they are gone; what they began goes on.

    Returns:
        Those that were there.

    Raises:
        SchedulerError: One does not end.
    """
    there = schedulers(paths)
    for each in there:
        _place(paths, each.pid).with_suffix(".stop").touch()
    deadline_s = time.monotonic() + _PATIENCE_S
    while left := [each for each in there if is_locked(_place(paths, each.pid))]:
        if time.monotonic() > deadline_s:
            raise SchedulerError(f"Scheduler {left[0].pid} does not end; see {log_place(paths)}.")
        time.sleep(_LOOK_UP_S)
    return there


def log_place(paths: WorkspacePaths) -> Path:
    """Give the file that a scheduler in the background prints to."""
    return paths.schedules / "scheduler.log"


@contextmanager
def _noted(workspace: Workspace, me: SchedulerProcess) -> Iterator[Path]:
    """Have it be known meanwhile that this process is a scheduler."""
    paths = workspace.paths
    place = _place(paths, me.pid)
    try:
        paths.ensure()
        paths.schedules.mkdir(mode=0o700, exist_ok=True)
        place.with_suffix(".stop").unlink(missing_ok=True)
        descriptor = _opened(place)
        os.write(descriptor, json.dumps(asdict(me)).encode())
    except OSError as error:
        raise cannot_write(paths, error.strerror or str(error)) from error
    _forget_killed(paths)
    try:
        yield place
    finally:
        place.unlink(missing_ok=True)
        os.close(descriptor)


def _forget_killed(paths: WorkspacePaths) -> None:
    """Take away what killed schedulers left."""
    own = _place(paths, os.getpid())
    for place in paths.schedules.glob("scheduler-*.json"):
        if place != own and not is_locked(place):
            place.unlink(missing_ok=True)
            place.with_suffix(".stop").unlink(missing_ok=True)


def _watch(place: Path, scheduler: Scheduler) -> None:
    """Look whether it is to end."""
    while not place.with_suffix(".stop").exists() and place.exists():
        time.sleep(_LOOK_UP_S * 4)
    scheduler.end()


def _opened(place: Path) -> int:
    """Open a file of our own and lock it; another that tidies up may take it for a killed one's just before that."""
    while (descriptor := try_lock_file(place)) is None:
        time.sleep(_LOOK_UP_S)
    os.ftruncate(descriptor, 0)
    return descriptor


def _place(paths: WorkspacePaths, pid: int) -> Path:
    return paths.schedules / f"scheduler-{pid}.json"
