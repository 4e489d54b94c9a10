"""Tags: put on, taken off, listed, renamed and deleted.

Everything a call points at is found before anything is written, and one operation does it all:
so a call puts its tags on all of its targets or on none, and a refused tag is never made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from nbpipe.base.displaying import Displayed
from nbpipe.catalog.finding import by_head, near
from nbpipe.catalog.heads import head_of
from nbpipe.errors import NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.operations import AddTags, DeleteTag, PointedAt, RemoveTags, RenameTag
from nbpipe.records.refs import Kind, Target
from nbpipe.records.tags import Tag, as_tag, as_tags, cascades, flags_of
from nbpipe.services.dependents import Dependent
from nbpipe.services.filters import checked_text
from nbpipe.services.instants import as_instant
from nbpipe.services.listing import Listing
from nbpipe.services.resolve import resolve_all
from nbpipe.services.tag_foresight import TagEffect, foresee
from nbpipe.services.tag_history import TagTenure, tenures
from nbpipe.services.tag_reach import made_by, refusals
from nbpipe.services.workspace import Workspace

TAGS_ON = f"""
    {near("tags", "entity_head")}
    SELECT tag FROM near WHERE entity_kind = $kind AND entity_id = $id ORDER BY tagged_at, tag
"""  # noqa: S608 — made of constants
HELD = """
    SELECT count(*) AS held FROM (FROM keyed.tags WHERE entity_head IN (SELECT unnest($heads::BIGINT[])))
    WHERE list_contains($names, tag) AND list_contains($targets, entity_kind || ':' || entity_id)
"""
# What an operation took, its instant says: no two have the same one.
REMOVED = """
    SELECT count(*) AS lost FROM (FROM keyed.tag_history WHERE entity_head IN (SELECT unnest($heads::BIGINT[])))
    WHERE lost_at = $at::TIMESTAMPTZ AND lost_through = 'remove_tags'
"""
LOST_WITH_TAG = """
    SELECT count(*) AS lost FROM tag_history
    WHERE tag = $tag AND lost_at = $at::TIMESTAMPTZ AND lost_through = 'delete_tag'
"""
HOLDER_COUNTS = "SELECT tag, count(*) AS held FROM tags GROUP BY tag"
HOLDERS = """
    SELECT entity_kind, entity_id, scope, tagged_at FROM tags WHERE tag = $tag
    ORDER BY tagged_at DESC, entity_kind, entity_id
"""


@dataclass(frozen=True, slots=True)
class TagRecord(Displayed):
    """A tag.

    Attributes:
        name: Its name.
        exclusive: Whether one thing at most bears it in each scope.
        cascade: Whether it goes on to what a run makes.
        created: When it was first used.
        count: How many things bear it.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "name": "text",
        "exclusive": "bool",
        "cascade": "bool",
        "created": "instant",
        "count": "int",
    }

    name: str
    exclusive: bool
    cascade: bool
    created: datetime
    count: int

    def __repr__(self) -> str:
        return f"<TagRecord {shorten(self.name)}: on {self.count:,}>"

    def as_row(self) -> dict[str, Any]:
        """Give the tag's facts by column."""
        return {
            "name": self.name,
            "exclusive": self.exclusive,
            "cascade": self.cascade,
            "created": self.created,
            "count": self.count,
        }


@dataclass(frozen=True, slots=True)
class TagHolder:
    """Something that bears a tag, since when, and within what an exclusive tag has one holder."""

    row_kinds: ClassVar[Mapping[str, str]] = {
        "kind": "text",
        "id": "text",
        "scope": "text",
        "since": "instant",
    }

    kind: Kind
    id: str
    scope: str
    since: datetime

    def as_row(self) -> dict[str, Any]:
        """Give the holder's facts by column."""
        return {"kind": self.kind.value, "id": self.id, "scope": self.scope, "since": self.since}


@dataclass(frozen=True, slots=True)
class TagAnswer:
    """What adding tags did.

    Attributes:
        targets: What was tagged.
        lost: For each exclusive tag that changed hands, the id of what lost it.
        reached: For each cascading tag, how many artifact versions of the tagged runs it reached.
    """

    targets: tuple[Target, ...]
    lost: dict[str, str]
    reached: dict[str, int] = field(default_factory=dict)


def tags_of(workspace: Workspace, kind: Kind, entity_id: str) -> list[str]:
    """Give the names of the tags on one thing, in the order in which it got them."""
    return [row["tag"] for row in workspace.catalog.rows(TAGS_ON, {"kind": kind.value, **by_head(id=entity_id)})]


class TagService:
    """What may be asked of tags.

    A target is a name, an id, the beginning of an id or a record, or a list of those. With
    `artifact=` and `model=` a name alone means the artifact or model itself, `name@version` or an
    id one version of it; `to=` takes anything that says its own kind, as in `"run:1f3a9c"`.

    Args:
        workspace: Where they are kept.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def add(
        self,
        tags: Iterable[Tag | str],
        *,
        run: object = None,
        artifact: object = None,
        artifact_version: object = None,
        model: object = None,
        model_version: object = None,
        pipeline: object = None,
        snapshot: object = None,
        to: object = None,
    ) -> TagAnswer:
        """Put every tag on every target, or, if one will not do, none on any.

        A tag that cascades goes on to what a tagged run made or reused.

        Raises:
            BadValueError: A bad name, a bare string in place of a list, or no target.
            NotFoundError: A target that does not exist.
            ConflictError: Other flags than the tag's, a flag that makes no sense on the target, or
                an exclusive tag for two targets of which one alone can hold it or for a run that did not succeed.
        """
        wanted = as_tags(tags)
        targets = self._targets(
            run=run,
            artifact=artifact,
            artifact_version=artifact_version,
            model=model,
            model_version=model_version,
            pipeline=pipeline,
            snapshot=snapshot,
            to=to,
        )
        if not wanted:
            return TagAnswer(targets, {})
        self._check_holders(wanted, targets)
        state = self._workspace.catalog.state()
        reached = made_by(self._workspace, targets) if any(cascades(state, tag) for tag in wanted) else ()
        asked = AddTags(tags=wanted, targets=PointedAt.each(targets), reached=PointedAt.each(reached))
        answer = self._workspace.catalog.transact(asked)
        return TagAnswer(targets, dict(answer["lost"]), dict(answer["reached"]))

    def remove(
        self,
        tags: Iterable[Tag | str],
        *,
        run: object = None,
        artifact: object = None,
        artifact_version: object = None,
        model: object = None,
        model_version: object = None,
        pipeline: object = None,
        snapshot: object = None,
        to: object = None,
    ) -> int:
        """Take every tag from every target.

        Returns:
            How many were taken; a tag that is not there is no error.

        Raises:
            BadValueError: A bad name, a bare string in place of a list, or no target.
            NotFoundError: A target that does not exist.
        """
        names = [tag.name for tag in as_tags(tags)]
        targets = self._targets(
            run=run,
            artifact=artifact,
            artifact_version=artifact_version,
            model=model,
            model_version=model_version,
            pipeline=pipeline,
            snapshot=snapshot,
            to=to,
        )
        places = [f"{target.kind.value}:{target.id}" for target in targets]
        asked = {"names": names, "targets": places, "heads": [head_of(target.id) for target in targets]}
        if not names or not self._workspace.catalog.rows(HELD, asked)[0]["held"]:
            return 0
        # Others may be at it as well: how many this call took is known afterwards.
        answer = self._workspace.catalog.transact(RemoveTags(names=tuple(names), targets=PointedAt.each(targets)))
        taken = self._workspace.catalog.rows(REMOVED, {"heads": asked["heads"], "at": answer["at"]})
        return int(taken[0]["lost"])

    def list(self, *, prefix: str = "", contains: str = "") -> Listing[TagRecord]:
        """List tags, the newest first; with `prefix` and `contains` those whose names fit."""
        checked_text("prefix", prefix)
        checked_text("contains", contains)
        counts = self._counts()
        rows = [row for row in list(self._workspace.catalog.state().tags.values()) if row is not None]
        found = [_record(row, counts) for row in rows if row["name"].startswith(prefix) and contains in row["name"]]
        return Listing(sorted(found, key=lambda tag: (tag.created, tag.name), reverse=True), TagRecord)

    def get(self, name: str) -> TagRecord:
        """Give one tag.

        Raises:
            NotFoundError: No tag has that name.
        """
        wanted = as_tag(name).name
        state = self._workspace.catalog.state()
        row = state.tags.get(state.tag_ids.get(wanted) or "")
        if row is None:
            raise NotFoundError("tag", wanted, [known for known, tag_id in list(state.tag_ids.items()) if tag_id])
        return _record(row, self._counts())

    def holders(self, name: str) -> Listing[TagHolder]:
        """List what bears a tag, the newest first.

        Raises:
            NotFoundError: No tag has that name.
        """
        rows = self._workspace.catalog.rows(HOLDERS, {"tag": self.get(name).name})
        holders = (
            TagHolder(Kind(row["entity_kind"]), row["entity_id"], row["scope"] or "", as_instant(row["tagged_at"]))
            for row in rows
        )
        return Listing(holders, TagHolder)

    def foresee(self, tags: Iterable[Tag | str], targets: object) -> Listing[TagEffect]:
        """Say what putting each of these tags on the targets would do. Nothing is written.

        Args:
            tags: The tags.
            targets: A record, a text that says its kind, as in `"run:1f3a9c"`, or a list of those.

        Returns:
            For each tag whether it is new, its flags, who would lose it, how many artifact versions
            it would reach besides, and what would be raised.

        Raises:
            BadValueError: A bad name, a bare string in place of a list, or no target.
            NotFoundError: A target that does not exist.
        """
        return foresee(self._workspace, tags, self._targets(to=targets))

    def history(self, name: str | None = None, *, of: object = None, limit: int | None = None) -> Listing[TagTenure]:
        """List who bore a tag from when to when, and by whom each got and lost it, the newest first.

        Args:
            name: The tag; one that is deleted is known still. `None` for every tag of one thing.
            of: Only this thing: a record, or a text that says its kind, as in `"run:1f3a9c"`.
            limit: At most so many.

        Raises:
            BadValueError: Neither a tag nor a thing.
            NotFoundError: No tag ever had that name, or there is no such thing.
        """
        return tenures(self._workspace, name, of, limit)

    def rename(self, name: str, to: str) -> TagRecord:
        """Rename a tag, on everything that bears it.

        Raises:
            NotFoundError: No tag has that name.
            ConflictError: Another tag has the new one.
        """
        self._workspace.catalog.transact(RenameTag(name=as_tag(name).name, to=as_tag(to).name))
        return self.get(to)

    def dependents(self, name: str) -> Listing[Dependent]:
        """Say what deleting a tag would do.

        Raises:
            NotFoundError: No tag has that name.
        """
        count = self.get(name).count
        said = f"{count:,} {'thing loses' if count == 1 else 'things lose'} it"
        return Listing([Dependent("holder", count, said, hinders=False)] if count else [], Dependent)

    def delete(self, name: str) -> int:
        """Delete a tag, and say how many things bore it.

        Raises:
            NotFoundError: No tag has that name.
        """
        wanted = as_tag(name).name
        answer = self._workspace.catalog.transact(DeleteTag(name=wanted))
        return int(self._workspace.catalog.rows(LOST_WITH_TAG, {"tag": wanted, "at": answer["at"]})[0]["lost"])

    def _targets(self, *, to: object, **given: object) -> tuple[Target, ...]:
        return resolve_all(self._workspace, {**{Kind(kind): things for kind, things in given.items()}, None: to})

    def _check_holders(self, tags: tuple[Tag, ...], targets: tuple[Target, ...]) -> None:
        state = self._workspace.catalog.state()
        refusal = next(refusals(self._workspace, [tag for tag in tags if flags_of(state, tag)[0]], targets), None)
        if refusal is not None:
            raise refusal

    def _counts(self) -> dict[str, int]:
        return {row["tag"]: row["held"] for row in self._workspace.catalog.rows(HOLDER_COUNTS)}


def _record(row: Any, counts: dict[str, int]) -> TagRecord:
    return TagRecord(
        row["name"], row["exclusive"], row["cascade"], as_instant(row["created"]), counts.get(row["name"], 0)
    )
