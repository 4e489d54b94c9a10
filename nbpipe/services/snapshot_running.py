"""Running snapshots: what a run of one asks for, here or in a process of its own.

Everything that can be refused is refused before a process starts: a missing package, values that
do not fit, a parameter without a value.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from nbpipe.define.overrides import check_complete, with_step_values
from nbpipe.errors import BadValueError, EnvironmentMismatchError
from nbpipe.execute.context import current_step
from nbpipe.records.config import (
    PipelineRunConfiguration,
    as_configuration,
    merge_configurations,
)
from nbpipe.records.definitions import Traced
from nbpipe.records.parameters import HIDDEN, as_json
from nbpipe.records.runs import Triggered
from nbpipe.records.snapshots import SnapshotContent
from nbpipe.services.apart import Asked, RunApart
from nbpipe.services.bound_model import BoundModel
from nbpipe.services.run_code import work_in
from nbpipe.services.starting import RunRequest
from nbpipe.services.workspace import Workspace
from nbpipe.snapshot.fitting import differences
from nbpipe.snapshot.installed import normalised
from nbpipe.snapshot.thaw import thaw

if TYPE_CHECKING:
    from nbpipe.snapshot.rebuilding import Tell
    from nbpipe.snapshot.rebuilt import Rebuilt

_MOST_MISSING = 5
_CURE = "Install what is missing, or run it with --isolated (isolated=True), in the environment that it was made in."


class Frozen(Protocol):
    """What is asked of a snapshot that is to be run."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def label(self) -> str:
        """What it goes by in a line."""

    @property
    def pipeline(self) -> str:
        """Its pipeline."""

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
    work_in(snapshot.workspace, snapshot.content.folder)


def snapshot_request(
    snapshot: Frozen,
    configuration: Any = None,
    *,
    parent: tuple[str, str] = ("", ""),
    run_id: str = "",
    schedule_id: str = "",
) -> RunRequest:
    """Bring a snapshot to life and say what a run of it asks for.

    Args:
        snapshot: The snapshot.
        configuration: How the run is to differ.
        parent: The run and the step that ask, if any.
        run_id: The id that the run is to have, if one was promised.
        schedule_id: The schedule that fired it, if one did.

    Raises:
        EnvironmentMismatchError: A package that its steps import is not installed.
        ParameterError: Values that do not fit.
        BadValueError: It is to have a schedule.
    """
    content = check_runnable(snapshot)
    given = as_configuration(configuration)
    if given.schedule is not None:
        raise BadValueError(
            f"A run of snapshot {snapshot.label} is now, and takes no schedule; "
            "make one with: nbpipe schedule create NAME --snapshot SNAPSHOT --cron '0 2 * * *'."
        )
    changed = content.changed_by(given)
    definition = thaw(content)
    return RunRequest(
        definition,
        merge_configurations(content.configuration, changed),
        differences=_differences(content.config_template(), changed),
        snapshot_id=snapshot.id,
        parent_run_id=parent[0],
        parent_step=parent[1],
        run_id=run_id,
        schedule_id=schedule_id,
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
        many = len(here.missing) - _MOST_MISSING
        missing = (*here.missing[:_MOST_MISSING], *([f"{many} more are not installed"] if many > 0 else []))
        raise EnvironmentMismatchError(f"Snapshot {snapshot.label}", missing, _CURE)
    return content


def notices_for(snapshot: Frozen) -> tuple[str, ...]:
    """Say where this environment differs from the snapshot's in ways that do not stop it."""
    return differences(snapshot.content.environment, snapshot.content.modules).other


def rebuilt_for(snapshot: Frozen, tell: Tell | None = None) -> Rebuilt:
    """Give the environment that a snapshot was made in, built again if it is not there.

    Args:
        snapshot: The snapshot.
        tell: Told in a sentence when it takes long, and why; standard error if not given.

    Raises:
        EnvironmentBuildError: It cannot be built here.
    """
    # Most runs are not isolated, and none of those waits for this.
    from nbpipe.snapshot.rebuilding import rebuild

    content = snapshot.content
    needed = tuple(dict.fromkeys(normalised(use.distribution) for use in content.modules if use.distribution))
    return rebuild(content.environment, needed=needed, tell=tell or _say)


def _say(sentence: str) -> None:
    # The stream may be closed, or nobody may be there to read.
    with suppress(OSError, ValueError):
        print(f"{sentence} …", file=sys.stderr, flush=True)


def run_apart(
    snapshot: Frozen,
    configuration: Any = None,
    *,
    is_bound: bool = False,
    isolated: bool = False,
    place: Rebuilt | None = None,
    run_id: str = "",
    held: Sequence[int] = (),
    schedule_id: str = "",
) -> RunApart:
    """Run a snapshot in a fresh process; the answer has `.wait()`, `.stop()` and `.status`.

    Where a step asks for it, it is that step's child, and the step keeps note of it.

    Args:
        snapshot: The snapshot.
        configuration: How the run is to differ.
        is_bound: Whether it is to end with this process.
        isolated: Run it in the environment that it was made in, which is rebuilt.
        place: That environment, where it was rebuilt already.
        run_id: The id that the run is to have, if one was promised.
        held: Open files that its process is to have, too, and holds as long as it lives.
        schedule_id: The schedule that fired it, if one did.

    Raises:
        ParameterError: Values that do not fit; no process was started.
        ConflictError: Pipelines trigger one another too deeply, or in a ring.
        EnvironmentMismatchError: A package that its steps import is not installed, or, isolated, its
            environment cannot be rebuilt.
    """
    given = as_configuration(configuration)
    if isolated or place is not None:
        # Its packages need not be here: what can be refused, the process in its own environment refuses.
        place = place or rebuilt_for(snapshot)
        content = snapshot.content
        traced = Traced(content.pipeline, content.graph, {}, {}, dict(given.parameters))
    else:
        traced = traced_for(snapshot, given)
    context = current_step()
    parent = (context.run_id, context.step) if context is not None else ("", "")
    asked = Asked(
        snapshot.id,
        snapshot.digest,
        traced,
        snapshot.pipeline,
        given,
        parent,
        is_bound,
        place,
        run_id,
        tuple(held),
        schedule_id,
    )
    run = RunApart(snapshot.workspace, asked)
    if context is not None:
        home = str(snapshot.workspace.paths.root)
        context.triggered.append(Triggered(run.id, snapshot.pipeline, "" if home == context.workspace else home))
    return run


def traced_for(snapshot: Frozen, given: PipelineRunConfiguration) -> Traced:
    """Trace a snapshot's pipeline for the values of a run; whatever does not fit is refused here.

    Raises:
        EnvironmentMismatchError: A package that its steps import is not installed.
        ParameterError: Values that do not fit.
    """
    request = snapshot_request(snapshot, given)
    model = request.configuration.model or request.definition.model
    bound = BoundModel(snapshot.workspace, model) if model is not None else None
    traced = with_step_values(
        request.definition.trace(request.configuration.parameters, bound), request.configuration.step_values
    )
    check_complete(traced)
    return traced


def _differences(own: PipelineRunConfiguration, given: PipelineRunConfiguration) -> dict[str, Any]:
    """Say where a run differs from its snapshot's values, by parameter and by step; secrets are in clear."""
    found = {name: as_json(value) for name, value in given.parameters.items() if _differs(own.parameters, name, value)}
    for step, values in given.step_values.items():
        before = own.step_values.get(step, {})
        found |= {f"{step}.{name}": as_json(value) for name, value in values.items() if _differs(before, name, value)}
    return found


def _differs(own: Mapping[str, Any], name: str, value: Any) -> bool:
    if name not in own or isinstance(own[name], bool) is not isinstance(value, bool):
        return True
    # Two secrets look alike; one that was given is another.
    return bool(own[name] != as_json(value) or as_json(value) == HIDDEN)
