"""Pipelines as the workspace knows them: by name, through their runs and snapshots.

A pipeline that was defined and never run is not known here: its definition lives in the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from nbpipe.base.displaying import Displayed
from nbpipe.errors import NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.records.runs import Status
from nbpipe.services.deleting import delete_pipeline, dependents_of_pipeline
from nbpipe.services.dependents import Dependent
from nbpipe.services.filters import Conditions, all_of, bears, during, equal, named, one_of, refuse_unknown, words_of
from nbpipe.services.instants import as_instant
from nbpipe.services.listing import Listing, checked_limit
from nbpipe.services.ordering import Order, parse_order
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
    WHERE p.name IS NOT NULL AND {fits}
    GROUP BY p.name HAVING {last_fits} ORDER BY {order} newest DESC NULLS LAST, p.name LIMIT $limit
"""
# By which columns pipelines can be ordered.
SORTABLE = ("name", "runs", "snapshots", "last_started", "last_status")


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
        """The run that was its newest when it was read; `None` if it had none, or if that one was deleted since."""
        try:
            return run_with_id(self._workspace, self.last_run) if self.last_run else None
        except NotFoundError:
            return None

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
        return self._listed(equal("p.name", "name", name), limit=1)[0]

    def list(
        self,
        *,
        name: str | None = None,
        name_prefix: str = "",
        name_contains: str = "",
        status: str | Status | Sequence[str | Status] | None = None,
        tags: Sequence[str] | None = None,
        any_tags: Sequence[str] | None = None,
        tag_prefix: str = "",
        tag_contains: str = "",
        since: object = None,
        until: object = None,
        order_by: str | None = None,
        limit: int | None = None,
        **unknown: object,
    ) -> Listing[PipelineRecord]:
        """List pipelines, the one that ran last first; filters look at the tags of the pipelines themselves.

        Args:
            name: The one of this name.
            name_prefix: Those whose name begins so.
            name_contains: Those whose name has this in it.
            status: Those whose newest run stands so, or in one of several ways.
            tags: Those that bear all of these.
            any_tags: Those that bear one of these.
            tag_prefix: Those with a tag that begins so.
            tag_contains: Those with a tag that holds this.
            since: Those that ran last then or later: a `datetime`, ISO text, a `timedelta` or `"2h"` ago.
            until: Those that ran last before then.
            order_by: Another order: `"name"`, `"-runs"`, `"snapshots desc"`.
            limit: How many at most; `None` for all.
            unknown: Whatever is no filter, to be refused.

        Raises:
            BadValueError: A filter that there is not, or whose value does not fit.
        """
        refuse_unknown("Pipelines", self.list, unknown)
        fits = all_of(
            named("p.name", name=name, name_prefix=name_prefix, name_contains=name_contains),
            bears(
                Kind.PIPELINE, "p.name", tags=tags, any_tags=any_tags, tag_prefix=tag_prefix, tag_contains=tag_contains
            ),
        )
        last_fits = all_of(
            during("last_started", since, until), one_of("last_status", "statuses", words_of("status", Status, status))
        )
        order = None if order_by is None else parse_order(order_by, SORTABLE)
        return self._listed(fits, last_fits, order, limit=limit)

    def _listed(
        self, fits: Conditions, last_fits: Conditions | None = None, order: Order | None = None, *, limit: int | None
    ) -> Listing[PipelineRecord]:
        both = all_of(fits, last_fits or Conditions())
        sql = PIPELINES.format(
            fits=fits.sql,
            last_fits=last_fits.sql if last_fits is not None else "true",
            order=f"{order.by} {order.direction} NULLS LAST," if order is not None else "",
        )
        rows = self._workspace.catalog.rows(sql, {**both.parameters, "limit": checked_limit(limit)})
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
