"""Finding a snapshot: by what names it, or as the newest of its pipeline.

All that is asked here the operation log's own state answers; no query is asked, and no content is
read. Listing by tags, metrics and times is `services.snapshots`.
"""

from __future__ import annotations

from nbpipe.errors import NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.refs import Kind
from nbpipe.records.state import OperationState, Row
from nbpipe.services.resolve import resolve
from nbpipe.services.snapshot_records import Snapshot, snapshot_in
from nbpipe.services.workspace import Workspace


def find_snapshot(workspace: Workspace, ref: object, pipeline: str | None = None) -> Snapshot:
    """Find a snapshot.

    Args:
        workspace: Where it is kept.
        ref: A name, `pipeline/name`, an id, a unique prefix of one, or a record.
        pipeline: Its pipeline, where a name alone would be ambiguous.

    Raises:
        NotFoundError: There is none.
        AmbiguousNameError: Several pipelines have one of that name.
    """
    if isinstance(ref, Snapshot):
        return ref
    rows = snapshot_rows(workspace.catalog.state())
    if pipeline is not None and isinstance(ref, str) and ref.strip():
        own = next((row for row in rows if (row["pipeline"], row["name"]) == (pipeline, ref.strip())), None)
        if own is not None:
            return snapshot_in(own, workspace)
    found = workspace.catalog.state().snapshots.get(resolve(workspace, ref, Kind.SNAPSHOT).id)
    if found is None or pipeline not in (None, found["pipeline"]):
        raise NotFoundError("snapshot", shorten(ref), [row["name"] for row in rows if row["name"]])
    return snapshot_in(found, workspace)


def latest_snapshot(workspace: Workspace, pipeline: str) -> Snapshot:
    """Give the newest named snapshot of a pipeline.

    Raises:
        NotFoundError: It has none.
    """
    named = [row for row in snapshot_rows(workspace.catalog.state()) if row["name"]]
    own = [row for row in named if row["pipeline"] == pipeline]
    if not own:
        raise NotFoundError("pipeline with a named snapshot", pipeline, {row["pipeline"] for row in named})
    return snapshot_in(own[-1], workspace)


def snapshot_rows(state: OperationState) -> list[Row]:
    """Give the snapshots that there are, in the order in which they were made."""
    return [row for row in state.snapshots.values() if row is not None]
