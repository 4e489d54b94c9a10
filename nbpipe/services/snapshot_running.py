"""Running snapshots: what a run of one asks for, here or in a process of its own.

Everything that can be refused is refused before a process starts: a missing package, values that
do not fit, a parameter without a value.
"""

from __future__ import annotations

import os
from typing import Any, Protocol

from nbpipe.define.overrides import check_complete, with_step_values
from nbpipe.errors import EnvironmentMismatchError
from nbpipe.execute.context import current_step
from nbpipe.records.config import PipelineRunConfiguration, as_configuration, merge_configurations
from nbpipe.records.parameters import as_json
from nbpipe.records.runs import Triggered
from nbpipe.records.snapshots import SnapshotContent
from nbpipe.services.apart import Asked, RunApart
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
    def digest(self) -> str:
        """The digest of its content."""

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
    content = check_runnable(snapshot)
    changed = content.changed_by(as_configuration(configuration))
    return RunRequest(
        thaw(content),
        merge_configurations(content.configuration, changed),
        differences=_differences(content.config_template(), changed),
        snapshot_id=snapshot.id,
        parent_run_id=parent[0],
        parent_step=parent[1],
    )


def check_runnable(snapshot: Frozen) -> SnapshotContent:
    """Give a snapshot's content if it can be run here.

    Raises:
        EnvironmentMismatchError: A package that its steps import is not installed.
        CatalogError: Its content is gone, damaged, or of a newer nbpipe.
    """
    content = snapshot.content
    here = differences(content.environment, content.modules)
    if here.missing:
        raise EnvironmentMismatchError(f"Snapshot {snapshot.name or snapshot.id[:8]}", here.missing)
    return content


def notices_for(snapshot: Frozen) -> tuple[str, ...]:
    """Say where this environment differs from the snapshot's in ways that do not stop it."""
    return differences(snapshot.content.environment, snapshot.content.modules).other


def run_apart(snapshot: Frozen, configuration: Any = None, *, is_bound: bool = False) -> RunApart:
    """Run a snapshot in a fresh process; the answer has `.wait()`, `.stop()` and `.status`.

    Where a step asks for it, it is that step's child, and the step keeps note of it.

    Args:
        snapshot: The snapshot.
        configuration: How the run is to differ.
        is_bound: Whether it is to end with this process.

    Raises:
        ParameterError: Values that do not fit; no process was started.
        ConflictError: Pipelines trigger one another too deeply, or in a ring.
    """
    given = as_configuration(configuration)
    request = snapshot_request(snapshot, given)
    model = request.configuration.model or request.definition.model
    bound = BoundModel(snapshot.workspace, model) if model is not None else None
    traced = with_step_values(
        request.definition.trace(request.configuration.parameters, bound), request.configuration.step_values
    )
    check_complete(traced)
    context = current_step()
    parent = (context.run_id, context.step) if context is not None else ("", "")
    name = request.definition.name
    asked = Asked(snapshot.id, snapshot.digest, traced, name, given, parent, is_bound)
    run = RunApart(snapshot.workspace, asked)
    if context is not None:
        place = str(snapshot.workspace.paths.root)
        context.triggered.append(Triggered(run.id, name, "" if place == context.workspace else place))
    return run


def _differences(own: PipelineRunConfiguration, given: PipelineRunConfiguration) -> dict[str, Any]:
    """Say where a run differs from the values its snapshot has, by parameter and by step."""
    found = {
        name: as_json(value)
        for name, value in given.parameters.items()
        if name not in own.parameters or own.parameters[name] != as_json(value)
    }
    for step, values in given.step_values.items():
        before = own.step_values.get(step, {})
        for name, value in values.items():
            if name not in before or before[name] != as_json(value):
                found[f"{step}.{name}"] = as_json(value)
    return found
