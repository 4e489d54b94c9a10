"""Calling a recorded step again, here and now: with its own code and the very inputs that it had.

It is called in the caller's thread, so that `breakpoint()` stops in it and a debugger finds its
frames after it raised. The call is no execution: its outputs are given to the caller, and nothing
of it is written down. What its code does to the world by itself, it does again.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nbpipe.base.ids import new_id
from nbpipe.catalog.finding import by_head, near
from nbpipe.define.overrides import with_step_values
from nbpipe.errors import BadValueError, NotFoundError, ParameterError, nearest
from nbpipe.execute.context import RunFacts, StepContext, running
from nbpipe.execute.files import same_folder_afterwards
from nbpipe.execute.worker import CodeRoom
from nbpipe.records.base import shorten
from nbpipe.records.definitions import AnyStep, Traced
from nbpipe.records.parameters import is_hidden
from nbpipe.records.steps import UnmaterializedArtifact
from nbpipe.services.artifact_records import stored_version
from nbpipe.services.bound_model import BoundModel
from nbpipe.services.run_code import code_of, work_in
from nbpipe.services.workspace import Workspace
from nbpipe.snapshot.thaw import thaw

_STEP = f"{near('steps', 'id_head')} SELECT node, status, inputs, parameters FROM near WHERE id = $id"  # noqa: S608 — constants
_RUN = "SELECT name, pipeline, model_version_id FROM runs WHERE id = $id"


def reproduce(workspace: Workspace, run_id: str, step_id: str, changed: Mapping[str, Any]) -> Any:
    """Call a recorded step again.

    Args:
        workspace: Where it is recorded.
        run_id: The run.
        step_id: The execution.
        changed: Arguments that are to be others than they were.

    Returns:
        What its function returns; of a cell, what it bound, by name. A coroutine where a loop runs already: await it.

    Raises:
        NotFoundError: It is not recorded any more.
        BadValueError: It was never called, the code of its run was not kept, or it takes no such argument.
        ParameterError: An argument is needed that was not kept: a secret.
        ArtifactError: An input is gone or damaged.
        BaseException: Whatever its code raises.
    """
    rows = workspace.catalog.rows(_STEP, by_head(id=step_id))
    if not rows:
        raise NotFoundError("step", step_id)
    node = rows[0]["node"]
    if rows[0]["status"] == "skipped":
        raise BadValueError(f"Step {node} of run {run_id[:8]} was skipped; there is no call of it.")
    content, told, _ = code_of(workspace, run_id, cure="Call its function by yourself.")
    definition = thaw(content)
    model = told.model or definition.model
    known = {name: value for name, value in told.parameters.items() if not is_hidden(value)}
    bound = BoundModel(workspace, model) if model is not None else None
    traced = with_step_values(definition.trace(known, bound, partial=True), told.step_values)
    step = traced.steps[node]
    inputs = {given["name"]: given["artifact"] for given in rows[0]["inputs"] or ()}
    secrets = [name for name, value in (rows[0]["parameters"] or {}).items() if is_hidden(value)]
    _check(step, inputs, changed)
    room = CodeRoom([other.source() for other in traced.steps.values()])
    names = tuple(output.name for output in step.signature.outputs)
    call = room.call_of(step.source(), (*names, *inputs))
    kept = {name: artifact for name, artifact in inputs.items() if name not in changed}
    arguments = {**traced.values.get(node, {}), **_loaded(workspace, step, kept), **changed}
    missing = [name for name in step.signature.required if name not in arguments]
    missing += [name for name in secrets if name not in changed and name not in missing]
    if missing:
        raise ParameterError(f"Step {node}", dict.fromkeys(missing, "was not kept; give it: reproduce(…=…)"))
    with _as_then(workspace, content.folder), running(_context(workspace, run_id, node, step, traced)):
        if step.kind == "cell":
            left = call(arguments)
            return {name: left[name] for name in names if name in left}
        return _finished(call(**arguments))


def _check(step: AnyStep, inputs: Collection[str], changed: Collection[str]) -> None:
    for name in changed:
        if name not in step.signature.inputs and name not in inputs:
            near_names = nearest(name, (*step.signature.inputs, *inputs))
            hint = f" Did you mean {near_names[0]!r}?" if near_names else ""
            raise BadValueError(f"Step {step.name} takes no {shorten(name)}.{hint}")


def _loaded(workspace: Workspace, step: AnyStep, inputs: Mapping[str, str]) -> dict[str, Any]:
    """Give the inputs that other steps had given, or pointers to them where it asks for such."""
    versions = {name: stored_version(workspace, artifact) for name, artifact in inputs.items()}
    found: dict[str, Any] = {
        name: UnmaterializedArtifact(one.id, one.name, one.number, one.type_name, one.digest)
        for name, one in versions.items()
        if name in step.signature.pointers
    }
    values = {name: one for name, one in versions.items() if name not in found}
    return {**found, **workspace.store.load_all(values, trust=True)} if values else found


def _context(workspace: Workspace, run_id: str, node: str, step: AnyStep, traced: Traced) -> StepContext:
    """Say what the step may know; what it says of itself goes nowhere."""
    row = workspace.catalog.rows(_RUN, {"id": run_id})[0]
    version = workspace.catalog.state().versions.get(row["model_version_id"] or "")
    facts = RunFacts(
        run_id,
        row["name"],
        row["pipeline"],
        traced.parameters,
        model=version["model"] if version is not None else "",
        model_version=version["name"] if version is not None else "",
        model_version_id=version["id"] if version is not None else "",
    )
    outputs = tuple(output.name for output in step.signature.outputs)
    return StepContext(facts, node, new_id(), outputs, str(workspace.paths.root))


@contextmanager
def _as_then(workspace: Workspace, folder: str) -> Iterator[None]:
    """Work in the folder from which relative paths were meant, for the block."""
    with same_folder_afterwards():
        work_in(workspace, folder)
        yield


def _finished(returned: Any) -> Any:
    if not inspect.iscoroutine(returned):
        return returned
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(returned)
    return returned
