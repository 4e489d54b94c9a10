"""The driver: walks a graph, reuses what is recorded, runs the rest, and says what happened.

Nodes are settled one by one in an order in which they can run. A failing node lets independent
branches finish and skips what waits for it. Every settled node is recorded as one fact; who
keeps the facts, the driver does not know: it is handed a recorder, a store and an index of
executions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from nbpipe.base.clock import now, now_text
from nbpipe.base.ids import new_id
from nbpipe.errors import NbpipeError, NotStorableError
from nbpipe.execute.capture import Capture, capturing
from nbpipe.execute.context import MODEL, RUN, RunFacts, StepContext, artifact_target
from nbpipe.execute.plan import Facts, Keys, full_key, half_key, is_expired, reason
from nbpipe.execute.stop import StopSignal
from nbpipe.execute.worker import CodeRoom, Failure, Outcome, Task, failure_of, run_task
from nbpipe.graph.graph import ExistingArtifact, Node, OutputOf
from nbpipe.records.artifacts import ArtifactVersion, NotCarried
from nbpipe.records.definitions import AnyStep, Traced
from nbpipe.records.parameters import as_json
from nbpipe.records.runs import Status
from nbpipe.records.steps import UnmaterializedArtifact
from nbpipe.records.tags import Tag
from nbpipe.source.closure import Source
from nbpipe.store.store import Store

Fact = tuple[str, str, str, dict[str, Any]]


class Recorder(Protocol):
    """Who keeps facts."""

    def append(self, kind: str, *, id: str, run: str = "", body: dict[str, Any]) -> None:
        """Keep one fact."""

    def append_lines(self, facts: Sequence[Fact]) -> None:
        """Keep several facts, in one write."""


class Executions(Protocol):
    """Who knows earlier executions of steps."""

    def find(self, key: str) -> Mapping[str, Any] | None:
        """Give the newest execution of this key: the body of its fact, with its `id`."""

    def may_know(self, half: str) -> bool:
        """Tell whether any execution has this half key."""

    def last(self, pipeline: str, node: str) -> Mapping[str, Any] | None:
        """Give the newest execution of a node of this name that ran."""

    def remember(self, pipeline: str, step_run_id: str, body: Mapping[str, Any]) -> None:
        """Take in an execution of this process."""


@dataclass(slots=True)
class Settled:
    """What became of one node.

    Attributes:
        node: The node.
        status: Whether it ran, was reused, failed, was skipped or stopped.
        why: Why.
        step_run_id: The id of this execution.
        artifacts: The artifact versions it gave, by output.
        not_carried: The outputs that could not be stored, by name.
        failure: What it raised.
        duration_s: How long it took, in seconds.
        metadata: What it noted, by target, encoded.
        tags: The tags it gave, by target.
        logs: What it printed.
    """

    node: str
    status: Status
    why: str
    step_run_id: str = ""
    artifacts: dict[str, ArtifactVersion] = field(default_factory=dict)
    not_carried: dict[str, NotCarried] = field(default_factory=dict)
    failure: Failure | None = None
    duration_s: float = 0.0
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, list[Tag]] = field(default_factory=dict)
    logs: str = ""


Listener = Callable[[str, Settled | None], None]


@dataclass(slots=True)
class RunOutcome:
    """What became of a run.

    Attributes:
        status: How it ended.
        settled: Each node's outcome, in the order in which they were settled.
        failed: The first node that failed.
    """

    status: Status
    settled: dict[str, Settled] = field(default_factory=dict)
    failed: Settled | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is known of a step for the whole run, worked out once.

    Attributes:
        step: The step.
        source: What it is made of.
        leans: The digest of each piece, by the names it binds.
        names: The names of its outputs.
        artifact_names: The name under which each output is kept.
    """

    step: AnyStep
    source: Source
    leans: dict[str, str]
    names: tuple[str, ...]
    artifact_names: dict[str, str]

    @classmethod
    def of(cls, step: AnyStep) -> Prepared:
        """Read what a step is made of.

        Raises:
            UncapturedNameError: It reads a name that is no text.
        """
        source = step.source()
        leans = {name: piece.digest for piece in source.pieces for name in piece.binds}
        outputs = step.signature.outputs
        names = tuple(output.name for output in outputs)
        return cls(step, source, leans, names, {output.name: output.artifact for output in outputs})


@dataclass(slots=True)
class Inputs:
    """The inputs of one node.

    Attributes:
        artifacts: Those that are artifact versions.
        values: Those that are plain values.
        digests: The identity of each artifact's content.
    """

    artifacts: dict[str, ArtifactVersion]
    values: Mapping[str, Any]
    digests: dict[str, str]


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
    ) -> None:
        self._traced = traced
        self._facts = facts
        self._store = store
        self._executions = executions
        self._recorder = recorder
        self._existing = existing or {}
        self._cache = cache
        self._listeners: tuple[Listener, ...] = ()
        self._stop = stop or StopSignal()
        self._outcome = RunOutcome(Status.COMPLETED)
        self._rebound: dict[tuple[str, str], tuple[str, str]] = {}
        self._tokens: dict[str, str] = {}
        self._live: dict[str, Any] = {}
        self._waiting: list[Fact] = []
        self._prepared: dict[str, Prepared] = {}
        self._room: CodeRoom | None = None

    def prepare(self) -> None:
        """Read what every step is made of; nothing has run or been written when this raises.

        Raises:
            UncapturedNameError: A step reads a name that is no text.
        """
        by_step: dict[int, Prepared] = {}
        for node, step in self._traced.steps.items():
            if id(step) not in by_step:
                by_step[id(step)] = Prepared.of(step)
            self._prepared[node] = by_step[id(step)]
        self._room = CodeRoom([prepared.source for prepared in by_step.values()])

    def take_facts(self, facts: RunFacts) -> None:
        """Take what is known of the run only once nothing can be refused any more."""
        self._facts = facts

    def listen(self, listeners: Sequence[Listener]) -> None:
        """Have each called with a node's name when it starts (and `None`), and when it is settled."""
        self._listeners = tuple(listeners)

    def run(self) -> RunOutcome:
        """Settle every node; whatever the user's code does, this returns."""
        with capturing() as capture, self._stop:
            for node in self._traced.graph.ordered:
                try:
                    self._settle(node, capture)
                except KeyboardInterrupt:
                    # The stop came between two steps.
                    self._stop.stop()
                    self._skip(node.id, Status.INTERRUPTED, "the run was stopped")
        self._flush()
        self._store.wait()
        if self._stop.is_set and self._outcome.status is not Status.FAILED:
            self._outcome.status = Status.INTERRUPTED
        return self._outcome

    # One node --------------------------------------------------------------------------------

    def _settle(self, node: Node, capture: Capture) -> None:
        if self._stop.is_set:
            self._skip(node.id, Status.INTERRUPTED, "the run was stopped")
            return
        blocked = self._blocked_by(node)
        if blocked:
            self._skip(node.id, Status.SKIPPED, f"{blocked} did not succeed")
            return
        prepared = self._prepared[node.id]
        try:
            inputs = self._inputs_of(node, prepared)
        except NbpipeError as error:
            self._fail_early(node, error)
            return
        parameters = {name: as_json(value) for name, value in inputs.values.items()}
        keys = self._keys_of(prepared, inputs)
        record = self._reusable(prepared, keys)
        if record is not None:
            self._reuse(node, prepared, keys, inputs, parameters, record)
        else:
            self._run(node, prepared, keys, inputs, parameters, capture)

    def _blocked_by(self, node: Node) -> str:
        settled = self._outcome.settled
        return next(
            (name for name in node.upstream if settled[name].status not in (Status.COMPLETED, Status.REUSED)), ""
        )

    def _inputs_of(self, node: Node, prepared: Prepared) -> Inputs:
        artifacts: dict[str, ArtifactVersion] = {}
        for name, origin in node.inputs.items():
            if isinstance(origin, OutputOf):
                if origin.output:
                    artifacts[name] = self._artifact_of(origin, prepared.step.name)
            elif isinstance(origin, ExistingArtifact):
                artifacts[name] = self._existing[origin.id]
        digests = {name: self._token(artifact) for name, artifact in artifacts.items()}
        values = self._traced.values.get(node.id, {})
        return Inputs(artifacts, values, digests)

    def _artifact_of(self, origin: OutputOf, reader: str) -> ArtifactVersion:
        place = origin.node, origin.output
        while place in self._rebound:
            place = self._rebound[place]
        settled = self._outcome.settled[place[0]]
        found = settled.artifacts.get(place[1])
        if found is not None:
            return found
        lost = settled.not_carried.get(place[1])
        if lost is not None:
            raise NotStorableError(place[1], lost.type_name, f"{lost.why}; {reader} reads it")
        raise NotStorableError(place[1], "name", f"{place[0]} ended without binding it, and {reader} reads it")

    def _token(self, artifact: ArtifactVersion) -> str:
        return artifact.digest or self._tokens.get(artifact.id) or artifact.id

    def _keys_of(self, prepared: Prepared, inputs: Inputs) -> Keys:
        if inputs.values:
            values = self._store.content(dict(inputs.values))
            content = values.digest or repr(sorted(inputs.values.items()))
        else:
            content = ""
        half = half_key(prepared.source.digest, content, prepared.names)
        return Keys(full_key(half, inputs.digests), half)

    # Reusing ---------------------------------------------------------------------------------

    def _reusable(self, prepared: Prepared, keys: Keys) -> Mapping[str, Any] | None:
        if not self._cache or not prepared.step.options.cache:
            return None
        record = self._executions.find(keys.key)
        if record is None or is_expired(record["ended"], prepared.step.options.expiry_s, now()):
            return None
        return record if all(self._store.exists(artifact) for artifact in artifacts_in(record).values()) else None

    def _reuse(
        self,
        node: Node,
        prepared: Prepared,
        keys: Keys,
        inputs: Inputs,
        parameters: dict[str, Any],
        record: Mapping[str, Any],
    ) -> None:
        at = now_text()
        settled = Settled(node.id, Status.REUSED, "nothing it depends on changed", new_id(), artifacts_in(record))
        settled.not_carried = {lost["name"]: NotCarried(**lost) for lost in record["not_carried"]}
        settled.metadata = {note["target"]: note["values"] for note in record["metadata"]}
        settled.tags = {target: [Tag.read(tag) for tag in tags] for target, tags in record["tags"].items()}
        self._bind(node, prepared, keys, settled)
        body = self._body(node, prepared, keys, inputs, parameters, settled, at, at)
        body["reused_from"] = record["reused_from"] or record["id"]
        body["outputs"] = record["outputs"]
        self._waiting.append(("step", settled.step_run_id, self._facts.id, body))
        self._tell(node.id, settled)

    # Running ---------------------------------------------------------------------------------

    def _run(
        self,
        node: Node,
        prepared: Prepared,
        keys: Keys,
        inputs: Inputs,
        parameters: dict[str, Any],
        capture: Capture,
    ) -> None:
        why = self._reason(node, prepared, inputs, parameters)
        self._flush()
        options = prepared.step.options
        for attempt in range(options.retries + 1):
            settled = Settled(node.id, Status.RUNNING, why, new_id())
            self._tell(node.id, None)
            started = now_text()
            self._announce(settled, prepared, attempt)
            outcome = self._attempt(node, prepared, inputs, settled, capture)
            self._conclude(node, prepared, inputs, settled, outcome)
            body = self._body(node, prepared, keys, inputs, parameters, settled, started, now_text())
            body["attempt"] = attempt
            self._bind(node, prepared, keys, settled)
            self._recorder.append("step", id=settled.step_run_id, run=self._facts.id, body=body)
            if settled.status is Status.COMPLETED:
                self._executions.remember(self._facts.pipeline, settled.step_run_id, body)
            if settled.status is not Status.FAILED or attempt == options.retries:
                break
            self._wait_before_retry(options.retry_delay_s)
            if self._stop.is_set:
                break
        self._tell(node.id, settled)

    def _announce(self, settled: Settled, prepared: Prepared, attempt: int) -> None:
        body = {"node": settled.node, "step": prepared.step.name, "attempt": attempt}
        self._recorder.append("step_started", id=settled.step_run_id, run=self._facts.id, body=body)

    def _wait_before_retry(self, delay_s: float) -> None:
        deadline = time.monotonic() + delay_s
        while not self._stop.is_set and time.monotonic() < deadline:
            time.sleep(min(0.05, delay_s))

    def _reason(self, node: Node, prepared: Prepared, inputs: Inputs, parameters: dict[str, Any]) -> str:
        if not self._cache or not prepared.step.options.cache:
            return "caching is off"
        facts = Facts(prepared.source.digest, prepared.leans, parameters, inputs.digests)
        before = self._executions.last(self._facts.pipeline, node.id)
        return reason(facts, facts_in(before) if before is not None else None)

    def _attempt(
        self, node: Node, prepared: Prepared, inputs: Inputs, settled: Settled, capture: Capture
    ) -> Outcome:
        context = StepContext(self._facts, node.id, settled.step_run_id, prepared.names)
        settled.metadata, settled.tags = context.notes, context.tags
        try:
            arguments = self._arguments(prepared, inputs)
        except NbpipeError as error:
            return Outcome(failure=failure_of(error))
        wanted = self._watched(prepared, inputs)
        task = Task(prepared.source, prepared.step.signature, {**inputs.values, **arguments}, context, wanted)
        assert self._room is not None, "prepare() comes first"
        transcript = capture.begin()
        began = time.perf_counter()
        outcome = run_task(task, self._room)
        settled.duration_s = time.perf_counter() - began
        capture.end()
        settled.logs = transcript.text()
        return outcome

    def _watched(self, prepared: Prepared, inputs: Inputs) -> tuple[str, ...]:
        names = getattr(prepared.step, "names", None)
        return tuple(name for name in inputs.artifacts if names is not None and name in names.touches)

    def _arguments(self, prepared: Prepared, inputs: Inputs) -> dict[str, Any]:
        found: dict[str, Any] = {}
        stored: dict[str, ArtifactVersion] = {}
        for name, artifact in inputs.artifacts.items():
            if name in prepared.step.signature.pointers:
                found[name] = _pointer_to(artifact)
                continue
            # Nothing but the stored form is safe where this is None; a None itself is stored, too.
            handed = self._store.handed_over(self._live.get(artifact.id))
            if handed is None:
                stored[name] = artifact
            else:
                found[name] = handed
        if stored:
            found |= self._store.load_all(stored, trust=True)
        return found

    def _conclude(
        self, node: Node, prepared: Prepared, inputs: Inputs, settled: Settled, outcome: Outcome
    ) -> None:
        failure = outcome.failure
        if failure is None:
            try:
                self._keep(prepared, inputs, settled, outcome)
            except NbpipeError as error:
                failure = failure_of(error)
        if failure is None:
            settled.status = Status.COMPLETED
            return
        stopped = self._stop.is_set and isinstance(failure.exception, KeyboardInterrupt)
        settled.failure = failure
        settled.status = Status.INTERRUPTED if stopped else Status.FAILED
        if isinstance(failure.exception, KeyboardInterrupt):
            self._stop.stop()
            settled.status = Status.INTERRUPTED

    def _keep(self, prepared: Prepared, inputs: Inputs, settled: Settled, outcome: Outcome) -> None:
        values = dict(outcome.outputs)
        for name, value in outcome.inputs_after.items():
            digest = self._store.content(value).digest
            if digest is not None and digest != inputs.artifacts[name].digest:
                values[name] = value
        kept = self._store.keep(values, made_by=settled.step_run_id, artifact_names=prepared.artifact_names)
        settled.artifacts = dict(kept.versions)
        settled.not_carried = {lost.name: lost for lost in kept.not_carried}
        for output in prepared.step.signature.outputs:
            artifact = settled.artifacts.get(output.name)
            tags = (*output.tags, *prepared.step.options.tags)
            if artifact is not None and tags:
                settled.tags.setdefault(artifact_target(output.name), []).extend(tags)
        for name, artifact in settled.artifacts.items():
            self._live[artifact.id] = values[name]

    # What was settled ------------------------------------------------------------------------

    def _bind(self, node: Node, prepared: Prepared, keys: Keys, settled: Settled) -> None:
        for name, artifact in settled.artifacts.items():
            if not artifact.digest:
                self._tokens[artifact.id] = f"{keys.key}/{name}"
            origin = node.inputs.get(name)
            # A cell changed its input in place: whoever comes later reads the new version.
            if isinstance(origin, OutputOf) and prepared.step.kind == "cell":
                place = origin.node, origin.output
                while place in self._rebound:
                    place = self._rebound[place]
                if place != (node.id, name):
                    self._rebound[place] = (node.id, name)

    def _skip(self, node: str, status: Status, why: str) -> None:
        settled = Settled(node, status, why, new_id())
        at = now_text()
        prepared = self._prepared[node]
        body = self._body(
            self._traced.graph.by_id[node], prepared, Keys("", ""), Inputs({}, {}, {}), {}, settled, at, at
        )
        self._waiting.append(("step", settled.step_run_id, self._facts.id, body))
        self._tell(node, settled)

    def _fail_early(self, node: Node, error: NbpipeError) -> None:
        settled = Settled(node.id, Status.FAILED, "its inputs cannot be had", new_id(), failure=failure_of(error))
        at = now_text()
        body = self._body(node, self._prepared[node.id], Keys("", ""), Inputs({}, {}, {}), {}, settled, at, at)
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
        if self._waiting:
            self._recorder.append_lines(self._waiting)
            self._waiting = []

    def _body(
        self,
        node: Node,
        prepared: Prepared,
        keys: Keys,
        inputs: Inputs,
        parameters: dict[str, Any],
        settled: Settled,
        started: str,
        ended: str,
    ) -> dict[str, Any]:
        return {
            "pipeline": self._facts.pipeline,
            "node": node.id,
            "step": node.step,
            "status": settled.status.value,
            "why": settled.why,
            "key": keys.key,
            "half": keys.half,
            "source": prepared.source.digest,
            "leans": prepared.leans,
            "started": started,
            "ended": ended,
            "duration_s": settled.duration_s,
            "attempt": 0,
            "parameters": parameters,
            "inputs": [
                {"name": name, "artifact": artifact.id, "digest": inputs.digests[name]}
                for name, artifact in inputs.artifacts.items()
            ],
            "outputs": [artifact.as_record() for artifact in settled.artifacts.values()],
            "not_carried": [lost.as_record() for lost in settled.not_carried.values()],
            "metadata": self._notes(settled),
            "tags": {target: [tag.model_dump(exclude_unset=True) for tag in tags] for target, tags in settled.tags.items()},
            "error": settled.failure.as_record() if settled.failure is not None else None,
            "reused_from": "",
            "logs": settled.logs,
        }

    def _notes(self, settled: Settled) -> list[dict[str, Any]]:
        notes = []
        for target, values in settled.metadata.items():
            resolved = self._entity(target, settled)
            if resolved is not None:
                kind, entity_id = resolved
                notes.append({"target": target, "kind": kind, "id": entity_id, "values": values})
        return notes

    def _entity(self, target: str, settled: Settled) -> tuple[str, str] | None:
        if target == RUN:
            return "run", self._facts.id
        if target == MODEL:
            return ("model_version", self._facts.model_version_id) if self._facts.model_version_id else None
        if target.startswith("artifact:"):
            artifact = settled.artifacts.get(target.removeprefix("artifact:"))
            return ("artifact_version", artifact.id) if artifact is not None else None
        return "step", settled.step_run_id


def _pointer_to(artifact: ArtifactVersion) -> UnmaterializedArtifact:
    return UnmaterializedArtifact(artifact.id, artifact.name, artifact.number, artifact.type_name, artifact.digest)


def artifacts_in(record: Mapping[str, Any]) -> dict[str, ArtifactVersion]:
    """Read the artifact versions that an execution gave, by output."""
    return {output["output"]: ArtifactVersion.from_record(output) for output in record["outputs"]}


def facts_in(record: Mapping[str, Any]) -> Facts:
    """Read what an execution ran with."""
    inputs = {given["name"]: given["digest"] for given in record["inputs"]}
    return Facts(record["source"], record["leans"], record["parameters"], inputs)
