"""Pipelines as the workspace knows them: by name, through their runs and snapshots.

A pipeline that was defined and never run is not known here: its definition lives in the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from nbpipe.records.base import shorten
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.services.deleting import delete_pipeline, dependents_of_pipeline
from nbpipe.services.dependents import Dependent
from nbpipe.services.displaying import Displayed
from nbpipe.services.filters import bears
from nbpipe.services.instants import as_instant
from nbpipe.services.listing import Listing, checked_limit
from nbpipe.services.recorded import Run, run_with_id
from nbpipe.services.resolve import resolve
from nbpipe.services.tags import tags_of
from nbpipe.services.workspace import Workspace

PIPELINES = """
    SELECT p.name, count(r.id) AS runs, max(r.started) AS last_started, arg_max(r.id, r.seq) AS last_run,
           arg_max(r.status, r.seq) AS last_status, max(r.seq) AS newest,
           (SELECT count(*) FROM snapshots AS s WHERE s.pipeline = p.name) AS snapshots
    FROM (SELECT pipeline AS name FROM runs UNION SELECT pipeline FROM snapshots) AS p
    LEFT JOIN runs AS r ON r.pipeline = p.name
    WHERE p.name IS NOT NULL AND ($name IS NULL OR p.name = $name) AND {tagged}
    GROUP BY p.name ORDER BY newest DESC NULLS LAST, p.name LIMIT $limit
"""


@dataclass(frozen=True, slots=True)
class PipelineRecord(Displayed):
    """A pipeline that has runs or snapshots.

    Attributes:
        name: Its name.
        runs: How many runs it has.
        snapshots: How many snapshots.
        last_run: The id of its newest run, or `""`.
        last_status: What became of that one, or `""`.
        last_started: When that one started; `None` if there is none.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "name": "text",
        "runs": "int",
        "snapshots": "int",
        "last_run": "text",
        "last_status": "text",
        "last_started": "instant",
    }

    name: str
    runs: int
    snapshots: int
    last_run: str
    last_status: str
    last_started: datetime | None
    _workspace: Workspace = field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<PipelineRecord {shorten(self.name)}: {self.runs:,} runs, {self.snapshots:,} snapshots>"

    @property
    def ref(self) -> EntityRef:
        """What points at this pipeline."""
        return EntityRef(Kind.PIPELINE, self.name)

    @property
    def tags(self) -> list[str]:
        """The tags that the pipeline itself bears now; those of its definition are on its runs."""
        return tags_of(self._workspace, Kind.PIPELINE, self.name)

    @property
    def newest(self) -> Run | None:
        """Its newest run; `None` if it has none."""
        return run_with_id(self._workspace, self.last_run) if self.last_run else None

    def as_row(self) -> dict[str, Any]:
        """Give the pipeline's facts by column."""
        return {
            "name": self.name,
            "runs": self.runs,
            "snapshots": self.snapshots,
            "last_run": self.last_run,
            "last_status": self.last_status,
            "last_started": self.last_started,
        }


class PipelineService:
    """What may be asked of pipelines.

    Args:
        workspace: Where their runs are kept.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def get(self, ref: object) -> PipelineRecord:
        """Give a pipeline by its name or definition.

        Raises:
            NotFoundError: None of that name has a run or a snapshot.
        """
        name = resolve(self._workspace, ref, Kind.PIPELINE).id
        sql = PIPELINES.format(tagged="true")
        row = self._workspace.catalog.rows(sql, {"name": name, "limit": 1})[0]
        return _pipeline_in(row, self._workspace)

    def list(
        self,
        *,
        tags: Sequence[str] | None = None,
        any_tags: Sequence[str] | None = None,
        tag_prefix: str = "",
        tag_contains: str = "",
        limit: int | None = None,
    ) -> Listing[PipelineRecord]:
        """List pipelines, the one that ran last first; filters look at the tags of the pipelines themselves.

        Raises:
            BadValueError: A filter of the wrong form.
        """
        tagged = bears(
            Kind.PIPELINE, "p.name", tags=tags, any_tags=any_tags, tag_prefix=tag_prefix, tag_contains=tag_contains
        )
        sql = PIPELINES.format(tagged=tagged.sql)
        asked = {"name": None, "limit": checked_limit(limit), **tagged.parameters}
        rows = self._workspace.catalog.rows(sql, asked)
        return Listing((_pipeline_in(row, self._workspace) for row in rows), PipelineRecord)

    def dependents(self, ref: object) -> Listing[Dependent]:
        """Say what would go with a pipeline, and what stands in the way.

        Raises:
            NotFoundError: There is no such pipeline.
        """
        return dependents_of_pipeline(self._workspace, self.get(ref).name)

    def delete(self, ref: object, *, force: bool = False) -> int:
        """Delete a pipeline with its runs and snapshots; the artifacts that they made stay.

        Args:
            ref: As in `get`.
            force: Also if it has runs or snapshots.

        Returns:
            How many runs went with it.

        Raises:
            NotFoundError: There is no such pipeline.
            ConflictError: It has runs or snapshots and `force` is off; or, whatever `force` says, one of them goes on,
                is scheduled or deployed, or made what is in staging or production.
        """
        return delete_pipeline(self._workspace, self.get(ref).name, force=force)


def _pipeline_in(row: Mapping[str, Any], workspace: Workspace) -> PipelineRecord:
    return PipelineRecord(
        name=row["name"],
        runs=row["runs"],
        snapshots=row["snapshots"],
        last_run=row["last_run"] or "",
        last_status=row["last_status"] or "",
        last_started=None if row["last_started"] is None else as_instant(row["last_started"]),
        _workspace=workspace,
    )
