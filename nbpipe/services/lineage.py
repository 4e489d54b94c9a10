"""Where an artifact version came from and what it went into: one step each way, as far as one likes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from nbpipe.catalog.finding import by_head, near
from nbpipe.services.workspace import Workspace

USES = f"""
    {near("lineage", "artifact_head")},
    steps_around AS MATERIALIZED (
        SELECT seq, id_head FROM keyed.steps WHERE id_head IN (SELECT step_head FROM near)),
    around AS MATERIALIZED (FROM keyed.lineage WHERE step_head IN (SELECT step_head FROM near))
    SELECT u.run_id, u.step_id, u.node, u.direction, u.name, u.artifact_id
    FROM around AS u JOIN steps_around AS s ON s.id_head = u.step_head
    WHERE u.step_id IN (SELECT step_id FROM near WHERE artifact_id = $id)
    ORDER BY s.seq DESC
"""  # noqa: S608 — made of constants


class Lineage(NamedTuple):
    """Where a version came from and what it went into.

    Attributes:
        made_by: The execution that made it; `None` if its record is gone.
        used_by: The executions that read it.
    """

    made_by: Use | None
    used_by: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """One execution of a step, and the versions around it.

    Attributes:
        run_id: Its run.
        step_id: Its id.
        node: Its node in the graph.
        inputs: The ids of the versions it read, by the step's names.
        outputs: The ids of the versions it gave.
    """

    run_id: str
    step_id: str
    node: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def lineage_of(workspace: Workspace, artifact_id: str, made_in: str) -> Lineage:
    """Say what made a version and what read it.

    Args:
        workspace: Where to look.
        artifact_id: The version's id.
        made_in: The id of the execution that made it; others that gave it reused it.
    """
    by_step: dict[str, list[Mapping[str, Any]]] = {}
    for row in workspace.catalog.rows(USES, by_head(id=artifact_id)):
        by_step.setdefault(row["step_id"], []).append(row)
    uses = {step_id: _use_in(rows) for step_id, rows in by_step.items()}
    readers = tuple(use for use in uses.values() if artifact_id in use.inputs.values())
    return Lineage(uses.get(made_in), readers)


def _use_in(rows: Sequence[Mapping[str, Any]]) -> Use:
    sides: dict[str, dict[str, str]] = {"in": {}, "out": {}}
    for row in rows:
        sides[row["direction"]][row["name"]] = row["artifact_id"]
    first = rows[0]
    return Use(first["run_id"], first["step_id"], first["node"], sides["in"], sides["out"])
