"""The driver: walks a graph, reuses what is recorded, runs the rest, and says what happened.

Nodes are settled one by one in an order in which they can run. A failing node lets independent
branches finish and skips what waits for it. Every settled node is recorded as one fact; who
keeps the facts, the driver does not know: it is handed a recorder, a store and an index of
executions.

A large output is digested and written in the background while the next step runs on it, where no
recorded execution could be reused for that step whatever the digest turns out to be. The facts of
both then follow when the writing is done, at the latest at the run's end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock, Timer
from types import MappingProxyType
from typing import Any, Protocol

from nbpipe.base.clock import now_text
from nbpipe.base.ids import new_id
from nbpipe.errors import ArtifactDamagedError, NbpipeError, NotRecordedError, NotStorableError, StepTimeoutError
from nbpipe.execute.capture import Capture, capturing
from nbpipe.execute.context import RunFacts, StepContext
from nbpipe.execute.files import FileWatch, move_as, same_folder_afterwards
from nbpipe.execute.plan import Keys, full_key, reason
from nbpipe.execute.prepared import Inputs, Prepared, facts_in, facts_of, half_of
from nbpipe.execute.randomness import RandomChain
from nbpipe.execute.settled import (
    RunOutcome,
    Settled,
    body_of,
    objection,
    objection_to_given,
    reuse_as_json,
    reused,
)
from nbpipe.execute.sources import described
from nbpipe.execute.stop import StopSignal
from nbpipe.execute.worker import CodeRoom, Outcome, Task, failure_of, run_task
from nbpipe.graph.graph import ExistingArtifact, Node, OutputOf
from nbpipe.records.artifacts import ArtifactVersion, NotCarried
from nbpipe.records.definitions import Traced
from nbpipe.records.executions import RecordedExecution
from nbpipe.records.runs import Status, Triggered
from nbpipe.records.steps import UnmaterializedArtifact
from nbpipe.store.store import Store

Fact = tuple[str, str, str, dict[str, Any] | bytes]
Executed = tuple[str, dict[str, Any]]
Listener = Callable[[str, Settled | None], None]
Place = tuple[str, str]

_NO_VALUES: Mapping[str, Any] = MappingProxyType({})
_NO_INPUTS = Inputs()

_GOOD = frozenset({Status.COMPLETED, Status.REUSED})


class Recorder(Protocol):
    """Who keeps facts."""

    def append_lines(self, facts: Sequence[Fact]) -> None:
        """Keep several facts, in one write."""


class Executions(Protocol):
    """Who knows earlier executions of steps."""

    def find(self, key: str, half: str = "") -> RecordedExecution | None:
        """Give the newest execution of this key; the half key helps to look."""

    def may_know(self, half: str) -> bool:
        """Tell whether any execution has this half key."""

    def last(self, pipeline: str, node: str) -> RecordedExecution | None:
        """Give the newest execution of a node of this name that ran."""

    def knows_source(self, digest: str) -> bool:
        """Tell whether it is written down what the digest of a source stands for."""

    def source(self, digest: str) -> Mapping[str, Any]:
        """Give what the digest of a source stands for, as `execute.sources` wrote it; empty if nobody knows."""

    def remember_source(self, digest: str, body: Mapping[str, Any]) -> None:
        """Take in what this process wrote down of a source."""

    def forget(self, key: str) -> None:
        """Drop an execution whose stored values are gone."""

    def remember(self, pipeline: str, step_run_id: str, body: Mapping[str, Any]) -> None:
        """Take in an execution of this process."""


@dataclass(slots=True)
class PlannedCall:
    """One node as it is about to be settled.

    Attributes:
        node: The node.
        prepared: What its step is made of.
        half: Its half key.
        inputs: Its inputs, as far as they are stored.
        awaited: Inputs whose storing still goes on, by argument.
        before: For a cell: what tells whether it changed an input in place.
    """

    node: Node
    prepared: Prepared
    half: str
    inputs: Inputs
    awaited: dict[str, Place] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> Keys:
        """What the call is known by, as far as its inputs are."""
        return Keys(full_key(self.half, self.inputs.digests), self.half)


@dataclass(slots=True)
class _Unwritten:
    """An execution whose fact waits for something to be stored."""

    call: PlannedCall
    settled: Settled
    pending: Mapping[str, Future[ArtifactVersion]]
    started: str
    ended: str
    attempt: int


class Driver:
    """Runs one traced pipeline, once.

    Args:
        traced: The pipeline for given parameters.
        facts: The run.
        store: Where values are kept.
        executions: What is known of earlier executions.
        recorder: Who keeps facts.
        existing: Artifact versions that are there before the run, by id.
        cache: Whether equal executions may be reused.
        stop: How the run is stopped from outside.
        given: Executions that are taken for nodes, by node, as long as they read what the node would and their
            outputs are there; nobody asks by which key they would be found.
    """

    def __init__(
        self,
        traced: Traced,
        facts: RunFacts,
        *,
        store: Store,
        executions: Executions,
        recorder: Recorder,
        existing: Mapping[str, ArtifactVersion] | None = None,
        cache: bool = True,
        stop: StopSignal | None = None,
        given: Mapping[str, RecordedExecution] = MappingProxyType({}),
    ) -> None:
        self._traced = traced
        self._given = dict(given)
        self._facts = facts
        self._store = store
        self._executions = executions
        self._recorder = recorder
        self._existing = existing or {}
        self._cache = cache
        self._listeners: tuple[Listener, ...] = ()
        self._stop = stop or StopSignal()
        self._outcome = RunOutcome(Status.COMPLETED)
        self._rebound: dict[Place, Place] = {}
        self._tokens: dict[str, str] = {}
        self._halves: dict[str, str] = {}
        self._live: dict[Place, Any] = {}
        self._waiting: list[Fact] = []
        self._executed: list[Executed] = []
        self._unwritten: list[_Unwritten] = []
        self._prepared: dict[str, Prepared] = {}
        self._latest: dict[str, Place] = {}
        self._random = RandomChain()
        self._reused_keys: dict[str, str] = {}
        # Ours but for the time in which a step runs: then the background thread may write down what it has stored.
        self._books = Lock()
        self._trouble: NotRecordedError | None = None
        self._room = CodeRoom([])

    def prepare(self) -> None:
        """Read what every step is made of; nothing has run or been written when this raises.

        Raises:
            UncapturedNameError: A step reads a name that is no text.
        """
        by_step: dict[int, Prepared] = {}
        seen: dict[str, int] = {}
        for node, step in self._traced.steps.items():
            if id(step) not in by_step:
                by_step[id(step)] = Prepared.of(step, seen)
            self._prepared[node] = by_step[id(step)]
        self._room = CodeRoom([prepared.source for prepared in by_step.values()])

    def take_facts(self, facts: RunFacts) -> None:
        """Take what is known of the run only once nothing can be refused any more."""
        self._facts = facts

    def listen(self, listeners: Sequence[Listener]) -> None:
        """Have each called with a node's name when it starts (and `None`), and when it is settled."""
        self._listeners = tuple(listeners)

    def record(self) -> None:
        """Have what was settled so far written down: for a listener that is about to speak of it."""
        self._flush()

    @property
    def outcome(self) -> RunOutcome:
        """What became of the run so far."""
        return self._outcome

    def run(self) -> RunOutcome:
        """Settle every node; whatever the user's code does, this returns."""
        with self._books, same_folder_afterwards():
            try:
                with capturing() as capture:
                    for node in self._traced.graph.ordered:
                        self._settle(node, capture)
                self._write_all()
            finally:
                self._flush()
                # Whoever keeps the run need not keep what its steps gave.
                self._live.clear()
        self._store.wait()
        if self._trouble is not None:
            raise self._trouble
        was_stopped = any(settled.status is Status.INTERRUPTED for settled in self._outcome.settled.values())
        if was_stopped and self._outcome.status is not Status.FAILED:
            self._outcome.status = Status.INTERRUPTED
        return self._outcome

    # One node --------------------------------------------------------------------------------

    def _settle(self, node: Node, capture: Capture) -> None:
        if self._stop.is_set:
            self._skip(node, Status.INTERRUPTED, "the run was stopped")
            return
        blocked = self._blocked_by(node)
        if blocked:
            self._skip(node, Status.SKIPPED, f"{blocked} did not succeed")
            return
        self._write_ready()
        values = self._traced.values.get(node.id, _NO_VALUES)
        inputs = Inputs(values=values) if values else _NO_INPUTS
        call = PlannedCall(node, self._prepared[node.id], self._half(node.id), inputs)
        try:
            self._gather(call)
        except NbpipeError as error:
            self._skip(node, Status.FAILED, "its inputs cannot be had", error)
            return
        if call.awaited:
            self._run(call, None, ("no earlier execution could serve", ""), capture)
            return
        keys, given = call.keys, self._given.get(node.id)
        lost = objection_to_given(given, call.inputs, self._store) if given is not None else ""
        if given is not None and not lost:
            self._reuse(call, Keys(given["key"], given["half"]), given)
            return
        record = self._known(call.prepared, keys)
        unusable = self._objection(call.prepared, record) if record is not None else lost
        if record is not None and not unusable:
            self._reuse(call, keys, record)
        else:
            before = record or given
            self._run(call, keys, (unusable, before["id"]) if before and unusable else self._reason(call), capture)

    def _half(self, node: str) -> str:
        half = self._halves.get(node)
        if half is None:
            values = self._traced.values.get(node, _NO_VALUES)
            half = self._halves[node] = half_of(self._prepared[node], values, self._store)
        return half

    def _blocked_by(self, node: Node) -> str:
        settled = self._outcome.settled
        for name in self._traced.graph.upstream[node.id]:
            if settled[name].status not in _GOOD:
                return name
        return ""

    def _gather(self, call: PlannedCall) -> None:
        """Find the artifact behind each input; do not wait for one that is being stored if no key can hit."""
        artifacts: dict[str, ArtifactVersion] = {}
        places: dict[str, Place] = {}
        for name, origin in call.node.inputs.items():
            if isinstance(origin, ExistingArtifact):
                artifacts[name] = self._existing[origin.id]
            elif isinstance(origin, OutputOf) and origin.output:
                places[name] = self._place_of(origin)
        if self._unwritten:
            call.awaited = self._unstored(call, places)
        for name, place in places.items():
            if name not in call.awaited:
                artifacts[name] = self._stored_at(place, call)
        if call.prepared.is_cell:
            artifacts |= self._companions(artifacts, places)
        digests = {name: self._token(artifact) for name, artifact in artifacts.items()}
        call.inputs = Inputs(artifacts, call.inputs.values, digests)

    def _unstored(self, call: PlannedCall, places: Mapping[str, Place]) -> dict[str, Place]:
        """Name the inputs that are being stored, having waited for them if the step needs to know what they are."""
        unstored = {name: place for name, place in places.items() if self._is_pending(place)}
        if unstored and self._must_wait(call, unstored):
            self._write_all()
            return {}
        return unstored

    def _companions(
        self, artifacts: Mapping[str, ArtifactVersion], places: Mapping[str, Place]
    ) -> dict[str, ArtifactVersion]:
        """Find what shares something with an input and is still what its name means: to change one changes it, too."""
        found = {}
        for name, artifact in artifacts.items():
            if artifact.member is None or name not in places:
                continue
            node, _ = places[name]
            for other, fellow in self._outcome.settled[node].artifacts.items():
                if other in artifacts or not fellow.is_bundled_with(artifact):
                    continue
                if self._latest.get(other) == (node, other):
                    found[other] = fellow
        return found

    def _must_wait(self, call: PlannedCall, unstored: Mapping[str, Place]) -> bool:
        """Tell whether a step needs to know what is being stored: it may be reused, or is handed a pointer to it."""
        is_pointed_at = not call.prepared.step.signature.pointers.isdisjoint(unstored)
        return (
            is_pointed_at
            or call.node.id in self._given
            or (self._may_reuse(call.prepared) and self._executions.may_know(call.half))
        )

    def _place_of(self, origin: OutputOf) -> Place:
        place = origin.node, origin.output
        while place in self._rebound:
            place = self._rebound[place]
        return place

    def _is_pending(self, place: Place) -> bool:
        return any(
            unwritten.settled.node == place[0] and place[1] in unwritten.pending for unwritten in self._unwritten
        )

    def _stored_at(self, place: Place, call: PlannedCall) -> ArtifactVersion:
        node, output = place
        settled = self._outcome.settled[node]
        found = settled.artifacts.get(output)
        if found is not None:
            return found
        lost = settled.not_carried.get(output)
        if lost is not None:
            raise NotStorableError(output, lost.type_name, f"{lost.why}; {call.node.id} reads it")
        raise NotStorableError(output, "name without a value", f"{node} ended without binding it")

    def _token(self, artifact: ArtifactVersion) -> str:
        return artifact.token or self._tokens.get(artifact.id) or artifact.id

    def _reason(self, call: PlannedCall) -> tuple[str, str]:
        """Say why a node runs, and against which earlier execution."""
        if not self._may_reuse(call.prepared):
            return "caching is off", ""
        self._describe(call.prepared)
        before = self._executions.last(self._facts.pipeline, call.node.id)
        facts = facts_in(before) if before is not None else None
        why = reason(facts_of(call.prepared, call.inputs), facts, self._source_of)
        return why, before["id"] if before is not None else ""

    def _source_of(self, digest: str) -> Mapping[str, Any]:
        return self._executions.source(digest)

    def _describe(self, prepared: Prepared) -> None:
        """Write down once what the step is made of."""
        digest = prepared.source.digest
        if not self._executions.knows_source(digest):
            body = described(prepared.source)
            self._executions.remember_source(digest, body)
            self._waiting.append(("source", digest, self._facts.id, body))

    # Reusing ---------------------------------------------------------------------------------

    def _may_reuse(self, prepared: Prepared) -> bool:
        return self._cache and prepared.step.options.cache

    def _known(self, prepared: Prepared, keys: Keys) -> RecordedExecution | None:
        if not self._may_reuse(prepared):
            return None
        for _, body in self._executed:
            if body["key"] == keys.key:
                # What this very run executed a moment ago is known only once it is written.
                self._flush()
        return self._executions.find(keys.key, keys.half)

    def _objection(self, prepared: Prepared, record: Mapping[str, Any]) -> str:
        """Say what stands against reusing an execution; nothing, if `""`."""
        expired = objection(record, prepared.step.options.expiry_s, self._store)
        return expired or (self._random.objection(record) if prepared.is_cell else "")

    def _reuse(self, call: PlannedCall, keys: Keys, record: RecordedExecution) -> None:
        at = now_text()
        settled = reused(call.node.id, new_id(), record, call.prepared.step)
        if call.prepared.is_cell:
            self._random.reuse(record)
        move_as(record, self._store.workspace)
        self._reused_keys[call.node.id] = keys.key
        self._bind(call, keys, settled)
        body = reuse_as_json(
            self._facts, call.node.step, call.prepared, settled, keys=keys, inputs=call.inputs, at=at, record=record
        )
        self._waiting.append(("step", settled.step_run_id, self._facts.id, body))
        self._tell(call.node.id, settled)

    # Running ---------------------------------------------------------------------------------

    def _run(self, call: PlannedCall, keys: Keys | None, reason: tuple[str, str], capture: Capture) -> None:
        why, against = reason
        self._describe(call.prepared)
        options = call.prepared.step.options
        triggered: Sequence[Triggered] = ()
        for attempt in range(options.retries + 1):
            settled = Settled(call.node.id, Status.RUNNING, why, new_id(), against=against, triggered=triggered)
            self._tell(call.node.id, None)
            started, inputs = now_text(), call.inputs
            self._announce(call, settled, attempt + 1)
            self._ask_ahead(call.node)
            outcome = self._attempt(call, settled, capture)
            if call.inputs is not inputs:
                keys = None
            triggered = settled.triggered
            pending = self._conclude(call, settled, outcome)
            unwritten = _Unwritten(call, settled, pending, started, now_text(), attempt + 1)
            if pending or call.awaited:
                self._unwritten.append(unwritten)
                for future in pending.values():
                    future.add_done_callback(self._write_meanwhile)
                self._rebind(call.node, {*settled.artifacts, *pending})
            else:
                self._write(unwritten, keys)
            if settled.status is not Status.FAILED or attempt == options.retries:
                break
            self._flush()
            self._wait_before_retry(options.delay_before_s(attempt + 1))
            if self._stop.is_set:
                break
        self._tell(call.node.id, settled)

    def _announce(self, call: PlannedCall, settled: Settled, attempt: int) -> None:
        """Write down which step runs, in one write with what was settled before: no step's body runs in between."""
        body = {"node": settled.node, "step": call.node.step, "attempt": attempt}
        self._waiting.append(("step_started", settled.step_run_id, self._facts.id, body))
        self._flush()

    def _ask_ahead(self, node: Node) -> None:
        """Ask for what is asked when the next steps come: then it would stand between this body and theirs."""
        for name in self._traced.graph.downstream[node.id]:
            if self._may_reuse(self._prepared[name]):
                self._executions.may_know(self._half(name))

    def _wait_before_retry(self, delay_s: float) -> None:
        deadline = time.monotonic() + delay_s
        while not self._stop.is_set and time.monotonic() < deadline:
            time.sleep(min(0.05, delay_s))

    def _attempt(self, call: PlannedCall, settled: Settled, capture: Capture) -> Outcome:
        names, place = call.prepared.names, str(self._store.workspace)
        context = StepContext(self._facts, call.node.id, settled.step_run_id, names, place)
        settled.metadata, settled.tags = context.notes, context.tags
        # What an earlier attempt asked for goes on, or has been done.
        context.triggered.extend(settled.triggered)
        settled.triggered = context.triggered
        try:
            try:
                arguments = self._arguments(call)
            except ArtifactDamagedError as error:
                self._make_again(call, error, capture)
                arguments = self._arguments(call)
        except NbpipeError as error:
            return Outcome(failure=failure_of(error))
        task = Task(
            call.prepared.source,
            call.prepared.step.signature,
            {**call.inputs.values, **arguments},
            context,
            tuple(arguments) if call.prepared.is_cell else (),
        )
        call.before = self._fingerprints(task)
        watch = FileWatch(self._store.workspace)
        transcript = capture.begin()
        if call.prepared.is_cell:
            self._random.begin()
        watch.begin()
        began = time.perf_counter()
        outcome = self._with_open_books(task, call.prepared.step.options.timeout_s)
        settled.duration_s = time.perf_counter() - began
        settled.files = watch.end(task.source, task.arguments)
        if call.prepared.is_cell:
            settled.drawn = self._random.end()
        capture.end()
        settled.logs = transcript.text()
        return outcome

    def _fingerprints(self, task: Task) -> dict[str, str]:
        """Take what will tell whether the body changed an input in place."""
        return self._store.fingerprints({name: task.arguments[name] for name in task.wanted}) if task.wanted else {}

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

    def _make_again(self, call: PlannedCall, error: ArtifactDamagedError, capture: Capture) -> None:
        """Run the reused step again whose stored output turned out to be damaged.

        Raises:
            ArtifactDamagedError: The output was there before the run, or was made by it.
        """
        for name, artifact in call.inputs.artifacts.items():
            origin = call.node.inputs[name]
            if repr(artifact.name) != error.artifact or not isinstance(origin, OutputOf):
                continue
            node, output = self._place_of(origin)
            if self._outcome.settled[node].status is not Status.REUSED:
                continue
            self._given.pop(node, None)
            self._executions.forget(self._reused_keys[node])
            self._settle(self._traced.graph.by_id[node], capture)
            self._write_all()
            made = self._stored_at((node, output), call)
            artifacts = {**call.inputs.artifacts, name: made}
            digests = {**call.inputs.digests, name: self._token(made)}
            call.inputs = Inputs(artifacts, call.inputs.values, digests)
            return
        raise error

    def _arguments(self, call: PlannedCall) -> dict[str, Any]:
        found = {name: self._store.handed_over(self._live[place]) for name, place in call.awaited.items()}
        stored: dict[str, ArtifactVersion] = {}
        for name, artifact in call.inputs.artifacts.items():
            if name in call.prepared.step.signature.pointers:
                found[name] = _pointer_to(artifact)
                continue
            origin = call.node.inputs.get(name)
            live = self._live.get(self._place_of(origin)) if isinstance(origin, OutputOf) else None
            # Nothing but the stored form is safe where this is None; a None itself is stored, too.
            handed = self._store.handed_over(live)
            if handed is None or artifact.member is not None:
                # What shares something with another input still shares it only where both are read together.
                stored[name] = artifact
            else:
                found[name] = handed
        if stored:
            found |= self._store.load_all(stored, trust=True)
        return found

    def _conclude(self, call: PlannedCall, settled: Settled, outcome: Outcome) -> Mapping[str, Future[ArtifactVersion]]:
        failure, pending = outcome.failure, {}
        if failure is None:
            try:
                pending = self._keep(call, settled, outcome)
            except NbpipeError as error:
                failure = failure_of(error)
        if failure is None:
            settled.status = Status.COMPLETED
            return pending
        settled.failure = failure
        settled.status = Status.FAILED
        if isinstance(failure.exception, KeyboardInterrupt):
            self._stop.stop()
            settled.status = Status.INTERRUPTED
        return {}

    def _keep(self, call: PlannedCall, settled: Settled, outcome: Outcome) -> dict[str, Future[ArtifactVersion]]:
        prepared = call.prepared
        values = dict(outcome.outputs)
        beside: dict[str, Any] = {}
        if outcome.inputs_after:
            # All of them as before, so that what is told by a part of another is told by the same again.
            held = {**outcome.inputs_after, **outcome.outputs}
            after = self._store.fingerprints({name: held[name] for name in call.before if name in held})
            for name, value in outcome.inputs_after.items():
                (values if after[name] != call.before[name] else beside)[name] = value
        kept = self._store.keep(
            values,
            made_by=settled.step_run_id,
            artifact_names=prepared.artifact_names,
            beside=beside,
            paths_as_files=not prepared.is_cell,
            background=True,
        )
        settled.artifacts = dict(kept.versions)
        settled.not_carried = {lost.name: lost for lost in kept.not_carried}
        outputs = (output.name for output in prepared.step.signature.outputs)
        settled.declare(prepared.step, [name for name in outputs if name not in settled.not_carried])
        for name in (*kept.versions, *kept.pending):
            self._live[settled.node, name] = values[name] if name in values else beside[name]
        return dict(kept.pending)

    # What was settled ------------------------------------------------------------------------

    def _write_ready(self) -> None:
        """Write the facts of those whose outputs have been stored meanwhile."""
        while self._unwritten and all(future.done() for future in self._unwritten[0].pending.values()):
            self._write_stored(self._unwritten.pop(0))

    def _write_all(self) -> None:
        """Write the facts that waited for something to be stored."""
        self._flush()
        while self._unwritten:
            self._write_stored(self._unwritten.pop(0))

    def _write_stored(self, unwritten: _Unwritten) -> None:
        settled, call = unwritten.settled, unwritten.call
        for name, future in unwritten.pending.items():
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
        self._write(unwritten, call.keys if is_known else Keys("", ""))

    def _write(self, unwritten: _Unwritten, keys: Keys | None) -> None:
        call, settled = unwritten.call, unwritten.settled
        keys = keys or call.keys
        self._bind(call, keys, settled)
        body = body_of(
            self._facts,
            call.node.step,
            call.prepared,
            settled,
            keys=keys,
            inputs=call.inputs,
            started=unwritten.started,
            ended=unwritten.ended,
            attempt=unwritten.attempt,
        )
        self._waiting.append(("step", settled.step_run_id, self._facts.id, body))
        if settled.status is Status.COMPLETED and keys.key:
            self._executed.append((settled.step_run_id, body))

    def _bind(self, call: PlannedCall, keys: Keys, settled: Settled) -> None:
        for name, artifact in settled.artifacts.items():
            if not artifact.token:
                self._tokens[artifact.id] = f"{keys.key}/{name}"
        self._rebind(call.node, settled.artifacts)

    def _rebind(self, node: Node, outputs: Iterable[str]) -> None:
        """Where a cell changed its input in place, let whoever comes later read the new version."""
        prepared = self._prepared[node.id]
        for name in outputs:
            here = node.id, name
            if prepared.is_cell:
                place = self._changed_place(node, name, prepared)
                if place is not None and place != here:
                    self._rebound[place] = here
            self._latest[name] = here

    def _changed_place(self, node: Node, name: str, prepared: Prepared) -> Place | None:
        origin = node.inputs.get(name)
        if isinstance(origin, OutputOf):
            return self._place_of(origin)
        # A companion: it came with an input, and its name meant this.
        return self._latest.get(name) if origin is None and name not in prepared.declared else None

    def _skip(self, node: Node, status: Status, why: str, error: NbpipeError | None = None) -> None:
        settled = Settled(node.id, status, why, new_id(), failure=failure_of(error) if error is not None else None)
        at = now_text()
        body = body_of(self._facts, node.step, self._prepared[node.id], settled, started=at, ended=at)
        self._waiting.append(("step", settled.step_run_id, self._facts.id, body))
        self._tell(node.id, settled)

    def _tell(self, node: str, settled: Settled | None) -> None:
        if settled is not None:
            self._outcome.settled[node] = settled
            if settled.status is Status.FAILED and self._outcome.failed is None:
                self._outcome.failed = settled
                self._outcome.status = Status.FAILED
        for listener in self._listeners:
            listener(node, settled)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        executed, self._executed = self._executed, []
        if waiting:
            self._recorder.append_lines(waiting)
        for step_run_id, body in executed:
            self._executions.remember(self._facts.pipeline, step_run_id, body)


def _pointer_to(artifact: ArtifactVersion) -> UnmaterializedArtifact:
    return UnmaterializedArtifact(artifact.id, artifact.name, artifact.number, artifact.type_name, artifact.digest)
