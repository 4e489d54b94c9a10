"""How snapshots are used: how often each was run, and what became of the last run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from nbpipe.services.instants import as_instant
from nbpipe.services.workspace import Workspace

_USAGE = """
    SELECT snapshot_id, count(*) AS runs, count(*) FILTER (status = 'failed') AS failed, max(started) AS last_started,
           arg_max(id, seq) AS last_run, arg_max(status, seq) AS last_status
    FROM runs WHERE snapshot_id IN (SELECT unnest($ids::VARCHAR[])) GROUP BY snapshot_id
"""


@dataclass(frozen=True, slots=True)
class SnapshotUse:
    """How one snapshot is used.

    Attributes:
        runs: How many runs it has.
        failed: How many of them failed.
        last_run: The id of the newest, or `""`.
        last_status: How that one stands, or `""`.
        last_started: When it began; `None` if there is none.
    """

    runs: int = 0
    failed: int = 0
    last_run: str = ""
    last_status: str = ""
    last_started: datetime | None = None


def use_of_snapshots(workspace: Workspace, ids: Sequence[str]) -> dict[str, SnapshotUse]:
    """Say of each snapshot how it is used, by id; one that was never run is there too.

    Args:
        workspace: Where they are kept.
        ids: Which.

    Raises:
        CatalogError: The catalog cannot be read.
    """
    rows = workspace.catalog.rows(_USAGE, {"ids": list(ids)}) if ids else []
    found = {
        row["snapshot_id"]: SnapshotUse(
            row["runs"],
            row["failed"],
            row["last_run"],
            row["last_status"],
            as_instant(row["last_started"]) if row["last_started"] is not None else None,
        )
        for row in rows
    }
    return {one: found.get(one, SnapshotUse()) for one in ids}
