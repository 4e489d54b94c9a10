"""Walking the lineage of an artifact version, as far as one likes.

It is walked level by level, each by a statement or two, and nothing is walked twice: a step that
was reused because its input had the old content may lead back to what that input was made from.
What is too large is cut, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from nbpipe.catalog.heads import head_of
from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.records.runs import Status
from nbpipe.services.instants import as_instant
from nbpipe.services.lineage import CrossingRun, Lineage, Use, VersionNode
from nbpipe.services.workspace import Workspace

# Heads first, for they are numbers; then the texts, for two may share a head.
_AMONG = "{head} IN (SELECT unnest($heads::BIGINT[])) AND {id} IN (SELECT unnest($ids::VARCHAR[]))"
VERSIONS = """
    WITH near AS MATERIALIZED (FROM keyed.artifacts WHERE id_head IN (SELECT unnest($heads::BIGINT[])))
    SELECT id, name, number, type_name, step_id FROM near WHERE id IN (SELECT unnest($ids::VARCHAR[]))
"""
_AROUND = """
    SELECT s.seq, s.id, s.run_id, s.node, s.status, u.direction, u.name, u.artifact_id
    FROM steps_found AS s JOIN keyed.lineage AS u ON u.step_head = s.id_head AND u.step_id = s.id
    ORDER BY s.seq DESC
"""
MADE_BY = f"""
    WITH steps_found AS MATERIALIZED (
        SELECT seq, id, id_head, run_id, node, status FROM keyed.steps
        WHERE {_AMONG.format(head="id_head", id="id")} ORDER BY seq DESC LIMIT $most)
    {_AROUND}
"""  # noqa: S608 — made of constants
READ_BY = f"""
    WITH near AS MATERIALIZED (
        SELECT step_id, step_head, artifact_id FROM keyed.lineage
        WHERE artifact_head IN (SELECT unnest($heads::BIGINT[])) AND direction = 'in'),
    readers AS MATERIALIZED (
        SELECT DISTINCT step_id, step_head FROM near WHERE artifact_id IN (SELECT unnest($ids::VARCHAR[]))),
    steps_found AS MATERIALIZED (
        SELECT seq, id, id_head, run_id, node, status FROM keyed.steps
        WHERE id_head IN (SELECT step_head FROM readers) AND id IN (SELECT step_id FROM readers)
        ORDER BY seq DESC LIMIT $most)
    {_AROUND}
"""  # noqa: S608
RUNS = """
    WITH near AS MATERIALIZED (FROM keyed.runs WHERE id_head IN (SELECT unnest($heads::BIGINT[])))
    SELECT id, name, pipeline, status, started, snapshot_id FROM near WHERE id IN (SELECT unnest($ids::VARCHAR[]))
    ORDER BY seq DESC
"""
HELD_BY_MODELS = """
    SELECT DISTINCT entity_id, version_id FROM keyed.model_links
    WHERE kind = 'artifact_version' AND entity_head IN (SELECT unnest($heads::BIGINT[]))
"""
ALL = "all"
_MOST = 1000
_LARGEST = 2**61


def lineage_of(
    workspace: Workspace, artifact_id: str, *, up: int | str | None = 1, down: int | str | None = 1, most: int = _MOST
) -> Lineage:
    """Walk the lineage of a version, which is known to exist.

    Args:
        workspace: Where to look.
        artifact_id: The version's id.
        up: How many executions back; `None` or `"all"` for all.
        down: How many executions on, likewise.
        most: How many executions at most, in all.

    Raises:
        BadValueError: No such number.
    """
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise BadValueError(f"most={shorten(most)} is no number of executions; give 1 or more.")
    walk = _Walk(workspace, checked_depth("up", up), checked_depth("down", down), min(most, _LARGEST))
    return walk.from_version(artifact_id)


def checked_depth(name: str, depth: int | str | None) -> int | None:
    """Read how far to go; `None` is as far as it goes.

    Raises:
        BadValueError: Neither a whole number from 0 on, nor `"all"`.
    """
    if depth is None or (isinstance(depth, str) and depth.strip().casefold() == ALL):
        return None
    if isinstance(depth, str) and depth.strip().isascii() and depth.strip().isdecimal() and len(depth) <= 9:
        depth = int(depth)
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 0:
        raise BadValueError(f"{name}={shorten(depth)} is no number of steps; give 0, 1, 2, … or {ALL!r}.")
    return depth


class _Walk:
    """One walk through the lineage of a version."""

    def __init__(self, workspace: Workspace, up: int | None, down: int | None, most: int) -> None:
        self._workspace = workspace
        self._depths = {-1: up, 1: down}
        self._most = most
        self._versions: dict[str, VersionNode] = {}
        self._uses: dict[str, Use] = {}
        self._is_cut = False

    def from_version(self, artifact_id: str) -> Lineage:
        self._read_versions({artifact_id})
        for sign in (-1, 1):
            self._go(artifact_id, sign)
        runs = self._runs()
        ids = {*runs}
        state = self._workspace.catalog.state()
        ran = {run.snapshot for run in runs.values()}
        snapshots = (row for row in list(state.snapshots.values()) if row is not None)
        held = tuple(row["name"] or row["id"] for row in snapshots if row["id"] in ran or row["run_id"] in ids)
        versions = self._with_models()
        return Lineage(versions[artifact_id], versions, self._uses, runs, held, self._is_cut)

    def _go(self, root: str, sign: int) -> None:
        """Walk level by level, until nothing is new, the depth is reached or there are too many."""
        frontier, level, seen = {root}, 0, {root}
        deepest = self._depths[sign]
        while frontier and (deepest is None or level < deepest):
            level += 1
            found = self._next(frontier, sign, sign * level)
            ends = (use.inputs if sign < 0 else use.outputs for use in found)
            frontier = {one for side in ends for one in side.values()} - seen
            seen |= frontier
            self._read_versions({one for use in found for _, _, one in use.sides()} - self._versions.keys())
            # What a damaged or foreign record names may not be there.
            frontier &= self._versions.keys()

    def _next(self, frontier: set[str], sign: int, level: int) -> list[Use]:
        if sign < 0:
            wanted = {self._versions[one].made_by for one in frontier} - self._uses.keys() - {""}
            return self._read_uses(MADE_BY, wanted, level) if wanted else []
        return self._read_uses(READ_BY, frontier, level)

    def _read_uses(self, statement: str, ids: Iterable[str], level: int) -> list[Use]:
        room = self._most - len(self._uses)
        # One more than there is room for tells whether there are more; those met before take room too.
        rows = self._rows(statement, ids, most=room + len(self._uses) + 1)
        by_step: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            by_step.setdefault(row["id"], []).append(row)
        new = [_use_in(of_one, level) for step_id, of_one in by_step.items() if step_id not in self._uses]
        self._is_cut = self._is_cut or len(new) > room
        self._uses |= {use.step_id: use for use in new[:room]}
        return new[:room]

    def _read_versions(self, ids: set[str]) -> None:
        if ids:
            self._versions |= {row["id"]: _version_in(row) for row in self._rows(VERSIONS, ids)}

    def _runs(self) -> dict[str, CrossingRun]:
        ids = {use.run_id for use in self._uses.values()}
        return {row["id"]: _run_in(row) for row in self._rows(RUNS, ids)} if ids else {}

    def _with_models(self) -> dict[str, VersionNode]:
        heads = [head_of(one) for one in self._versions]
        labels: dict[str, list[str]] = {}
        known = self._workspace.catalog.state().versions
        for row in self._workspace.catalog.rows(HELD_BY_MODELS, {"heads": heads}):
            version = known.get(row["version_id"])
            if version is not None:
                labels.setdefault(row["entity_id"], []).append(f"{version['model']}@{version['name']}")
        return {one: replace(node, models=tuple(sorted(labels.get(one, ())))) for one, node in self._versions.items()}

    def _rows(self, statement: str, ids: Iterable[str], **more: int) -> list[dict[str, Any]]:
        listed = sorted(ids)
        return self._workspace.catalog.rows(statement, {"ids": listed, "heads": list(map(head_of, listed)), **more})


def _use_in(rows: list[Mapping[str, Any]], level: int) -> Use:
    sides: dict[str, dict[str, str]] = {"in": {}, "out": {}}
    for row in rows:
        sides[row["direction"]][row["name"]] = row["artifact_id"]
    first = rows[0]
    return Use(first["run_id"], first["id"], first["node"], sides["in"], sides["out"], Status(first["status"]), level)


def _version_in(row: Mapping[str, Any]) -> VersionNode:
    return VersionNode(row["id"], row["name"], row["number"], row["type_name"], row["step_id"] or "")


def _run_in(row: Mapping[str, Any]) -> CrossingRun:
    started = as_instant(row["started"]) if row["started"] is not None else None
    return CrossingRun(
        row["id"], row["name"] or "", row["pipeline"] or "", Status(row["status"]), started, row["snapshot_id"] or ""
    )
