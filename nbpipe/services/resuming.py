"""Going on from a run that did not complete: what it asked for is asked for again, and what it had done is taken.

A run keeps its code, its values and what it was told, so it can go on when its file was edited or
is gone (`resumed_request`). Whoever has mended the code goes on with a pipeline as it is now (`continued`):
then a node that was done is taken only if neither its source nor its values changed. In both cases
caching is not asked, and the driver runs a node again whose inputs are others than they were, or
whose outputs are gone.

What was done is read from what the run's process wrote, so that a process that was killed is gone
on from, too. Values of secrets are written nowhere: they have to be given again. This module says
what a run is to do; it starts none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from nbpipe.base.locks import PolledLock
from nbpipe.define.overrides import with_step_values
from nbpipe.define.pipeline import PipelineDefinition
from nbpipe.errors import BadValueError, ConflictError, EnvironmentMismatchError, ParameterError
from nbpipe.execute.prepared import Prepared, half_of
from nbpipe.graph.graph import Constant, Graph
from nbpipe.records.base import shorten
from nbpipe.records.config import PipelineRunConfiguration, as_configuration, merge_configurations
from nbpipe.records.definitions import Traced
from nbpipe.records.executions import RecordedExecution
from nbpipe.records.parameters import is_hidden
from nbpipe.records.parts import Part
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.records.tags import as_tags
from nbpipe.services.bound_model import BoundModel
from nbpipe.services.resolve import resolve
from nbpipe.services.run_code import code_of, told_to
from nbpipe.services.settling import settle_dead_runs
from nbpipe.services.starting import RunRequest
from nbpipe.services.workspace import Workspace
from nbpipe.snapshot.fitting import differences
from nbpipe.snapshot.thaw import thaw
from nbpipe.source.places import Places

_ROW = "SELECT id, name, pipeline, kind, status FROM runs WHERE id = $id"
_GOES_ON = "SELECT id, name FROM runs WHERE resumed_from = $id AND status = 'running'"
_PATIENCE_S = 60.0
_DONE = (Status.COMPLETED, Status.REUSED)


@dataclass(frozen=True, slots=True)
class Former:
    """A run that is gone on from.

    Attributes:
        id: Its id.
        label: How people call it.
        pipeline: Its pipeline.
        start: What was written down when it began.
        done: The executions that it completed or reused, by node.
    """

    id: str
    label: str
    pipeline: str
    start: Mapping[str, Any]
    done: Mapping[str, RecordedExecution]


def resumed_request(workspace: Workspace, run: object, secrets: Mapping[str, Any] | None = None) -> RunRequest:
    """Say what a run asks for that goes on from another with that one's own code and values.

    Args:
        workspace: Where it is recorded.
        run: The run, as `resolve` takes it.
        secrets: Values of its secrets, once more, by parameter and by `step.parameter`; nothing else can be given.

    Raises:
        NotFoundError: There is no such run.
        AmbiguousNameError: There are several.
        ConflictError: It goes on still, has completed, or is being gone on from.
        BadValueError: Its code was not kept, or a value was given that is no secret of it.
        ParameterError: Secrets have to be given again.
        EnvironmentMismatchError: A package that its steps import is not installed.
        CatalogError: Its code is gone or damaged.
    """
    former = _former(workspace, run)
    again = _configuration_of(secrets or {})
    content, told, _ = code_of(workspace, former.id, cure="Go on with the pipeline itself: pipeline.resume(run).")
    missing = differences(content.environment, content.modules).missing
    if missing:
        cure = "Install what is missing, or go on in the environment that it ran in."
        raise EnvironmentMismatchError(f"Run {former.label}", missing, cure)
    definition = thaw(content)
    lost = _lost_secrets(workspace, former, definition, told)
    _check_given(former, lost, again)
    request = _request(former, definition, merge_configurations(told, again))
    return replace(request, given=former.done)


def continued(workspace: Workspace, run: object, request: RunRequest) -> RunRequest:
    """Say what a run of a pipeline as it is now asks for that goes on from a former run of it.

    Args:
        workspace: Where that is recorded.
        run: The former run, as `resolve` takes it.
        request: What a run of the pipeline asks for; the values in it win over those of the former run.

    Raises:
        NbpipeError: As for `resumed_request`, but for the run's code.
    """
    former = _former(workspace, run)
    definition = request.definition
    if former.pipeline != definition.name:
        raise BadValueError(
            f"Run {former.label} is one of {shorten(former.pipeline)}; {definition.name} cannot go on from it."
        )
    told = told_to(workspace, former.id)
    known = {name: value for name, value in told.parameters.items() if name in definition.parameters.names}
    told = told.model_copy(update={"parameters": known})
    lost = _lost_secrets(workspace, former, definition, told)
    still = [name for name in lost if not _is_given(name, request.configuration)]
    if still:
        raise _secrets_asked(former, still, f"{definition.name}.with_options(…).resume(run, …).")
    made = _request(former, definition, merge_configurations(told, request.configuration))
    return replace(
        made,
        given=_unchanged(workspace, former, made),
        snapshot_id="",
        differences={},
        substitutions=request.substitutions,
    )


@contextmanager
def alone(workspace: Workspace, request: RunRequest) -> Iterator[None]:
    """Let a run begin in the block; where it goes on from another, nobody else begins to at the same time.

    What was looked at when the request was made may have changed since: of several that asked at once, one begins.

    Raises:
        ConflictError: Somebody goes on from it already.
        CatalogBusyError: Others who begin to go on from a run took too long.
    """
    if not request.resumed_from:
        yield
        return
    label = f"{request.resumed_from[:8]} of {request.definition.name}"
    lock = PolledLock(workspace.paths.operations / "resume.lock", patience_s=_PATIENCE_S)
    with closing(lock), lock:
        _check_alone(workspace, request.resumed_from, label)
        yield


# What was done ---------------------------------------------------------------------------------


def _former(workspace: Workspace, run: object) -> Former:
    settle_dead_runs(workspace)
    target = resolve(workspace, run, Kind.RUN)
    catalog = workspace.catalog
    row = catalog.rows(_ROW, {"id": target.id})[0]
    label = f"{row['id'][:8]} of {row['pipeline']}"
    if row["kind"] == "interactive":
        raise BadValueError(
            f"Run {row['id'][:8]} is a session of a notebook; run its cells again: those that were done are reused."
        )
    status = Status(row["status"])
    if not status.is_over:
        raise ConflictError(
            f"Run {label} still goes on. Wait for its end, or stop it: nbpipe runs stop {row['id'][:8]}."
        )
    if status is Status.COMPLETED:
        raise ConflictError(
            f"Run {label} has completed; there is nothing to go on from. Run the pipeline again: what did not change "
            "is reused."
        )
    _check_alone(workspace, target.id, label)
    facts = catalog.facts_of_run(target.id)
    start = next((fact["b"] for fact in facts if fact["k"] == "run_started"), None)
    if start is None:
        raise BadValueError(f"What run {label} had done is not in the logs any more. Run the pipeline again.")
    return Former(target.id, label, row["pipeline"], start, _done_in(facts, target.id))


def _check_alone(workspace: Workspace, run_id: str, label: str) -> None:
    others = workspace.catalog.rows(_GOES_ON, {"id": run_id})
    if others:
        other = others[0]["id"][:8]
        raise ConflictError(
            f"Run {other} goes on from run {label} already. Wait for its end, or stop it: nbpipe runs stop {other}."
        )


def _done_in(facts: Sequence[Mapping[str, Any]], run_id: str) -> dict[str, RecordedExecution]:
    """Give the execution of each node that was done; of several attempts the last counts."""
    last = {fact["b"]["node"]: fact for fact in facts if fact["k"] == "step"}
    return {
        node: RecordedExecution(fact["b"], id=fact["id"], taken=f"done in run {run_id[:8]}")
        for node, fact in last.items()
        if fact["b"]["status"] in _DONE and fact["b"]["key"]
    }


def _unchanged(workspace: Workspace, former: Former, request: RunRequest) -> dict[str, RecordedExecution]:
    """Pick what a pipeline as it is now would do just so: its source and its values are what they were."""
    traced = _traced(workspace, request.definition, request.configuration)
    found, seen = {}, Places()
    for node, step in traced.steps.items():
        record = former.done.get(node)
        if record is None:
            continue
        if half_of(Prepared.of(step, seen), traced.values.get(node, {}), workspace.store) == record["half"]:
            found[node] = record
    return found


def _traced(workspace: Workspace, definition: PipelineDefinition, configuration: PipelineRunConfiguration) -> Traced:
    model = configuration.model or definition.model
    bound = BoundModel(workspace, model) if model is not None else None
    traced = definition.trace(configuration.parameters, bound, partial=True)
    return with_step_values(traced, configuration.step_values)


def _request(former: Former, definition: PipelineDefinition, configuration: PipelineRunConfiguration) -> RunRequest:
    start = former.start
    tags = as_tags((*as_tags(start.get("tags")), *configuration.tags))
    return RunRequest(
        definition,
        configuration.model_copy(update={"tags": tags}),
        differences=start.get("differences") or {},
        snapshot_id=start.get("snapshot_id", ""),
        resumed_from=former.id,
        part=Part.read(start.get("part")),
    )


# Secrets ---------------------------------------------------------------------------------------


def _lost_secrets(
    workspace: Workspace, former: Former, definition: PipelineDefinition, told: PipelineRunConfiguration
) -> list[str]:
    """Name the values that the run had and that were not written down, as `--set` names them."""
    lost = [name for name, value in told.parameters.items() if is_hidden(value)]
    if not former.start.get("graph"):
        return lost
    then = Graph.model_validate_json(bytes(workspace.store.blobs.open(former.start["graph"])))
    others = {name: value for name, value in told.parameters.items() if name not in lost}
    now = _traced(workspace, definition, told.model_copy(update={"parameters": others, "steps": {}})).graph.by_id
    for node in then.nodes:
        for name, origin in node.inputs.items():
            if isinstance(origin, Constant) and is_hidden(origin.value):
                here = now[node.id].inputs.get(name) if node.id in now else origin
                # What the body itself says, the code says still.
                if here != origin:
                    lost.append(f"{node.id}.{name}")
    return lost


def _check_given(former: Former, lost: Sequence[str], again: PipelineRunConfiguration) -> None:
    unasked = [name for name in _names(again) if name not in lost]
    if unasked:
        raise BadValueError(
            f"{unasked[0]} cannot be set: run {former.label} goes on with the values that it had. "
            f"With another value, start from the pipeline: pipeline.resume(run, {unasked[0].rpartition('.')[2]}=…)."
        )
    still = [name for name in lost if not _is_given(name, again)]
    if still:
        said = " ".join(f"--set {name}=…" for name in still)
        raise _secrets_asked(former, still, f"nbpipe runs resume {former.id[:8]} {said}")


def _secrets_asked(former: Former, names: Sequence[str], how: str) -> ParameterError:
    error = ParameterError(f"Run {former.label}", dict.fromkeys(names, "is a secret, and has to be given again"))
    error.args = (f"Run {former.label} had secrets, which are not kept: {', '.join(names)}. Give them again: {how}",)
    return error


def _is_given(name: str, given: PipelineRunConfiguration) -> bool:
    step, dot, parameter = name.rpartition(".")
    return parameter in given.step_values.get(step, {}) if dot else name in given.parameters


def _names(given: PipelineRunConfiguration) -> Iterator[str]:
    yield from given.parameters
    for step, values in given.step_values.items():
        for name in values:
            yield f"{step}.{name}"


def _configuration_of(given: Mapping[str, Any]) -> PipelineRunConfiguration:
    steps: dict[str, dict[str, Any]] = {}
    parameters: dict[str, Any] = {}
    for name, value in given.items():
        step, dot, parameter = str(name).rpartition(".")
        (steps.setdefault(step, {}) if dot else parameters)[parameter] = value
    return as_configuration(
        {"parameters": parameters, "steps": {step: {"parameters": values} for step, values in steps.items()}}
    )
