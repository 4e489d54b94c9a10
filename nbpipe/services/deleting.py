"""Deleting what was recorded: runs, artifact versions, whole pipelines, and what depends on them.

What is deleted is in no listing any more and can no longer be found, loaded or reused. Its facts
stay in the logs, which are only ever appended to; its bytes go with the next `catalog gc`, unless
something else is made of the same ones. Nothing is deleted with a run or a version; a pipeline
goes with its runs and snapshots, since without them there is none. What becomes of what depends
on it is told beforehand; that it is not in use is asked once more as the deletion is decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from nbpipe.catalog.heads import head_of
from nbpipe.errors import ConflictError
from nbpipe.records.deletion import users_of
from nbpipe.records.models import SINGLE_HOLDER
from nbpipe.records.operations import DeleteArtifacts, DeletePipeline, DeleteRuns
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.services.dependents import Dependent, check_nothing_hinders, many, stay
from nbpipe.services.listing import Listing
from nbpipe.services.workspace import Workspace

MADE = """
    SELECT count(*) AS n FROM keyed.artifacts WHERE run_id IN (SELECT unnest($ids::VARCHAR[]))
"""
TRIGGERED = """
    SELECT count(*) AS n FROM runs WHERE parent_run_id IN (SELECT unnest($ids::VARCHAR[]))
    AND id NOT IN (SELECT unnest($ids::VARCHAR[]))
"""
EXCLUSIVE_ON = """
    SELECT DISTINCT tag FROM (FROM keyed.tags WHERE entity_head IN (SELECT unnest($heads::BIGINT[])))
    WHERE exclusive AND entity_kind = $kind AND entity_id IN (SELECT unnest($ids::VARCHAR[])) ORDER BY tag
"""
READERS = """
    SELECT count(DISTINCT run_id) AS n FROM (
        FROM keyed.lineage WHERE artifact_head IN (SELECT unnest($heads::BIGINT[])))
    WHERE direction = 'in' AND artifact_id IN (SELECT unnest($ids::VARCHAR[]))
"""
VERSIONS_OF = """
    SELECT DISTINCT link.version_id AS id FROM (
        FROM keyed.model_links WHERE entity_head IN (SELECT unnest($heads::BIGINT[]))) AS link
    WHERE link.kind = $kind AND link.entity_id IN (SELECT unnest($ids::VARCHAR[]))
"""
# Artifacts of which these versions are the last.
LAST_OF = """
    WITH named AS MATERIALIZED (
        SELECT DISTINCT name FROM (FROM keyed.artifacts WHERE id_head IN (SELECT unnest($heads::BIGINT[])))
        WHERE id IN (SELECT unnest($ids::VARCHAR[])))
    SELECT name FROM artifacts WHERE name IN (FROM named)
    GROUP BY name HAVING bool_and(id IN (SELECT unnest($ids::VARCHAR[]))) ORDER BY name
"""
TAGS_ON_NAMED = "SELECT count(*) AS n FROM tags WHERE entity_kind = $kind AND entity_id = $name"
OF_PIPELINE = "SELECT id, coalesce(name, id) AS name, status FROM runs WHERE pipeline = $name"
SNAPSHOTS_OF_PIPELINE = "SELECT id FROM snapshots WHERE pipeline = $name"
RUNS_OF_SNAPSHOT = "SELECT count(*) AS n FROM runs WHERE snapshot_id = $id"


class Recorded(Protocol):
    """A run, as far as it matters here."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def status(self) -> Status:
        """How it stands."""


# Runs --------------------------------------------------------------------------------------


def dependents_of_runs(workspace: Workspace, ids: Sequence[str]) -> Listing[Dependent]:
    """Say what depends on runs, given by their full ids."""
    asked = _asked(ids)
    made = _count(workspace, MADE, asked)
    triggered = _count(workspace, TRIGGERED, asked)
    found = []
    if made:
        found.append(
            Dependent("artifact version", made, f"{many(made, 'artifact version')} made by it {stay(made)}", False)
        )
    found += _held_by(workspace, Kind.RUN, asked)
    found += _versions_of(workspace, Kind.RUN, asked)
    if triggered:
        found.append(
            Dependent("run", triggered, f"{many(triggered, 'run')} that its steps triggered {stay(triggered)}", False)
        )
    return Listing(found, Dependent)


def delete_runs(workspace: Workspace, runs: Sequence[Recorded], *, force: bool) -> int:
    """Delete runs, all of them or none, and give their number.

    Raises:
        ConflictError: One still goes on; or one made what is in staging or production, and `force` is off.
    """
    unique = {run.id: run for run in runs}
    for run in unique.values():
        if run.status is Status.RUNNING:
            raise ConflictError(f"Run {run.name!r} still goes on. Stop it, then delete it.")
    if not unique:
        return 0
    if not force:
        label = _label("Run", [run.name for run in unique.values()])
        check_nothing_hinders(label, dependents_of_runs(workspace, list(unique)))
    versions = () if force else _versions_with(workspace, Kind.RUN, _asked(list(unique)))
    workspace.catalog.transact(DeleteRuns(ids=tuple(unique), versions=versions))
    return len(unique)


# Artifact versions -------------------------------------------------------------------------


def dependents_of_artifacts(workspace: Workspace, ids: Sequence[str]) -> Listing[Dependent]:
    """Say what depends on artifact versions, given by their full ids."""
    asked = _asked(ids)
    readers = _count(workspace, READERS, asked)
    found = []
    if readers:
        found.append(Dependent("run", readers, f"{many(readers, 'run')} that read it keep their record", False))
    found += _held_by(workspace, Kind.ARTIFACT_VERSION, asked)
    found += _versions_of(workspace, Kind.ARTIFACT_VERSION, asked)
    for name in _names_left_by(workspace, asked):
        found += _tags_on(workspace, Kind.ARTIFACT, name, f"artifact {name!r}, of which no version is left")
    return Listing(found, Dependent)


def delete_artifacts(workspace: Workspace, named: Mapping[str, str], *, force: bool) -> int:
    """Delete artifact versions, all of them or none, and give their number.

    Args:
        workspace: Where they are.
        named: What each is called, by its full id.
        force: Also what belongs to a model version in staging or production.

    Raises:
        ConflictError: One belongs to a model version in staging or production, and `force` is off.
    """
    if not named:
        return 0
    if not force:
        label = _label("Artifact", list(named.values()))
        check_nothing_hinders(label, dependents_of_artifacts(workspace, list(named)))
    asked = _asked(list(named))
    versions = () if force else _versions_with(workspace, Kind.ARTIFACT_VERSION, asked)
    last = tuple(_names_left_by(workspace, asked))
    workspace.catalog.transact(DeleteArtifacts(ids=tuple(named), versions=versions, names=last))
    return len(named)


# Pipelines and snapshots -------------------------------------------------------------------


def dependents_of_pipeline(workspace: Workspace, name: str) -> Listing[Dependent]:
    """Say what goes with a pipeline, and what stands in the way."""
    asked = {"name": name}
    runs = len(workspace.catalog.rows(OF_PIPELINE, asked))
    snapshots = len(workspace.catalog.rows(SNAPSHOTS_OF_PIPELINE, asked))
    found = []
    if runs:
        found.append(Dependent("run", runs, f"{many(runs, 'run')} would go with it", True))
    if snapshots:
        found.append(Dependent("snapshot", snapshots, f"{many(snapshots, 'snapshot')} would go with it", True))
    found += _tags_on(workspace, Kind.PIPELINE, name, "it")
    found += _in_use(workspace, "pipeline", name)
    return Listing(found, Dependent)


def delete_pipeline(workspace: Workspace, name: str, *, force: bool) -> int:
    """Delete a pipeline with its runs and snapshots, and give the number of those runs.

    Raises:
        ConflictError: One of its runs goes on, or a schedule or deployment uses it; or it has runs or snapshots, and
            `force` is off.
    """
    asked = {"name": name}
    used = _in_use(workspace, "pipeline", name)
    if used:
        raise ConflictError(f"Pipeline {name!r} is not deleted: {'; '.join(one.said for one in used)}.")
    runs = workspace.catalog.rows(OF_PIPELINE, asked)
    running = next((run for run in runs if run["status"] == Status.RUNNING), None)
    if running is not None:
        raise ConflictError(f"Run {running['name']!r} of {name!r} still goes on. Stop it, then delete the pipeline.")
    if not force:
        check_nothing_hinders(f"Pipeline {name!r}", dependents_of_pipeline(workspace, name))
    ids = tuple(run["id"] for run in runs)
    versions = _versions_with(workspace, Kind.RUN, _asked(ids))
    hindering = [one for one in _versions_of(workspace, Kind.RUN, _asked(ids)) if one.hinders]
    if hindering:
        raise ConflictError(
            f"Pipeline {name!r} is not deleted: {hindering[0].said}. Move or delete that version first."
        )
    workspace.catalog.transact(DeletePipeline(name=name, runs=ids, versions=versions))
    return len(ids)


def dependents_of_snapshot(workspace: Workspace, snapshot_id: str) -> Listing[Dependent]:
    """Say what depends on a snapshot: its runs stay, what would run it stands in the way."""
    asked = {"id": snapshot_id}
    runs = _count(workspace, RUNS_OF_SNAPSHOT, asked)
    found = [Dependent("run", runs, f"{many(runs, 'run')} of it {stay(runs)}", False)] if runs else []
    return Listing([*found, *_in_use(workspace, "snapshot_id", snapshot_id)], Dependent)


# -------------------------------------------------------------------------------------------


def _asked(ids: Sequence[str]) -> dict[str, Any]:
    return {"ids": list(ids), "heads": [head_of(one) for one in ids]}


def _count(workspace: Workspace, sql: str, asked: dict[str, Any]) -> int:
    # A statement binds no more than it speaks of.
    needed = {name: value for name, value in asked.items() if f"${name}" in sql}
    return int(workspace.catalog.rows(sql, needed)[0]["n"])


def _held_by(workspace: Workspace, kind: Kind, asked: dict[str, Any]) -> list[Dependent]:
    rows = workspace.catalog.rows(EXCLUSIVE_ON, {**asked, "kind": kind.value})
    return [Dependent("tag", 1, f"nobody would hold the exclusive tag {row['tag']!r}", False) for row in rows]


def _names_left_by(workspace: Workspace, asked: dict[str, Any]) -> list[str]:
    """Give the artifacts of which no version is left once these are deleted."""
    return [row["name"] for row in workspace.catalog.rows(LAST_OF, asked)]


def _tags_on(workspace: Workspace, kind: Kind, name: str, label: str) -> list[Dependent]:
    """Say how many tags something loses that goes by its name alone."""
    count = _count(workspace, TAGS_ON_NAMED, {"kind": kind.value, "name": name})
    said = f"{many(count, 'tag')} {'is' if count == 1 else 'are'} taken from {label}"
    return [Dependent("tag", count, said, False)] if count else []


def _versions_with(workspace: Workspace, kind: Kind, asked: dict[str, Any]) -> tuple[str, ...]:
    """Give the ids of the model versions to which any of these things belongs."""
    return tuple(row["id"] for row in workspace.catalog.rows(VERSIONS_OF, {**asked, "kind": kind.value}))


def _versions_of(workspace: Workspace, kind: Kind, asked: dict[str, Any]) -> list[Dependent]:
    versions = workspace.catalog.state().versions
    found = []
    for version_id in _versions_with(workspace, kind, asked):
        row = versions.get(version_id)
        if row is None:
            continue
        is_in_use = row["stage"] in set(SINGLE_HOLDER)
        stands = f", which is in {row['stage']}" if is_in_use else ""
        said = f"it belongs to model version {row['model']}@{row['number']}{stands}"
        found.append(Dependent("model version", 1, said, is_in_use))
    return sorted(found, key=lambda one: (not one.hinders, one.said))


def _in_use(workspace: Workspace, column: str, value: str) -> list[Dependent]:
    """Say which schedules and deployments use a pipeline or a snapshot."""
    cures = {"schedule": "delete it", "deployment": "stop it"}
    return [
        Dependent(kind, 1, f"{kind} {name!r} uses it: {cures[kind]} first", True)
        for kind, name in users_of(workspace.catalog.state(), column, value)
    ]


def _label(kind: str, names: Sequence[str]) -> str:
    return f"{kind} {names[0]!r}" if len(names) == 1 else f"{kind} {names[0]!r} and {len(names) - 1} more"
