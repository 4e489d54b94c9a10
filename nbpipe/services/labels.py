"""How a message names things that are known by kind and id: a run by its name, a version as `raw@7`.

All names are read in one go. What is gone goes by the beginning of its id.
"""

from __future__ import annotations

from collections.abc import Iterable

from nbpipe.catalog.heads import head_of
from nbpipe.records.refs import Kind
from nbpipe.services.workspace import Workspace

Thing = tuple[str, str]

NAMES = """
    WITH wanted AS (SELECT unnest($heads::BIGINT[]) AS head),
    found AS MATERIALIZED (
        SELECT 'run' AS kind, id, name FROM keyed.runs WHERE id_head IN (FROM wanted)
        UNION ALL
        SELECT 'artifact_version', id, name || coalesce('@' || number::VARCHAR, '')
        FROM keyed.artifacts WHERE id_head IN (FROM wanted))
    SELECT kind, id, name FROM found WHERE name IS NOT NULL
"""
_KNOWN_BY_NAME = {Kind.PIPELINE.value, Kind.ARTIFACT.value, Kind.MODEL.value}


def labels_of(workspace: Workspace, things: Iterable[Thing]) -> dict[Thing, str]:
    """Give each thing's name.

    Args:
        workspace: Where they are.
        things: The kind and the id of each.
    """
    labels = {(kind, id_): id_ if kind in _KNOWN_BY_NAME else id_[:8] for kind, id_ in things}
    asked = [head_of(id_) for kind, id_ in labels if kind in (Kind.RUN, Kind.ARTIFACT_VERSION)]
    named = {(row["kind"], row["id"]): row["name"] for row in workspace.catalog.rows(NAMES, {"heads": asked})}
    state = workspace.catalog.state()
    for kind, id_ in labels:
        version = state.versions.get(id_) if kind == Kind.MODEL_VERSION else None
        snapshot = state.snapshots.get(id_) if kind == Kind.SNAPSHOT else None
        if version is not None:
            named[kind, id_] = f"{version['model']}@{version['name']}"
        elif snapshot is not None and snapshot["name"]:
            named[kind, id_] = snapshot["name"]
    return {thing: named.get(thing, label) for thing, label in labels.items()}
