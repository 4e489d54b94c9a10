"""The code of a run, kept as it stood when the run began, so that a snapshot can be made of the run.

What is kept is a snapshot's content, once for each code that is run: runs with other values share it,
and what a run was told besides stands in its record. This module knows when two runs have one
code. How a pipeline is written down is `snapshot.freeze`'s business.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import sysconfig
from collections.abc import Hashable, Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from nbpipe.catalog.finding import by_head, near
from nbpipe.define.cells import CellStep
from nbpipe.define.hooks import NO_HOOKS
from nbpipe.define.pipeline import CellPipeline, FunctionPipeline, PipelineDefinition
from nbpipe.define.step import Step
from nbpipe.errors import ArtifactDamagedError, BadValueError, CatalogDamagedError, DefinitionError
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.records.definitions import AnyStep, Traced
from nbpipe.records.refs import Kind
from nbpipe.records.snapshots import Environment, SnapshotContent
from nbpipe.services.resolve import resolve
from nbpipe.services.workspace import Workspace
from nbpipe.snapshot.freeze import freeze_traced
from nbpipe.source.places import Places

CODE_OF_RUN = f"""
    {near("runs", "id_head")} SELECT kind, code, configuration, parameters FROM near WHERE id = $id
"""  # noqa: S608 — made of constants
_MOST = 64
_written: dict[Hashable, tuple[bytes, str]] = {}


def keep_code(workspace: Workspace, definition: PipelineDefinition, traced: Traced, seen: Places) -> str:
    """Keep the code of a run that is about to begin, and give the blob that holds it.

    Args:
        workspace: Where to.
        definition: The pipeline.
        traced: The same, for the values of the run.
        seen: What whoever plans the run has looked at so far.

    Returns:
        The blob's digest; `""` if the pipeline's body leans on what is no text, which a run may and a
        snapshot may not.
    """
    try:
        key = _key(workspace, definition, seen)
        known = _written.get(key)
        if known is None:
            data = _write(workspace, definition, traced)
            known = data, workspace.store.blobs.write((data,))
            for oldest in [*_written][: len(_written) - _MOST + 1]:
                # Another thread may make room as well.
                _written.pop(oldest, None)
            _written[key] = known
    except DefinitionError:
        return ""
    data, digest = known
    return workspace.store.blobs.write((data,), known=digest)


def code_of(
    workspace: Workspace, run: object, *, cure: str = "Create the snapshot from the pipeline; that says which."
) -> tuple[SnapshotContent, PipelineRunConfiguration, str]:
    """Give the code of a run, what the run was told, and its id.

    Args:
        workspace: Where it is recorded.
        run: The run.
        cure: What to do where it was not kept.

    Raises:
        NotFoundError: There is no such run.
        BadValueError: Its code was not kept: it is a notebook's session, or leaned on what is no text.
        CatalogDamagedError: What was kept is gone, or is no longer what it was.
    """
    target = resolve(workspace, run, Kind.RUN)
    row = workspace.catalog.rows(CODE_OF_RUN, by_head(id=target.id))[0]
    if row["kind"] == "interactive":
        raise BadValueError(
            f"Run {target.label} is a session of a notebook; write %nbpipe snapshot create --name NAME there."
        )
    if not row["code"]:
        raise BadValueError(
            f"The code of run {target.label} was not kept, since its pipeline leans on a value that is no text. {cure}"
        )
    try:
        # What was changed on the disk is no code of this run, even if it can be read.
        workspace.store.blobs.verify(row["code"])
        content = SnapshotContent.read(json.loads(bytes(workspace.store.blobs.open(row["code"]))))
    except ArtifactDamagedError as error:
        why = f"the code of run {target.label}: {error.why}"
        raise CatalogDamagedError(workspace.paths.blobs, why, cure="Create the snapshot from the pipeline.") from None
    return content, _told(row), target.id


def told_to(workspace: Workspace, run_id: str) -> PipelineRunConfiguration:
    """Give what a run was told, with the values of all its parameters; secrets are hidden."""
    return _told(workspace.catalog.rows(CODE_OF_RUN, by_head(id=run_id))[0])


def _told(row: Mapping[str, Any]) -> PipelineRunConfiguration:
    told = {**(row["configuration"] or {}), "parameters": row["parameters"] or {}}
    steps = {step: {"parameters": values} for step, values in told.pop("steps", {}).items()}
    return PipelineRunConfiguration.read({**told, "steps": steps})


def working_folder(workspace: Workspace) -> str:
    """Say where we work, relative to the project; relative paths in parameters are meant from there."""
    try:
        # The system gives it without symbolic links in it.
        return _within(os.getcwd(), workspace.paths.root)
    except FileNotFoundError:
        # It was deleted under us, and no path is meant from there any more.
        return ""


@lru_cache(maxsize=64)
def _within(folder: str, workspace: Path) -> str:
    here, project = Path(folder), workspace.parent.resolve()
    return here.relative_to(project).as_posix() if here.is_relative_to(project) else ""


def work_in(workspace: Workspace, folder: str) -> None:
    """Work from now on in a folder that is given relative to the one that holds the workspace, if it is there."""
    place = workspace.paths.root.parent / folder
    if folder and place.is_dir():
        os.chdir(place)


def _key(workspace: Workspace, definition: PipelineDefinition, seen: Places) -> Hashable:
    """Say by what one code is told from another."""
    if isinstance(definition, FunctionPipeline):
        body: Hashable = definition.source(seen).digest, definition.text
        steps: Iterable[tuple[str, AnyStep]] = definition.steps_in_reach().items()
    else:
        assert isinstance(definition, CellPipeline), "there are two kinds of pipelines"
        lean = definition.parameters_source()
        body = lean.digest if lean is not None else "", definition.parameters_text
        steps = ((cell.name, cell) for cell in definition.cells)
    told: tuple[Hashable, ...] = tuple(
        [
            (name, step.name, step.source(seen).digest, step.options.said)
            if isinstance(step, Step) and step.hooks is NO_HOOKS
            else (name, step.name, step.source(seen).digest, step.options.said, _wiring(step), _hooked(step, seen))
            for name, step in steps
        ]
    )
    options = definition.name, definition.tags, repr(definition.model), definition.cache, _hooked(definition, seen)
    return options, body, told, workspace.paths.root, working_folder(workspace)


def _hooked(whose: object, seen: Places) -> Hashable:
    hooks = getattr(whose, "hooks", NO_HOOKS)
    return () if hooks is NO_HOOKS else tuple([(hook.when, hook.source(seen).digest) for hook in hooks])


def _wiring(step: AnyStep) -> Hashable:
    return (step.takes, step.gives, step.changed) if isinstance(step, CellStep) else None


def _write(workspace: Workspace, definition: PipelineDefinition, traced: Traced) -> bytes:
    content = freeze_traced(definition, traced, PipelineRunConfiguration(), _here(), working_folder(workspace))
    used = {use.distribution: use.version for use in content.modules if use.distribution}
    environment = content.environment.model_copy(update={"packages": used})
    return content.model_copy(update={"environment": environment}).to_bytes()


@cache
def _here() -> Environment:
    """Describe this interpreter; which of its packages are used, the pipeline's own text says."""
    return Environment(
        python=platform.python_version(), implementation=sys.implementation.name, platform=sysconfig.get_platform()
    )
