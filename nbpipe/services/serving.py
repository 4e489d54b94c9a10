"""One snapshot, alive: invoked again and again in one thread, each time a run like any other.

Nothing of the code is read or brought to life more than once, and what the runs read and do not make
is loaded once (`execute.warm`). What a request must wait for is the run's own steps: that the run has
ended, and all that moves by its end, is written down behind the answer, by one thread that does
nothing else. A process that is killed between the two leaves a run whose steps are all recorded; whoever
finds it ends it (`services.ending`).

This module knows pipelines, values and runs. It has never heard of HTTP.
"""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from nbpipe.define.overrides import check_complete, with_step_values
from nbpipe.errors import NbpipeError
from nbpipe.execute.settled import RunOutcome
from nbpipe.execute.warm import Warm
from nbpipe.graph.graph import ExistingArtifact, Origin, OutputOf
from nbpipe.records.config import PipelineRunConfiguration, merge_configurations
from nbpipe.records.definitions import Traced
from nbpipe.records.deployments import check_deployable, request_schema
from nbpipe.records.jsonable import as_answer
from nbpipe.records.runs import Status
from nbpipe.services.bound_model import BoundModel
from nbpipe.services.seen_runs import RunsSeen
from nbpipe.services.snapshot_running import Frozen, check_runnable
from nbpipe.services.starting import RunInProgress, RunRequest, new_run_id
from nbpipe.services.unrecorded import UnrecordedWorkspace, WithoutReuse, check_unrecordable
from nbpipe.services.warm_lookups import WarmLookups, existing_artifacts
from nbpipe.services.workspace import Workspace
from nbpipe.snapshot.thaw import thaw
from nbpipe.source.closure import Source

# So many ends are recorded for one taking of a lock that other processes wait for, and so far apart.
_MOST_AT_ONCE = 32
_APART_S = 0.01


@dataclass(frozen=True, slots=True)
class Invocation:
    """What came of one invocation.

    Attributes:
        run_id: The run; `""` if it is not recorded.
        parameters: The values that it ran with, as JSON data.
        outputs: What the pipeline returned, by name, as JSON data.
        execution_time_s: How long its steps took, in seconds.
        error: What failed: `step`, `type` and `message`; `None` if nothing did.
        status: How it ended.
    """

    run_id: str
    parameters: dict[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict)
    execution_time_s: float = 0.0
    error: dict[str, str] | None = None
    status: Status = Status.COMPLETED


class Served:
    """A snapshot that is served.

    Args:
        workspace: Where its runs are recorded.
        snapshot: The snapshot.
        cache: Whether an invocation may reuse what an equal one gave.
        recorded: Which part of the invocations is recorded.
        beside: What else lives in the same library: routes and middleware.

    Attributes:
        schema: The JSON Schema of its parameters.
        defaults: The values that it runs with where a request says nothing, as JSON data.

    Raises:
        EnvironmentMismatchError: A package that its steps import is not installed.
        ParameterError: It cannot be deployed: a parameter has no default, or cannot be said in JSON.
    """

    def __init__(
        self,
        workspace: Workspace,
        snapshot: Frozen,
        *,
        cache: bool = False,
        recorded: float = 1.0,
        beside: tuple[Source, ...] = (),
    ) -> None:
        self._workspace = workspace
        content = check_runnable(snapshot)
        self._snapshot_id = snapshot.id
        self._base = content.configuration.model_copy(update={"enable_cache": cache})
        self._definition = thaw(content)
        self._parameters = self._definition.parameters
        check_servable(workspace, self._definition, content.configuration)
        sources = [content.source_of(text) for text in content.steps]
        self._warm = Warm([*sources, *beside], workspace.store)
        self._lookups = WarmLookups(workspace, self._warm)
        self._recording = workspace if cache else WithoutReuse(workspace)
        self._unrecorded = UnrecordedWorkspace(workspace)
        self._recorded = recorded
        if recorded < 1:
            check_unrecordable(content.configuration.model or content.model)
        self._ends = Ends(workspace.catalog.together)
        self.pipeline = content.pipeline
        self._is_of_cells = content.body is None
        self.defaults = {field.name: field.value for field in content.parameters}
        self.schema = request_schema(self._parameters, self.defaults)

    def call_of(self, source: Source) -> Callable[..., Any]:
        """Give the live function of a route, beside the steps."""
        return self._warm.room.call_of(source, ())

    def warm_up(self) -> None:
        """Do once what every invocation needs: code alive, artifacts loaded, the first look at the catalog taken."""
        request = self._request({}, "")
        config = request.configuration.model or self._definition.model
        bound = BoundModel(self._workspace, config, artifact_of=self._lookups.artifact_of) if config else None
        traced = self._definition.trace(request.configuration.parameters, bound)
        for artifact in existing_artifacts(self._workspace, traced, self._lookups).values():
            self._warm.load(artifact)
        for step in traced.steps.values():
            self._warm.room.call_of(step.source(None), tuple(output.name for output in step.signature.outputs))

    def check(self, given: Mapping[str, Any]) -> None:
        """Check the values of an invocation before it waits for its turn.

        Raises:
            ParameterError: An unknown name, or a value that does not fit; all of them are named.
        """
        self._parameters.check({**self._base.parameters, **given}, partial=True)

    def new_run_id(self) -> str:
        """Give the id that the next invocation's run is to have; `""` if it is not to be recorded."""
        is_recorded = self._recorded >= 1 or random.random() < self._recorded  # noqa: S311 — a sample, no secret
        return new_run_id() if is_recorded else ""

    def invoke(self, given: Mapping[str, Any], run_id: str, stop: Callable[[Callable[[], None]], None]) -> Invocation:
        """Run it once, in this thread.

        What the body of the pipeline raises for these values is an answer without a run: nothing was begun.

        Args:
            given: Values of parameters.
            run_id: The run's id; `""` for a run that is not recorded.
            stop: Told, before the first step, what to call to stop the run.

        Raises:
            NbpipeError: The run was refused; nothing was written.
        """
        request = self._request(given, run_id)
        workspace = self._recording if run_id else self._unrecorded
        try:
            progress = RunInProgress(workspace, request, self._lookups)
        except NbpipeError:
            raise
        except Exception as error:  # noqa: BLE001 — the body of the pipeline is the user's, and may raise for values
            traceback.print_exc()
            said = {"step": "", "type": type(error).__name__, "message": str(error)}
            return Invocation("", dict(given), {}, 0.0, said, Status.FAILED)
        stop(progress.stop_signal.stop)
        seen = RunsSeen(workspace)
        hooks = seen.hooks_of(progress)
        began_s = time.perf_counter()
        outcome = progress.perform(hooks.listeners, noted=bool(run_id))
        took_s = time.perf_counter() - began_s

        def record() -> None:
            if run_id:
                progress.end(outcome)

        try:
            parameters = self._parameters.as_json(progress.facts.parameters)
            return self._answer(progress, outcome, run_id, parameters, took_s)
        finally:
            run_of = partial(seen.run, progress, outcome)
            self._ends.put(End(progress.facts.id, record, partial(hooks.end, outcome, run_of)))

    def _answer(
        self, progress: RunInProgress, outcome: RunOutcome, run_id: str, parameters: dict[str, Any], took_s: float
    ) -> Invocation:
        failed = outcome.failed
        if failed is not None and failed.failure is not None:
            said = {"step": failed.node, "type": failed.failure.type_name, "message": failed.failure.message}
            return Invocation(run_id, parameters, {}, took_s, said, Status.FAILED)
        if outcome.status is Status.INTERRUPTED:
            said = {"step": "", "type": "RunInterruptedError", "message": "The run was stopped."}
            return Invocation(run_id, parameters, {}, took_s, said, Status.INTERRUPTED)
        try:
            outputs = {name: self._output(progress, origin) for name, origin in self._results(progress).items()}
        except NbpipeError as error:
            said = {"step": "", "type": type(error).__name__, "message": str(error)}
            return Invocation(run_id, parameters, {}, took_s, said, Status.FAILED)
        return Invocation(run_id, parameters, outputs, took_s)

    def _results(self, progress: RunInProgress) -> Mapping[str, Origin]:
        """Say what is answered: what the pipeline returns; of cells, which return nothing, what the last ones give."""
        return _last_outputs(progress.traced) if self._is_of_cells else progress.traced.graph.results

    def _output(self, progress: RunInProgress, origin: Origin) -> Any:
        if isinstance(origin, ExistingArtifact):
            return as_answer(self._warm.load(self._lookups.stored(origin.id)))
        return as_answer(progress.result(origin))

    def _request(self, given: Mapping[str, Any], run_id: str) -> RunRequest:
        said = PipelineRunConfiguration(parameters=dict(given))
        return RunRequest(
            self._definition,
            merge_configurations(self._base, said),
            differences=dict(given),
            snapshot_id=self._snapshot_id,
            run_id=run_id,
        )

    @property
    def backlog(self) -> int:
        """How many runs were answered whose end is still to be recorded."""
        return self._ends.backlog

    def close(self) -> None:
        """Record what is still to be recorded."""
        self._ends.close()
        self._unrecorded.close()


def check_servable(workspace: Workspace, definition: Any, configuration: PipelineRunConfiguration) -> None:
    """Check that a pipeline can be invoked with nothing but what it and its snapshot say.

    Raises:
        ParameterError: A parameter of the pipeline, or an argument of a step, has no value; or JSON cannot say it.
        NotFoundError: Its model has no such version.
    """
    check_deployable(definition.parameters, configuration.parameters)
    config = configuration.model or definition.model
    bound = BoundModel(workspace, config) if config is not None else None
    traced = definition.trace(configuration.parameters, bound)
    check_complete(with_step_values(traced, configuration.step_values))


def _last_outputs(traced: Traced) -> dict[str, Origin]:
    """Give the outputs of the steps for which no other waits, by name; by step and name where two have one name."""
    awaited = {waited for node in traced.graph.nodes for waited in node.upstream}
    last = [
        OutputOf(node=node.id, output=output.name)
        for node in traced.graph.nodes
        if node.id not in awaited
        for output in traced.steps[node.id].signature.outputs
    ]
    names = [origin.output for origin in last]
    return {name if names.count(name) == 1 else f"{o.node}.{name}": o for name, o in zip(names, last, strict=True)}


@dataclass(frozen=True, slots=True)
class End:
    """The end of a run that was answered.

    Attributes:
        run_id: The run.
        record: Records it.
        tell: Tells the user's hooks of it, once it is recorded.
    """

    run_id: str
    record: Callable[[], None]
    tell: Callable[[], None]


class Ends:
    """Records the ends of runs behind their answers, in their order, in a thread of its own.

    One that comes alone is recorded at once. Where they come quickly, those of some milliseconds are recorded together:
    they take the lock of the operation log once, and the thread that answers has the interpreter for itself meanwhile.

    Args:
        together: Gives the block in which several are recorded.
    """

    def __init__(self, together: Callable[[], AbstractContextManager[None]]) -> None:
        self._together = together
        self._waiting: SimpleQueue[End | None] = SimpleQueue()
        self._backlog = 0
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="nbpipe-ends", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """How many are still to be recorded."""
        return self._waiting.qsize() + self._backlog

    def put(self, end: End) -> None:
        """Have the end of a run recorded soon."""
        self._waiting.put(end)

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            ends, is_last = [first], False
            with suppress(Empty):
                while len(ends) < _MOST_AT_ONCE and not is_last:
                    end = self._waiting.get_nowait()
                    if end is None:
                        is_last = True
                    else:
                        ends.append(end)
            self._backlog = len(ends)
            self._record(ends)
            self._backlog = 0
            if is_last:
                return
            self._is_closing.wait(_APART_S)

    def _record(self, ends: Sequence[End]) -> None:
        try:
            with self._together():
                recorded = [end for end in ends if _done(end, end.record)]
        except (NbpipeError, OSError):
            # The lock cannot be had: each says so for itself.
            recorded = [end for end in ends if _done(end, end.record)]
        for end in recorded:
            # Code of the user's, which may take long: nobody waits for a lock meanwhile.
            _done(end, end.tell)

    def close(self) -> None:
        """Record what is waiting, and end."""
        self._is_closing.set()
        self._waiting.put(None)
        self._thread.join()


def _done(end: End, what: Callable[[], None]) -> bool:
    try:
        what()
    except Exception as error:  # noqa: BLE001 — one end that fails, for whatever reason, must not hold up the others
        # Its answer was given. When this process is gone, whoever opens the workspace finds the run
        # without an end, and ends it.
        print(f"The end of run {end.run_id} could not be recorded: {type(error).__name__}: {error}", flush=True)
        return False
    return True
