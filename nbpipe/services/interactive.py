"""The interactive run: the steps of one kernel session, each recorded as its cell is executed.

One run a session and pipeline. It takes no exclusive tag and makes no model version; it begins
with the first step that is recorded and ends with the kernel. The value of every output is kept
before the cell goes on, so that an output that is to be read elsewhere can be refused there.
"""

from __future__ import annotations

import atexit
import getpass
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbpipe.base.clock import now, now_text
from nbpipe.base.ids import new_id
from nbpipe.execute.context import RUN, RunFacts, StepContext, artifact_target, enter_step, leave_step
from nbpipe.execute.files import FileWatch, move_as
from nbpipe.execute.glimpses import Glimpse, Glimpses
from nbpipe.execute.plan import Keys, reason
from nbpipe.execute.prepared import Inputs, Prepared, facts_of, keys_of
from nbpipe.execute.randomness import objection as random_objection
from nbpipe.execute.settled import Settled, body_of, objection, reused
from nbpipe.execute.sources import described
from nbpipe.execute.worker import failure_of
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.operations import ArtifactTags, EndRun, NamedArtifact, NumberArtifacts
from nbpipe.records.runs import Status, run_name
from nbpipe.records.tags import as_tags
from nbpipe.services.workspace import Workspace

_LARGEST_LINE_BYTES = 64 * 1024


@dataclass(slots=True)
class Execution:
    """One execution of a cell, from its plan to its record.

    Attributes:
        prepared: What the cell is made of.
        inputs: What it reads.
        keys: What the execution is known by.
        record: The earlier execution that can be reused, if there is one.
        why: Why it runs, if it does.
        settled: What becomes of it.
        started: When it began, ISO 8601.
        watch: What sees the files that its body opens, while it runs.
    """

    prepared: Prepared
    inputs: Inputs
    keys: Keys
    record: Mapping[str, Any] | None
    why: str
    settled: Settled
    started: str
    token: Any = field(default=None, repr=False)
    watch: FileWatch | None = field(default=None, repr=False)


class InteractiveRun:
    """The run of one kernel session.

    Args:
        workspace: Where it is recorded.
        pipeline: The notebook's pipeline.
        model: The name of the model that its runs work on, or `""`; this run makes no version of it.
    """

    def __init__(self, workspace: Workspace, pipeline: str, model: str = "") -> None:
        self._workspace = workspace
        started = now()
        self.facts = RunFacts(new_id(), run_name(pipeline, started), pipeline, {}, model)
        self._has_begun = False
        self._is_over = False
        self._glimpses = Glimpses()

    def plan(self, prepared: Prepared, inputs: Inputs, node: str, random: Mapping[str, str]) -> Execution:
        """Say whether a cell can be reused, and why it runs if not; nothing is written.

        Args:
            prepared: The cell.
            inputs: What it reads.
            node: Its name.
            random: What the states are known by that its sources of random numbers start from.
        """
        self._workspace.executions.catch_up()
        keys = keys_of(prepared, inputs, self._workspace.store)
        options = prepared.step.options
        record = self._workspace.executions.find(keys.key) if options.cache else None
        why = against = ""
        if record is not None:
            why = objection(record, options.expiry_s, self._workspace.store) or random_objection(record, random)
            against = record["id"]
            record = None if why else record
        if record is None and not why:
            why, against = self._reason(prepared, inputs, node)
        settled = Settled(node, Status.RUNNING, why, new_id(), against=against)
        return Execution(prepared, inputs, keys, record, why, settled, now_text())

    def _reason(self, prepared: Prepared, inputs: Inputs, node: str) -> tuple[str, str]:
        if not prepared.step.options.cache:
            return "caching is off", ""
        executions = self._workspace.executions
        before, facts = executions.last_facts(self.facts.pipeline, node) or ("", None)
        here = described(prepared.source)

        def source_of(digest: str) -> Mapping[str, Any]:
            return here if digest == prepared.source.digest else executions.source(digest)

        return reason(facts_of(prepared, inputs), facts, source_of), before

    def load(self, artifacts: Mapping[str, ArtifactVersion]) -> dict[str, Any]:
        """Give the values of artifact versions, by the names they are handed in under.

        Raises:
            ArtifactError: One is gone or damaged.
        """
        return self._workspace.store.load_all(artifacts, trust=True)

    def content(self, value: Any) -> str:
        """Give the content digest of a live value; `""` if it has no canonical form."""
        return self._workspace.store.content(value).digest or ""

    def fingerprints(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Give what tells whether live objects are changed later; see `Store.fingerprints`."""
        return self._workspace.store.fingerprints(values)

    # Recording -------------------------------------------------------------------------------

    def begin(self, execution: Execution) -> None:
        """Let what the cell calls know that it is a step."""
        context = StepContext(
            self.facts,
            execution.settled.node,
            execution.settled.step_run_id,
            execution.prepared.names,
            str(self._workspace.paths.root),
        )
        execution.settled.metadata, execution.settled.tags = context.notes, context.tags
        execution.settled.triggered = context.triggered
        self._begin_run()
        self._describe(execution.prepared)
        execution.started = now_text()
        # What it prints stands below the cell anyway.
        context.report = self._glimpses.begin(execution.settled.node)
        execution.token = enter_step(context)
        execution.watch = FileWatch(self._workspace.paths.root)
        execution.watch.begin()

    def look(self) -> Mapping[str, Glimpse]:
        """Give what is to be seen of the cell that runs now, by its step."""
        return self._glimpses.look()

    def leave(self, execution: Execution) -> None:
        """Let what comes next know that the step is over."""
        if execution.token is not None:
            leave_step(execution.token)
            execution.token = None
            self._glimpses.end(execution.settled.node)

    def _describe(self, prepared: Prepared) -> None:
        """Write down once what the cell is made of."""
        executions, digest = self._workspace.executions, prepared.source.digest
        if not executions.knows_source(digest):
            body = described(prepared.source)
            self._workspace.catalog.append("source", id=digest, run=self.facts.id, body=body)
            executions.remember_source(digest, body)

    def watched(self, execution: Execution, arguments: Mapping[str, Any]) -> None:
        """The body is over: take note of the files that it used, and watch no longer."""
        watch, execution.watch = execution.watch, None
        if watch is not None:
            execution.settled.files = watch.end(execution.prepared.source, arguments)

    def commit(
        self, execution: Execution, values: Mapping[str, Any], beside: Mapping[str, Any], duration_s: float
    ) -> Settled:
        """Keep what a cell gave and record it.

        Args:
            execution: The execution.
            values: What the cell bound or changed, by name.
            beside: The inputs that it left as they were; those that share something with an output are kept with it.
            duration_s: How long its body took, in seconds.

        Raises:
            NotRecordedError: It could not be written.
        """
        settled = execution.settled
        kept = self._workspace.store.keep(
            values,
            made_by=settled.step_run_id,
            artifact_names=execution.prepared.artifact_names,
            beside=beside,
            paths_as_files=False,
        )
        settled.artifacts = dict(kept.versions)
        settled.not_carried = {lost.name: lost for lost in kept.not_carried}
        settled.status, settled.duration_s = Status.COMPLETED, duration_s
        settled.declare(execution.prepared.step, settled.artifacts)
        body = self._written(execution)
        self._workspace.executions.remember(self.facts.pipeline, settled.step_run_id, body)
        self._number(settled)
        return settled

    def reuse(self, execution: Execution) -> Settled:
        """Record that a cell was not run because an equal execution is known."""
        assert execution.record is not None, "only a known execution can be reused"
        self._begin_run()
        known, record = execution.settled, execution.record
        execution.settled = reused(known.node, known.step_run_id, record, execution.prepared.step)
        move_as(execution.record, self._workspace.paths.root)
        self._written(execution)
        self._number(execution.settled)
        return execution.settled

    def fail(self, execution: Execution, error: BaseException) -> None:
        """Record that a cell raised."""
        execution.settled.failure = failure_of(error, is_users_own=True)
        is_stop = isinstance(error, KeyboardInterrupt)
        execution.settled.status = Status.INTERRUPTED if is_stop else Status.FAILED
        self._written(execution)
        self._number(execution.settled)

    def show(self, execution: Execution, outputs: Sequence[Mapping[str, Any]]) -> None:
        """Record what the cell showed, so that a reuse shows it again."""
        if not outputs:
            return
        displays: Any = list(outputs)
        data = json.dumps(displays).encode()
        if len(data) > _LARGEST_LINE_BYTES:
            displays = {"blob": self._workspace.store.blobs.write((data,))}
        settled = execution.settled
        self._workspace.catalog.append(
            "displays", id=settled.step_run_id, run=self.facts.id, body={"displays": displays}
        )
        self._workspace.executions.add_displays(execution.keys.key, displays)

    def shown(self, execution: Execution) -> list[dict[str, Any]]:
        """Give what the earlier execution showed.

        Raises:
            ArtifactDamagedError: It was kept as a blob that is gone.
        """
        displays = (execution.record or {}).get("displays", [])
        if isinstance(displays, dict):
            displays = json.loads(bytes(self._workspace.store.blobs.open(displays["blob"])))
        return list(displays)

    def _written(self, execution: Execution) -> dict[str, Any]:
        settled = execution.settled
        body = body_of(
            self.facts,
            execution.prepared.step.name,
            execution.prepared,
            settled,
            keys=execution.keys,
            inputs=execution.inputs,
            started=execution.started,
            ended=now_text(),
            record=execution.record,
        )
        self._workspace.catalog.append("step", id=settled.step_run_id, run=self.facts.id, body=body)
        return body

    def _number(self, settled: Settled) -> None:
        """Give what a step made its numbers, and put on the tags that it gave."""
        is_new = settled.status is Status.COMPLETED
        made = tuple(NamedArtifact(id=artifact.id, name=artifact.name) for artifact in settled.artifacts.values())
        tagged = tuple(
            ArtifactTags(id=artifact.id, name=artifact.name, tags=as_tags(settled.tags[artifact_target(output)]))
            for output, artifact in settled.artifacts.items()
            if artifact_target(output) in settled.tags
        )
        operation = NumberArtifacts(
            run_id=self.facts.id,
            pipeline=self.facts.pipeline,
            made=made if is_new else (),
            tagged=tagged,
            tags=as_tags(settled.tags.get(RUN)),
        )
        if operation.made or operation.tagged or operation.tags:
            self._workspace.catalog.transact(operation)

    def _begin_run(self) -> None:
        if self._has_begun:
            return
        self._has_begun = True
        body = {
            "name": self.facts.name,
            "pipeline": self.facts.pipeline,
            "kind": "interactive",
            "parameters": {},
            "differences": {},
            "snapshot_id": "",
            "schedule_id": "",
            "parent_run_id": "",
            "parent_step": "",
            "model_version_id": "",
            "graph": "",
            "user": getpass.getuser(),
            "host": platform.node(),
            "pid": os.getpid(),
        }
        self._workspace.catalog.append("run_started", id=self.facts.id, run=self.facts.id, body=body)
        atexit.register(self.end)

    def end(self) -> None:
        """End the run: the session is over."""
        if not self._has_begun or self._is_over:
            return
        self._is_over = True
        atexit.unregister(self.end)
        end = EndRun(
            request_id=EndRun.request_id_for(self.facts.id),
            run_id=self.facts.id,
            pipeline=self.facts.pipeline,
            status=Status.COMPLETED,
        )
        self._workspace.catalog.transact(end)
