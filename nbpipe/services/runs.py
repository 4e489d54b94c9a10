"""Runs: started, found again, listed and followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any

from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.execute.settled import RunOutcome, Settled
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.metadata import decode, merge, metrics_in
from nbpipe.records.parameters import as_json
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.services.artifacts import Artifact
from nbpipe.services.explaining import Explanation, explain
from nbpipe.services.filters import bears
from nbpipe.services.listing import Listing, checked_limit
from nbpipe.services.pointing import as_ref
from nbpipe.services.recorded import COLUMNS, Run, StepRun, run_in, with_ends
from nbpipe.services.resolve import find_run
from nbpipe.services.starting import RunHandle, RunInProgress, RunRequest
from nbpipe.services.workspace import Workspace

__all__ = ["Run", "RunService", "StepRun", "parse_where"]

FITS = """
    ($pipeline IS NULL OR pipeline = $pipeline) AND ($status IS NULL OR status = $status)
    AND ($snapshot IS NULL OR snapshot_id = $snapshot) AND ($parent IS NULL OR parent_run_id = $parent)
"""
METRIC_HOLDS = """id IN (
    SELECT entity_id FROM (
        SELECT entity_id, arg_max(value, logged_at) AS value FROM metrics
        WHERE entity_kind = 'run' AND key = $metric
          AND entity_id IN (SELECT id FROM keyed.runs WHERE seq > $above AND seq <= $upto) GROUP BY entity_id)
    WHERE {comparison})"""

_COMPARISONS = {
    ">=": "value >= $bound",
    "<=": "value <= $bound",
    "!=": "value <> $bound",
    "==": "value = $bound",
    ">": "value > $bound",
    "<": "value < $bound",
    "=": "value = $bound",
}


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
        return RunHandle(RunInProgress(self._workspace, request), self.seen)

    def seen(self, progress: RunInProgress, outcome: RunOutcome) -> Run:
        """Give a run as this process saw it."""
        facts = progress.facts
        # Of a reused artifact only the catalog knows which run made it and what number it has.
        is_all_seen = all(settled.status is not Status.REUSED for settled in outcome.settled.values())
        failed = outcome.failed.failure if outcome.failed is not None else None
        return Run(
            workspace=self._workspace,
            id=facts.id,
            name=facts.name,
            pipeline=facts.pipeline,
            kind="pipeline",
            status=outcome.status,
            started=datetime.fromisoformat(progress.started),
            ended=datetime.fromisoformat(progress.ended),
            parameters={name: as_json(value) for name, value in facts.parameters.items()},
            differences=progress.request.differences,
            snapshot=progress.request.snapshot_id,
            parent_run_id=progress.request.parent_run_id,
            parent_step=progress.request.parent_step,
            model_version_id=facts.model_version_id,
            graph_digest=progress.graph_digest,
            error=f"{failed.type_name}: {failed.message}" if failed is not None else "",
            seen=cache(partial(self._steps_seen, progress, outcome)) if is_all_seen else None,
            seen_graph=progress.traced.graph,
        )

    def _steps_seen(self, progress: RunInProgress, outcome: RunOutcome) -> dict[str, StepRun]:
        return {node: self._step_seen(progress, settled) for node, settled in outcome.settled.items()}

    def _step_seen(self, progress: RunInProgress, settled: Settled) -> StepRun:
        outputs = {
            name: self._artifact_seen(progress, settled, artifact) for name, artifact in settled.artifacts.items()
        }
        failure = settled.failure
        noted: dict[str, Any] = {}
        for values in settled.metadata.values():
            noted = merge(noted, values)
        given = progress.traced.values.get(settled.node, {})
        return StepRun(
            settled.step_run_id,
            settled.node,
            settled.status,
            settled.why,
            settled.duration_s,
            {name: as_json(value) for name, value in given.items()},
            outputs,
            f"{failure.type_name}: {failure.message}" if failure is not None else "",
            failure.traceback_text if failure is not None else "",
            settled.logs,
            dict(metrics_in(noted)),
            settled.files.read,
            {key: decode(value) for key, value in noted.items()},
        )

    def _artifact_seen(self, progress: RunInProgress, settled: Settled, version: ArtifactVersion) -> Artifact:
        return Artifact(
            id=version.id,
            name=version.name,
            version=progress.numbers.get(version.id, version.number),
            type=version.type_name,
            digest=version.digest,
            size_bytes=version.size_bytes,
            materializer=version.materializer,
            pickled=version.pickled,
            created=datetime.fromisoformat(progress.ended),
            run_id=progress.facts.id,
            step=settled.node,
            step_id=version.made_by,
            output=version.output,
            _workspace=self._workspace,
        )

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

    def list(
        self,
        *,
        pipeline: str | None = None,
        snapshot: str | None = None,
        status: str | Status | None = None,
        parent: str | None = None,
        tags: Sequence[str] | None = None,
        any_tags: Sequence[str] | None = None,
        tag_prefix: str = "",
        tag_contains: str = "",
        where: str | None = None,
        before: object = None,
        limit: int | None = 50,
    ) -> Listing[Run]:
        """List runs, newest first.

        The last of one page is `before` of the next.

        Args:
            pipeline: Of this pipeline.
            snapshot: Of the snapshot with this id.
            status: That stand so.
            parent: That a step of the run with this id asked for.
            tags: That bear all of these tags.
            any_tags: That bear any of these.
            tag_prefix: That bear a tag that begins so.
            tag_contains: That bear a tag with this in it.
            where: A comparison of a metric: `"evaluation_metrics.accuracy > 0.8"`.
            before: Only runs that are older than this one: an id, a name or a record.
            limit: How many at most; `None` for all.

        Raises:
            BadValueError: A filter that does not fit.
            NotFoundError: There is no such run as `before`.
        """
        by_tag = bears(Kind.RUN, "id", tags=tags, any_tags=any_tags, tag_prefix=tag_prefix, tag_contains=tag_contains)
        conditions, asked = [FITS, by_tag.sql], dict(by_tag.parameters)
        if where is not None:
            metric, comparison, bound = parse_where(where)
            conditions.append(METRIC_HOLDS.format(comparison=comparison))
            asked |= {"metric": metric, "bound": bound}
        asked |= {"pipeline": pipeline, "snapshot": snapshot, "status": _status(status), "parent": parent}
        fits = " AND ".join(conditions)
        limit = checked_limit(limit)
        older_than = None if before is None else self._number(before)
        catalog = self._workspace.catalog

        def ask() -> Sequence[Mapping[str, Any]]:
            return catalog.newest("runs", COLUMNS, fits, asked, limit=limit or 2**62, before=older_than)

        return Listing(run_in(row, self._workspace) for row in with_ends(self._workspace, ask))

    def _number(self, ref: object) -> int:
        read = partial(self._workspace.catalog.found, "runs", "seq, id, name")
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

    def explain(self, ref: object, step: str | None = None) -> Listing[Explanation]:
        """Say why each step of a run ran or was reused.

        Args:
            ref: As in `get`.
            step: Only this step, by its name in the graph.

        Raises:
            NotFoundError: There is no such run, or it has no such step.
        """
        return Listing(explain(self._workspace, self.get(ref), step))


def _status(status: str | Status | None) -> str | None:
    if status is None:
        return None
    if status not in set(Status):
        raise BadValueError(f"{status!r} is no status; there are {', '.join(Status)}.")
    return str(status)


def parse_where(text: str) -> tuple[str, str, float]:
    """Read a comparison of a metric: its dotted name, a condition with `$bound`, the bound.

    Raises:
        BadValueError: No comparison of this form.
    """
    for sign, condition in _COMPARISONS.items():
        name, found, bound = text.partition(sign)
        if found:
            try:
                return name.strip(), condition, float(bound)
            except ValueError:
                break
    raise BadValueError(f"{text!r} compares nothing; write it as in 'evaluation_metrics.accuracy > 0.8'.")
