"""The executor of this machine: a pool of warm processes, each killable at any time.

A process is started when there is work for it, keeps what it has imported from one run to the next, and
is ended when it had nothing to do for some minutes. Every run of this process that asks for as many shares them.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from nbpipe.errors import ExecutorError, WorkerLostError
from nbpipe.execute.children import Child, Hear, PackedPlan
from nbpipe.execute.sending import SentOutcome, SentTask, failure_to_send
from nbpipe.execute.worker import failure_of

_IDLE_S = 300.0


@dataclass(frozen=True, slots=True)
class _Job:
    plan: PackedPlan
    task: SentTask
    hear: Hear
    future: Future[SentOutcome]


class ProcessPool:
    """At most `slots` processes at a time.

    Args:
        slots: How many.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._open: dict[str, Child | None] = {}
        self._cancelled: set[str] = set()
        self._children: set[Child] = set()
        self._is_closed = False

    def check(self, workspace: Path, needs: Mapping[str, Mapping[str, float]]) -> None:
        """Refuse nothing: this machine has what it has, and resources are hints."""

    @property
    def is_closed(self) -> bool:
        """Whether it takes no tasks any more."""
        return self._is_closed

    def submit(self, plan: PackedPlan, task: SentTask, hear: Hear) -> Future[SentOutcome]:
        """Have a task performed by the next process that is free."""
        job = _Job(plan, task, hear, Future())
        with self._lock:
            if self._is_closed:
                raise ExecutorError("The pool of processes is closed.")
            self._open[task.id] = None
            self._jobs.put(job)
            if self._threads < min(self.slots, len(self._open)):
                self._threads += 1
                threading.Thread(target=self._work, name="nbpipe-pool", daemon=True).start()
        return job.future

    def cancel(self, task: str) -> None:
        """End a task: one that has not begun never does, another is interrupted, then killed."""
        with self._lock:
            if task not in self._open:
                return
            self._cancelled.add(task)
            child = self._open[task]
        if child is not None:
            child.interrupt(task)

    def close(self) -> None:
        """End all processes; what they were at is told as lost."""
        with self._lock:
            self._is_closed = True
            children = list(self._children)
            for _ in range(self._threads):
                self._jobs.put(None)
        for child in children:
            child.close()

    def _work(self) -> None:
        """Give one process its tasks, for as long as there are any now and then."""
        child: Child | None = None
        while (job := self._next()) is not None:
            if not self._is_closed and (child is None or not child.is_alive):
                child = self._replaced(child)
            job.future.set_result(self._performed(child, job))
        if child is not None:
            self._drop(child)

    def _next(self) -> _Job | None:
        try:
            return self._jobs.get(timeout=_IDLE_S)
        except queue.Empty:
            pass
        with self._lock:
            # What was handed in a moment ago counts on this thread.
            job = None if self._jobs.empty() else self._jobs.get()
            if job is None:
                self._threads -= 1
            return job

    def _performed(self, child: Child | None, job: _Job) -> SentOutcome:
        task = job.task
        with self._lock:
            self._open[task.id] = child
            is_cancelled = task.id in self._cancelled
        try:
            if is_cancelled:
                return SentOutcome(failure=failure_to_send(failure_of(KeyboardInterrupt())))
            if child is None or self._is_closed:
                lost = WorkerLostError(task.node, "was ended with its pool")
                return SentOutcome(failure=failure_to_send(failure_of(lost)))
            return child.perform(job.plan, task, job.hear, lambda: task.id in self._cancelled)
        finally:
            with self._lock:
                del self._open[task.id]
                self._cancelled.discard(task.id)

    def _replaced(self, former: Child | None) -> Child:
        if former is not None:
            self._drop(former)
        child = Child()
        with self._lock:
            self._children.add(child)
        return child

    def _drop(self, child: Child) -> None:
        with self._lock:
            self._children.discard(child)
        child.close()


_pools: dict[tuple[int, int], ProcessPool] = {}
_lock = threading.Lock()


def process_pool(slots: int) -> ProcessPool:
    """Give this process's pool of as many processes, a new one if it was closed."""
    key = os.getpid(), slots
    with _lock:
        if key not in _pools or _pools[key].is_closed:
            _pools[key] = ProcessPool(slots)
        return _pools[key]


@atexit.register
def _close_all() -> None:
    for (pid, _), pool in list(_pools.items()):
        # A forked child has the pools of its parent, and no business with them.
        if pid == os.getpid():
            pool.close()
