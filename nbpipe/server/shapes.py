"""What the REST server's answers look like: models of which the OpenAPI document is made, so that it is true.

Rows of lists have the columns that the catalog's browser has (`services.browsing_nouns`); what stands for one thing is
said here field by field.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from nbpipe.services.artifact_records import Artifact
from nbpipe.services.browsing_columns import Form, Noun
from nbpipe.services.logs import StepLog
from nbpipe.services.queueing import QueuedRun
from nbpipe.services.runs import Run, StepRun
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.services.versions import ModelVersion

Row = TypeVar("Row")
_TYPES: dict[Form, Any] = {
    Form.TEXT: str | None,
    Form.ID: str | None,
    Form.STATUS: str | None,
    Form.NUMBER: int | None,
    Form.SIZE: int | None,
    Form.DURATION: float | None,
    Form.INSTANT: datetime | None,
    Form.FLAG: bool | None,
    Form.VALUES: Any,
}


class Page(BaseModel, Generic[Row]):
    """One page of a list."""

    items: list[Row]
    total: int = Field(description="how many there are on all pages")
    page: int
    size: int


def row_model(noun: Noun) -> type[BaseModel]:
    """Make the model of a row of a noun."""
    columns: dict[str, Any] = {column.name: (_TYPES[column.form], None) for column in noun.columns}
    columns["id"] = (str, ...)
    if noun.kind is not None:
        columns["tags"] = (list[str], Field(default_factory=list))
    if noun.is_measured:
        columns["metrics"] = (dict[str, float], Field(default_factory=dict))
    name = "".join(part.title() for part in noun.said.split())
    # A column may be called as something that every model has.
    return create_model(f"{name}Row", __config__=ConfigDict(protected_namespaces=()), **columns)


class Parameter(BaseModel):
    """A parameter of a pipeline or a step, as a snapshot says it."""

    name: str
    type: str
    value: Any = None
    required: bool
    description: str = ""


class SnapshotBody(BaseModel):
    """A snapshot."""

    id: str
    name: str
    pipeline: str
    pipeline_id: str
    description: str
    created: datetime
    digest: str
    run_id: str
    tags: list[str]
    python: str
    steps: list[str]
    parameters: list[Parameter]
    config_template: dict[str, Any] = Field(description="every value at its present state; send what is to differ")


class RunBody(BaseModel):
    """A run: on its way, over, or one that still waits."""

    model_config = ConfigDict(protected_namespaces=())

    id: str
    name: str = ""
    pipeline: str
    status: str = Field(description="queued, refused, running, completed, failed or interrupted")
    snapshot_id: str = ""
    asked: datetime | None = Field(None, description="when a run that waits was asked for")
    started: datetime | None = None
    ended: datetime | None = None
    duration_s: float | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    differences: dict[str, Any] = Field(default_factory=dict)
    parent_run_id: str = ""
    resumed_from: str = ""
    model_version: str | None = None
    tags: list[str] = Field(default_factory=list)
    metrics: dict[str, float] = Field(default_factory=dict)
    error: str = ""


class ArtifactBody(BaseModel):
    """An artifact version."""

    id: str
    name: str
    version: int | None
    type: str
    size_bytes: int
    digest: str
    materializer: str
    pickled: bool
    created: datetime
    run_id: str
    step: str
    tags: list[str] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    preview: dict[str, Any] = Field(default_factory=dict)


class StepBody(BaseModel):
    """What became of one step of a run."""

    node: str
    status: str
    why: str
    duration_s: float | None
    parameters: dict[str, Any]
    outputs: dict[str, ArtifactBody]
    metrics: dict[str, float]
    error: str
    items: dict[str, int] | None = Field(None, description="of a mapped step: what became of how many items")


class LogBody(BaseModel):
    """What one attempt of a step printed."""

    node: str
    attempt: int
    status: str
    duration_s: float | None
    text: str


class VersionBody(BaseModel):
    """A model version."""

    id: str
    model: str
    number: int
    name: str
    stage: str
    failed: bool
    description: str
    created: datetime
    run_id: str
    tags: list[str]
    metrics: dict[str, float]


class ModelBody(BaseModel):
    """A model with its versions, the newest first."""

    id: str
    name: str
    description: str
    created: datetime
    tags: list[str]
    versions: list[VersionBody]


class WantedRun(BaseModel):
    """What is asked for when a snapshot is to be run."""

    model_config = ConfigDict(extra="forbid")

    run_configuration: dict[str, Any] | None = Field(
        None, description="what is to differ, as in a configuration file: parameters, steps, tags, enable_cache, …"
    )


class WantedStage(BaseModel):
    """Where a model version is to go."""

    model_config = ConfigDict(extra="forbid")

    stage: Literal["staging", "production", "archived", "none"]
    force: bool = Field(False, description="take the stage from its present holder")
    note: str = Field("", max_length=2000, description="why; kept in the history")


class MovedVersion(BaseModel):
    """A model version that was moved."""

    version: VersionBody
    from_stage: str
    archived: str | None = Field(None, description="who lost the stage")
    said: str


class Problem(BaseModel):
    """One thing that does not fit."""

    loc: list[str | int]
    msg: str
    type: str


class Refused(BaseModel):
    """Why a request was not answered otherwise."""

    detail: str | list[Problem]


def run_body(run: Run) -> RunBody:
    """Say what is known of a run."""
    version = run.model_version
    return RunBody(
        id=run.id,
        name=run.name,
        pipeline=run.pipeline,
        status=run.status.value,
        snapshot_id=run.snapshot,
        started=run.started,
        ended=run.ended,
        duration_s=run.duration_s,
        parameters=dict(run.parameters),
        differences=dict(run.differences),
        parent_run_id=run.parent_run_id,
        resumed_from=run.resumed_from,
        model_version=version.label if version is not None else None,
        tags=run.tags,
        metrics=dict(run.metrics),
        error=run.error,
    )


def queued_body(asked: QueuedRun) -> RunBody:
    """Say what is known of a run that waits, or that could not be started."""
    return RunBody(
        id=asked.id,
        pipeline=asked.pipeline,
        status=asked.status,
        snapshot_id=asked.snapshot_id,
        asked=datetime.fromisoformat(asked.asked),
        parameters=dict(asked.configuration.get("parameters") or {}),
        error=asked.error,
    )


def artifact_body(artifact: Artifact, *, whole: bool = False) -> ArtifactBody:
    """Say what is known of an artifact version; `whole` adds what has to be asked for."""
    more = {"tags": artifact.tags, "metadata": artifact.metadata, "preview": artifact.preview} if whole else {}
    return ArtifactBody(
        **{name: value for name, value in artifact.as_row().items() if name in ArtifactBody.model_fields},
        digest=artifact.digest,
        materializer=artifact.materializer,
        pickled=artifact.pickled,
        **more,
    )


def step_body(step: StepRun) -> StepBody:
    """Say what became of a step."""
    return StepBody(
        node=step.node,
        status=step.status.value,
        why=step.why,
        duration_s=step.duration_s,
        parameters=dict(step.parameters),
        outputs={name: artifact_body(one) for name, one in step.outputs.items()},
        metrics=dict(step.metrics),
        error=step.error,
        items=dict(step.items.counts) if step.items is not None else None,
    )


def log_body(log: StepLog) -> LogBody:
    """Say what a step printed."""
    return LogBody(
        node=log.node, attempt=log.attempt, status=log.status.value, duration_s=log.duration_s, text=log.text
    )


def version_body(version: ModelVersion) -> VersionBody:
    """Say what is known of a model version."""
    return VersionBody(
        **{name: value for name, value in version.as_row().items() if name in VersionBody.model_fields},
        description=version.description,
        tags=version.tags,
        metrics=version.metrics,
    )


def snapshot_body(snapshot: Snapshot) -> SnapshotBody:
    """Say what is known of a snapshot."""
    content = snapshot.content
    suspect = {one.name for one in snapshot.warnings if one.is_value}
    return SnapshotBody(
        **snapshot.as_row(),
        pipeline_id=snapshot.pipeline,
        run_id=snapshot.run_id,
        tags=snapshot.tags,
        python=content.environment.python,
        steps=[node.id for node in content.graph.nodes],
        parameters=[
            Parameter(
                name=field.name,
                type=field.type,
                # What may be a secret is told to nobody.
                value=None if field.name in suspect else field.value,
                required=field.required,
                description=field.description,
            )
            for field in content.parameters
        ],
        config_template=_template(snapshot, suspect),
    )


def _template(snapshot: Snapshot, suspect: set[str]) -> dict[str, Any]:
    """Give a snapshot's values as they can be sent back; what may be a secret is left out, and stays as it is."""
    template = snapshot.config_template.model_dump(mode="json", include={"parameters", "steps"}, exclude_none=True)
    for values in (template["parameters"], *(step["parameters"] for step in template["steps"].values())):
        for name in suspect & values.keys():
            del values[name]
    return template
