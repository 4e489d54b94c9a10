"""Who starts the runs that wait: so many at once, each in a process of its own, in the order in which they were asked.

A run goes on though the process that started it ends, however that ends; whoever comes next counts it among those that
run. A promise is kept by whichever process is there: two of them never start one run, since its lock has one holder.

One thread looks for work; one for each run hears it to its end. What is written down is `services.queueing`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from nbpipe.errors import BadValueError, NbpipeError
from nbpipe.execute.glimpses import Glimpse, nothing_seen
from nbpipe.records.base import shorten
from nbpipe.services.apart import RunApart
from nbpipe.services.child_process import AT_ONCE
from nbpipe.services.queueing import QueuedRun, RunQueue
from nbpipe.services.snapshot_running import run_apart
from nbpipe.services.snapshots import SnapshotService
from nbpipe.services.workspace import Workspace

USUAL_WORKERS = 2
_LOOK_UP_S = 0.25
_LOG = logging.getLogger("nbpipe.server")


class QueueWorkers:
    """The threads that start what waits.

    Args:
        workspace: Whose runs.
        queue: Where they wait.
        at_once: How many run at a time, from the number of this process's children at most.

    Raises:
        BadValueError: A number that is none, or too large.
    """

    def __init__(self, workspace: Workspace, queue: RunQueue, *, at_once: int = USUAL_WORKERS) -> None:
        if isinstance(at_once, bool) or not isinstance(at_once, int) or not 1 <= at_once <= AT_ONCE:
            raise BadValueError(f"workers={shorten(at_once)}: this machine runs from 1 to {AT_ONCE} at once.")
        self._workspace, self._queue, self._at_once = workspace, queue, at_once
        self._begun: dict[str, RunApart] = {}
        self._is_ending = threading.Event()
        self._is_asked = threading.Event()
        self._thread = threading.Thread(target=self._work, name="nbpipe-queue", daemon=True)

    def start(self) -> None:
        """Take up what waits, from now on."""
        self._queue.tidy_up()
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something to do."""
        self._is_asked.set()

    def look(self, run_id: str) -> Mapping[str, Glimpse]:
        """Give what is to be seen of the steps that run now, by node, if this process started that run."""
        run = self._begun.get(run_id)
        return run.look() if run is not None else nothing_seen()

    def close(self) -> None:
        """Start no more; what runs goes on by itself, what waits stays written down."""
        self._is_ending.set()
        self._is_asked.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _work(self) -> None:
        while not self._is_ending.is_set():
            try:
                self._start_what_may()
            except (NbpipeError, OSError):
                # The workspace cannot be read now, as on a full disk: what waits is written down, and waits.
                _LOG.exception("the runs that wait could not be looked through")
            self._is_asked.wait(_LOOK_UP_S)
            self._is_asked.clear()

    def _start_what_may(self) -> None:
        waiting = self._queue.waiting()
        if not waiting:
            return
        free = self._at_once - self._queue.running()
        for asked in waiting:
            if free <= 0 or self._is_ending.is_set():
                return
            lock = self._queue.claim(asked)
            if lock is not None:
                free -= 1
                name = f"nbpipe-queued-{asked.id[:8]}"
                threading.Thread(target=self._run, args=(asked, lock), name=name, daemon=True).start()

    def _run(self, asked: QueuedRun, lock: int) -> None:
        try:
            # The child has the lock file too: it stays locked as long as either of us lives.
            snapshot = SnapshotService(self._workspace).get(asked.snapshot_id)
            run = run_apart(snapshot, asked.configuration, run_id=asked.id, held=(lock,))
            self._queue.has_begun(asked)
            self._begun[asked.id] = run
            while not run.is_over_within(1.0):
                pass
        except NbpipeError as error:
            self._refuse(asked, str(error))
        except Exception as error:  # noqa: BLE001 — a promise is kept or told as broken, whatever went wrong
            _LOG.exception("run %s could not be started", asked.id)
            self._refuse(asked, f"{type(error).__name__}: {error}")
        finally:
            self._begun.pop(asked.id, None)
            self._queue.let_go(asked, lock)
            self.wake()

    def _refuse(self, asked: QueuedRun, why: str) -> None:
        try:
            self._queue.refuse(asked, why)
        except NbpipeError:
            _LOG.exception("that run %s was refused could not be written down", asked.id)
