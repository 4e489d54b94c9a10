"""What of us is on a Dask worker: its own pool of killable processes, in which the steps run that it is sent.

Dask has no way to stop a task that runs, so a task of ours only waits for a process; whoever asks us, beside
Dask, to cancel it ends that process. What is given back is never an exception: Dask would carry it as a pickle.

Dask performs a task again when a worker is lost with it, as often as its scheduler was told. An attempt is
therefore claimed where all workers see it, in the workspace, and performed by whoever claims it first.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYetError
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, finalize, ref

from nbpipe.base.version import VERSION
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import WorkerLostError
from nbpipe.execute.children import PackedPlan
from nbpipe.execute.processes import ProcessPool
from nbpipe.execute.sending import Said, Seen, SentOutcome, SentPlan, SentTask, failure_to_send
from nbpipe.execute.worker import failure_of
from nbpipe.store import pickles

_PLANS_KEPT = 16
_CANCELLED_KEPT = 10_000
_LOOK_UP_S = 0.5
# What a step prints goes out no more often than this, but then all of it.
_PAUSE_S = 0.05
_MOST_AT_ONCE = 1 << 14
# A worker that was given a device is not talked out of it.
_ITS_OWN = ("CUDA_VISIBLE_DEVICES",)


@dataclass(frozen=True, slots=True)
class Order:
    """A task as it is handed to Dask: plain values, so that a worker with another nbpipe can read them.

    Attributes:
        version: The versions of nbpipe and Python over there, as `versions` gives them.
        host: The machine that asks.
        workspace: The folder of the workspace.
        run: The run's id.
        step: The node.
        id: The id of this execution.
        topic: Where what the step prints is said.
        task: The pickled task.
        plan: The pickled plan; empty in the hope that it is known here.
    """

    version: tuple[str, str]
    host: str
    workspace: str
    run: str
    step: str
    id: str
    topic: str
    task: bytes
    plan: bytes = b""


def versions() -> tuple[str, str]:
    """Give the versions that both ends must share: of nbpipe, and of Python as far as pickles depend on it."""
    return VERSION, "{}.{}".format(*sys.version_info)


def claim_of(workspace: str, id: str) -> Path:
    """Name the file that whoever performs an attempt makes: one that a sweep takes for what it is, a leftover."""
    return WorkspacePaths(Path(workspace)).blobs / id[:2] / f".claim-{id}"


def perform(order: Order) -> bytes | str | None:
    """Perform a task, in a thread of a Dask worker.

    Returns:
        The pickled outcome; or a sentence that says why this worker cannot; or nothing if it needs to be told the plan.
    """
    from distributed import get_worker

    if order.version != versions():
        return said_of_versions(platform.node(), versions(), order.version)
    hands = _hands_of(get_worker())
    plan = hands.plan(order)
    if plan is None:
        return None
    if not Path(order.workspace).is_dir():
        return said_of_folder(platform.node(), order.workspace)
    try:
        claim = claim_of(order.workspace, order.id)
        claim.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return pickles.sent(_failed(WorkerLostError(order.step, "was lost with its Dask worker")))
    except OSError as error:
        return f"The Dask worker on {platform.node()} cannot write to {order.workspace}: {error.strerror or error}."
    return pickles.sent(hands.perform(plan, order))


def cancel(tasks: Sequence[str], dask_worker: Any) -> list[str]:
    """End tasks, those to come among them; tell which were under way. Called on every worker, beside its tasks."""
    return _hands_of(dask_worker).cancel(tasks)


def sees(path: str) -> tuple[str, bool]:
    """Tell the name of this machine, and whether it sees a file. Called on every worker, beside its tasks."""
    return platform.node(), Path(path).exists()


def said_of_versions(host: str, there: tuple[str | None, str], here: tuple[str, str]) -> str:
    """Say that a worker is not like us."""
    has = f"nbpipe {there[0]}" if there[0] else "no nbpipe"
    return (
        f"The Dask worker on {host} has {has} and Python {there[1]}; this process has nbpipe {here[0]} and "
        f"Python {here[1]}. Install the same of both there."
    )


def said_of_folder(host: str, folder: str) -> str:
    """Say that a worker does not see the workspace."""
    return (
        f"The Dask worker on {host} does not see the workspace {folder}. "
        "Put it into a folder that all workers have under the same path (NBPIPE_HOME names it)."
    )


class _Hands:
    """What performs the tasks of one Dask worker.

    Args:
        worker: The worker.
    """

    def __init__(self, worker: Any) -> None:
        # What this holds must not keep the worker alive.
        self._worker = ref(worker)
        self._pool = ProcessPool(max(1, worker.state.nthreads))
        self._plans: OrderedDict[str, PackedPlan] = OrderedDict()
        self._cancelled: OrderedDict[str, None] = OrderedDict()
        self._open: set[str] = set()
        self._lock = threading.Lock()
        finalize(worker, self._pool.close)

    def plan(self, order: Order) -> PackedPlan | None:
        """Give the plan of a task's run, if it is known or told here."""
        with self._lock:
            if order.run not in self._plans and order.plan:
                self._plans[order.run] = PackedPlan(_fitted(pickles.received(order.plan), order.host))
                while len(self._plans) > _PLANS_KEPT:
                    self._plans.popitem(last=False)
            return self._plans.get(order.run)

    def perform(self, plan: PackedPlan, order: Order) -> SentOutcome:
        """Have a task performed, and wait for what comes of it."""
        task: SentTask = pickles.received(order.task)
        worker = self._worker()
        key = worker.get_current_task() if worker is not None else ""
        voice = _Voice(partial(self._say, order.topic, task.id))
        with self._lock:
            if task.id in self._cancelled:
                return _failed(KeyboardInterrupt())
            self._open.add(task.id)
            performed = self._pool.submit(plan, task, voice.hear)
        try:
            return self._waited_for(performed, task.id, key)
        finally:
            with self._lock:
                self._open.discard(task.id)
            voice.end()

    def _waited_for(self, performed: Future[SentOutcome], task: str, key: str) -> SentOutcome:
        while True:
            try:
                return performed.result(_LOOK_UP_S)
            except NotYetError:
                worker = self._worker()
                if worker is None or worker.status.name.startswith("clos"):
                    # A worker that is told to end waits for its tasks, and nobody waits for this one any more.
                    self._pool.close()
                elif _is_unwanted(worker, key):
                    self._pool.cancel(task)

    def _say(self, topic: str, task: str, said: list[Said | Seen]) -> None:
        worker = self._worker()
        if worker is not None:
            worker.log_event(topic, {"task": task, "said": pickles.sent(said)})

    def cancel(self, tasks: Sequence[str]) -> list[str]:
        """End tasks; see `cancel`."""
        with self._lock:
            found = [task for task in tasks if task in self._open]
            self._cancelled.update(dict.fromkeys(tasks))
            while len(self._cancelled) > _CANCELLED_KEPT:
                self._cancelled.popitem(last=False)
        for task in found:
            self._pool.cancel(task)
        return found

    def close(self) -> None:
        """End all processes."""
        self._pool.close()


class _Voice:
    """Says what a task prints, some of it at a time: each saying passes through the scheduler, and is kept there.

    Args:
        say: Passes on what was printed and seen.
    """

    def __init__(self, say: Callable[[list[Said | Seen]], None]) -> None:
        self._say = say
        self._lock = threading.Lock()
        self._unsaid: list[Said | Seen] = []
        self._size = 0
        self._timer: threading.Timer | None = None

    def hear(self, said: Said | Seen) -> None:
        """Take in what was printed or seen."""
        with self._lock:
            last = self._unsaid[-1] if self._unsaid else None
            if isinstance(said, Said) and isinstance(last, Said) and last.stream == said.stream:
                self._unsaid[-1] = replace(last, text=last.text + said.text)
            else:
                self._unsaid.append(said)
            self._size += len(said.text) if isinstance(said, Said) else 0
            if self._size >= _MOST_AT_ONCE:
                self._say_all()
            elif self._timer is None:
                self._timer = threading.Timer(_PAUSE_S, self._in_time)
                self._timer.daemon = True
                self._timer.start()

    def _in_time(self) -> None:
        with self._lock:
            self._timer = None
            self._say_all()

    def end(self) -> None:
        """Say what is left."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._say_all()

    def _say_all(self) -> None:
        if self._unsaid:
            self._say(self._unsaid)
        self._unsaid, self._size = [], 0


_all_hands: WeakKeyDictionary[Any, _Hands] = WeakKeyDictionary()
_lock = threading.Lock()


def _hands_of(worker: Any) -> _Hands:
    with _lock:
        if worker not in _all_hands:
            _all_hands[worker] = _Hands(worker)
        return _all_hands[worker]


def release(dask_worker: Any) -> None:
    """End the processes of a worker that is about to end."""
    _hands_of(dask_worker).close()


def _is_unwanted(worker: Any, key: str) -> bool:
    """Tell whether Dask has given up on a task that still runs, as it does when whoever asked for it is gone."""
    known = worker.state.tasks.get(key)
    return known is None or known.state == "cancelled"


def _failed(error: BaseException) -> SentOutcome:
    return SentOutcome(failure=failure_to_send(failure_of(error)))


def _fitted(plan: SentPlan, host: str) -> SentPlan:
    """Let a step find what was sent with it, and whatever else this worker has."""
    own = {name: os.environ[name] for name in _ITS_OWN if name in os.environ}
    plan = replace(plan, environment={**os.environ, **plan.environment, **own})
    if host == platform.node():
        return plan
    paths = [path for path in plan.search_path if Path(path).exists()]
    paths += [path for path in sys.path if path not in paths]
    return replace(plan, search_path=tuple(paths))
