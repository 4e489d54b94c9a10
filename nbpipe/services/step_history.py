"""What earlier runs tell of a step: how long it usually takes, and the text that one execution had."""

from __future__ import annotations

from collections.abc import Mapping

from nbpipe.catalog.finding import by_head, near
from nbpipe.catalog.heads import head_of
from nbpipe.records.runs import Status
from nbpipe.services.explaining import sources_of
from nbpipe.services.runs import RunService
from nbpipe.services.workspace import Workspace

_EARLIER = 5
_TOOK = """
    WITH near AS MATERIALIZED (
        SELECT run_id, node, status, duration_s FROM keyed.steps
        WHERE run_head IN (SELECT unnest($heads::BIGINT[])))
    SELECT node, median(duration_s) AS usual_s FROM near
    WHERE run_id IN (SELECT unnest($ids::VARCHAR[])) AND status = 'completed' AND duration_s IS NOT NULL
    GROUP BY node
"""
_SOURCE = f"{near('steps', 'id_head')} SELECT source FROM near WHERE id = $id"  # noqa: S608 — made of constants


def usual_durations(workspace: Workspace, pipeline: str) -> tuple[Mapping[str, float], float | None]:
    """Say how long the steps of a pipeline took where they were executed, by its last few completed runs.

    Returns:
        By node, the median in seconds; and that of the runs themselves in which all was executed, `None` if none was.
    """
    runs = RunService(workspace).list(pipeline=pipeline, status=Status.COMPLETED, limit=_EARLIER)
    ids = [run.id for run in runs]
    if not ids:
        return {}, None
    rows = workspace.catalog.rows(_TOOK, {"ids": ids, "heads": [head_of(one) for one in ids]})
    usual = {row["node"]: float(row["usual_s"]) for row in rows}
    # A run that reused everything says nothing of how long the next one takes.
    least_s = max(usual.values(), default=0.0)
    whole = sorted(run.duration_s for run in runs if run.duration_s and run.duration_s >= least_s)
    return usual, whole[len(whole) // 2] if whole else None


def texts_of_step(workspace: Workspace, step_id: str) -> Mapping[str, str]:
    """Give the text of one execution of a step under `""`, and of each thing that it leaned on by its name.

    A reused execution that was given no text of its own has none; versions of packages are texts too.
    """
    rows = workspace.catalog.rows(_SOURCE, by_head(id=step_id))
    digest = rows[0]["source"] if rows else None
    if not digest:
        return {}
    parts = sources_of(workspace, [digest]).get(digest, {}).get("parts", {})
    return {name: str(text) for name, (_, text) in parts.items()}
