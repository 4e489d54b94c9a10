"""Starting a run: everything that can be refused is refused first, then it is written down and run.

The order is the point. Parameters, sources, tags and look-ups are checked before a model version
is made or a line is written; a run that was begun always gets an end, whatever happens in it.

This module runs in the thread that calls it. Who waits for a run, or stops waiting, is
`services.run_handle`; who looks on is `services.watching`.
"""

from __future__ import annotations

import contextvars
import os
import platform
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from nbpipe.base.clock import now, now_text
from nbpipe.base.ids import new_id
from nbpipe.catalog.identity import user
from nbpipe.define.overrides import check_complete, with_secrets_hidden, with_step_values, without_secrets
from nbpipe.define.pipeline import PipelineDefinition
from nbpipe.errors import ConflictError, Interrupted, NbpipeError, RunInterruptedError, StepFailedError, UserError
from nbpipe.execute.books import Listener
from nbpipe.execute.calls import Fact
from nbpipe.execute.context import RunFacts
from nbpipe.execute.driver import Driver
from nbpipe.execute.executors import executor_for
from nbpipe.execute.glimpses import Glimpse
from nbpipe.execute.inline import InlineDriver
from nbpipe.execute.parallel import ParallelDriver
from nbpipe.execute.settled import RunOutcome
from nbpipe.execute.stop import StopSignal
from nbpipe.graph.graph import Graph, Origin
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.records.definitions import Traced
from nbpipe.records.executions import RecordedExecution
from nbpipe.records.executors import IN_PROCESS
from nbpipe.records.models import ModelConfig
from nbpipe.records.operations import OpenModelVersion
from nbpipe.records.parameters import as_json
from nbpipe.records.parts import WHOLE, Part
from nbpipe.records.runs import Status, run_name
from nbpipe.records.tags import Tag, as_tags, check_declared
from nbpipe.services.bound_model import BoundModel, version_text
from nbpipe.services.ending import PERFORMED, end_of, end_of_part, failed_end_of, performed_as
from nbpipe.services.partial_runs import part_of
from nbpipe.services.run_code import keep_code
from nbpipe.services.stopping import stoppable
from nbpipe.services.warm_lookups import WarmLookups, existing_artifacts
from nbpipe.services.watching import StartedRun, observe
from nbpipe.services.workspace import Workspace
from nbpipe.source.places import Places


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What is asked for.

    Attributes:
        definition: The pipeline.
        configuration: How the run differs from what the pipeline says.
        differences: Where the run differs from its snapshot, secrets in clear.
        substitutions: More fields for templates.
        snapshot_id: The snapshot that is run, or `""`.
        parent_run_id: The run whose step asks, or `""`.
        parent_step: That step, or `""`.
        given: Executions of the run that it goes on from, by node; see `execute.driver`.
        resumed_from: That run, or `""`.
        part: What is to run of the pipeline.
        debug: Whether it runs in the thread that waits for it, so that a debugger works in it.
        run_id: The id that the run is to have, where it was promised already; a new one if `""`.
        schedule_id: The schedule that fired it, or `""`.
    """

    definition: PipelineDefinition
    configuration: PipelineRunConfiguration = PipelineRunConfiguration()
    differences: Mapping[str, Any] = field(default_factory=dict)
    substitutions: Mapping[str, str] = field(default_factory=dict)
    snapshot_id: str = ""
    parent_run_id: str = ""
    parent_step: str = ""
    given: Mapping[str, RecordedExecution] = field(default_factory=dict)
    resumed_from: str = ""
    part: Part = WHOLE
    debug: bool = False
    run_id: str = ""
    schedule_id: str = ""


class RunInProgress:
    """A run on its way: checked, written down, and running or about to.

    Args:
        workspace: Where it is recorded.
        request: What is asked for.
        lookups: What this process has looked up, loaded and brought to life for runs of this pipeline already.

    Attributes:
        request: What was asked for.
        traced: The pipeline for the request's values.
        differences: Where it differs from its snapshot, for the record.
        facts: The run.
        started: When it began, ISO 8601.
        ended: When its end was recorded, or `""`.
        graph_digest: The blob that holds the graph.
        stop_signal: How it is stopped.

    Raises:
        NbpipeError: The request is refused; nothing was written.
    """

    def __init__(self, workspace: Workspace, request: RunRequest, lookups: WarmLookups | None = None) -> None:
        self._workspace = workspace
        self._lookups = lookups
        self.request = request
        definition, configuration = request.definition, request.configuration
        config = configuration.model or definition.model
        self._model = config
        self._bound = self._bound_to(config) if config is not None else None
        traced = definition.trace(configuration.parameters, self._bound)
        whole = with_step_values(traced, configuration.step_values)
        self._part = part_of(workspace, whole, request.part, configuration.step_values)
        self.traced = self._part.traced
        self.differences = with_secrets_hidden(whole, request.differences)
        check_complete(self.traced)
        self._tags = as_tags((*definition.tags, *configuration.tags))
        existing = existing_artifacts(workspace, self.traced, lookups)
        self._check_tags()
        run_id = request.run_id or new_run_id()
        started = now()
        facts = RunFacts(
            run_id,
            configuration.run_name or run_name(definition.name, started),
            definition.name,
            self.traced.parameters,
            tags=self._tags,
        )
        self.stop_signal = StopSignal()
        # Whoever watches is told where the run was asked for: a cell, or a button that belongs to none.
        self._asked_in = contextvars.copy_context()
        self._driver = self._made_driver(facts, existing)
        seen = Places()
        self._driver.prepare(seen)
        # Nothing can be refused any more but by the workspace itself.
        workspace.executions.catch_up()
        workspace.executions.expect(definition.name)
        self.graph_digest = _kept_graph(workspace, self.traced.graph)
        self._code = keep_code(workspace, definition, whole, seen)
        self.started = now_text()
        self.facts = self._with_model(facts)
        self._driver.take_facts(self.facts)
        self.ended = ""
        self._numbers: dict[str, int] = {}
        # Taken once: by who performs it, or by who ends it before anybody does.
        self._turn = threading.Lock()
        try:
            self._write_start()
        except KeyboardInterrupt:
            self.abandon()
            raise

    def _bound_to(self, config: ModelConfig) -> BoundModel:
        if self._lookups is None:
            return BoundModel(self._workspace, config)
        return BoundModel(self._workspace, config, artifact_of=self._lookups.artifact_of)

    def _made_driver(self, facts: RunFacts, existing: Mapping[str, ArtifactVersion]) -> Driver:
        configured = self.request.configuration.enable_cache
        asked = self.request.configuration.executor
        # Who debugs wants the steps in the thread that waits, whoever runs them otherwise.
        executor = executor_for(IN_PROCESS if asked is None or self.request.debug else asked)
        inline = partial(InlineDriver, warm=self._lookups.warm) if self._lookups is not None else InlineDriver
        made = inline if executor is None else partial(ParallelDriver, executor=executor)
        may_reuse = self.request.definition.cache if configured is None else configured
        return made(
            self.traced,
            facts,
            store=self._workspace.store,
            executions=self._workspace.executions,
            recorder=self._workspace.catalog,
            existing=existing,
            cache=not self._part.runs_anew and may_reuse,
            anew="caching is off" if not may_reuse else "a part that begins here runs anew",
            stop=self.stop_signal,
            given=self.request.given,
        )

    def _check_tags(self) -> None:
        called = {id(step): step for step in self.traced.steps.values()}.values()
        outputs = [tag for step in called for output in step.signature.outputs for tag in output.tags]
        steps = [tag for step in called for tag in step.options.tags]
        model = self._model.tags if self._model is not None else ()
        for tag in (*outputs, *steps, *model):
            if tag.cascade:
                raise ConflictError(f"Tag {tag.name!r} cascades; only a pipeline's own tags can.")
        meant = as_tags((*self._tags, *outputs, *steps, *model))
        if meant:
            check_declared(self._workspace.catalog.state(), meant)
        self._meant = {tag.name: tag for tag in meant}

    def _with_model(self, facts: RunFacts) -> RunFacts:
        if self._model is None:
            return facts
        version = version_text(self._model, facts, self.request.substitutions)
        # The model may name a tag that the pipeline declares, and comes first to use it.
        model = self._model.model_copy(update={"tags": tuple(self._meant[tag.name] for tag in self._model.tags)})
        wanted = OpenModelVersion(
            model=model,
            version=version,
            run_id=facts.id,
            pipeline=facts.pipeline,
            version_id=self._bound.looked_up if self._bound is not None else "",
        )
        row = self._workspace.catalog.transact(wanted)
        return replace(facts, model=row["model"], model_version=row["name"], model_version_id=row["id"])

    def _write_start(self) -> None:
        request = self.request
        body = {
            "name": self.facts.name,
            "pipeline": self.facts.pipeline,
            "kind": "pipeline",
            "parameters": {name: as_json(value) for name, value in self.facts.parameters.items()},
            "differences": self.differences,
            "tags": [tag.model_dump() for tag in self._tags],
            "snapshot_id": request.snapshot_id,
            "schedule_id": request.schedule_id,
            "parent_run_id": request.parent_run_id,
            "parent_step": request.parent_step,
            "model_version_id": self.facts.model_version_id,
            "graph": self.graph_digest,
            "code": self._code,
            "configuration": _told(request.configuration, self.traced),
            "resumed_from": request.resumed_from,
            "part": self._part.record,
            "user": user(),
            "host": platform.node(),
            "pid": os.getpid(),
        }
        if self._lookups is None:
            self._workspace.catalog.append("run_started", id=self.facts.id, run=self.facts.id, body=body)
        else:
            # Nobody looks for it before its first step begins, and that is written at the same time.
            self._driver.begin_with(("run_started", self.facts.id, self.facts.id, body))

    # Running ---------------------------------------------------------------------------------

    def run(self, listeners: Sequence[Listener] = ()) -> RunOutcome:
        """Run to the end, in this thread, and record the end with all that moves."""
        outcome = self.perform(listeners)
        self.end(outcome)
        return outcome

    def perform(self, listeners: Sequence[Listener] = (), *, noted: bool = False) -> RunOutcome:
        """Run to the end, in this thread; `end` records it. What nobody foresaw ends the run here.

        Args:
            listeners: Who is told of each node.
            noted: Whether to write down how it came out: where `end` is called behind somebody's back, so that a kill
                in between changes nothing.

        Raises:
            NotRecordedError: What it did could not be written.
            Interrupted: It was abandoned.
        """
        if not self._turn.acquire(blocking=False):
            raise Interrupted
        parent = self.request.parent_run_id, self.request.parent_step
        begun = StartedRun(
            self.facts, self.traced, self.started, self.stop_signal, parent, self.look, lambda: bool(self.ended)
        )
        watching = self._asked_in.run(observe, begun)
        self._driver.listen([*listeners, *watching])
        try:
            with stoppable(self._workspace.paths, self.facts.id, self.stop_signal):
                return self._driver.run(self._performed if noted else None)
        except BaseException as error:
            self._end(self._driver.outcome, error)
            raise

    def abandon(self) -> bool:
        """Stop it; where nobody performs it by now, record that it was interrupted, and tell so.

        What was written down has an end, wherever an interrupt comes.
        """
        self.stop_signal.stop()
        if not self._turn.acquire(blocking=False):
            return False
        end = end_of(self.facts, self._driver.outcome, ())
        self._workspace.catalog.transact(end.model_copy(update={"status": Status.INTERRUPTED}))
        self.ended = now_text()
        return True

    def _performed(self, outcome: RunOutcome) -> Fact:
        return PERFORMED, self.facts.id, self.facts.id, performed_as(outcome)

    def end(self, outcome: RunOutcome) -> None:
        """Record the end of a run that was performed, with all that moves by it.

        Raises:
            ConflictError: Its tags contradict what somebody else has made of them meanwhile; it has ended as failed.
        """
        self._end(outcome, None)

    def result(self, origin: Origin) -> Any:
        """Give a value that the pipeline returns, once the run was performed.

        Raises:
            ArtifactError: It cannot be read.
            NotStorableError: It was not kept.
        """
        return self._driver.result(origin)

    def look(self) -> Mapping[str, Glimpse]:
        """Give what is to be seen of the steps that run now, by node."""
        return self._driver.glimpses.look()

    def _end(self, outcome: RunOutcome, error: BaseException | None) -> None:
        catalog = self._workspace.catalog
        try:
            if error is not None:
                end = failed_end_of(self.facts, outcome, error)
            else:
                end = end_of(self.facts, outcome, self._tags, self._model.tags if self._model is not None else ())
                if self._part.record is not None:
                    end = end_of_part(end, self._part.taken)
            self._numbers = catalog.transact(end)["numbers"]
        except UserError as refused:
            # Tags that contradict what somebody else has made of them meanwhile. A run that was begun has an end.
            self._numbers = catalog.transact(failed_end_of(self.facts, outcome, refused))["numbers"]
            raise
        finally:
            self.ended = now_text()
        self._workspace.publish_soon()

    def record(self) -> None:
        """Have what was settled so far written down."""
        self._driver.record()

    @property
    def numbers(self) -> Mapping[str, int]:
        """The version numbers that the run's new artifacts got, by id."""
        return self._numbers

    @property
    def part(self) -> Mapping[str, Any]:
        """What was run of the pipeline, as recorded; empty if all of it."""
        return self._part.record or {}

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The run's own tags as declared."""
        return self._tags

    def raise_for(self, outcome: RunOutcome) -> None:
        """Raise what the run ended with, if it did not complete.

        Raises:
            StepFailedError: A step failed; the original is its cause.
            RunInterruptedError: The run was stopped.
        """
        failed = outcome.failed
        if failed is not None and failed.failure is not None:
            failure = failed.failure
            if isinstance(failure.exception, NbpipeError) and not failure.is_users_own:
                raise failure.exception
            error = StepFailedError(
                failed.node, self.facts.id, failure.type_name, failure.message, failure.traceback_text
            )
            if self.request.debug:
                # A debugger that looks at it afterwards begins at the innermost frame: the user's own.
                error = error.with_traceback(failure.exception.__traceback__)
            raise error from failure.exception
        if outcome.status is Status.INTERRUPTED:
            stopped = next((s.node for s in outcome.settled.values() if s.status is Status.INTERRUPTED), None)
            raise RunInterruptedError(self.facts.id, stopped)


def _kept_graph(workspace: Workspace, graph: Graph) -> str:
    return workspace.store.blobs.write((graph.as_json,), known=graph.name_of_json)


def _told(configuration: PipelineRunConfiguration, traced: Traced) -> dict[str, Any]:
    """Write down what a run was told besides the values of parameters and its own name and tags."""
    told = configuration.model_dump(mode="json", include={"model", "enable_cache", "executor"}, exclude_none=True)
    values = without_secrets(traced, configuration.step_values)
    steps = {step: {name: as_json(value) for name, value in given.items()} for step, given in values.items() if given}
    return {**told, "steps": steps} if steps else told


def new_run_id() -> str:
    """Make a run's id whose beginning is no number: a version that is named after it must be a name, not a look-up."""
    while (run_id := new_id())[:4].isdecimal():
        pass
    return run_id
