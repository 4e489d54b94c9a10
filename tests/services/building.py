"""Runs as the driver records them, made without running anything, and the least that can be run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from nbpipe.base.clock import now_text
from nbpipe.base.ids import new_id
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.records.models import ModelConfig
from nbpipe.records.operations import CreateSnapshot, EndRun, NamedArtifact, OpenModelVersion
from nbpipe.records.runs import Status
from nbpipe.records.tags import as_tags
from nbpipe.services import workspace as workspace_module
from nbpipe.services.client import Client
from nbpipe.services.workspace import Workspace, open_workspace

ONE_STEP = """
@step
def total(n: int) -> int:
    return n

@pipeline
def training(n: int = 1):
    return total(n)
"""


@dataclass(frozen=True)
class Built:
    """A run that was recorded: its id, its step's, its artifact versions' by output, its model version's."""

    id: str
    name: str
    step_id: str
    artifacts: Mapping[str, str]
    model_version_id: str = ""


@contextmanager
def opened(paths: WorkspacePaths) -> Iterator[Workspace]:
    """Open a workspace for the block."""
    workspace = open_workspace(paths)
    try:
        yield workspace
    finally:
        workspace.close()


@contextmanager
def case(*told: object) -> Iterator[None]:
    """Name one of the cases that a test goes through in whatever is told of its failure."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"in the case of {', '.join(repr(one)[:200] for one in told)}")
        raise


@contextmanager
def kept_open(paths: WorkspacePaths) -> Iterator[Workspace]:
    """Open a workspace for all tests of a file: what is found by its folder is closed after each of them."""
    workspace = Workspace(paths.ensure())
    try:
        yield workspace
    finally:
        workspace.close()


@contextmanager
def lent(workspace: Workspace) -> Iterator[Client]:
    """Have a workspace that is kept open be the one that is found by its folder, in the block."""
    key = workspace_module._key(workspace.paths)
    workspace_module._opened[key] = workspace
    try:
        yield Client(workspace.paths.root)
    finally:
        # Nobody closes it after this test.
        workspace_module._opened.pop(key, None)


def record_run(
    workspace: Workspace,
    pipeline: str = "training",
    *,
    outputs: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str] | None = None,
    tags: Sequence[Any] = (),
    model: str = "",
    version: str | None = None,
    status: Status | None = Status.COMPLETED,
    node: str = "make",
    name: str = "",
    parameters: Mapping[str, Any] | None = None,
    logs: str = "",
) -> Built:
    """Record a run of one step; with `status=None` it goes on."""
    run_id, step_id = new_id(), new_id()
    name = name or f"{pipeline}-{run_id[:6]}"
    kept = workspace.store.keep(dict(outputs or {}), made_by=step_id).settled().versions
    version_id = open_version(workspace, model, version, run_id) if model else ""
    started = {
        "name": name,
        "pipeline": pipeline,
        "kind": "pipeline",
        "parameters": dict(parameters or {}),
        "differences": {},
        "model_version_id": version_id,
    }
    step = {
        "pipeline": pipeline,
        "node": node,
        "step": node,
        "status": "completed",
        "started": now_text(),
        "ended": now_text(),
        "attempt": 0,
        "parameters": {},
        "inputs": [{"name": key, "artifact": value, "digest": ""} for key, value in (inputs or {}).items()],
        "outputs": [artifact.as_record() for artifact in kept.values()],
        "not_carried": [],
        "metadata": [],
        "reused_from": "",
        "logs": logs,
    }
    workspace.catalog.append_lines([("run_started", run_id, run_id, started), ("step", step_id, run_id, step)])
    made = tuple(NamedArtifact(id=artifact.id, name=artifact.name) for artifact in kept.values())
    if status is not None:
        end = EndRun(
            request_id=EndRun.request_id_for(run_id),
            run_id=run_id,
            pipeline=pipeline,
            status=status,
            tags=as_tags(tags),
            made=made,
            reached=made,
            model_version_id=version_id,
        )
        workspace.catalog.transact(end)
    return Built(run_id, name, step_id, {output: artifact.id for output, artifact in kept.items()}, version_id)


def run_of(snapshot: Any, pipeline: Any, **parameters: Any) -> Any:
    """Run a pipeline as its snapshot is run, but in this process: what is known of the run is the same."""
    request = replace(pipeline.request(parameters), snapshot_id=snapshot.id)
    return Client().runs.start(request).wait()


def open_version(workspace: Workspace, model: str, version: str | None = None, run_id: str = "") -> str:
    """Make the next version of a model, or one of that name, and give its id."""
    wanted = OpenModelVersion(model=ModelConfig(name=model), version=version, run_id=run_id or new_id())
    return str(workspace.catalog.transact(wanted)["id"])


def create_snapshot(workspace: Workspace, pipeline: str = "training", name: str = "nightly") -> str:
    """Write down a snapshot and give its id."""
    wanted = CreateSnapshot(id=new_id(), pipeline=pipeline, name=name, digest="0" * 64)
    return str(workspace.catalog.transact(wanted)["id"])


def lines_written(workspace: Workspace) -> int:
    """Count what is in all logs, in bytes."""
    folders = (workspace.paths.logs, workspace.paths.operations)
    return sum(path.stat().st_size for folder in folders for path in folder.glob("*.log"))
