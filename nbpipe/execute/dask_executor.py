"""The executor of a Dask cluster: one of this process, or any whose scheduler has an address.

Each task is one task of Dask's, which waits on a worker for a process of ours (`execute.dask_worker`). Retries
are ours alone: a worker that is lost is an outcome. Values do not pass through Dask: steps load and store in the
workspace, which all workers must see under the same path.

Dask's client lives in an event loop with a thread of its own. So does all that is done here for a task.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import platform
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from nbpipe.base.ids import new_id
from nbpipe.errors import ExecutorError, WorkerLostError
from nbpipe.execute import dask_worker
from nbpipe.execute.children import Hear, PackedPlan
from nbpipe.execute.dask_cluster import connected, in_a_line, look_at, said_of_needs
from nbpipe.execute.dask_worker import Order, claim_of, versions
from nbpipe.execute.sending import Said, SentOutcome, SentPlan, SentTask, failure_to_send
from nbpipe.execute.worker import failure_of
from nbpipe.store import pickles

_ANSWER_S = 8.0
_LOOK_UP_S = 1.0
# A cancelled task answers within a part of a second, unless its worker has stopped to.
_PATIENCE_S = 5.0
# Somebody may be about to start workers anew.
_WITHOUT_WORKERS_S = 20.0
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Open:
    """A task that has no outcome yet.

    Attributes:
        hear: Who is told what it prints.
        node: Its node.
        ended: Set to what it is to be told as, whatever Dask says.
        future: Dask's task; `None` before it is handed in.
    """

    hear: Hear
    node: str
    ended: asyncio.Future[BaseException]
    future: Any = None


class DaskExecutor:
    """Has tasks performed by a cluster.

    Args:
        address: The scheduler's address; `""` for a cluster in this process.

    Raises:
        ExecutorError: It cannot be reached, or Dask is not installed.
    """

    def __init__(self, address: str = "") -> None:
        self._address = address
        self._client, self._cluster = connected(address)
        self._loop: asyncio.AbstractEventLoop = self._client.loop.asyncio_loop
        self._wire = self._client.scheduler_comm
        self._topic = f"nbpipe-{new_id()}"
        self._open: dict[str, _Open] = {}
        self._looked_at: set[tuple[str, str]] = set()
        self._is_closed = False
        self.slots = 1
        self._client.subscribe_topic(self._topic, self._hear)
        self._threads_now(self._call(self._client.scheduler.identity(n_workers=0)))
        self._watch = asyncio.run_coroutine_threadsafe(self._watched(), self._loop)

    @property
    def is_connected(self) -> bool:
        """Whether it can be asked for more: a client that had to connect again is heard by nobody who listened."""
        return not self._is_closed and self._client.status == "running" and self._client.scheduler_comm is self._wire

    # Before a run ------------------------------------------------------------------------------

    def check(self, workspace: Path, needs: Mapping[str, Mapping[str, float]]) -> None:
        """Look at the workers, before anything is written for a run.

        A cluster of this process is one machine, which has what it has: there, as with processes, resources are
        only hints.

        Args:
            workspace: The folder that they must see.
            needs: What steps say they need, by step.

        Raises:
            ExecutorError: A worker is of another nbpipe or Python, or does not see the folder; or no worker has
                what a step needs.
        """
        if self._cluster is not None:
            return
        workers = self._call(self._workers(workspace))
        for step, wanted in needs.items():
            said = said_of_needs(step, wanted, [worker["resources"] for worker in workers.values()], self._address)
            if said:
                raise ExecutorError(said)

    async def _workers(self, workspace: Path) -> dict[str, Any]:
        with suppress(TimeoutError):
            await self._client.wait_for_workers(1, timeout=_ANSWER_S / 2)
        identity = await self._client.scheduler.identity(n_workers=-1)
        self._threads_now(identity)
        workers: dict[str, Any] = identity["workers"]
        if not workers:
            raise ExecutorError(
                f"The Dask scheduler at {self._address} has no worker. Start one with `dask worker {self._address}`; "
                "a cluster that adapts must keep at least one."
            )
        new = [address for address in workers if (address, str(workspace)) not in self._looked_at]
        if new:
            await look_at(self._client, new, workspace)
            self._looked_at.update((address, str(workspace)) for address in new)
        return workers

    def _call(self, asked: Coroutine[Any, Any, Answer]) -> Answer:
        """Have something done in the event loop, and wait for it."""
        try:
            return asyncio.run_coroutine_threadsafe(asyncio.wait_for(asked, 2 * _ANSWER_S), self._loop).result()
        except (OSError, TimeoutError, CancelledError) as error:
            raise ExecutorError(
                f"The Dask scheduler at {self._address} or one of its workers does not answer ({in_a_line(error)})."
            ) from None

    # Tasks -------------------------------------------------------------------------------------

    def submit(self, plan: PackedPlan, task: SentTask, hear: Hear) -> Future[SentOutcome]:
        """Have a task performed by the next worker that is free."""
        if not self.is_connected:
            raise self._lost()
        return asyncio.run_coroutine_threadsafe(self._performed(plan, task, hear), self._loop)

    def _told(self, plan: SentPlan) -> SentPlan:
        """Say what a cluster need know of this process's environment: the secrets in it are none of that."""
        if not self._address:
            return plan
        ours = {name: value for name, value in plan.environment.items() if name.startswith("NBPIPE_")}
        return replace(plan, environment=ours)

    async def _performed(self, plan: PackedPlan, task: SentTask, hear: Hear) -> SentOutcome:
        mine = self._open[task.id] = _Open(hear, task.node, self._loop.create_future())
        try:
            order = Order(
                version=versions(),
                host=platform.node(),
                workspace=plan.plan.workspace,
                run=plan.run,
                step=task.node,
                id=task.id,
                topic=self._topic,
                task=pickles.sent(task),
            )
            answer = await self._answered(order, mine, task)
            if answer is None:
                answer = await self._answered(replace(order, plan=pickles.sent(self._told(plan.plan))), mine, task)
            if isinstance(answer, BaseException):
                if isinstance(answer, ExecutorError) and not isinstance(answer, WorkerLostError):
                    raise answer
                return SentOutcome(failure=failure_to_send(failure_of(answer)))
            outcome: SentOutcome = pickles.received(answer)
            return outcome
        finally:
            del self._open[task.id]
            claim_of(plan.plan.workspace, task.id).unlink(missing_ok=True)

    async def _answered(self, order: Order, mine: _Open, task: SentTask) -> Any:
        """Give what a worker answers, or the exception that stands for its answer."""
        from distributed import KilledWorker

        resources = task.resources if self._cluster is None else {}
        kind = "plan-" if order.plan else ""
        mine.future = self._client.submit(
            dask_worker.perform,
            order,
            key=f"{task.node[:80]}-{kind}{task.id}",
            pure=False,
            retries=0,
            resources=dict(resources) or None,
        )
        answering = asyncio.ensure_future(mine.future.result())
        await asyncio.wait((answering, mine.ended), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            answering.cancel()
            with suppress(Exception):
                await self._client.cancel([mine.future], force=True)
            return mine.ended.result()
        try:
            answer = answering.result()
        except KilledWorker as error:
            return WorkerLostError(task.node, f"was lost with its Dask worker at {error.last_worker.address}")
        except (CancelledError, asyncio.CancelledError, OSError, TimeoutError):
            return self._lost()
        except Exception as error:  # noqa: BLE001 — a worker where not even our function can be found
            return ExecutorError(
                f"A Dask worker cannot perform steps ({in_a_line(error)}). Install nbpipe {versions()[0]} there."
            )
        return ExecutorError(answer) if isinstance(answer, str) else answer

    def _lost(self) -> ExecutorError:
        if self._is_closed:
            return ExecutorError("The connection to the Dask cluster was closed.")
        return ExecutorError(
            f"The Dask scheduler at {self._address or 'this process'} is gone. What was done is kept: start the "
            "scheduler and its workers, and run the pipeline again."
        )

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        _, message = event
        mine = self._open.get(message["task"])
        if mine is not None:
            for said in pickles.received(message["said"]):
                mine.hear(said)

    # Ending ------------------------------------------------------------------------------------

    def cancel(self, task: str) -> None:
        """End a task: one that has not begun never does, another is interrupted on its worker, then killed."""
        with suppress(RuntimeError):
            asyncio.run_coroutine_threadsafe(self._cancelled(task), self._loop)

    async def _cancelled(self, task: str) -> None:
        mine = self._open.get(task)
        if mine is None:
            return
        under_way: dict[str, list[str]] = {}
        with suppress(Exception):
            asked = self._client.run(dask_worker.cancel, [task], on_error="ignore")
            under_way = await asyncio.wait_for(asked, _ANSWER_S / 4)
        if any(under_way.values()) or (mine.future is not None and mine.future.status == "finished"):
            await asyncio.sleep(_PATIENCE_S)
        self._end(mine, KeyboardInterrupt())

    @staticmethod
    def _end(mine: _Open, why: BaseException) -> None:
        if not mine.ended.done():
            mine.ended.set_result(why)

    def close(self) -> None:
        """End what is under way, and the cluster if it is our own."""
        if self._is_closed:
            return
        self._is_closed = True
        self._watch.cancel()
        with suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._ended(), self._loop).result(_ANSWER_S)
        with suppress(Exception):
            self._client.close(timeout=_ANSWER_S / 4)
        if self._cluster is not None:
            with suppress(Exception):
                self._cluster.close(timeout=_ANSWER_S / 4)

    async def _ended(self) -> None:
        with suppress(Exception):
            asked = (
                self._client.run(dask_worker.release, on_error="ignore")
                if self._cluster is not None
                else self._client.run(dask_worker.cancel, list(self._open), on_error="ignore")
            )
            await asyncio.wait_for(asked, _ANSWER_S / 4)
        for mine in self._open.values():
            self._end(mine, WorkerLostError(mine.node, "was ended with its executor"))
        # With the client goes the loop, and whoever still waits in it would wait for ever.
        while self._open:
            await asyncio.sleep(0.01)

    # The cluster -------------------------------------------------------------------------------

    async def _watched(self) -> None:
        """See workers come and go, as long as there is a scheduler."""
        without_since: float | None = None
        while not self._is_closed:
            await asyncio.sleep(_LOOK_UP_S)
            try:
                identity = await asyncio.wait_for(self._client.scheduler.identity(n_workers=0), _ANSWER_S)
            except (OSError, TimeoutError):
                continue
            now = self._loop.time()
            without_since = None if identity["n_workers"] else (without_since or now)
            if without_since is not None and now - without_since > _WITHOUT_WORKERS_S:
                for mine in list(self._open.values()):
                    self._end(mine, ExecutorError(f"The Dask scheduler at {self._address} has no worker any more."))
            self._threads_now(identity)

    def _threads_now(self, identity: Mapping[str, Any]) -> None:
        former, self.slots = self.slots, max(1, identity["total_threads"])
        if self.slots > former:
            # Whoever waits for its tasks looks up, and hands in more.
            for mine in list(self._open.values()):
                mine.hear(Said(mine.node, "stdout", ""))


_executors: dict[tuple[int, str], DaskExecutor] = {}
_lock = threading.Lock()


def dask_executor(address: str) -> DaskExecutor:
    """Give this process's executor for an address, connected.

    Raises:
        ExecutorError: It cannot be reached, or Dask is not installed.
    """
    key = os.getpid(), address
    with _lock:
        known = _executors.get(key)
        if known is not None and known.is_connected:
            return known
        if known is not None:
            known.close()
        made = _executors[key] = DaskExecutor(address)
        # Registered now, when Dask's own are: the last come first, and theirs would wait for our tasks.
        atexit.register(made.close)
        return made
