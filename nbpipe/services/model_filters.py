"""Which model versions are asked for: by stage, failure, tags, metrics and metadata.

Stages and failures are state, which is at hand; tags and what was logged are asked of the catalog,
and only if somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.records.models import ModelStages, as_stage
from nbpipe.records.refs import Kind
from nbpipe.records.state import Row
from nbpipe.services.filters import bears, entities
from nbpipe.services.noted import notes
from nbpipe.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class VersionFilter:
    """What is asked of versions; what is not said does not matter.

    Attributes:
        stage: The stage they are in, in any letter case.
        failed: Whether the run that made them failed.
        tags: Tags that each must bear, all of them.
        any_tags: Tags of which each must bear one at least.
        tag_prefix: What one of its tags must begin with.
        tag_contains: What one of its tags must hold.
        where: Comparisons of metrics: `"evaluation.accuracy > 0.8 and loss < 0.2"`, or a list of those.
        metadata: What their metadata must say, by dotted path.
    """

    stage: ModelStages | str | None = None
    failed: bool | None = None
    tags: Sequence[str] | None = None
    any_tags: Sequence[str] | None = None
    tag_prefix: str = ""
    tag_contains: str = ""
    where: str | Sequence[str] | None = None
    metadata: Mapping[Any, Any] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked."""
        return self == VersionFilter()


def fitting(workspace: Workspace, rows: Iterable[Row], asked: VersionFilter) -> list[Row]:
    """Give the versions that fit, in their order.

    Raises:
        BadValueError: A filter of the wrong form.
    """
    found = list(rows)
    if asked.stage is not None:
        stage = as_stage(asked.stage)
        found = [row for row in found if row["stage"] == stage.value]
    if asked.failed is not None:
        if not isinstance(asked.failed, bool):
            raise BadValueError(f"failed={shorten(asked.failed)} should be True, False or None.")
        found = [row for row in found if row["failed"] is asked.failed]
    for known in (bearing(workspace, Kind.MODEL_VERSION, asked), _noted(workspace, asked)):
        if known is not None:
            found = [row for row in found if row["id"] in known]
    return found


def bearing(workspace: Workspace, kind: Kind, asked: VersionFilter) -> set[str] | None:
    """Give what bears the tags that are asked for, by id; `None` where none are."""
    tagged = bears(
        kind,
        "id",
        tags=asked.tags,
        any_tags=asked.any_tags,
        tag_prefix=asked.tag_prefix,
        tag_contains=asked.tag_contains,
    )
    return entities(workspace, kind, tagged)


def _noted(workspace: Workspace, asked: VersionFilter) -> set[str] | None:
    noted = notes(Kind.MODEL_VERSION, where=asked.where, metadata=asked.metadata)
    return entities(workspace, Kind.MODEL_VERSION, noted)
