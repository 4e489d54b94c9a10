"""What a step or a pipeline's body may call, and the same calls from outside.

Inside a step they speak of the step that runs, and what they say is kept with it; outside they
name what they mean and take effect at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nbpipe.define.trace import current_trace
from nbpipe.errors import BadValueError, ConflictError
from nbpipe.execute.context import RUN, STEP, RunFacts, StepContext, current_step
from nbpipe.records.models import ModelConfig
from nbpipe.records.refs import Kind
from nbpipe.records.tags import Tag, as_tags, check_declared
from nbpipe.services.bound_model import BoundModel
from nbpipe.services.client import Client
from nbpipe.services.pointing import as_ref


@dataclass(frozen=True, slots=True)
class RunningStep:
    """The step that is running, as its own code sees it.

    Attributes:
        run: The run: its `id`, `name`, `pipeline` and `parameters`.
        step: The name of the step in the graph.
        step_run_id: The id of this execution.
        outputs: The names of its outputs.
    """

    run: RunFacts
    step: str
    step_run_id: str
    outputs: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the step in the graph."""
        return self.step

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.run.id

    @property
    def pipeline(self) -> str:
        """The name of the pipeline."""
        return self.run.pipeline

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The values of the pipeline's parameters."""
        return self.run.parameters

    @property
    def model(self) -> BoundModel:
        """The model version that the run works on.

        Raises:
            ConflictError: The run works on none.
        """
        run = self.run
        if not run.model:
            raise ConflictError(
                f"Pipeline {run.pipeline!r} works on no model; declare one: @pipeline(model=Model(name=…))."
            )
        if not run.model_version_id:
            raise ConflictError(
                f"A cell that is run by hand makes no version of {run.model}; %nbpipe run does. "
                f"To read one, name it: Client().get_model_version({run.model!r})."
            )
        config = ModelConfig(name=run.model, version=run.model_version)
        return BoundModel(Client().workspace, config, run.model_version_id)


def get_step_context() -> RunningStep:
    """Give the step that is running.

    Raises:
        ConflictError: No step is running here.
    """
    context = current_step()
    if context is None:
        raise ConflictError("No step is running here; call get_step_context() inside a step.")
    return RunningStep(context.run, context.step, context.step_run_id, context.outputs)


@dataclass(frozen=True, slots=True)
class PipelineContext:
    """The pipeline whose body is running.

    Attributes:
        name: Its name.
        parameters: The values of its parameters.
        model: Its model; `model.get_model_artifact(name)` gives a reference for a step.
    """

    name: str
    parameters: Mapping[str, Any]
    model: Any


def get_pipeline_context() -> PipelineContext:
    """Give the pipeline whose body is running.

    Raises:
        ConflictError: No pipeline's body is running here.
    """
    trace = current_trace()
    if trace is None:
        raise ConflictError("No pipeline's body is running here; call get_pipeline_context() in one.")
    return PipelineContext(trace.pipeline, trace.parameters, trace.model)


def log_metadata(
    metadata: Mapping[str, Any],
    *,
    infer_model: bool = False,
    infer_artifact: bool = False,
    artifact_name: str | None = None,
    run: Any = None,
    step: Any = None,
    artifact: Any = None,
    model: Any = None,
    snapshot: Any = None,
) -> None:
    """Keep metadata: nested dicts with string keys; numbers in it are metrics.

    Inside a step, with no target, it belongs to the step and its run. Several targets get all or nothing.

    Args:
        metadata: The data. Dicts merge with what was logged before, anything else replaces it.
        infer_model: The model version that the run works on.
        infer_artifact: An output of the running step: the only one, or the one named by `artifact_name`.
        artifact_name: The output that is meant.
        run: A run outside, by record, name or id; the other targets likewise.
        step: One execution of a step.
        artifact: An artifact version.
        model: A model version, as in `iris@production`.
        snapshot: A snapshot.

    Raises:
        BadValueError: A value that cannot be kept; nothing was.
        NotFoundError: A target that does not exist.
        ConflictError: A target that only makes sense in a step.
    """
    context = current_step()
    is_own, run = _apart(context, run)
    outside = _named(run=run, step=step, artifact=artifact, model_version=model, snapshot=snapshot)
    if context is None:
        if infer_model or infer_artifact or artifact_name is not None:
            raise ConflictError("No step is running here; name the target: model=, artifact= or run=.")
        if not outside:
            raise BadValueError("log_metadata outside a step needs a target: run=, artifact= or model=.")
    targets = _targets(context, infer_model=infer_model, infer_artifact=infer_artifact, artifact_name=artifact_name)
    if is_own:
        targets.append(RUN)
    if outside:
        Client().metadata.log(metadata, **outside)
    if context is not None and (targets or not outside):
        context.note(targets or [STEP, RUN], metadata)


def add_tags(
    tags: Iterable[Tag | str],
    *,
    infer_artifact: bool = False,
    artifact_name: str | None = None,
    run: Any = None,
    artifact: Any = None,
    artifact_version: Any = None,
    pipeline: Any = None,
    model: Any = None,
    model_version: Any = None,
    snapshot: Any = None,
) -> None:
    """Put tags on something. Inside a step, with no target, on the run that goes on.

    Args:
        tags: Names, or `Tag(...)`.
        infer_artifact: An output of the running step: the only one, or the one named by `artifact_name`.
        artifact_name: The output that is meant.
        run: A run outside, by record, name or id; the other targets likewise.
        artifact: An artifact, by name.
        artifact_version: An artifact version.
        pipeline: A pipeline.
        model: A model, by name.
        model_version: A model version, as in `iris@production`.
        snapshot: A snapshot.

    Raises:
        BadValueError: Something that is no tag.
        ConflictError: Flags that the tag does not have or that make no sense on this target.
        NotFoundError: A target that does not exist.
    """
    checked = as_tags(tags)
    context = current_step()
    is_own, run = _apart(context, run)
    outside = _named(
        run=run,
        artifact=artifact,
        artifact_version=artifact_version,
        pipeline=pipeline,
        model=model,
        model_version=model_version,
        snapshot=snapshot,
    )
    if context is None:
        if infer_artifact or artifact_name is not None:
            raise ConflictError("infer_artifact means an output of the running step; no step is running here.")
        if not outside:
            raise BadValueError("add_tags outside a step needs a target: run=, artifact=, pipeline= or model=.")
    inside = _targets(context, infer_model=False, infer_artifact=infer_artifact, artifact_name=artifact_name)
    if context is not None and (is_own or not (inside or outside)):
        inside.append(RUN)
    if context is not None and inside:
        _check_inside(checked)
        context.check(checked)
    if outside:
        Client().tags.add(checked, **outside)
    if context is not None:
        for target in inside:
            context.give(target, checked)


def _check_inside(tags: Iterable[Tag]) -> None:
    for tag in tags:
        if tag.cascade:
            raise ConflictError(f"Tag {tag.name!r} cascades; only a pipeline's own tags can.")
    check_declared(Client().workspace.catalog.state(), tuple(tags))


def remove_tags(
    tags: Iterable[Tag | str],
    *,
    run: Any = None,
    artifact: Any = None,
    artifact_version: Any = None,
    pipeline: Any = None,
    model: Any = None,
    model_version: Any = None,
    snapshot: Any = None,
) -> int:
    """Take tags from something and tell how many it lost; a tag it does not bear counts as none.

    Raises:
        BadValueError: No target.
        NotFoundError: A target that does not exist.
    """
    outside = _named(
        run=run,
        artifact=artifact,
        artifact_version=artifact_version,
        pipeline=pipeline,
        model=model,
        model_version=model_version,
        snapshot=snapshot,
    )
    if not outside:
        raise BadValueError("remove_tags needs a target: run=, artifact=, pipeline=, model= or snapshot=.")
    return Client().tags.remove([tag.name for tag in as_tags(tags)], **outside)


def load_artifact(name_or_id: Any, version: int | str | None = None, *, trust: bool = False) -> Any:
    """Load the value of an artifact version.

    Args:
        name_or_id: A name, `name@number`, an id, a unique prefix of one, or a pointer.
        version: The number, where only a name is given; the newest if not given.
        trust: Load it even if it is a pickle from elsewhere.

    Raises:
        NotFoundError: No such artifact.
        ArtifactDamagedError: Its bytes are gone or are not what was stored.
    """
    reference = f"{name_or_id}@{version}" if version is not None else name_or_id
    return Client().artifacts.load(reference, trust=trust)


def _named(**targets: Any) -> dict[str, Any]:
    return {kind: target for kind, target in targets.items() if target is not None}


def _apart(context: StepContext | None, runs: Any) -> tuple[bool, Any]:
    """Tell the run that the step is part of from other runs: what is said of it is kept with the step."""
    if context is None or runs is None:
        return False, runs
    listed = list(runs) if isinstance(runs, list) else [runs]
    others = [run for run in listed if not context.is_own(as_ref(run, Kind.RUN).whole)]
    return len(others) < len(listed), others or None


def _targets(
    context: StepContext | None, *, infer_model: bool, infer_artifact: bool, artifact_name: str | None
) -> list[str]:
    if context is None:
        return []
    targets = [context.model_target()] if infer_model else []
    if infer_artifact or artifact_name is not None:
        targets.append(context.output_target(artifact_name))
    return targets
