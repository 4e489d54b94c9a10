"""The public `pipeline`, and what its objects can do.

A handle joins a definition, which knows nothing of workspaces, to the services that run, freeze
and deploy it. It decides nothing itself.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from nbpipe.define.hooks import Hooks
from nbpipe.define.pipeline import FunctionPipeline, PipelineDefinition
from nbpipe.define.trace import current_trace
from nbpipe.errors import BadValueError, DefinitionError, SecretWarning
from nbpipe.records.base import shorten
from nbpipe.records.config import (
    PipelineRunConfiguration,
    as_configuration,
    merge_configurations,
    read_configuration,
)
from nbpipe.records.executors import check_executor
from nbpipe.records.models import ModelConfig
from nbpipe.records.parameters import Parameters
from nbpipe.records.parts import WHOLE, Part, as_part
from nbpipe.records.tags import Tag, as_tags
from nbpipe.services.client import Client
from nbpipe.services.resuming import continued
from nbpipe.services.run_handle import RunHandle, until_over
from nbpipe.services.starting import RunRequest

if TYPE_CHECKING:
    from nbpipe.records.deployments import DeploymentSettings
    from nbpipe.records.schedules import Schedule
    from nbpipe.services.deployment_records import Deployment
    from nbpipe.services.runs import Run
    from nbpipe.services.schedule_records import ScheduleRecord
    from nbpipe.services.snapshot_records import Snapshot


class Pipeline:
    """A pipeline that can be run: `training(rate=0.2)`.

    Args:
        definition: What it is.
        configuration: How its runs differ from what it says.
        substitutions: More fields for templates.
        part: What its runs run of it.
        debug: Whether they run in the thread that waits for them.
    """

    def __init__(
        self,
        definition: PipelineDefinition,
        configuration: PipelineRunConfiguration | None = None,
        substitutions: Mapping[str, str] | None = None,
        part: Part = WHOLE,
        debug: bool = False,
    ) -> None:
        self.definition = definition
        self._configuration = configuration or PipelineRunConfiguration()
        self._substitutions = dict(substitutions or {})
        self._part = part
        self._debug = debug
        if isinstance(definition, FunctionPipeline):
            functools.update_wrapper(self, definition.body)

    @property
    def name(self) -> str:
        """Its name."""
        return self.definition.name

    @property
    def parameters(self) -> Parameters:
        """What it takes."""
        return self.definition.parameters

    def __call__(self, *args: Any, **kwargs: Any) -> Run | ScheduleRecord:
        """Run it, wait for its end and give the run. With a schedule it runs nothing, and gives the schedule.

        Raises:
            ParameterError: Values that do not fit; nothing ran.
            StepFailedError: A step failed; the original is its cause.
        """
        if self._configuration.schedule is not None:
            return self._schedule(self._configuration.schedule, self._named(args, kwargs))
        run: Run = self.start(*args, **kwargs).wait()
        return run

    def start(self, *args: Any, **kwargs: Any) -> RunHandle:
        """Start it in a thread of its own: the answer has `.wait()`, `.stop()` and `.status`."""
        if current_trace() is not None:
            raise DefinitionError(f"{self.name} is called inside the body of another pipeline; call its steps instead.")
        if self._configuration.schedule is not None:
            raise BadValueError(f"{self.name} has a schedule, which is made by calling it; only runs are started.")
        return Client().runs.start(self.request(self._named(args, kwargs)))

    def _schedule(self, schedule: Schedule, values: Mapping[str, Any]) -> ScheduleRecord:
        """Freeze it with these values, and have that run as the schedule says."""
        if current_trace() is not None:
            raise DefinitionError(f"{self.name} is scheduled inside the body of another pipeline; do that outside.")
        self._check_whole("A schedule runs")
        client = Client()
        said = PipelineRunConfiguration(parameters=dict(values))
        made = client.snapshots.create(self.definition, configuration=merge_configurations(self._configuration, said))
        return client.schedules.take(made, schedule)

    async def run_async(self, *args: Any, **kwargs: Any) -> Run:
        """Run it while the event loop goes on; a cancelled await stops the run."""
        handle = self.start(*args, **kwargs)
        await until_over(handle)
        run: Run = handle.wait()
        return run

    def resume(self, run: object, /, **changed: Any) -> Run:
        """Go on from a run of it that failed or was stopped, with the code as it is now.

        A step that was done there is taken, also one with `cache=False`, as long as its source, its values and its
        inputs are what they were; the others run.

        Args:
            run: The run: a record, an id, the beginning of one, or a name.
            changed: Values that are to be others than in that run.

        Raises:
            NotFoundError: There is no such run.
            ConflictError: It goes on still, or it has completed.
            BadValueError: It is a run of another pipeline.
            StepFailedError: A step failed again.
        """
        client = Client()
        request = continued(client.workspace, run, self.request(changed))
        resumed: Run = client.runs.start(request).wait()
        return resumed

    def request(self, parameters: Mapping[str, Any]) -> RunRequest:
        """Say what a run with these values asks for."""
        given = PipelineRunConfiguration(parameters=dict(parameters))
        return RunRequest(
            self.definition,
            merge_configurations(self._configuration, given),
            substitutions=self._substitutions,
            part=self._part,
            debug=self._debug,
        )

    def _named(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        names = self.definition.parameters.names
        if len(args) > len(names):
            raise BadValueError(f"{self.name} takes {len(names)} values, but {len(args)} were given.")
        positional = dict(zip(names, args, strict=False))
        twice = positional.keys() & kwargs.keys()
        if twice:
            raise BadValueError(f"{self.name} was given {sorted(twice)[0]!r} twice.")
        return {**positional, **kwargs}

    def with_options(
        self,
        *,
        tags: Iterable[Tag | str] | None = None,
        model: ModelConfig | None = None,
        cache: bool | None = None,
        enable_cache: bool | None = None,
        executor: str | None = None,
        schedule: Schedule | Mapping[str, Any] | None = None,
        config_path: str | Path | None = None,
        run_name: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        steps: Mapping[str, Any] | None = None,
        substitutions: Mapping[str, str] | None = None,
        from_steps: str | Iterable[str] | None = None,
        until_steps: str | Iterable[str] | None = None,
        only_steps: str | Iterable[str] | None = None,
        debug: bool | None = None,
    ) -> Pipeline:
        """Give the same pipeline with other options for its runs.

        Args:
            tags: More tags for its runs.
            model: Another model.
            cache: Whether equal executions may be reused.
            enable_cache: Another spelling of `cache`.
            executor: Who runs the steps: `"in-process"`, `"processes"`, `"processes:4"`, `"dask"`, `"dask:tcp://…"`.
            schedule: When it is to run: a call then makes a schedule, or changes the one of its name, and runs nothing.
            config_path: A YAML or JSON file with a run configuration; what is said here wins over it.
            run_name: A name for the run.
            parameters: Values of its parameters.
            steps: Values for single steps: `{"train": {"parameters": {"rate": 0.2}}}`.
            substitutions: More fields for the template of a model version's name.
            from_steps: Run only these steps and what waits for them, anew; what they read is what the steps before
                them last gave.
            until_steps: Run only these steps and what they wait for.
            only_steps: Run just these steps, anew, on what the steps before them last gave.
            debug: Run in the calling thread, so that `breakpoint()` stops there and `%debug` finds a failed step.

        Raises:
            BadValueError: A file that cannot be read or a value that does not fit.
        """
        part = as_part(from_steps, until_steps, only_steps)
        said = as_configuration(
            {
                "tags": as_tags(tags),
                "model": model,
                "enable_cache": enable_cache if cache is None else cache,
                "executor": check_executor(executor) if executor is not None else None,
                "schedule": schedule,
                "run_name": run_name,
                "parameters": dict(parameters or {}),
                "steps": dict(steps or {}),
            }
        )
        base = self._configuration
        if config_path is not None:
            base = merge_configurations(base, read_configuration(config_path))
        return Pipeline(
            self.definition,
            merge_configurations(base, said),
            {**self._substitutions, **(substitutions or {})},
            self._part if part.is_whole else part,
            self._debug if debug is None else debug,
        )

    def create_snapshot(
        self,
        name: str = "",
        *,
        parameters: Mapping[str, Any] | None = None,
        description: str = "",
        tags: Iterable[Tag | str] = (),
        replace: bool = False,
    ) -> Snapshot:
        """Freeze it under a name, so that it can be run again with no notebook.

        Raises:
            ConflictError: The pipeline has a snapshot of that name, and `replace` is off.
            UncapturedNameError: A step reads a name that is no text.
            BadValueError: Only a part of it is to run.
        """
        self._check_whole("A snapshot holds")
        said = PipelineRunConfiguration(parameters=dict(parameters or {}))
        given = merge_configurations(self._configuration, said)
        made = Client().snapshots.create(
            self.definition,
            name=name,
            configuration=given,
            description=description,
            tags=as_tags(tags),
            replace=replace,
        )
        for suspicion in made.warnings:
            warnings.warn(f"{suspicion}, and is kept with the snapshot.", SecretWarning, stacklevel=2)
        if left_out := made.not_kept(given):
            warnings.warn(left_out, SecretWarning, stacklevel=2)
        return made

    def deploy(
        self,
        deployment_name: str | None = None,
        *,
        port: int | None = None,
        host: str | None = None,
        api_key: str | None = None,
        replace: bool = False,
        settings: DeploymentSettings | Mapping[str, Any] | None = None,
    ) -> Deployment:
        """Serve it over HTTP: freeze it, start a process that answers `POST /invoke`, and wait until it does.

        Args:
            deployment_name: The deployment's name; the pipeline's own if not given. One of this name and this pipeline
                is replaced at its address.
            port: The port; the first free one from 8000 if not given.
            host: The address to bind; others than loopback need an `api_key`.
            api_key: Requests must have it, as a bearer token.
            replace: Whether to take the name from another pipeline.
            settings: How it serves: time limit, limits of size and number, CORS, further routes; see
                `DeploymentSettings`.

        Raises:
            ParameterError: A parameter has no default, or one that JSON cannot say; all of them are named.
            UncapturedNameError: A step reads a name that is no text.
            ConflictError: Another pipeline has the name, or the port cannot be had.
            DeploymentError: It could not be brought to answer.
        """
        client = Client()
        made = client.snapshots.create(self.definition, configuration=self._configuration)
        try:
            return client.deployments.deploy(
                made,
                self.name if deployment_name is None else deployment_name,
                port=port,
                host=host,
                api_key=api_key,
                replace=replace,
                settings=settings,
            )
        except BaseException:
            # Nobody would ever use it.
            client.snapshots.delete(made)
            raise

    def _check_whole(self, does: str) -> None:
        if not self._part.is_whole:
            raise BadValueError(
                f"{does} all of {self.name}; say which part is to run when it runs: "
                "nbpipe snapshot run NAME --until STEP."
            )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        from nbpipe.commands.showing import pipeline_bundle

        bundle = pipeline_bundle(self.definition, self._configuration)
        return {"text/html": bundle.html, "text/plain": bundle.text}

    def __repr__(self) -> str:
        return f"<pipeline {self.name}({', '.join(self.definition.parameters.names)})>"


@overload
def pipeline(function: Callable[..., Any], /) -> Pipeline: ...


@overload
def pipeline(
    *,
    name: str | None = None,
    tags: Iterable[Tag | str] = (),
    model: ModelConfig | None = None,
    cache: bool = True,
    enable_cache: bool | None = None,
    on_success: Callable[..., Any] | None = None,
    on_failure: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], Pipeline]: ...


def pipeline(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    tags: Iterable[Tag | str] = (),
    model: ModelConfig | None = None,
    cache: bool = True,
    enable_cache: bool | None = None,
    on_success: Callable[..., Any] | None = None,
    on_failure: Callable[..., Any] | None = None,
) -> Pipeline | Callable[[Callable[..., Any]], Pipeline]:
    """Make a pipeline of a function that calls steps: `@pipeline`, or `@pipeline(tags=["v1"])`.

    Args:
        function: The function.
        name: Its name; the function's own if not given.
        tags: Tags of its runs; one with `cascade=True` reaches their artifacts too.
        model: The model its runs work on.
        cache: Whether equal executions of its steps may be reused.
        enable_cache: Another spelling of `cache`.
        on_success: Called with the `Run` once one has completed and that is recorded.
        on_failure: Called with the `Run` once one has failed and that is recorded.

    Raises:
        DefinitionError: No top-level function.
        BadValueError: Tags or a model that do not fit.
    """
    if model is not None and not isinstance(model, ModelConfig):
        raise BadValueError(f"model={shorten(model)} is no model; give Model(name=…).")
    checked = as_tags(tags)

    def wrap(body: Callable[..., Any]) -> Pipeline:
        if not inspect.isfunction(body):
            raise DefinitionError(f"@pipeline stands above a function, not above {shorten(body)}.")
        may_cache = cache if enable_cache is None else enable_cache
        hooks = Hooks.of("pipeline", name or body.__name__, on_success, on_failure)
        definition = FunctionPipeline.of(body, name=name, tags=checked, model=model, cache=may_cache, hooks=hooks)
        return Pipeline(definition)

    return wrap(function) if function is not None else wrap
