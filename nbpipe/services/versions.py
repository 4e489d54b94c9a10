"""Model versions, as a caller meets them: their stage, their numbers, what was made for them.

A record says what was so when it was read; what hangs on a version (tags, metadata, artifacts,
runs) is read when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from nbpipe.base.displaying import Displayed
from nbpipe.errors import NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.metadata import MetadataEntry
from nbpipe.records.models import ModelStages, as_stage, is_partial
from nbpipe.records.operations import SetStage
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.services.artifact_records import COLUMNS, Artifact, artifacts_in
from nbpipe.services.instants import as_instant
from nbpipe.services.listing import Listing
from nbpipe.services.metadata import Metadata, entries_of, metadata_of
from nbpipe.services.tags import tags_of
from nbpipe.services.workspace import Workspace

LINKED_ARTIFACTS = f"""
    SELECT {COLUMNS}, linked_as FROM (
        SELECT a.*, l.name AS linked_as
        FROM keyed.model_links AS l JOIN keyed.artifacts AS a ON a.id_head = l.entity_head AND a.id = l.entity_id
        WHERE l.version_id = $version AND l.kind = 'artifact_version'
        QUALIFY row_number() OVER (PARTITION BY l.name ORDER BY a.seq DESC) = 1)
    ORDER BY seq DESC
"""  # noqa: S608 — made of constants
LINKED_RUNS = """
    SELECT l.entity_id AS id FROM keyed.model_links AS l
    LEFT JOIN keyed.runs AS r ON r.id_head = l.entity_head AND r.id = l.entity_id
    WHERE l.version_id = $version AND l.kind = 'run' ORDER BY r.seq DESC
"""
# By the order in which they were decided: clocks of several processes need not agree.
HISTORY = """
    SELECT model, version_id, number, from_stage, to_stage, moved_at, moved_by, note, forced FROM keyed.stage_history
    WHERE model = $model AND ($version IS NULL OR version_id = $version)
    ORDER BY seq DESC
"""


@dataclass(frozen=True, slots=True)
class StageChange:
    """One move of one version from a stage to another.

    Attributes:
        model: The model's name.
        version_id: The version that moved.
        number: Its number.
        from_stage: The stage it left.
        to_stage: The stage it reached.
        at: When.
        by: Who moved it.
        note: Why.
        forced: Whether it was forced: the stage taken from another version, or a gate passed that did not hold.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "model": "text",
        "number": "int",
        "from_stage": "text",
        "to_stage": "text",
        "at": "instant",
        "by": "text",
        "note": "text",
        "forced": "bool",
    }

    model: str
    version_id: str
    number: int
    from_stage: ModelStages
    to_stage: ModelStages
    at: datetime
    by: str
    note: str
    forced: bool

    def as_row(self) -> dict[str, Any]:
        """Give the move by column."""
        return {
            "model": self.model,
            "number": self.number,
            "from_stage": self.from_stage.value,
            "to_stage": self.to_stage.value,
            "at": self.at,
            "by": self.by,
            "note": self.note,
            "forced": self.forced,
        }


@dataclass(frozen=True, slots=True)
class ModelVersion(Displayed):
    """One version of a model.

    Attributes:
        id: Its id.
        model: The model's name.
        number: Its number, never given twice.
        name: Its name; the number as text where it was given none.
        stage: The stage it has reached.
        failed: Whether the run that made it failed.
        partial: Whether that ran a part of its pipeline only; then it is nobody's latest.
        description: What it is.
        created: When it was made.
        run_id: The run that made it.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "model": "text",
        "number": "int",
        "name": "text",
        "stage": "text",
        "failed": "bool",
        "created": "instant",
        "run_id": "text",
        "id": "text",
    }

    id: str
    model: str
    number: int
    name: str
    stage: ModelStages
    failed: bool
    partial: bool
    description: str
    created: datetime
    run_id: str
    _workspace: Workspace = field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<ModelVersion {shorten(self.label)}: {self.stage.value}>"

    @property
    def ref(self) -> EntityRef:
        """What points at this version."""
        return EntityRef(Kind.MODEL_VERSION, self.id)

    @property
    def mark(self) -> str:
        """Why it is nobody's latest: `failed`, `partial`, or `""` for one that a whole run has made."""
        return "failed" if self.failed else "partial" if self.partial else ""

    @property
    def label(self) -> str:
        """How a message names it: `iris@3`."""
        return f"{self.model}@{self.name}"

    @property
    def tags(self) -> list[str]:
        """The tags it bears now."""
        return tags_of(self._workspace, Kind.MODEL_VERSION, self.id)

    @property
    def metadata(self) -> dict[str, Any]:
        """Its metadata as plain nested data."""
        return self._metadata().values

    @property
    def run_metadata(self) -> dict[str, MetadataEntry]:
        """Its metadata, each top-level key with its history."""
        return entries_of(self._workspace, Kind.MODEL_VERSION, self.id)

    @property
    def metrics(self) -> dict[str, float]:
        """The numbers in its metadata, by dotted path."""
        return self._metadata().metrics

    @property
    def artifacts(self) -> dict[str, Artifact]:
        """The newest version of each artifact that belongs to it, by name."""
        rows = self._workspace.catalog.rows(LINKED_ARTIFACTS, {"version": self.id})
        artifacts = artifacts_in(self._workspace, rows)
        return {row["linked_as"]: artifact for row, artifact in zip(rows, artifacts, strict=True)}

    @property
    def runs(self) -> list[str]:
        """The ids of the runs that worked on it, the newest first."""
        return [row["id"] for row in self._workspace.catalog.rows(LINKED_RUNS, {"version": self.id})]

    @property
    def history(self) -> Listing[StageChange]:
        """How it moved from stage to stage, the newest move first."""
        return stage_changes(self._workspace, self.model, self.id)

    def get_artifact(self, name: str) -> Artifact:
        """Give the newest version of an artifact that belongs to this model version.

        Raises:
            NotFoundError: None of that name does.
        """
        artifacts = self.artifacts
        if name not in artifacts:
            raise NotFoundError(f"artifact of {self.label}", name, artifacts)
        return artifacts[name]

    def get_model_artifact(self, name: str) -> Artifact:
        """Give an artifact by name, as `get_artifact` does."""
        return self.get_artifact(name)

    def get_data_artifact(self, name: str) -> Artifact:
        """Give an artifact by name, as `get_artifact` does."""
        return self.get_artifact(name)

    def set_stage(self, stage: ModelStages | str, *, force: bool = False, note: str = "") -> ModelVersion:
        """Move this version to a stage, and give it as it is then.

        Args:
            stage: Where to; any letter case.
            force: Take the stage from whoever holds it, who is archived in the same breath.
            note: Why; kept in the history.

        Raises:
            BadValueError: No stage, or `latest`, which is a question.
            ConflictError: Another version holds the stage and `force` is off.
            NotFoundError: The version was deleted since.
        """
        wanted = SetStage(model=self.model, version=self.id, stage=as_stage(stage), force=force, note=note)
        answer = self._workspace.catalog.transact(wanted)
        return version_in(answer["version"], self._workspace)

    def as_row(self) -> dict[str, Any]:
        """Give the version's facts by column."""
        return {
            "model": self.model,
            "number": self.number,
            "name": self.name,
            "stage": self.stage.value,
            "failed": self.failed,
            "created": self.created,
            "run_id": self.run_id,
            "id": self.id,
        }

    def _metadata(self) -> Metadata:
        return metadata_of(self._workspace, Kind.MODEL_VERSION, self.id)


def version_in(row: Mapping[str, Any], workspace: Workspace) -> ModelVersion:
    """Make the record of a row of the state."""
    return ModelVersion(
        id=row["id"],
        model=row["model"],
        number=row["number"],
        name=row["name"],
        stage=ModelStages(row["stage"]),
        failed=row["failed"],
        partial=is_partial(row),
        description=row["description"],
        created=as_instant(row["created"]),
        run_id=row["run_id"],
        _workspace=workspace,
    )


def stage_changes(workspace: Workspace, model: str, version_id: str | None = None) -> Listing[StageChange]:
    """List the moves of a model's versions, or of one of them, the newest first."""
    rows = workspace.catalog.rows(HISTORY, {"model": model, "version": version_id})
    changes = (
        StageChange(
            model=row["model"],
            version_id=row["version_id"],
            number=row["number"],
            from_stage=ModelStages(row["from_stage"]),
            to_stage=ModelStages(row["to_stage"]),
            at=as_instant(row["moved_at"]),
            by=row["moved_by"],
            note=row["note"],
            forced=row["forced"],
        )
        for row in rows
    )
    return Listing(changes, StageChange)
