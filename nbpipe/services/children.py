"""The runs that a run's steps asked for, and those that theirs asked for: what became of each.

A step that is over has them in its record; of one that goes on, or died, only the children tell.
A step that was reused has those that it asked for when it ran. One that has been deleted since, or
is recorded in a workspace that is gone, is still named.

They are found level by level, each by a few statements, whatever their number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from nbpipe.catalog.heads import head_of
from nbpipe.errors import NbpipeError
from nbpipe.records.runs import Status, Triggered
from nbpipe.services.workspace import Workspace, workspace_at

DEEPEST = 8
MOST = 400
ASKED_FOR = """
    WITH near AS MATERIALIZED (
        SELECT run_id, node, status, triggered, seq FROM keyed.steps
        WHERE run_head IN (SELECT unnest($heads::BIGINT[])) AND triggered IS NOT NULL)
    SELECT run_id, node, status, triggered FROM near WHERE run_id IN (SELECT unnest($ids::VARCHAR[])) ORDER BY seq
"""
# A child starts after its parent, and so has a greater number.
ASKED = """
    SELECT id, pipeline, parent_run_id, parent_step FROM keyed.runs
    WHERE seq > (SELECT coalesce(min(seq), 0) FROM keyed.runs WHERE id_head IN (SELECT unnest($heads::BIGINT[])))
        AND parent_run_id IN (SELECT unnest($ids::VARCHAR[])) ORDER BY seq
"""
BECAME = """
    WITH near AS MATERIALIZED (FROM keyed.runs WHERE id_head IN (SELECT unnest($heads::BIGINT[])))
    SELECT id, status, duration_s FROM near WHERE id IN (SELECT unnest($ids::VARCHAR[]))
"""


@dataclass(frozen=True, slots=True)
class Child:
    """A run that a step asked for.

    Attributes:
        run: Its id.
        pipeline: Its pipeline's name.
        parent: The run that shows it as its step's: the one that is looked at, or another child.
        step: The step that asked for it.
        status: How it stands; `None` if nothing of it is there any more.
        duration_s: How long it took, in seconds.
        is_former: Whether the step was reused, and asked for it in an earlier run.
        workspace: The folder of the workspace in which it is recorded, if that is another one.
    """

    run: str
    pipeline: str
    parent: str
    step: str
    status: Status | None = None
    duration_s: float | None = None
    is_former: bool = False
    workspace: str = ""


class Step(Protocol):
    """A step of a run, as far as it is asked here."""

    @property
    def status(self) -> Status:
        """How it ended."""

    @property
    def triggered(self) -> tuple[Triggered, ...]:
        """The runs that it asked for."""


def children_of(workspace: Workspace, run_id: str, steps: Mapping[str, Step], *, is_told: bool) -> tuple[Child, ...]:
    """Give the children of a run, each after its parent, and at most a few hundred.

    Args:
        workspace: Where the run is recorded.
        run_id: The run.
        steps: What became of its steps.
        is_told: Whether that tells of all its children: it is over, and ended by itself.
    """
    level = [
        Child(one.run, one.pipeline, run_id, node, is_former=step.status is Status.REUSED, workspace=one.workspace)
        for node, step in steps.items()
        for one in step.triggered
    ]
    if not is_told:
        level = _united(level, _asked(workspace, [run_id]))
    found: list[Child] = []
    seen = {run_id}
    for _ in range(DEEPEST):
        level = [child for child in level if child.run not in seen][: MOST - len(found)]
        if not level:
            break
        seen |= {child.run for child in level}
        known = _became(workspace, level)
        found += [_with(child, known.get(child.run)) for child in level]
        here = [child.run for child in level if not child.workspace]
        level = _united(_recorded(workspace, here), _asked(workspace, here)) if here else []
    return tuple(found)


def _united(recorded: Iterable[Child], asked: Iterable[Child]) -> list[Child]:
    return list({child.run: child for child in (*asked, *recorded)}.values())


def _recorded(workspace: Workspace, parents: list[str]) -> list[Child]:
    return [
        Child(
            one.run,
            one.pipeline,
            row["run_id"],
            row["node"],
            is_former=row["status"] == Status.REUSED,
            workspace=one.workspace,
        )
        for row in _rows(workspace, ASKED_FOR, parents)
        for one in (Triggered(**said) for said in _data(row["triggered"]))
    ]


def _asked(workspace: Workspace, parents: list[str]) -> list[Child]:
    return [
        Child(row["id"], row["pipeline"] or "", row["parent_run_id"], row["parent_step"] or "")
        for row in _rows(workspace, ASKED, parents)
    ]


def _became(workspace: Workspace, children: Iterable[Child]) -> dict[str, Mapping[str, Any]]:
    places: dict[str, list[str]] = {}
    for child in children:
        places.setdefault(child.workspace, []).append(child.run)
    found: dict[str, Mapping[str, Any]] = {}
    for place, ids in places.items():
        # A folder that is gone is not made again for a look at it.
        if place and not Path(place).is_dir():
            continue
        try:
            rows = _rows(workspace_at(place) if place else workspace, BECAME, ids)
        except NbpipeError:
            if not place:
                raise
            # What is wrong with another workspace is no fault of this one's.
            continue
        found |= {row["id"]: row for row in rows}
    return found


def _with(child: Child, row: Mapping[str, Any] | None) -> Child:
    if row is None:
        return child
    return replace(child, status=Status(row["status"]), duration_s=row["duration_s"])


def _rows(workspace: Workspace, statement: str, ids: Iterable[str]) -> list[dict[str, Any]]:
    listed = sorted(ids)
    return workspace.catalog.rows(statement, {"ids": listed, "heads": list(map(head_of, listed))})


def _data(value: Any) -> list[Any]:
    return list(json.loads(value) if isinstance(value, str) else value or ())
