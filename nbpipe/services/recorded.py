"""Runs and their steps as records, read from the catalog's views.

A run that this process ran is told from what it saw (`services.runs`); any other, and whatever of
a run may change afterwards, from the catalog. Either way it is the same record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from nbpipe.base.displaying import Displayed
from nbpipe.catalog.finding import by_head, near
from nbpipe.errors import BadValueError, CatalogError, ConflictError, NotFoundError, WorkspaceError
from nbpipe.execute.files import FileRead
from nbpipe.graph.graph import Graph, outputs_behind
from nbpipe.records.base import shorten
from nbpipe.records.metadata import MetadataEntry, decode, merge, metrics_in
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.records.runs import Status, Triggered
from nbpipe.services.artifact_records import Artifact, outputs_of
from nbpipe.services.children import Child, children_of
from nbpipe.services.instants import as_instant
from nbpipe.services.logs import StepLog, logs_of
from nbpipe.services.metadata import entries_of, metadata_of
from nbpipe.services.reproducing import reproduce
from nbpipe.services.resuming import alone, resumed_request
from nbpipe.services.run_handle import RunHandle
from nbpipe.services.starting import RunInProgress
from nbpipe.services.step_runs import MappedItems, StepRun, begun_items
from nbpipe.services.stopping import ask_to_stop
from nbpipe.services.versions import ModelVersion, version_in
from nbpipe.services.workspace import Workspace

PATIENCE_S = 10.0
COLUMNS = """
    id, name, pipeline, kind, status, started, ended, duration_s, parameters, differences, snapshot_id, schedule_id,
    parent_run_id, parent_step, model_version_id, graph, resumed_from, part, error_step, error_type, error_message
"""
RUN_WITH_ID = f"{near('runs', 'id_head')} SELECT seq FROM near WHERE id = $id"  # noqa: S608 — made of constants
STEPS_OF_RUN = f"""
    {near("steps", "run_head")}
    SELECT id, node, step, status, why, duration_s, parameters, error_type, error_message, error_traceback, logs,
           source, reused_from, files, triggered, items
    FROM near WHERE run_id = $run ORDER BY seq
"""  # noqa: S608
OUTPUTS_OF_RUN = f"""
    {near("lineage", "run_head")}
    SELECT step_id, name, artifact_id FROM near WHERE run_id = $run AND direction = 'out'
"""  # noqa: S608
# Notes of a step of another run, should its head be the same, are passed over: nobody asks for that step.
NOTES_OF_STEPS = f"""
    {near("metadata", "run_head")}
    SELECT step_id, key, value FROM near WHERE step_id IS NOT NULL ORDER BY logged_at
"""  # noqa: S608
TAGS_OF_RUN = f"""
    {near("tags", "entity_head")}
    SELECT tag FROM near WHERE entity_kind = 'run' AND entity_id = $run ORDER BY tag
"""  # noqa: S608

_OPEN = (Status.RUNNING, Status.INTERRUPTED)


@dataclass(frozen=True)
class Run(Displayed):
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
        resumed_from: The id of the run that it goes on from, or `""`.
        part: What was run of the pipeline: `from`, `until`, `only`, and what was `taken` from earlier runs; empty if
            all of it was.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "id": "text",
        "name": "text",
        "pipeline": "text",
        "status": "text",
        "started": "instant",
        "duration_s": "float",
        "parameters": "data",
        "model_version_id": "text",
        "error": "text",
    }

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
    resumed_from: str = ""
    part: Mapping[str, Any] = field(default_factory=dict)
    seen: Callable[[], Mapping[str, StepRun]] | None = field(default=None, repr=False, compare=False)
    seen_metrics: Mapping[str, float] | None = field(default=None, repr=False, compare=False)
    seen_graph: Graph | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<Run {shorten(self.name)}: {self.status.value}>"

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
        return self.seen() if self.seen is not None else steps_of(self.workspace, self.id)

    @property
    def children(self) -> tuple[Child, ...]:
        """The runs that its steps asked for, and those that theirs asked for, each after its parent."""
        steps = self.steps
        if self.seen is not None and not any(step.triggered for step in steps.values()):
            # This process ran all of it, and asked for none.
            return ()
        is_told = self.status in (Status.COMPLETED, Status.FAILED) and self.kind == "pipeline"
        return children_of(self.workspace, self.id, steps, is_told=is_told)

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
    def snapshot_name(self) -> str:
        """What the snapshot that it ran is called now; its id's beginning if it has no name any more, `""` if none."""
        row = self.workspace.catalog.state().snapshots.get(self.snapshot) if self.snapshot else None
        return (row["name"] if row is not None else "") or self.snapshot[:8]

    @property
    def schedule_name(self) -> str:
        """What the schedule that fired it is called; its id's beginning if it is gone for good, `""` if none."""
        row = self.workspace.catalog.state().schedules.get(self.schedule) if self.schedule else None
        return row["name"] if row is not None else self.schedule[:8]

    @property
    def tags(self) -> list[str]:
        """Its tags, as they are now."""
        return [row["tag"] for row in self.workspace.catalog.rows(TAGS_OF_RUN, by_head(run=self.id))]

    @property
    def metadata(self) -> dict[str, Any]:
        """Its metadata as plain nested data, as it is now."""
        return metadata_of(self.workspace, Kind.RUN, self.id).values

    @property
    def run_metadata(self) -> Mapping[str, MetadataEntry]:
        """Its metadata as entries, by top-level key."""
        return entries_of(self.workspace, Kind.RUN, self.id)

    @property
    def metrics(self) -> Mapping[str, float]:
        """The numbers in its metadata, by dotted name, as they are now."""
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
            for output in outputs_behind(origin):
                step = self.steps.get(output.node)
                if step is not None and output.output in step.outputs:
                    found[name] = step.outputs[output.output]
                    break
        return found

    @property
    def output(self) -> Any:
        """The value that the pipeline returned; `None` if it returned nothing, a tuple if several."""
        values = tuple(artifact.load() for artifact in self.outputs.values())
        return values[0] if len(values) == 1 else values or None

    def refresh(self) -> Run:
        """Give the run as it stands now.

        Raises:
            NotFoundError: It was deleted.
        """
        return run_with_id(self.workspace, self.id)

    def resume(self, **secrets: Any) -> Run:
        """Go on from here in a new run: see `RunService.resume`.

        Raises:
            NbpipeError: As for that.
        """
        request = resumed_request(self.workspace, self.id, secrets)
        started: RunInProgress | None = None
        try:
            with alone(self.workspace, request):
                started = RunInProgress(self.workspace, request)
            handle = RunHandle(
                started,
                lambda run, _: run_with_id(self.workspace, run.facts.id),
                lambda run, settled: steps_of(self.workspace, run.facts.id)[settled.node],
            )
        except KeyboardInterrupt:
            if started is not None:
                started.abandon()
            raise
        resumed: Run = handle.wait()
        return resumed

    def stop(self, timeout_s: float = PATIENCE_S) -> Run:
        """Ask it to stop, in whatever process it goes on, and wait for its end; what was done before is kept.

        Args:
            timeout_s: How long to wait at most, in seconds: a C call is not interrupted.

        Returns:
            The run as it stands then.

        Raises:
            ConflictError: It is over.
            BadValueError: It is a notebook's session.
        """
        now = self.refresh()
        if now.kind == "interactive":
            raise BadValueError(f"Run {self.id[:8]} is a session of a notebook; interrupt its kernel.")
        if now.status.is_over:
            raise ConflictError(f"Run {self.name} is over: it is {now.status.value}.")
        ask_to_stop(self.workspace.paths, self.id, lambda: self.refresh().status.is_over, timeout_s)
        return self.refresh()

    def logs(self, step: str | None = None) -> list[StepLog]:
        """Give what its steps printed, each attempt for itself; of one that goes on it comes when that is over.

        Args:
            step: Only this step, by its name in the graph.

        Raises:
            NotFoundError: It has no such step.
        """
        return logs_of(self.workspace, self.id, lambda: (node.id for node in self.graph.nodes), step)

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


def with_ends(workspace: Workspace, ask: Callable[[], Sequence[Mapping[str, Any]]]) -> Sequence[Mapping[str, Any]]:
    """Ask for runs; whoever finds one whose process died records its end."""
    catalog = workspace.catalog
    rows = ask()
    is_abandoned = any(row["status"] == Status.INTERRUPTED and row["ended"] is None for row in rows)
    if not is_abandoned or catalog.on_dead_run is None:
        return rows
    try:
        catalog.settle_dead(catalog.on_dead_run)
    except (CatalogError, WorkspaceError):
        # It shows as interrupted all the same; another process, or another time, will record it.
        return rows
    return ask()


def run_with_id(workspace: Workspace, run_id: str) -> Run:
    """Read the run with this id.

    Raises:
        NotFoundError: There is none, or there is none any more.
    """
    found = workspace.catalog.found
    rows = with_ends(workspace, lambda: found("runs", COLUMNS, RUN_WITH_ID, by_head(id=run_id)))
    if not rows:
        raise NotFoundError("run", run_id)
    return run_in(rows[0], workspace)


def steps_of(workspace: Workspace, run_id: str) -> dict[str, StepRun]:
    """Give what became of each step of a run, by its name in the graph."""
    asked = by_head(run=run_id)
    rows = workspace.catalog.rows(OUTPUTS_OF_RUN, asked)
    # Asked for after them: a run that goes on may have made more meanwhile, but none of these is missing.
    given = {artifact.id: artifact for artifact in outputs_of(workspace, run_id)}
    outputs: dict[str, dict[str, Artifact]] = {}
    for row in rows:
        outputs.setdefault(row["step_id"], {})[row["name"]] = given[row["artifact_id"]]
    noted: dict[str, dict[str, Any]] = {}
    for row in workspace.catalog.rows(NOTES_OF_STEPS, {"head": asked["head"]}):
        kept, key = noted.setdefault(row["step_id"], {}), row["key"]
        kept[key] = merge({key: kept[key]}, {key: row["value"]})[key] if key in kept else row["value"]
    found = {}
    steps = workspace.catalog.rows(STEPS_OF_RUN, asked)
    is_open = any(row["status"] in _OPEN and not row["items"] for row in steps)
    begun = begun_items(workspace, run_id) if is_open else {}
    for row in steps:
        items = row["items"] or begun.get(row["node"])
        metrics = dict(metrics_in(noted.get(row["id"], {})))
        error = f"{row['error_type']}: {row['error_message']}" if row["error_type"] else ""
        found[row["node"]] = StepRun(
            row["id"],
            row["node"],
            Status(row["status"]),
            row["why"] or "",
            row["duration_s"],
            dict(row["parameters"] or {}),
            outputs.get(row["id"], {}),
            error,
            row["error_traceback"] or "",
            row["logs"] if isinstance(row["logs"], str) else "",
            metrics,
            tuple(FileRead(**file) for file in row["files"] or ()),
            {key: decode(value) for key, value in noted.get(row["id"], {}).items()},
            tuple(Triggered(**said) for said in row["triggered"] or ()),
            MappedItems(workspace, run_id, row["node"], row["id"], row["reused_from"] or "", items) if items else None,
            partial(reproduce, workspace, run_id, row["id"]),
        )
    return found


def run_in(row: Mapping[str, Any], workspace: Workspace) -> Run:
    """Make the record of a row of `COLUMNS`."""
    return Run(
        workspace=workspace,
        id=row["id"],
        name=row["name"] or row["id"],
        pipeline=row["pipeline"] or "",
        kind=row["kind"] or "pipeline",
        status=Status(row["status"]),
        started=as_instant(row["started"]) if row["started"] is not None else None,
        ended=as_instant(row["ended"]) if row["ended"] is not None else None,
        parameters=dict(row["parameters"] or {}),
        differences=dict(row["differences"] or {}),
        snapshot=row["snapshot_id"] or "",
        schedule=row["schedule_id"] or "",
        parent_run_id=row["parent_run_id"] or "",
        parent_step=row["parent_step"] or "",
        model_version_id=row["model_version_id"] or "",
        graph_digest=row["graph"] or "",
        error=f"{row['error_type']}: {row['error_message']}" if row["error_type"] else "",
        resumed_from=row["resumed_from"] or "",
        part=row["part"] or {},
    )
