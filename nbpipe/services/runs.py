"""Runs: started, found again, listed and followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nbpipe.base.ids import is_uuid_like
from nbpipe.catalog.finding import Moment
from nbpipe.errors import NotFoundError
from nbpipe.records.base import plain_name
from nbpipe.records.operations import RenameRun
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.services.compared import ComparedRuns
from nbpipe.services.comparing import compare_runs
from nbpipe.services.deleting import delete_runs, dependents_of_runs
from nbpipe.services.dependents import Dependent, each_of
from nbpipe.services.explaining import Explanation, explain
from nbpipe.services.filters import all_of, bears, during, equal, named, one_of, refuse_unknown, words_of
from nbpipe.services.listing import Listing, checked_limit
from nbpipe.services.logs import StepLog
from nbpipe.services.noted import notes
from nbpipe.services.ordering import check_one_order, in_order
from nbpipe.services.pointing import as_ref
from nbpipe.services.recorded import COLUMNS, PATIENCE_S, Run, run_in, with_ends
from nbpipe.services.resolve import find_run, linked, resolve
from nbpipe.services.resuming import alone, resumed_request
from nbpipe.services.run_handle import RunHandle
from nbpipe.services.seen_runs import RunsSeen
from nbpipe.services.starting import RunInProgress, RunRequest
from nbpipe.services.step_runs import StepRun
from nbpipe.services.workspace import Workspace

__all__ = ["Run", "RunService", "StepRun"]

# By which columns runs can be ordered, beside their metrics.
SORTABLE = ("started", "ended", "duration_s", "name", "pipeline", "status")
LINKED_TO = """(model_version_id = $model_version OR id IN (
    SELECT entity_id FROM keyed.model_links WHERE version_id = $model_version AND kind = 'run'))"""


class RunService:
    """What may be asked of runs.

    Args:
        workspace: Where they are recorded.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def start(self, request: RunRequest) -> RunHandle:
        """Check a request, write the run down and run it in a thread of its own.

        Raises:
            NbpipeError: The request is refused; nothing was written.
        """
        seen = RunsSeen(self._workspace)
        started: RunInProgress | None = None
        try:
            with alone(self._workspace, request):
                started = RunInProgress(self._workspace, request)
            return RunHandle(started, seen.run, seen.step)
        except KeyboardInterrupt:
            if started is not None:
                started.abandon()
            raise

    def resume(self, run: object, **secrets: Any) -> Run:
        """Go on from a run that failed or was stopped, in a new run, with the code and the values that it had.

        What it had completed or reused is taken from it, steps with `cache=False` too; the rest runs.

        Args:
            run: As in `get`.
            secrets: Values of secrets, which are not kept: `key="…"`, or `**{"train.key": "…"}` for one step.

        Raises:
            NotFoundError: There is no such run.
            ConflictError: It goes on still, or it has completed.
            ParameterError: Secrets have to be given again; they are named.
            StepFailedError: A step failed again.
        """
        resumed: Run = self.start(resumed_request(self._workspace, run, secrets)).wait()
        return resumed

    def stop(self, run: object, timeout_s: float = PATIENCE_S) -> Run:
        """Ask a run to stop, in whatever process it goes on, and wait for its end; what was done before is kept.

        Args:
            run: As in `get`.
            timeout_s: How long to wait at most, in seconds: a C call is not interrupted.

        Returns:
            The run as it stands then.

        Raises:
            NotFoundError: There is no such run.
            ConflictError: It is over.
            BadValueError: It is a notebook's session.
        """
        return self.get(run).stop(timeout_s)

    def logs(self, run: object, step: str | None = None) -> list[StepLog]:
        """Give what the steps of a run printed, each attempt for itself.

        Args:
            run: As in `get`.
            step: Only this step, by its name in the graph.

        Raises:
            NotFoundError: There is no such run, or it has no such step.
        """
        return self.get(run).logs(step)

    # Finding ---------------------------------------------------------------------------------

    def get(self, ref: object) -> Run:
        """Find a run.

        Args:
            ref: An id, a unique prefix of one, a name, or a record.

        Raises:
            NotFoundError: There is none; the nearest names are told.
            AmbiguousNameError: There are several.
        """
        found = self._workspace.catalog.found

        def read(sql: str, asked: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
            return with_ends(self._workspace, lambda: found("runs", COLUMNS, sql, asked))

        return run_in(find_run(self._workspace, as_ref(ref, Kind.RUN), read), self._workspace)

    def _snapshot_id(self, snapshot: object) -> str | None:
        if snapshot is None or (isinstance(snapshot, str) and is_uuid_like(snapshot)):
            return snapshot
        return resolve(self._workspace, snapshot, Kind.SNAPSHOT).id

    def list(
        self,
        *,
        pipeline: str | None = None,
        snapshot: object = None,
        status: str | Status | Sequence[str | Status] | None = None,
        parent: str | None = None,
        model_version: object = None,
        name: str | None = None,
        name_prefix: str = "",
        name_contains: str = "",
        tags: Sequence[str] | None = None,
        any_tags: Sequence[str] | None = None,
        tag_prefix: str = "",
        tag_contains: str = "",
        where: str | Sequence[str] | None = None,
        metadata: Mapping[Any, Any] | None = None,
        since: object = None,
        until: object = None,
        order_by: str | None = None,
        before: object = None,
        limit: int | None = 50,
        **unknown: object,
    ) -> Listing[Run]:
        """List runs, newest first.

        The last of one page is `before` of the next.

        Args:
            pipeline: Of this pipeline.
            snapshot: Of this snapshot: a name, an id, or a record; one that was deleted goes by its id.
            status: That stand so, or in one of several ways.
            parent: That a step of the run with this id asked for.
            model_version: That worked on this model version: `"iris@3"`, `"iris@production"`, an id or a record.
            name: Of this name.
            name_prefix: Whose name begins so.
            name_contains: Whose name has this in it.
            tags: That bear all of these tags.
            any_tags: That bear any of these.
            tag_prefix: That bear a tag that begins so.
            tag_contains: That bear a tag with this in it.
            where: Comparisons of metrics: `"evaluation_metrics.accuracy > 0.8 and loss < 0.2"`, or a list of them.
            metadata: Values in the metadata, by dotted path: `{"dataset.rows": 344}`.
            since: That started then or later: a `datetime`, ISO text, a `timedelta` or `"2h"` ago; without a zone,
                local.
            until: That started before then.
            order_by: Another order than the newest first: `"-duration_s"`, `"evaluation_metrics.accuracy desc"`; by a
                metric only those that have it.
            before: Only runs that are older than this one: an id, a name or a record.
            limit: How many at most; `None` for all.
            unknown: Whatever is no filter, to be refused.

        Raises:
            BadValueError: A filter that there is not, or whose value does not fit.
            NotFoundError: There is no such run as `before`, no such snapshot, or no such model version.
        """
        refuse_unknown("Runs", self.list, unknown)
        fits = all_of(
            equal("pipeline", "pipeline", pipeline),
            equal("snapshot_id", "snapshot", self._snapshot_id(snapshot)),
            equal("parent_run_id", "parent", parent),
            one_of("status", "statuses", words_of("status", Status, status)),
            named("name", name=name, name_prefix=name_prefix, name_contains=name_contains),
            during("started", since, until),
            bears(Kind.RUN, "id", tags=tags, any_tags=any_tags, tag_prefix=tag_prefix, tag_contains=tag_contains),
            notes(Kind.RUN, where=where, metadata=metadata, view="runs" if order_by is None else ""),
            linked(self._workspace, LINKED_TO, model_version),
        )
        limit, catalog = checked_limit(limit), self._workspace.catalog
        check_one_order(order_by, before)

        def ask() -> Sequence[Mapping[str, Any]]:
            with catalog.moment() as moment:
                if order_by is None:
                    older_than = None if before is None else self._number(moment, before)
                    asked = fits.parameters
                    return moment.newest("runs", COLUMNS, fits.sql, asked, limit=limit or 2**62, before=older_than)
                return in_order(
                    moment,
                    Kind.RUN,
                    view="runs",
                    columns=COLUMNS,
                    fits=fits,
                    order_by=order_by,
                    sortable=SORTABLE,
                    limit=limit,
                )

        return Listing((run_in(row, self._workspace) for row in with_ends(self._workspace, ask)), Run)

    def _number(self, moment: Moment, ref: object) -> int:
        read = partial(moment.found, "runs", "seq, id, name")
        return int(find_run(self._workspace, as_ref(ref, Kind.RUN), read)["seq"])

    def newest(self) -> Run:
        """Give the run that was started last.

        Raises:
            NotFoundError: Nothing has run in this workspace.
        """
        found = self.list(limit=1)
        if not found:
            raise NotFoundError("run", "the newest")
        return found[0]

    def rename(self, ref: object, to: str) -> Run:
        """Give a run another name; two runs may have the same.

        Raises:
            BadValueError: It cannot be a name.
            NotFoundError: There is no such run.
        """
        run = self.get(ref)
        self._workspace.catalog.transact(RenameRun(id=run.id, to=plain_name("run", to)))
        return self.get(run.id)

    def dependents(self, ref: object) -> Listing[Dependent]:
        """Say what depends on a run, or on several.

        Raises:
            NotFoundError: There is no such run.
        """
        return dependents_of_runs(self._workspace, [self.get(one).id for one in each_of(ref)])

    def delete(self, ref: object, *, force: bool = False) -> int:
        """Delete a run, or a list of runs, with their steps; the artifacts that they made stay.

        Args:
            ref: One as in `get`, or a list of those.
            force: Also if what it made is in staging or production.

        Returns:
            How many were deleted.

        Raises:
            NotFoundError: There is no such run; nothing was deleted.
            ConflictError: It still goes on, or what it made is in use and `force` is off.
        """
        return delete_runs(self._workspace, [self.get(one) for one in each_of(ref)], force=force)

    def explain(self, ref: object, step: str | None = None) -> Listing[Explanation]:
        """Say why each step of a run ran or was reused.

        Args:
            ref: As in `get`.
            step: Only this step, by its name in the graph.

        Raises:
            NotFoundError: There is no such run, or it has no such step.
        """
        return Listing(explain(self._workspace, self.get(ref), step), Explanation)

    def compare(self, *refs: object) -> ComparedRuns:
        """Put two runs or more side by side.

        Args:
            refs: The runs, each as in `get`.

        Raises:
            BadValueError: Fewer than two, too many, or the same run twice.
            NotFoundError: There is no such run; the nearest names are told.
            AmbiguousNameError: There are several.
        """
        return compare_runs(self._workspace, refs)
