"""One step after the other, in this process and thread, on the very values that the step before it made.

Random numbers, printed text, pyplot and the working directory are the process's, so here nothing runs at
the same time. Values are handed over as `store.handover` allows, else through their stored form.

A large output is digested and written in the background while the next step runs on it, where no
recorded execution could be reused for that step whatever the digest turns out to be. The facts of
both then follow when the writing is done, at the latest at the run's end.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Lock, Timer
from typing import Any

from nbpipe.base.clock import now_text
from nbpipe.base.ids import new_id
from nbpipe.errors import ArtifactDamagedError, NbpipeError, NotRecordedError, NotStorableError, StepTimeoutError
from nbpipe.execute.attempt import Attempt, pointer_to, values_to_keep
from nbpipe.execute.calls import Execution, Place, PlannedCall
from nbpipe.execute.capture import Capture, capturing
from nbpipe.execute.context import StepContext
from nbpipe.execute.driver import Driver
from nbpipe.execute.files import FileWatch
from nbpipe.execute.plan import Keys
from nbpipe.execute.prepared import Inputs
from nbpipe.execute.settled import Settled
from nbpipe.execute.warm import Warm
from nbpipe.execute.worker import CodeRoom, Outcome, Task, failure_of, run_task
from nbpipe.graph.graph import ExistingArtifact, Node, Origin, OutputOf, outputs_behind
from nbpipe.records.artifacts import ArtifactVersion, NotCarried
from nbpipe.records.runs import Status, Triggered
from nbpipe.source.places import Places

# An enumeration looks its members up at each mention; these are mentioned for each step.
_RUNNING, _COMPLETED, _FAILED = Status.RUNNING, Status.COMPLETED, Status.FAILED
_NONE_PENDING: Mapping[str, Future[ArtifactVersion]] = {}


class InlineDriver(Driver):
    """Runs the steps in this thread."""

    def __init__(self, *args: Any, warm: Warm | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._warm = warm
        self._live: dict[Place, Any] = {}
        self._unwritten: list[Execution] = []
        self._capture = Capture(())
        # Ours but for the time in which a step runs: then the background thread may write down what it has stored.
        self._books = Lock()
        self._trouble: NotRecordedError | None = None
        self._room = CodeRoom([])
        self._place = str(self._store.workspace)
        self._watch: FileWatch | None = None
        self._asked_ahead: set[str] = set()

    def prepare(self, seen: Places | None = None) -> None:
        """Read what every step is made of; see `Driver.prepare`."""
        super().prepare(seen)
        sources = [prepared.source for prepared in self._prepared.values()]
        self._room = self._warm.room if self._warm is not None else CodeRoom(sources)

    def _settle_all(self) -> None:
        try:
            self._watch = FileWatch(self._store.workspace)
            with self._books, capturing() as self._capture:
                for node in self._traced.graph.ordered:
                    if self._unwritten:
                        self._write_ready()
                    self._settle(node)
                if self._unwritten:
                    self._write_all()
        finally:
            # Whoever keeps the run need not keep what its steps gave.
            self._live.clear()
        self._store.wait()
        if self._trouble is not None:
            raise self._trouble

    # Running ---------------------------------------------------------------------------------

    def _run(self, call: PlannedCall, keys: Keys | None, reason: tuple[str, str]) -> None:
        why, against = reason
        self._describe(call.prepared)
        options = call.prepared.step.options
        triggered: Sequence[Triggered] = ()
        for attempt in range(options.retries + 1):
            settled = Settled(
                call.node.id, _RUNNING, why, new_id(), against=against, triggered=triggered, item=call.item
            )
            if self._listeners and call.item is None:
                self._tell(call.node.id, None)
            started, inputs = now_text(), call.inputs
            self._announce(call, settled, attempt + 1)
            if call.item is None:
                self._ask_ahead(call.node)
            outcome = self._attempt(call, settled)
            if call.inputs is not inputs:
                keys = None
            triggered = settled.triggered
            pending = self._conclude(call, settled, outcome)
            execution = Execution(call, settled, started, now_text(), attempt + 1, pending)
            if pending or call.awaited:
                self._unwritten.append(execution)
                for future in pending.values():
                    future.add_done_callback(self._write_meanwhile)
                if self._has_cells:
                    self._rebind(call.node, {*settled.artifacts, *pending})
            else:
                self._write(execution, keys)
            if settled.status is not _FAILED or attempt == options.retries:
                break
            self._flush()
            self._wait_before_retry(options.delay_before_s(attempt + 1))
            if self._stop.is_set:
                break
        self._tell(call.node.id, settled)

    def _ask_ahead(self, node: Node) -> None:
        """Ask for what is asked when the next steps come: then it would stand between this body and theirs."""
        for name in self._traced.graph.downstream[node.id]:
            half = self._halves.get(name) or self._half(name)
            if half not in self._asked_ahead and self._may_reuse(self._prepared[name]):
                self._asked_ahead.add(half)
                self._executions.may_know(half)

    def _wait_before_retry(self, delay_s: float) -> None:
        deadline = time.monotonic() + delay_s
        while not self._stop.is_set and time.monotonic() < deadline:
            time.sleep(min(0.05, delay_s))

    def _attempt(self, call: PlannedCall, settled: Settled) -> Outcome:
        names, place = call.prepared.names, self._place
        context = StepContext(self._facts, call.node.id, settled.step_run_id, names, place)
        settled.metadata, settled.tags = context.notes, context.tags
        # What an earlier attempt asked for goes on, or has been done.
        if settled.triggered:
            context.triggered.extend(settled.triggered)
        settled.triggered = context.triggered
        try:
            try:
                arguments = self._arguments(call)
            except ArtifactDamagedError as error:
                self._make_again(call, error)
                arguments = self._arguments(call)
        except NbpipeError as error:
            return Outcome(failure=failure_of(error))
        task = Task(
            call.prepared.source,
            call.prepared.step.signature,
            {**call.inputs.values, **arguments} if call.inputs.values else arguments,
            context,
            tuple(arguments) if call.prepared.is_cell else (),
        )
        timeout_s = call.prepared.step.options.timeout_s
        attempt = Attempt(self._store, task, self._capture, self._random, self.glimpses, watch=self._watch)
        is_simple = timeout_s is None and not self._unwritten
        outcome = attempt.run(
            partial(self._stoppable, task) if is_simple else partial(self._with_open_books, task, timeout_s)
        )
        call.before = attempt.before
        settled.duration_s, settled.files = attempt.duration_s, attempt.files
        settled.drawn, settled.logs = attempt.drawn, attempt.logs
        return outcome

    def _with_open_books(self, task: Task, timeout_s: float | None) -> Outcome:
        """Run a step; what is stored meanwhile is written down at once, however long the step takes."""
        if not self._unwritten:
            return self._guarded(task, timeout_s)
        self._books.release()
        try:
            self._write_meanwhile()
            return self._guarded(task, timeout_s)
        finally:
            self._books.acquire()

    def _write_meanwhile(self, *_: object) -> None:
        """Write down what has been stored, unless somebody is at it already: who lets go looks again."""
        if not self._books.acquire(blocking=False):
            return
        try:
            self._write_ready()
            self._flush()
        except NotRecordedError as error:
            self._trouble = error
        finally:
            self._books.release()

    def _guarded(self, task: Task, timeout_s: float | None) -> Outcome:
        """Run a step so that somebody, or the clock, can stop it; what we do ourselves is never interrupted."""
        if timeout_s is None:
            return self._stoppable(task)
        began = time.perf_counter()
        clock = Timer(timeout_s, self._stop.interrupt)
        clock.start()
        outcome = self._stoppable(task)
        clock.cancel()
        is_stopped = outcome.failure is not None and isinstance(outcome.failure.exception, KeyboardInterrupt)
        if is_stopped and not self._stop.is_set and time.perf_counter() - began >= timeout_s:
            return Outcome(failure=failure_of(StepTimeoutError(task.context.step, timeout_s)))
        return outcome

    def _stoppable(self, task: Task) -> Outcome:
        try:
            with self._stop:
                return run_task(task, self._room)
        except KeyboardInterrupt as error:
            # It came after the step's last line and before we let go.
            return Outcome(failure=failure_of(error))

    def _make_again(self, call: PlannedCall, error: ArtifactDamagedError) -> None:
        """Run the reused step again whose stored output turned out to be damaged.

        Raises:
            ArtifactDamagedError: The output was there before the run, or was made by it.
        """
        for name, artifact in call.inputs.artifacts.items() if call.item is None else ():
            origin = call.node.inputs[name]
            if repr(artifact.name) != error.artifact or not isinstance(origin, OutputOf):
                continue
            node, output = self._place_of(origin)
            if self._outcome.settled[node].status is not Status.REUSED:
                continue
            self._forget(self._outcome.settled[node])
            self._settle(self._traced.graph.by_id[node])
            self._write_all()
            made = self._stored_at((node, output), call.node.id)
            artifacts = {**call.inputs.artifacts, name: made}
            digests = {**call.inputs.digests, name: self._token(made)}
            call.inputs = Inputs(artifacts, call.inputs.values, digests)
            return
        raise error

    def _arguments(self, call: PlannedCall) -> dict[str, Any]:
        found = {name: self._store.handed_over(self._live[place]) for name, place in call.awaited.items()}
        stored: dict[str, ArtifactVersion] = {}
        pointers = call.prepared.step.signature.pointers
        for name, artifact in call.inputs.artifacts.items():
            if pointers and name in pointers:
                found[name] = pointer_to(artifact)
                continue
            origin = call.node.inputs.get(name)
            if isinstance(origin, OutputOf):
                place = origin.node, origin.output
                live = self._live.get(self._followed(place) if self._rebound else place)
            else:
                live = None
            # Nothing but the stored form is safe where this is None; a None itself is stored, too.
            handed = self._store.handed_over(live)
            if self._warm is not None and isinstance(origin, ExistingArtifact):
                found[name] = self._warm.load(artifact)
            elif handed is None or artifact.member is not None:
                # What shares something with another input still shares it only where both are read together.
                stored[name] = artifact
            else:
                found[name] = handed
        if stored:
            found |= self._store.load_all(stored, trust=True)
        return found

    def _conclude(self, call: PlannedCall, settled: Settled, outcome: Outcome) -> Mapping[str, Future[ArtifactVersion]]:
        failure, pending = outcome.failure, _NONE_PENDING
        if failure is None:
            try:
                pending = self._keep(call, settled, outcome)
            except NbpipeError as error:
                failure = failure_of(error)
        if failure is None:
            settled.status = _COMPLETED
            return pending
        settled.failure = failure
        settled.status = _FAILED
        if isinstance(failure.exception, KeyboardInterrupt):
            self._stop.stop()
            settled.status = Status.INTERRUPTED
        return _NONE_PENDING

    def _keep(self, call: PlannedCall, settled: Settled, outcome: Outcome) -> Mapping[str, Future[ArtifactVersion]]:
        prepared = call.prepared
        values, beside = values_to_keep(self._store, outcome, call.before)
        kept = self._store.keep(
            values,
            made_by=settled.step_run_id,
            artifact_names=prepared.artifact_names,
            beside=beside,
            paths_as_files=not prepared.is_cell,
            background=call.item is None,
        )
        settled.artifacts = kept.versions
        if kept.not_carried:
            settled.not_carried = {lost.name: lost for lost in kept.not_carried}
        if prepared.declares_tags:
            settled.declare(prepared.step, [name for name in prepared.names if name not in settled.not_carried])
        # Of ten thousand items nobody waits with the values in memory.
        for name in (*kept.versions, *kept.pending) if call.item is None else ():
            self._live[settled.node, name] = values[name] if name in values else beside[name]
        return kept.pending

    def _value_of(self, origin: Origin) -> Any:
        if outputs_behind(origin):
            # What decides may be on its way to the store.
            self._write_all()
        return super()._value_of(origin)

    # Storing ---------------------------------------------------------------------------------

    def _write_ready(self) -> None:
        """Write the facts of those whose outputs have been stored meanwhile."""
        while self._unwritten and all(future.done() for future in self._unwritten[0].pending.values()):
            self._write_stored(self._unwritten.pop(0))

    def _write_all(self) -> None:
        """Write the facts that waited for something to be stored."""
        self._flush()
        while self._unwritten:
            self._write_stored(self._unwritten.pop(0))

    def _write_stored(self, execution: Execution) -> None:
        settled, call = execution.settled, execution.call
        for name, future in execution.pending.items():
            try:
                settled.artifacts[name] = future.result()
            except NotStorableError as error:
                settled.not_carried[name] = NotCarried(name, error.type_name, error.why)
            except NbpipeError as error:
                settled.failure, settled.status = failure_of(error), Status.FAILED
                self._tell(settled.node, settled)
        stored = {
            name: self._outcome.settled[node].artifacts[output]
            for name, (node, output) in call.awaited.items()
            if output in self._outcome.settled[node].artifacts
        }
        # What read an input that was lost after all must not be found by a key that says nothing of it.
        is_known = len(stored) == len(call.awaited)
        artifacts = {**call.inputs.artifacts, **stored}
        digests = {name: self._token(artifact) for name, artifact in artifacts.items()}
        call.inputs, call.awaited = Inputs(artifacts, call.inputs.values, digests), {}
        self._write(execution, call.keys if is_known else Keys("", ""))

    def _unstored(self, call: PlannedCall, places: Mapping[str, Place]) -> dict[str, Place]:
        """Name the inputs that are being stored, having waited for them if the step needs to know what they are."""
        if not self._unwritten:
            return {}
        unstored = {name: place for name, place in places.items() if self._is_pending(place)}
        if unstored and self._must_wait(call, unstored):
            self._write_all()
            return {}
        return unstored

    def _must_wait(self, call: PlannedCall, unstored: Mapping[str, Place]) -> bool:
        """Tell whether a step needs to know what is being stored: it may be reused, or is handed a pointer to it."""
        if call.node.mapped:
            return True
        is_pointed_at = not call.prepared.step.signature.pointers.isdisjoint(unstored)
        return (
            is_pointed_at
            or call.node.id in self._given
            or (self._may_reuse(call.prepared) and self._executions.may_know(call.half))
        )

    def _is_pending(self, place: Place) -> bool:
        return any(
            unwritten.settled.node == place[0] and place[1] in unwritten.pending for unwritten in self._unwritten
        )
