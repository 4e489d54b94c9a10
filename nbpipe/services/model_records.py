"""Models, as a caller meets them: a name, what it is for, who holds its stages.

A record says what was so when it was read; its versions and tags are read when they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from nbpipe.base.displaying import Displayed
from nbpipe.errors import NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.models import stage_summary, versions_of
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.services.instants import as_instant
from nbpipe.services.listing import Listing
from nbpipe.services.tags import tags_of
from nbpipe.services.versions import ModelVersion, version_in
from nbpipe.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class ModelRecord(Displayed):
    """A model.

    Attributes:
        name: Its name.
        description: What it is for.
        created: When it was made.
        stages: The name of the version that holds each stage of one holder.
        count: How many versions it has.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "name": "text",
        "description": "text",
        "versions": "int",
        "staging": "text",
        "production": "text",
        "created": "instant",
    }

    name: str
    description: str
    created: datetime
    stages: Mapping[str, str]
    count: int
    _workspace: Workspace = field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<ModelRecord {shorten(self.name)}: {self.count:,} versions>"

    @property
    def ref(self) -> EntityRef:
        """What points at this model."""
        return EntityRef(Kind.MODEL, self.name)

    @property
    def versions(self) -> Listing[ModelVersion]:
        """Its versions as they are now, the newest first."""
        return _versions(self._workspace, self.name)

    @property
    def tags(self) -> list[str]:
        """The tags that the model itself bears now."""
        return tags_of(self._workspace, Kind.MODEL, self.name)

    def as_row(self) -> dict[str, Any]:
        """Give the model's facts by column."""
        return {
            "name": self.name,
            "description": self.description,
            "versions": self.count,
            "staging": self.stages.get("staging"),
            "production": self.stages.get("production"),
            "created": self.created,
        }


def model_record(workspace: Workspace, name: str) -> ModelRecord:
    """Give the record of a model as it is now.

    Raises:
        NotFoundError: There is no such model.
    """
    state = workspace.catalog.state()
    row = state.models.get(name)
    if row is None:
        raise NotFoundError("model", name)
    stages = {stage: held["name"] for stage, held in stage_summary(state, name).items()}
    count = sum(1 for _ in versions_of(state, name))
    return ModelRecord(name, row["description"], as_instant(row["created"]), stages, count, workspace)


def _versions(workspace: Workspace, model: str) -> Listing[ModelVersion]:
    return Listing((version_in(row, workspace) for row in versions_of(workspace.catalog.state(), model)), ModelVersion)
