"""Which model versions are asked for: by stage, failure, tags and a metric.

Stages and failures are state, which is at hand; tags and metrics are asked of the catalog, and
only if somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.records.models import ModelStages, as_stage
from nbpipe.records.refs import Kind
from nbpipe.records.state import Row
from nbpipe.services.filters import bears
from nbpipe.services.runs import parse_where
from nbpipe.services.workspace import Workspace

TAGGED = "SELECT DISTINCT entity_id FROM tags WHERE entity_kind = $tagged_kind AND {tagged}"
METRIC_HOLDS = """
    SELECT entity_id FROM (
        SELECT entity_id, arg_max(value, logged_at) AS value FROM metrics
        WHERE entity_kind = 'model_version' AND key = $metric GROUP BY entity_id)
    WHERE {comparison}
"""


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
        where: A comparison of a metric: `"evaluation.accuracy > 0.8"`.
    """

    stage: ModelStages | str | None = None
    failed: bool | None = None
    tags: Sequence[str] | None = None
    any_tags: Sequence[str] | None = None
    tag_prefix: str = ""
    tag_contains: str = ""
    where: str | None = None

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
    bearers = bearing(workspace, Kind.MODEL_VERSION, asked)
    if bearers is not None:
        found = [row for row in found if row["id"] in bearers]
    if asked.where is not None:
        better = _where(workspace, asked.where)
        found = [row for row in found if row["id"] in better]
    return found


def bearing(workspace: Workspace, kind: Kind, asked: VersionFilter) -> set[str] | None:
    """Give what bears the tags that are asked for, by id; `None` where none are."""
    tagged = bears(
        kind,
        "entity_id",
        tags=asked.tags,
        any_tags=asked.any_tags,
        tag_prefix=asked.tag_prefix,
        tag_contains=asked.tag_contains,
    )
    if not tagged.parameters:
        return None
    rows = workspace.catalog.rows(TAGGED.format(tagged=tagged.sql), tagged.parameters)
    return {row["entity_id"] for row in rows}


def _where(workspace: Workspace, text: str) -> set[str]:
    if not isinstance(text, str):
        raise BadValueError(f"where={shorten(text)} compares nothing; write it as in 'evaluation.accuracy > 0.8'.")
    metric, comparison, bound = parse_where(text)
    asked = {"metric": metric, "bound": bound}
    return {row["entity_id"] for row in workspace.catalog.rows(METRIC_HOLDS.format(comparison=comparison), asked)}
