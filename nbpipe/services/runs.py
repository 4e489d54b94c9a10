"""Runs: started, found again, listed and followed.

A run that this process ran is told from what it saw; any other from the catalog. Either way it
is the same record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nbpipe.errors import BadValueError, CatalogError, NotFoundError, WorkspaceError
from nbpipe.execute.context import RUN
from nbpipe.execute.settled import RunOutcome, Settled
from nbpipe.graph.graph import Graph, OutputOf
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.metadata import MetadataEntry, merge, metrics_in
from nbpipe.records.parameters import as_json
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.records.runs import Status
from nbpipe.services.artifacts import Artifact, ArtifactService
from nbpipe.services.filters import bears
from nbpipe.services.instants import as_instant
from nbpipe.services.listing import Listing, checked_limit
from nbpipe.services.metadata import metadata_of
from nbpipe.services.resolve import resolve
from nbpipe.services.starting import RunHandle, RunInProgress, RunRequest
from nbpipe.services.versions import ModelVersion, version_in
from nbpipe.services.workspace import Workspace

COLUMNS = """
    id, name, pipeline, kind, status, started, ended, duration_s, parameters, differences, snapshot_id, schedule_id,
    parent_run_id, parent_step, model_version_id, graph, error_step, error_type, error_message
"""
RUN_BY_ID = f"SELECT {COLUMNS} FROM runs WHERE id = $id"  # noqa: S608 — made of constants
RUNS = f"""
    SELECT {COLUMNS} FROM runs
    WHERE ($pipeline IS NULL OR pipeline = $pipeline) AND ($status IS NULL OR status = $status)
      AND ($snapshot IS NULL OR snapshot_id = $snapshot) AND ($parent IS NULL OR parent_run_id = $parent)
      AND ({{where}})
    ORDER BY seq DESC LIMIT $limit
"""  # noqa: S608 — made of constants
STEPS_OF_RUN = """
    SELECT id, node, step, status, why, duration_s, parameters, error_type, error_message, error_traceback, logs,
           source, reused_from
    FROM steps WHERE run_id = $run ORDER BY seq
"""
OUTPUTS_OF_RUN = """
    SELECT lineage.step_id, lineage.name, lineage.artifact_id FROM lineage
    WHERE lineage.run_id = $run AND lineage.direction = 'out'
"""
NOTES_OF_STEPS = """
    SELECT step_id, key, value FROM metadata WHERE step_id IN (SELECT id FROM steps WHERE run_id = $run)
    ORDER BY logged_at
"""
TAGS_OF_RUN = "SELECT tag FROM tags WHERE entity_kind = 'run' AND entity_id = $run ORDER BY tag"
METRIC_HOLDS = """id IN (
    SELECT entity_id FROM (
        SELECT entity_id, arg_max(value, logged_at) AS value FROM metrics
        WHERE entity_kind = 'run' AND key = $metric GROUP BY entity_id)
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


@dataclass(frozen=True)
class StepRun:
    """What became of one step of a run.

    Attributes:
        id: The id of this execution.
        node: Its name in the graph.
        status: How it ended.
        why: Why it ran or was reused.
        duration_s: How long it took, in seconds.
        parameters: The plain values it was called with, as JSON data.
        outputs: The artifact versions it gave, by output.
        error: What it raised, or `""`.
        traceback: The user's frames, or `""`.
        logs: What it printed.
        metrics: Numbers that it logged, by dotted name.
    """

    id: str
    node: str
    status: Status
    why: str = ""
    duration_s: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    error: str = ""
    traceback: str = ""
    logs: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in the graph."""
        return self.node

    @property
    def output(self) -> Artifact:
        """Its only output.

        Raises:
            BadValueError: It has none, or several.
        """
        if len(self.outputs) != 1:
            names = ", ".join(self.outputs) or "none"
            raise BadValueError(f"Step {self.node!r} has {len(self.outputs)} outputs ({names}); name one: .outputs[…].")
        return next(iter(self.outputs.values()))


@dataclass(frozen=True)
class Run:
    """One run, as far as it has got.

    Attributes:
        id: Its id; any unique prefix names it.
        name: Its name.
        pipeline: Its pipeline.
        kind: `pipeline`, or `interactive` for the cells of one kernel session.
        status: How it stands.
        started: When it began.
        ended: When it was over.
        parameters: The values it ran with, as JSON data.
        differences: Where it differs from its snapshot.
        snapshot: The id of the snapshot it ran, or `""`.
        schedule: The id of the schedule that fired it, or `""`.
        parent_run_id: The run whose step asked for it, or `""`.
        parent_step: That step, or `""`.
        model_version_id: The model version it worked on, or `""`.
        graph_digest: The blob that holds its graph.
        error: What went wrong, or `""`.
    """

    workspace: Workspace = field(repr=False, compare=False)
    id: str
    name: str
    pipeline: str
    kind: str
    status: Status
    started: datetime | None
    ended: datetime | None
    parameters: Mapping[str, Any]
    differences: Mapping[str, Any] = field(default_factory=dict)
    snapshot: str = ""
    schedule: str = ""
    parent_run_id: str = ""
    parent_step: str = ""
    model_version_id: str = ""
    graph_digest: str = ""
    error: str = ""
    seen: Mapping[str, StepRun] | None = field(default=None, repr=False, compare=False)
    seen_metadata: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    seen_graph: Graph | None = field(default=None, repr=False, compare=False)

    @property
    def ref(self) -> EntityRef:
        """What points at it."""
        return EntityRef(Kind.RUN, self.id)

    @property
    def duration_s(self) -> float | None:
        """How long it took, in seconds; `None` while it goes on."""
        return (self.ended - self.started).total_seconds() if self.started and self.ended else None

    @property
    def steps(self) -> Mapping[str, StepRun]:
        """What became of each step, by its name in the graph."""
        return self.seen if self.seen is not None else RunService(self.workspace).steps_of(self.id)

    @property
    def graph(self) -> Graph:
        """Its graph; empty for an interactive run.

        Raises:
            ArtifactDamagedError: The stored graph is gone.
        """
        if self.seen_graph is not None:
            return self.seen_graph
        if not self.graph_digest:
            return Graph()
        return Graph.model_validate_json(bytes(self.workspace.store.blobs.open(self.graph_digest)))

    @property
    def tags(self) -> list[str]:
        """Its tags, as they are now."""
        return [row["tag"] for row in self.workspace.catalog.rows(TAGS_OF_RUN, {"run": self.id})]

    @property
    def metadata(self) -> dict[str, Any]:
        """Its metadata as plain nested data, as it is now."""
        return metadata_of(self.workspace, Kind.RUN, self.id).values

    @property
    def run_metadata(self) -> Mapping[str, MetadataEntry]:
        """Its metadata as entries, by top-level key."""
        return metadata_of(self.workspace, Kind.RUN, self.id).entries

    @property
    def metrics(self) -> Mapping[str, float]:
        """The numbers in its metadata, by dotted name."""
        if self.seen_metadata is not None:
            return dict(metrics_in(self.seen_metadata))
        return metadata_of(self.workspace, Kind.RUN, self.id).metrics

    @property
    def model_version(self) -> ModelVersion | None:
        """The model version that it worked on, if any."""
        if not self.model_version_id:
            return None
        row = self.workspace.catalog.state().versions.get(self.model_version_id)
        return version_in(row, self.workspace) if row is not None else None

    @property
    def outputs(self) -> Mapping[str, Artifact]:
        """What the pipeline itself returned, by name."""
        found = {}
        for name, origin in self.graph.results.items():
            if isinstance(origin, OutputOf):
                step = self.steps.get(origin.node)
                if step is not None and origin.output in step.outputs:
                    found[name] = step.outputs[origin.output]
        return found

    @property
    def output(self) -> Any:
        """The value that the pipeline returned; `None` if it returned nothing, a tuple if several."""
        values = tuple(artifact.load() for artifact in self.outputs.values())
        return values[0] if len(values) == 1 else values or None

    def refresh(self) -> Run:
        """Give the run as it stands now."""
        return RunService(self.workspace).get(self.id)

    def as_row(self) -> dict[str, Any]:
        """Give its plain facts."""
        return {
            "id": self.id,
            "name": self.name,
            "pipeline": self.pipeline,
            "status": self.status.value,
            "started": self.started,
            "duration_s": self.duration_s,
            "parameters": dict(self.parameters),
            "model_version_id": self.model_version_id,
            "error": self.error,
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
        metadata: dict[str, Any] = {}
        for settled in outcome.settled.values():
            metadata = merge(metadata, settled.metadata.get(RUN, {}))
        # Of a reused artifact only the catalog knows which run made it and what number it has.
        is_all_seen = all(settled.status is not Status.REUSED for settled in outcome.settled.values())
        steps = {node: self._step_seen(progress, settled) for node, settled in outcome.settled.items()}
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
            seen=steps if is_all_seen else None,
            seen_metadata=metadata,
            seen_graph=progress.traced.graph,
        )

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
        target = resolve(self._workspace, ref, Kind.RUN)
        rows = self._rows(RUN_BY_ID, {"id": target.id})
        if not rows:
            raise NotFoundError("run", str(ref))
        return self._run_of(rows[0])

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
        limit: int | None = 50,
    ) -> Listing[Run]:
        """List runs, newest first.

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
            limit: How many at most; `None` for all.

        Raises:
            BadValueError: A filter that does not fit.
        """
        by_tag = bears(Kind.RUN, "id", tags=tags, any_tags=any_tags, tag_prefix=tag_prefix, tag_contains=tag_contains)
        conditions, parameters = [by_tag.sql], dict(by_tag.parameters)
        if where is not None:
            metric, comparison, bound = parse_where(where)
            conditions.append(METRIC_HOLDS.format(comparison=comparison))
            parameters |= {"metric": metric, "bound": bound}
        parameters |= {
            "pipeline": pipeline,
            "snapshot": snapshot,
            "status": _status(status),
            "parent": parent,
            "limit": checked_limit(limit) or 2**62,
        }
        sql = RUNS.format(where=" AND ".join(conditions))
        return Listing(self._run_of(row) for row in self._rows(sql, parameters))

    def _rows(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Ask for runs; whoever finds one whose process died records its end."""
        catalog = self._workspace.catalog
        rows = catalog.rows(sql, parameters)
        is_abandoned = any(row["status"] == Status.INTERRUPTED and row["ended"] is None for row in rows)
        if not is_abandoned or catalog.on_dead_run is None:
            return rows
        try:
            catalog.settle_dead(catalog.on_dead_run)
        except (CatalogError, WorkspaceError):
            # It shows as interrupted all the same; another process, or another time, will record it.
            return rows
        return catalog.rows(sql, parameters)

    def steps_of(self, run_id: str) -> dict[str, StepRun]:
        """Give what became of each step of a run, by its name in the graph."""
        rows = self._workspace.catalog.rows(OUTPUTS_OF_RUN, {"run": run_id})
        # Asked for after them: a run that goes on may have made more meanwhile, but none of these is missing.
        given = {artifact.id: artifact for artifact in ArtifactService(self._workspace).list(run=run_id)}
        outputs: dict[str, dict[str, Artifact]] = {}
        for row in rows:
            outputs.setdefault(row["step_id"], {})[row["name"]] = given[row["artifact_id"]]
        noted: dict[str, dict[str, Any]] = {}
        for row in self._workspace.catalog.rows(NOTES_OF_STEPS, {"run": run_id}):
            noted[row["step_id"]] = merge(noted.get(row["step_id"], {}), {row["key"]: row["value"]})
        found = {}
        for row in self._workspace.catalog.rows(STEPS_OF_RUN, {"run": run_id}):
            metrics = dict(metrics_in(noted.get(row["id"], {})))
            error = f"{row['error_type']}: {row['error_message']}" if row["error_type"] else ""
            found[row["node"]] = StepRun(
                row["id"],
                row["node"],
                Status(row["status"]),
                row["why"] or "",
                row["duration_s"],
                _json(row["parameters"]),
                outputs.get(row["id"], {}),
                error,
                row["error_traceback"] or "",
                _text(row["logs"]),
                metrics,
            )
        return found

    def _run_of(self, row: Mapping[str, Any]) -> Run:
        return Run(
            workspace=self._workspace,
            id=row["id"],
            name=row["name"] or row["id"],
            pipeline=row["pipeline"] or "",
            kind=row["kind"] or "pipeline",
            status=Status(row["status"]),
            started=as_instant(row["started"]) if row["started"] is not None else None,
            ended=as_instant(row["ended"]) if row["ended"] is not None else None,
            parameters=_json(row["parameters"]),
            differences=_json(row["differences"]),
            snapshot=row["snapshot_id"] or "",
            schedule=row["schedule_id"] or "",
            parent_run_id=row["parent_run_id"] or "",
            parent_step=row["parent_step"] or "",
            model_version_id=row["model_version_id"] or "",
            graph_digest=row["graph"] or "",
            error=f"{row['error_type']}: {row['error_message']}" if row["error_type"] else "",
        )


def _status(status: str | Status | None) -> str | None:
    if status is None:
        return None
    if status not in set(Status):
        raise BadValueError(f"{status!r} is no status; there are {', '.join(Status)}.")
    return str(status)


def _json(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = json.loads(value)
    return dict(value or {})


def _text(value: Any) -> str:
    if isinstance(value, str) and value.startswith('"'):
        return str(json.loads(value))
    return value if isinstance(value, str) else ""


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
