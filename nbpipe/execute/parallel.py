"""Steps handed to an executor: as many at a time as it takes, each as soon as what it waits for is settled.

The driver's thread keeps the books; it alone writes facts. Executors answer from threads of their own, by
way of one queue. Values never pass through here: a step that runs elsewhere loads its inputs from the store
and leaves its outputs there.

Cells go one after the other, in the order in which they were written: a cell finds the random numbers, the
working directory and the changed values that the one before it left.
"""

from __future__ import annotations

import heapq
import os
import queue
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from typing import Any

from nbpipe.base.clock import now_text
from nbpipe.base.ids import new_id
from nbpipe.errors import ArtifactDamagedError, ExecutorError, NbpipeError
from nbpipe.execute.calls import Execution, PlannedCall
from nbpipe.execute.children import PackedPlan
from nbpipe.execute.driver import Driver
from nbpipe.execute.executors import Executor
from nbpipe.execute.files import move_as
from nbpipe.execute.mapping import Fan
from nbpipe.execute.plan import Keys
from nbpipe.execute.sending import Said, Seen, SentOutcome, SentPlan, SentTask, failure_sent, values_to_send
from nbpipe.execute.settled import Settled
from nbpipe.execute.turns import Turns
from nbpipe.execute.worker import Failure, failure_of
from nbpipe.graph.graph import OutputOf
from nbpipe.records.runs import Status
from nbpipe.source.places import Places

_STOPPED = "stopped"
_LONGEST_LINE = 1 << 16


@dataclass(slots=True)
class _Attempt:
    """One attempt at a node: about to be handed in, or with the executor.

    Attributes:
        call: The node.
        keys: What the execution is known by.
        settled: What becomes of it.
        number: Which attempt it is, from 1.
        left: How many more there may be.
        started: When it began, ISO 8601.
    """

    call: PlannedCall
    keys: Keys | None
    settled: Settled
    number: int
    left: int
    started: str = ""

    def next(self) -> _Attempt:
        """Give the attempt that comes after it; what it asked for goes on, or has been done."""
        before = self.settled
        settled = Settled(
            before.node,
            Status.RUNNING,
            before.why,
            new_id(),
            against=before.against,
            triggered=before.triggered,
            item=before.item,
        )
        return _Attempt(self.call, self.keys, settled, self.number + 1, self.left - 1)


class ParallelDriver(Driver):
    """Has the steps run by an executor.

    Args:
        executor: Who runs them.
    """

    def __init__(self, *args: Any, executor: Executor, **options: Any) -> None:
        super().__init__(*args, **options)
        self._executor = executor
        self._turns = Turns(self._traced.graph.ordered, ())
        self._events: queue.SimpleQueue[Future[SentOutcome] | Said | Seen | str] = queue.SimpleQueue()
        self._going: dict[Future[SentOutcome], _Attempt] = {}
        # Failed attempts that are followed by another, the next one first.
        self._later: list[tuple[float, int, _Attempt]] = []
        self._number = count()
        self._lines: dict[tuple[str, str], str] = {}
        self._attempts: dict[str, int] = {}
        # Items that wait until an equal one is settled, by that one.
        self._twins: dict[str, list[PlannedCall]] = {}

    def prepare(self, seen: Places | None = None) -> None:
        """Read what every step is made of, and have the executor look whether it can do it; see `Driver.prepare`.

        Raises:
            ExecutorError: It cannot.
        """
        super().prepare(seen)
        options = {node: prepared.step.options for node, prepared in self._prepared.items()}
        needs = {node: one.resources for node, one in options.items() if one.resources}
        self._executor.check(self._store.workspace, needs)

    def _settle_all(self) -> None:
        cells = [node.id for node in self._traced.graph.ordered if self._prepared[node.id].is_cell]
        self._turns = Turns(self._traced.graph.ordered, cells)
        self._plan = self._packed_plan()
        self._stop.when_asked(lambda: self._events.put(_STOPPED))
        try:
            self._start_what_can()
            while self._going or self._later:
                self._take_in()
                self._start_what_can()
        finally:
            self._abandon()

    def _packed_plan(self) -> PackedPlan:
        sources = {prepared.source.digest: prepared.source for prepared in self._prepared.values()}
        place = str(self._store.workspace)
        plan = SentPlan(self._facts.id, place, tuple(sources.values()), tuple(sys.path), dict(os.environ))
        return PackedPlan(plan)

    # Going on --------------------------------------------------------------------------------

    def _start_what_can(self) -> None:
        while self._later and self._can_start and (self._stop.is_set or self._later[0][0] <= time.monotonic()):
            _, _, former = heapq.heappop(self._later)
            if self._stop.is_set:
                self._tell(former.call.node.id, former.settled)
            else:
                self._submit(former.next())
        while self._can_start:
            fan = next((fan for fan in self._fans.values() if not fan.is_all_begun), None)
            if fan is not None:
                self._begin_item(fan)
            elif (node := self._turns.next()) is not None:
                self._settle(node)
            else:
                break
        self._flush()

    def _walk(self, fan: Fan) -> None:
        """Leave the items to their turn, when the executor has room for them."""
        if fan.is_settled:
            self._close(fan)

    @property
    def _can_start(self) -> bool:
        return self._stop.is_set or len(self._going) < self._executor.slots

    def _take_in(self) -> None:
        """Wait for something to happen, and take in all that has."""
        wait_s = max(0.0, self._later[0][0] - time.monotonic()) if self._later else None
        for event in _all_in(self._events, wait_s):
            if isinstance(event, Said):
                self._print(event.node, event.stream, event.text)
            elif isinstance(event, Seen):
                self.glimpses.hear(event.news)
            elif isinstance(event, Future):
                self._take(self._going.pop(event), event)
            else:
                for attempt in self._going.values():
                    self._executor.cancel(attempt.settled.step_run_id)

    def _abandon(self) -> None:
        """Whatever went wrong here, leave nothing that goes on."""
        for future, attempt in self._going.items():
            self._executor.cancel(attempt.settled.step_run_id)
            future.exception()
        self._going.clear()

    def _tell(self, node: str, settled: Settled | None) -> None:
        super()._tell(node, settled)
        if settled is None:
            return
        if settled.item is None:
            self._turns.settle(node)
        self._settle_twins(node)

    # One attempt -----------------------------------------------------------------------------

    def _run(self, call: PlannedCall, keys: Keys | None, reason: tuple[str, str]) -> None:
        if keys is not None and self._may_reuse(call.prepared):
            twin = self._runs_already(keys)
            if twin:
                self._put_off(call, twin)
                return
        self._describe(call.prepared)
        why, against = reason
        settled = Settled(call.node.id, Status.RUNNING, why, new_id(), against=against, item=call.item)
        number = self._attempts.get(call.node.id, 0) + 1
        self._submit(_Attempt(call, keys, settled, number, call.prepared.step.options.retries))

    def _put_off(self, call: PlannedCall, until: str) -> None:
        if call.item is None:
            self._turns.put_off(call.node.id, until)
        else:
            self._twins.setdefault(until, []).append(call)

    def _settle_twins(self, node: str) -> None:
        """Settle the items that waited for an equal one."""
        for call in self._twins.pop(node, ()):
            assert call.item is not None, "nodes have their turns"
            if self._stop.is_set:
                self._skip(call.node, Status.INTERRUPTED, "the run was stopped", item=call.item)
            else:
                self._settle_item(self._fans[call.item[0]], call)

    def _runs_already(self, keys: Keys) -> str:
        """Name the node that is at the very same execution: what it gives can be reused."""
        at_it = (*self._going.values(), *(former for _, _, former in self._later))
        return next((one.call.node.id for one in at_it if one.keys == keys), "")

    def _submit(self, attempt: _Attempt) -> None:
        call, settled = attempt.call, attempt.settled
        self._attempts[call.node.id] = attempt.number
        attempt.started = now_text()
        if call.item is None:
            self._tell(call.node.id, None)
        self._announce(call, settled, attempt.number)
        try:
            task = self._task(call, settled)
            future = self._executor.submit(self._plan, task, self._events.put)
        except NbpipeError as error:
            self._conclude(attempt, SentOutcome(), failure_of(error))
            return
        self._going[future] = attempt
        self.glimpses.begin(call.node.id)
        future.add_done_callback(self._events.put)

    def _task(self, call: PlannedCall, settled: Settled) -> SentTask:
        prepared, options = call.prepared, call.prepared.step.options
        signature = prepared.step.signature
        return SentTask(
            id=settled.step_run_id,
            node=call.node.id,
            source=prepared.source.digest,
            outputs=tuple((output.name, output.artifact) for output in signature.outputs),
            is_tuple=signature.is_tuple,
            inputs=call.inputs.artifacts,
            pointers=signature.pointers,
            values=values_to_send(call.node.id, call.inputs.values, self._facts),
            folder=os.getcwd(),
            random=self._random.found() if prepared.is_cell else ({}, {}),
            triggered=tuple(settled.triggered),
            timeout_s=options.timeout_s,
            resources=options.resources,
        )

    def _take(self, attempt: _Attempt, future: Future[SentOutcome]) -> None:
        """Take in what came of an attempt."""
        call, settled = attempt.call, attempt.settled
        self.glimpses.end(call.node.id)
        for stream in ("stdout", "stderr"):
            self._print(call.node.id, stream, "", is_last=True)
        error = future.exception()
        if error is not None:
            if not isinstance(error, ExecutorError):
                raise error
            self._conclude(attempt, SentOutcome(), failure_of(error))
            return
        outcome = future.result()
        settled.duration_s, settled.logs, settled.files = outcome.duration_s, outcome.logs, outcome.files
        settled.metadata, settled.tags = dict(outcome.metadata), dict(outcome.tags)
        settled.triggered = outcome.triggered or settled.triggered
        if call.prepared.is_cell:
            settled.drawn = outcome.drawn
            self._random.take(outcome.drawn)
            if outcome.files.moved_to:
                move_as({"moved_to": outcome.files.moved_to}, self._store.workspace)
        self._conclude(attempt, outcome, failure_sent(outcome.failure) if outcome.failure is not None else None)

    def _conclude(self, attempt: _Attempt, outcome: SentOutcome, failure: Failure | None) -> None:
        """Write down what became of an attempt, and see whether there is another."""
        call, settled = attempt.call, attempt.settled
        settled.failure = failure
        if failure is None:
            settled.status = Status.COMPLETED
            settled.artifacts = dict(outcome.artifacts)
            settled.not_carried = {lost.name: lost for lost in outcome.not_carried}
            outputs = (output.name for output in call.prepared.step.signature.outputs)
            settled.declare(call.prepared.step, [name for name in outputs if name not in settled.not_carried])
        elif isinstance(failure.exception, KeyboardInterrupt):
            settled.status = Status.INTERRUPTED
            self._stop.stop()
        else:
            settled.status = Status.FAILED
        self._write(Execution(call, settled, attempt.started, now_text(), attempt.number), attempt.keys)
        if settled.status is Status.FAILED:
            if self._is_made_again(call, failure):
                return
            if attempt.left and not self._stop.is_set:
                due_s = time.monotonic() + call.prepared.step.options.delay_before_s(attempt.number)
                heapq.heappush(self._later, (due_s, next(self._number), attempt))
                return
        self._tell(call.node.id, settled)

    def _is_made_again(self, call: PlannedCall, failure: Failure | None) -> bool:
        """Have the reused step run again whose stored output turned out to be damaged, and then this one."""
        if (
            failure is None
            or failure.is_users_own
            or call.item is not None
            or not isinstance(failure.exception, ArtifactDamagedError)
        ):
            return False
        for name, artifact in call.inputs.artifacts.items():
            origin = call.node.inputs.get(name)
            if repr(artifact.name) != failure.exception.artifact or not isinstance(origin, OutputOf):
                continue
            node, _ = self._place_of(origin)
            if self._outcome.settled[node].status is not Status.REUSED:
                return False
            self._forget(self._outcome.settled[node])
            del self._outcome.settled[node]
            self._turns.again(node, call.node.id)
            return True
        return False

    # What steps print ------------------------------------------------------------------------

    def _print(self, node: str, stream: str, text: str, *, is_last: bool = False) -> None:
        """Pass on whole lines, each with its step before it: several print at the same time."""
        place = node, stream
        lines = (self._lines.pop(place, "") + text).splitlines(keepends=True)
        if lines and not is_last and not lines[-1].endswith("\n") and len(lines[-1]) < _LONGEST_LINE:
            self._lines[place] = lines.pop()
        out = sys.stdout if stream == "stdout" else sys.stderr
        for line in lines:
            out.write(f"[{node}] {line.rstrip()}\n")


def _all_in(events: queue.SimpleQueue[Any], wait_s: float | None) -> Iterator[Any]:
    """Wait for the first event, and give it with all that came with it."""
    try:
        yield events.get(timeout=wait_s)
        while True:
            yield events.get_nowait()
    except queue.Empty:
        return
