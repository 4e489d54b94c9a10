"""Running snapshots: what a run of one asks for, here or in a process of its own.

Everything that can be refused is refused before a process starts: a missing package, values that
do not fit, a parameter without a value.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol

from nbpipe.define.overrides import check_complete, with_step_values
from nbpipe.define.pipeline import FunctionPipeline, PipelineDefinition
from nbpipe.errors import EnvironmentMismatchError
from nbpipe.records.config import (
    PipelineRunConfiguration,
    StepConfiguration,
    as_configuration,
    merge_configurations,
)
from nbpipe.records.parameters import HIDDEN, as_json, hide_secrets
from nbpipe.records.snapshots import SnapshotContent
from nbpipe.services.apart import RunApart
from nbpipe.services.bound_model import BoundModel
from nbpipe.services.starting import RunRequest
from nbpipe.services.workspace import Workspace
from nbpipe.snapshot.environment import differences
from nbpipe.snapshot.thaw import thaw


class Frozen(Protocol):
    """What is asked of a snapshot that is to be run."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def name(self) -> str:
        """Its name, or nothing."""

    @property
    def content(self) -> SnapshotContent:
        """What it holds, checked."""

    @property
    def workspace(self) -> Workspace:
        """Where it is kept."""


def enter_folder(snapshot: Frozen) -> None:
    """Work in the snapshot's own folder from now on: for a process that runs nothing else."""
    folder = snapshot.content.folder
    place = snapshot.workspace.paths.root.parent / folder
    if folder and place.is_dir():
        os.chdir(place)


def snapshot_request(snapshot: Frozen, configuration: Any = None, *, parent: tuple[str, str] = ("", "")) -> RunRequest:
    """Bring a snapshot to life and say what a run of it asks for.

    Args:
        snapshot: The snapshot.
        configuration: How the run is to differ.
        parent: The run and the step that ask, if any.

    Raises:
        EnvironmentMismatchError: A package that its steps import is not installed.
        ParameterError: Values that do not fit.
    """
    content = snapshot.content
    here = differences(content.environment, content.modules)
    if here.missing:
        raise EnvironmentMismatchError(f"Snapshot {snapshot.name or snapshot.id[:8]}", here.missing)
    changed = content.changed_by(as_configuration(configuration))
    definition = thaw(content)
    return RunRequest(
        definition,
        merge_configurations(content.configuration, changed),
        differences=_differences(content.config_template(), _without_secrets(changed, definition, content)),
        snapshot_id=snapshot.id,
        parent_run_id=parent[0],
        parent_step=parent[1],
    )


def notices_for(snapshot: Frozen) -> tuple[str, ...]:
    """Say where this environment differs from the snapshot's in ways that do not stop it."""
    return differences(snapshot.content.environment, snapshot.content.modules).other


def run_apart(snapshot: Frozen, configuration: Any = None, *, parent: tuple[str, str] = ("", "")) -> RunApart:
    """Run a snapshot in a fresh process; the answer has `.wait()`, `.stop()` and `.status`.

    Raises:
        ParameterError: Values that do not fit; no process was started.
    """
    given = as_configuration(configuration)
    request = snapshot_request(snapshot, given)
    model = request.configuration.model or request.definition.model
    bound = BoundModel(snapshot.workspace, model) if model is not None else None
    traced = request.definition.trace(request.configuration.parameters, bound)
    check_complete(with_step_values(traced, request.configuration.step_values))
    return RunApart(snapshot.workspace, snapshot.id, given, parent)


def _without_secrets(
    given: PipelineRunConfiguration, definition: PipelineDefinition, content: SnapshotContent
) -> PipelineRunConfiguration:
    """Give a configuration as it may be written down: a secret among its values is hidden by its own type."""
    types = {name: info.annotation for name, info in definition.parameters.model.model_fields.items()}
    steps: dict[str, StepConfiguration] = {}
    for name, step in given.steps.items():
        called = next((node.step for node in content.graph.nodes if name in (node.id, node.step)), name)
        taken = {**types, **_argument_types(definition, called)}
        steps[name] = StepConfiguration(parameters=hide_secrets(step.parameters, taken))
    return given.model_copy(update={"parameters": hide_secrets(given.parameters, types), "steps": steps})


def _argument_types(definition: PipelineDefinition, step: str) -> dict[str, Any]:
    if not isinstance(definition, FunctionPipeline):
        # The arguments of a cell are the pipeline's parameters, whose types they have.
        return {}
    found = next((known for known in definition.steps_in_reach().values() if known.name == step), None)
    return {name: annotation for name, (annotation, _) in found.signature.inputs.items()} if found is not None else {}


def _differences(own: PipelineRunConfiguration, given: PipelineRunConfiguration) -> dict[str, Any]:
    """Say where a run differs from the values its snapshot has, by parameter and by step."""
    found = {name: as_json(value) for name, value in given.parameters.items() if _differs(own.parameters, name, value)}
    for step, values in given.step_values.items():
        before = own.step_values.get(step, {})
        found |= {f"{step}.{name}": as_json(value) for name, value in values.items() if _differs(before, name, value)}
    return found


def _differs(own: Mapping[str, Any], name: str, value: Any) -> bool:
    if name not in own or isinstance(own[name], bool) is not isinstance(value, bool):
        return True
    # Two secrets look alike; one that was given is another.
    return bool(own[name] != as_json(value) or value == HIDDEN)
