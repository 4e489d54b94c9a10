"""Who bore a tag when: what the catalog's view `tag_history` says, with names that a reader knows.

A tenure begins when a thing gets a tag and ends when it loses it: to another, to somebody who takes
it off, or with the tag itself. What bears a tag now has a tenure without an end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from nbpipe.catalog.heads import head_of
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.records.tags import as_tag
from nbpipe.services.instants import as_instant
from nbpipe.services.labels import labels_of
from nbpipe.services.listing import Listing, checked_limit
from nbpipe.services.resolve import resolve
from nbpipe.services.workspace import Workspace

# An exclusive tag that changes hands leaves one thing and reaches the next by one operation, at one instant.
TENURES = """
    WITH mine AS MATERIALIZED (
        FROM keyed.tag_history
        WHERE ($tag IS NULL OR tag = $tag)
          AND ($head IS NULL OR (entity_head = $head AND entity_kind = $kind AND entity_id = $id)))
    SELECT mine.* EXCLUDE (entity_head), next.entity_id AS lost_to
    FROM mine LEFT JOIN tag_history AS next
        ON next.tag = mine.tag AND next.entity_kind = mine.entity_kind AND next.scope = mine.scope
        AND next.got_at = mine.lost_at AND next.got_through = mine.lost_through AND next.entity_id <> mine.entity_id
    ORDER BY mine.got_at DESC, mine.lost_at IS NULL DESC, mine.tag, mine.entity_kind, mine.entity_id
    LIMIT $limit
"""
KNOWN_NAMES = "SELECT DISTINCT tag AS name FROM tag_history LIMIT 2000"


@dataclass(frozen=True, slots=True)
class TagTenure:
    """How long one thing bore one tag, and by whom it got and lost it.

    Attributes:
        tag: The tag's name; the last one it had, if it is deleted.
        kind: What the thing is.
        id: Its id.
        label: How a message names it.
        scope: Within what an exclusive tag has one holder.
        got: Since when.
        got_by: Who gave it.
        got_through: By which operation: `end_run`, `add_tags` and so on.
        got_run_id: The run that gave it; `""` if none did.
        lost: Until when; `None` if it bears the tag now.
        lost_by: Who took it.
        lost_through: By which operation: `end_run`, `add_tags`, `remove_tags`, `delete_tag` and so on.
        lost_run_id: The run that took it; `""` if none did.
        lost_to: What has an exclusive tag in its place, as a message names it; `""` if nothing has.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "tag": "text",
        "kind": "text",
        "label": "text",
        "got": "instant",
        "got_by": "text",
        "got_through": "text",
        "got_run_id": "text",
        "lost": "instant",
        "lost_by": "text",
        "lost_through": "text",
        "lost_run_id": "text",
        "lost_to": "text",
        "scope": "text",
        "id": "text",
    }

    tag: str
    kind: Kind
    id: str
    label: str
    scope: str
    got: datetime
    got_by: str
    got_through: str
    got_run_id: str
    lost: datetime | None
    lost_by: str
    lost_through: str
    lost_run_id: str
    lost_to: str

    @property
    def ref(self) -> EntityRef:
        """What points at the thing."""
        return EntityRef(self.kind, self.id)

    @property
    def holds(self) -> bool:
        """Whether the thing bears the tag now."""
        return self.lost is None

    def as_row(self) -> dict[str, Any]:
        """Give the tenure's facts by column."""
        return {
            "tag": self.tag,
            "kind": self.kind.value,
            "label": self.label,
            "got": self.got,
            "got_by": self.got_by,
            "got_through": self.got_through,
            "got_run_id": self.got_run_id,
            "lost": self.lost,
            "lost_by": self.lost_by,
            "lost_through": self.lost_through,
            "lost_run_id": self.lost_run_id,
            "lost_to": self.lost_to,
            "scope": self.scope,
            "id": self.id,
        }


def tenures(workspace: Workspace, name: str | None, of: object, limit: int | None) -> Listing[TagTenure]:
    """List who bore a tag, or which tags a thing bore, the newest first; see `TagService.history`."""
    if name is None and of is None:
        raise BadValueError("Say whose history: a tag's name, or of= with a thing, as in of='run:1f3a9c'.")
    tag = None if name is None else as_tag(name).name
    target = None if of is None else resolve(workspace, of)
    asked = {
        "tag": tag,
        "kind": None if target is None else target.kind.value,
        "id": None if target is None else target.id,
        "head": None if target is None else head_of(target.id),
        "limit": checked_limit(limit),
    }
    rows = workspace.catalog.rows(TENURES, asked)
    if not rows and tag is not None:
        _check_known(workspace, tag)
    return Listing(_tenures_in(workspace, rows), TagTenure)


def _check_known(workspace: Workspace, tag: str) -> None:
    """Refuse a tag that never was; one that nothing has borne yet is known."""
    known = {name for name, tag_id in list(workspace.catalog.state().tag_ids.items()) if tag_id}
    known |= {row["name"] for row in workspace.catalog.rows(KNOWN_NAMES)}
    if tag not in known:
        raise NotFoundError("tag", tag, sorted(known))


def _tenures_in(workspace: Workspace, rows: list[dict[str, Any]]) -> list[TagTenure]:
    things = {(row["entity_kind"], row["entity_id"]) for row in rows}
    things |= {(row["entity_kind"], row["lost_to"]) for row in rows if row["lost_to"]}
    labels = labels_of(workspace, things)
    return [_tenure(row, labels) for row in rows]


def _tenure(row: Mapping[str, Any], labels: Mapping[tuple[str, str], str]) -> TagTenure:
    kind = row["entity_kind"]
    return TagTenure(
        tag=row["tag"],
        kind=Kind(kind),
        id=row["entity_id"],
        label=labels[kind, row["entity_id"]],
        scope=row["scope"] or "",
        got=as_instant(row["got_at"]),
        got_by=row["got_by"] or "",
        got_through=row["got_through"] or "",
        got_run_id=row["got_run_id"] or "",
        lost=None if row["lost_at"] is None else as_instant(row["lost_at"]),
        lost_by=row["lost_by"] or "",
        lost_through=row["lost_through"] or "",
        lost_run_id=row["lost_run_id"] or "",
        lost_to=labels[kind, row["lost_to"]] if row["lost_to"] else "",
    )
