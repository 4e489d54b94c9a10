"""Deleting a model or one of its versions, and what depends on it.

Runs and artifacts stay, and so do the numbers: none is given out again. What goes is the
version's place (its stage, its tags) and the way to its metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbpipe.records.models import SINGLE_HOLDER, ModelStages
from nbpipe.records.operations import DeleteModel, DeleteModelVersion
from nbpipe.services.dependents import Dependent, many, stay
from nbpipe.services.listing import Listing
from nbpipe.services.versions import ModelVersion
from nbpipe.services.workspace import Workspace

LINKED = """
    SELECT kind, count(DISTINCT entity_id) AS n FROM model_links
    WHERE list_contains($ids, version_id) GROUP BY kind
"""
TAGS_ON_VERSIONS = """
    SELECT entity_id, tag FROM tags WHERE entity_kind = 'model_version' AND list_contains($ids, entity_id)
"""
NOTED = """
    SELECT count(*) AS n FROM (
        SELECT DISTINCT entity_id, key FROM metadata
        WHERE entity_kind = 'model_version' AND list_contains($ids, entity_id))
"""


def dependents_of_versions(workspace: Workspace, versions: Sequence[ModelVersion]) -> Listing[Dependent]:
    """Say what depends on versions of a model."""
    ids = [version.id for version in versions]
    linked = {row["kind"]: row["n"] for row in workspace.catalog.rows(LINKED, {"ids": ids})}
    found = [_in_stage(version) for version in versions if version.stage in SINGLE_HOLDER]
    runs, artifacts = linked.get("run", 0), linked.get("artifact_version", 0)
    if runs:
        found.append(Dependent("run", runs, f"{many(runs, 'run')} that worked on it {stay(runs)}", hinders=False))
    if artifacts:
        said = f"{many(artifacts, 'artifact version')} of it {stay(artifacts)}"
        found.append(Dependent("artifact version", artifacts, said, hinders=False))
    noted = workspace.catalog.rows(NOTED, {"ids": ids})[0]["n"]
    if noted:
        found.append(
            Dependent("metadata", noted, f"{many(noted, 'key')} of its metadata {_are(noted)} lost", hinders=False)
        )
    tagged = workspace.catalog.rows(TAGS_ON_VERSIONS, {"ids": ids})
    if tagged:
        said = f"{many(len(tagged), 'tag')} {_are(len(tagged))} taken from it"
        found.append(Dependent("tag", len(tagged), said, hinders=False))
    return Listing(found, Dependent)


def _in_stage(version: ModelVersion) -> Dependent:
    stage = version.stage.value
    said = f"{version.label} is in {stage}: whoever loads from {stage} finds nobody"
    return Dependent("stage", 1, said, hinders=version.stage is ModelStages.PRODUCTION)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def delete_version(workspace: Workspace, version: ModelVersion, *, force: bool) -> dict[str, Any]:
    """Delete a version, and give its row as it was."""
    return workspace.catalog.transact(DeleteModelVersion(model=version.model, version=version.id, force=force))


def delete_model(workspace: Workspace, name: str, *, force: bool) -> None:
    """Delete a model with all of its versions."""
    workspace.catalog.transact(DeleteModel(name=name, force=force))
