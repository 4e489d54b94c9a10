"""Making the content of a snapshot: from a pipeline as it is now, or from a run as it was then."""

from __future__ import annotations

from nbpipe.define.pipeline import PipelineDefinition
from nbpipe.records.config import PipelineRunConfiguration, merge_configurations
from nbpipe.records.models import ModelConfig
from nbpipe.records.snapshots import SnapshotContent
from nbpipe.services.bound_model import BoundModel
from nbpipe.services.run_code import code_of, working_folder
from nbpipe.services.workspace import Workspace
from nbpipe.snapshot.environment import differences, this_environment
from nbpipe.snapshot.freeze import freeze, with_values


def content_of_pipeline(
    workspace: Workspace, definition: PipelineDefinition, configuration: PipelineRunConfiguration
) -> SnapshotContent:
    """Freeze a pipeline in this environment.

    Raises:
        ParameterError: The configuration's values do not fit.
        UncapturedNameError: A step reads a name that is no text.
    """
    bound = _bound(workspace, configuration.model or definition.model)
    return freeze(definition, configuration, this_environment(), bound, working_folder(workspace))


def content_of_run(
    workspace: Workspace, run: object, configuration: PipelineRunConfiguration
) -> tuple[SnapshotContent, str]:
    """Freeze what a run ran, with the values it had where the configuration says nothing, and give the run's id.

    The environment is this one if it still has the packages that the run used, else what is known of the run's.

    Raises:
        NotFoundError: There is no such run.
        BadValueError: Its code was not kept.
        ParameterError: The configuration's values do not fit.
    """
    code, told, run_id = code_of(workspace, run)
    given = merge_configurations(told, configuration)
    here = differences(code.environment, code.modules)
    environment = code.environment if here.missing or here.other else this_environment()
    return with_values(code, given, environment, _bound(workspace, given.model or code.model)), run_id


def _bound(workspace: Workspace, model: ModelConfig | None) -> BoundModel | None:
    return BoundModel(workspace, model) if model is not None else None
