"""Whom an exclusive tag can have for a holder, and how far a cascading one goes from a run.

The rules of the words are `records.tags`. What is asked here needs the catalog: how a run ended, and
what it made or reused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from nbpipe.catalog.finding import by_head, near
from nbpipe.catalog.heads import head_of
from nbpipe.errors import ConflictError
from nbpipe.records.refs import Kind, Target
from nbpipe.records.runs import Status
from nbpipe.records.tags import Tag
from nbpipe.services.workspace import Workspace

RUNS = """
    WITH near AS MATERIALIZED (FROM keyed.runs WHERE id_head IN (SELECT unnest($heads::BIGINT[])))
    SELECT id, status, kind FROM near WHERE list_contains($ids, id)
"""
MADE = f"""
    {near("lineage", "run_head")},
    given AS (SELECT DISTINCT artifact_id, artifact_head FROM near WHERE run_id = $run AND direction = 'out')
    SELECT a.id, a.name, a.number FROM keyed.artifacts AS a JOIN given
        ON a.id_head = given.artifact_head AND a.id = given.artifact_id
    ORDER BY a.seq
"""  # noqa: S608 — made of constants
_ENDED_BADLY = {Status.FAILED: "failed", Status.INTERRUPTED: "was interrupted"}


def refusals(workspace: Workspace, exclusive: Sequence[Tag], targets: Sequence[Target]) -> Iterator[ConflictError]:
    """Say what stands against putting exclusive tags on these targets.

    Args:
        workspace: Where the targets are.
        exclusive: The tags.
        targets: What is to get all of them.
    """
    if not exclusive:
        return
    places = Counter((target.kind, target.scope) for target in targets if target.scope)
    for (kind, scope), count in places.items():
        if count > 1:
            yield ConflictError(
                f"Tag {exclusive[0].name!r} is exclusive: one {kind.value} of {scope!r} can hold it, "
                "and several are given."
            )
    runs = {target.id: target for target in targets if target.kind is Kind.RUN}
    if not runs:
        return
    asked = {"ids": list(runs), "heads": [head_of(run_id) for run_id in runs]}
    for row in workspace.catalog.rows(RUNS, asked):
        why = _unfit(row["status"], row["kind"])
        if why:
            yield ConflictError(
                f"Tag {exclusive[0].name!r} is exclusive, and run {runs[row['id']].label} {why}; "
                "only a run that succeeded can hold it."
            )


def made_by(workspace: Workspace, targets: Sequence[Target]) -> tuple[Target, ...]:
    """Give the artifact versions that the runs among `targets` made or reused, those of one name oldest first."""
    found: dict[str, Target] = {}
    for run in targets:
        if run.kind is Kind.RUN:
            for row in workspace.catalog.rows(MADE, by_head(run=run.id)):
                label = row["name"] if row["number"] is None else f"{row['name']}@{row['number']}"
                found[row["id"]] = Target(Kind.ARTIFACT_VERSION, row["id"], row["name"], label)
    return tuple(found.values())


def _unfit(status: str, kind: str) -> str:
    if kind == "interactive":
        return "is of cells that were run by hand"
    if status == Status.RUNNING:
        return "has not ended"
    return _ENDED_BADLY.get(Status(status), "")
