"""Runs of a part of a pipeline: what they read from the steps that are left out.

Of each such step it is what its newest execution in this pipeline gave, whether it ran then or was
reused, in a run or in a notebook's cell. An older one is never looked for. Nothing is taken that
the run's own record would belie: where a value that it has would have made something else of what
is left out, it is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nbpipe.base.digest import canonical_json
from nbpipe.define.parting import chosen, cut
from nbpipe.errors import ConflictError, NotFoundError
from nbpipe.graph.graph import EitherOf, OutputOf, ParameterOf
from nbpipe.graph.order import ancestors
from nbpipe.records.base import shorten
from nbpipe.records.definitions import Traced
from nbpipe.records.parameters import as_json
from nbpipe.records.parts import Part, Taken
from nbpipe.records.runs import NOT_TAKEN
from nbpipe.services.artifact_records import stored_version
from nbpipe.services.workspace import Workspace

_NEWEST = f"""
    WITH known AS (
        SELECT node, steps.id, run_id, seq, status <> 'skipped' AS is_done
        FROM steps SEMI JOIN (SELECT id FROM runs WHERE pipeline = $pipeline) AS own ON own.id = steps.run_id
        WHERE list_contains($nodes, node)
            AND (status IN ('completed', 'reused') OR (status = 'skipped' AND starts_with(why, '{NOT_TAKEN}')))
    )
    SELECT node, arg_max(id, seq) FILTER (is_done) AS step, arg_max(run_id, seq) FILTER (is_done) AS run,
        arg_max(is_done, seq) AS taken
    FROM known GROUP BY node HAVING bool_or(is_done)
"""  # noqa: S608 — made of constants
_OUTPUTS = """
    SELECT node, lineage.name AS output, artifact_id, artifacts.name AS artifact
    FROM lineage JOIN artifacts ON artifacts.id = lineage.artifact_id
    WHERE direction = 'out' AND list_contains($steps, lineage.step_id)
"""
_TOLD = "SELECT id, parameters, configuration FROM runs WHERE list_contains($ids, id)"

Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PartialRun:
    """A part of a pipeline, ready to run.

    Attributes:
        traced: The part.
        record: What the run's record says of it; nothing if it is the whole pipeline after all.
        runs_anew: Whether its steps run whatever is recorded.
        taken: What it reads from what is left out.
    """

    traced: Traced
    record: Mapping[str, Any] | None = None
    runs_anew: bool = False
    taken: tuple[Taken, ...] = ()


def part_of(
    workspace: Workspace, traced: Traced, part: Part, step_values: Mapping[str, Mapping[str, Any]]
) -> PartialRun:
    """Cut a pipeline down to a part.

    Args:
        workspace: Where it has run.
        traced: The pipeline for the values of the run.
        part: What is to run of it.
        step_values: What the run tells single steps.

    Raises:
        NotFoundError: The pipeline has no such step, or one that is left out and needed has never been done.
        BadValueError: The part is empty.
        ConflictError: What a step that is left out gave was made with other values, was changed in place by one that
            runs, or is gone.
    """
    if part.is_whole:
        return PartialRun(traced)
    nodes = chosen(traced, part)
    if len(nodes) == len(traced.graph.nodes):
        return PartialRun(traced, runs_anew=part.runs_anew)
    taken = part.taken
    if not taken:
        taken = _taken_by(workspace, traced, nodes)
        _check_values(workspace, traced, taken, step_values)
    _check_there(workspace, taken)
    return PartialRun(cut(traced, nodes, taken), part.as_record(taken), part.runs_anew, taken)


# What is read ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Done:
    """The newest execution of a node: its run, and the artifact versions (id and name) that it gave, by output.

    Of a branch, whether it was taken when that was last decided.
    """

    run: str
    outputs: Mapping[str, tuple[str, str]]
    is_taken: bool


def _taken_by(workspace: Workspace, traced: Traced, nodes: Collection[str]) -> tuple[Taken, ...]:
    """Find what a part reads from outside, in the order in which the driver would have settled all nodes."""
    done = _newest(workspace, traced)
    rebound: dict[Place, Place] = {}
    changed_by: dict[Place, str] = {}
    found = []
    for node in traced.graph.ordered:
        asked = [*node.inputs.items()]
        if node.id in nodes:
            asked += [("", condition.origin) for condition in node.conditions]
        for argument, asked_for in asked:
            origin = _branch(node.id, asked_for, nodes, done) if isinstance(asked_for, EitherOf) else asked_for
            if not isinstance(origin, OutputOf) or not origin.output:
                continue
            place = origin.node, origin.output
            while place in rebound:
                place = rebound[place]
            if node.id in nodes and place[0] not in nodes:
                if place in changed_by:
                    raise _changed_in_place(changed_by[place], place, node.id)
                found.append(_taken(traced.pipeline, node.id, argument, place, done.get(place[0])))
            # Whoever comes after a cell that changed its input in place reads what that left.
            if traced.steps[node.id].kind == "cell" and node.id in done and argument in done[node.id].outputs:
                if node.id in nodes and place[0] not in nodes:
                    changed_by[place] = node.id
                elif node.id not in nodes:
                    rebound[place] = node.id, argument
    return tuple(found)


def _branch(reader: str, origin: EitherOf, nodes: Collection[str], done: Mapping[str, _Done]) -> OutputOf | None:
    """Give the one of several branches whose value is known before the part runs; `None` if the part will tell."""
    if reader not in nodes or all(one.node in nodes for one in origin.of):
        return None
    for place, one in enumerate(origin.of):
        if one.node not in nodes and one.node in done and done[one.node].is_taken:
            inside = [before.node for before in origin.of[:place] if before.node in nodes]
            if inside:
                raise ConflictError(
                    f"{reader} takes what {inside[0]} or {one.node} gives, and only {one.node} is left out; which of "
                    f"them it is cannot be told before. Begin at both: --from {inside[0]} --from {one.node}."
                )
            return one
    # Of those that are left out none was taken: what is left are those of the part.
    return None if any(one.node in nodes for one in origin.of) else origin.of[0]


def _newest(workspace: Workspace, traced: Traced) -> dict[str, _Done]:
    catalog = workspace.catalog
    asked = {"pipeline": traced.pipeline, "nodes": list(traced.graph.by_id)}
    executions = catalog.rows(_NEWEST, asked)
    given: dict[str, dict[str, tuple[str, str]]] = {row["node"]: {} for row in executions}
    for row in catalog.rows(_OUTPUTS, {"steps": [row["step"] for row in executions]}):
        given[row["node"]][row["output"]] = row["artifact_id"], row["artifact"]
    return {row["node"]: _Done(row["run"], given[row["node"]], row["taken"]) for row in executions}


def _taken(pipeline: str, reader: str, argument: str, place: Place, done: _Done | None) -> Taken:
    node, output = place
    if done is None or output not in done.outputs:
        what = "has never been done in" if done is None else f"gave no {output!r} when it was last done in"
        error = NotFoundError("execution", node)
        error.args = (
            f"Step {reader} reads what {node} gives, which is left out and {what} {shorten(pipeline)}. "
            f"Begin earlier: --from {node}.",
        )
        raise error
    return Taken(reader, argument, node, output, done.run, *done.outputs[output])


def _changed_in_place(cell: str, place: Place, reader: str) -> ConflictError:
    node, output = place
    return ConflictError(
        f"Cell {cell} changes {output!r} of {node} in place, and {reader} reads it after that; {node} cannot be left "
        f"out. Begin there: --from {node}."
    )


# What stands against it ------------------------------------------------------------------------


def _check_values(
    workspace: Workspace, traced: Traced, taken: Iterable[Taken], step_values: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse what was made with other values than the run says that it has."""
    by_node = {one.node: one for one in taken}
    rows = workspace.catalog.rows(_TOLD, {"ids": list({one.run for one in by_node.values()})})
    told = {row["id"]: row for row in rows}
    for node, one in by_node.items():
        row = told[one.run]
        behind = {node, *ancestors(traced.graph.upstream, [node])}
        parameters = row["parameters"] or {}
        before = {name: parameters[name] for name in _read_by(traced, behind) if name in parameters}
        now = {name: as_json(traced.parameters.get(name)) for name in before}
        names = behind | {traced.graph.by_id[name].step for name in behind}
        before |= _told_to(names, (row["configuration"] or {}).get("steps") or {})
        now |= _told_to(names, step_values)
        for name in {**before, **now}:
            if canonical_json(before.get(name)) != canonical_json(now.get(name)):
                raise _made_otherwise(one, name, before, now)


def _told_to(names: Collection[str], step_values: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        f"{step}.{name}": as_json(value)
        for step, values in step_values.items()
        if step in names
        for name, value in values.items()
    }


def _read_by(traced: Traced, nodes: Iterable[str]) -> list[str]:
    """Name the pipeline's parameters that some of these nodes read."""
    read = [traced.graph.by_id[node] for node in nodes]
    origins = [origin for node in read for origin in node.inputs.values()]
    origins += [condition.origin for node in read for condition in node.conditions]
    return sorted({origin.name for origin in origins if isinstance(origin, ParameterOf)})


def _made_otherwise(taken: Taken, name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> ConflictError:
    had = f"with {name} = {shorten(before[name])}" if name in before else f"without a value for {name}"
    has = f"has {shorten(now[name])}" if name in now else "has none"
    return ConflictError(
        f"{taken.node} is left out, and what it gave in run {taken.run[:8]} was made {had}; this run {has}.\n"
        f"Give the same, or begin earlier: --from {taken.node}."
    )


def _check_there(workspace: Workspace, taken: Iterable[Taken]) -> None:
    for one in taken:
        try:
            is_there = workspace.store.exists(stored_version(workspace, one.artifact))
        except NotFoundError:
            is_there = False
        if not is_there:
            raise ConflictError(
                f"{one.node} is left out, but {one.output!r}, which it gave in run {one.run[:8]}, is gone. "
                f"Begin earlier: --from {one.node}."
            )
