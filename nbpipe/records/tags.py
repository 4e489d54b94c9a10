"""Tags: words put on pipelines, runs, artifacts, models and snapshots.

Two flags give a tag a rule of its own.

- *exclusive*: of all the entities in its scope, one at most bears the tag. Giving it to another
  takes it from the first.
- *cascade*: declared on a pipeline, it is also put on every artifact version that a run makes
  or reuses. What is so declared once goes on to what a run made also where the run gets it by name.

The flags belong to the tag and are fixed at its first use. A tag written without flags, or as a
plain string, is whatever that tag already is. This module holds the words and the rules; what
a target's scope is, `records.refs.Target` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints, model_serializer

from nbpipe.base.ids import is_uuid_like, new_id
from nbpipe.errors import BadValueError, ConflictError, NotFoundError
from nbpipe.records.base import Record, is_plain, shorten
from nbpipe.records.changes import Change, key_of
from nbpipe.records.refs import Kind, Target
from nbpipe.records.state import Draft, OperationState

_SCOPED = {Kind.RUN, Kind.SNAPSHOT, Kind.ARTIFACT_VERSION, Kind.MODEL_VERSION}


def _plain_name(name: str) -> str:
    if not is_plain(name):
        raise ValueError(f"{shorten(name)} holds a control character; a tag is plain text")
    if is_uuid_like(name):
        raise ValueError(f"{name!r} looks like an id; a tag needs a name of its own")
    return name


TagName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255, strict=True),
    AfterValidator(_plain_name),
]


class Tag(Record):
    """A tag as a user writes it.

    `Tag(name="latest", exclusive=True)`. A flag that is not given is the tag's own, and off for
    a new tag.
    """

    name: TagName
    exclusive: bool = False
    cascade: bool = False

    @model_serializer
    def _as_said(self) -> dict[str, Any]:
        # A flag that was never mentioned must not be read back as one that was declared off.
        flags = {flag: getattr(self, flag) for flag in ("exclusive", "cascade") if self.declares(flag)}
        return {"name": self.name, **flags}

    def declares(self, flag: str) -> bool:
        """Tell whether the user said anything about this flag."""
        return flag in self.model_fields_set


def as_tag(tag: Tag | str | Mapping[str, Any]) -> Tag:
    """Give the `Tag` that a user meant by a `Tag`, a bare name, or a mapping as a file holds it."""
    if isinstance(tag, Tag):
        return tag
    if isinstance(tag, Mapping):
        return Tag.read(dict(tag))
    if not isinstance(tag, str):
        raise BadValueError(f"{shorten(tag)} is no tag; give a string or Tag(name=…).")
    return Tag(name=tag)


def as_tags(tags: Iterable[Tag | str | Mapping[str, Any]] | None) -> tuple[Tag, ...]:
    """Give each tag once, in order; a tag listed twice counts once, with all that was said of it.

    Raises:
        BadValueError: A bare string in place of a list, or something that is no tag.
        ConflictError: One tag is listed with two meanings.
    """
    if isinstance(tags, str | Tag | Mapping):
        raise BadValueError(f"tags takes a list; write [{shorten(tags)}].")
    if not isinstance(tags, Iterable | None):
        raise BadValueError(f"tags takes a list of tags, not {shorten(tags)}.")
    unique: dict[str, Tag] = {}
    for item in tags or ():
        tag = as_tag(item)
        former = unique.get(tag.name)
        unique[tag.name] = tag if former is None else _merged(former, tag)
    return tuple(unique.values())


def _merged(one: Tag, other: Tag) -> Tag:
    said: dict[str, Any] = {"name": one.name}
    for flag in ("exclusive", "cascade"):
        values = {getattr(tag, flag) for tag in (one, other) if tag.declares(flag)}
        if len(values) > 1:
            raise ConflictError(f"Tag {one.name!r} is listed both with {flag}=True and with {flag}=False.")
        if values:
            said[flag] = values.pop()
    return Tag(**said)


def flags_of(state: OperationState, tag: Tag) -> tuple[bool, bool]:
    """Give (exclusive, cascade) as they hold for this tag.

    Raises:
        ConflictError: The tag exists with other flags than those declared.
    """
    tag_id = state.tag_ids.get(tag.name)
    row = state.tags.get(tag_id) if tag_id else None
    if row is None:
        return tag.exclusive, tag.cascade
    for flag in ("exclusive", "cascade"):
        if tag.declares(flag) and getattr(tag, flag) != row[flag]:
            is_now = "is" if row[flag] else "is not"
            raise ConflictError(
                f"Tag {tag.name!r} {is_now} {flag}, which was fixed at its first use. Drop {flag}= or use another name."
            )
    return row["exclusive"], row["cascade"]


def cascades(state: OperationState, tag: Tag) -> bool:
    """Tell whether a tag goes on to what a run made: by what the workspace knows of it, else by what was declared."""
    row = state.tags.get(state.tag_ids.get(tag.name) or "")
    return bool(row["cascade"]) if row is not None else tag.cascade


def check_declared(state: OperationState, tags: Sequence[Tag]) -> None:
    """Refuse tags that contradict what the workspace knows of them; nothing is changed."""
    for tag in tags:
        flags_of(state, tag)


def put_tag(draft: Draft, tag: Tag, target: Target, at: str, *, from_pipeline: bool = False) -> str:
    """Put `tag` on `target`; an exclusive tag leaves its present holder in the same breath.

    Args:
        draft: Where the changes are gathered.
        tag: The tag.
        target: What gets it.
        at: The instant, for the record.
        from_pipeline: Whether a pipeline that has declared its tags asks; no other tag may be said to cascade.

    Returns:
        The id of the entity that lost the tag, or `""`.

    Raises:
        ConflictError: Other flags than the tag's, or a flag that makes no sense on this target.
    """
    exclusive, cascade = flags_of(draft.state, tag)
    if tag.cascade and not from_pipeline:
        raise ConflictError(f"Tag {tag.name!r} cascades; only a pipeline's own tags can.")
    if exclusive and target.kind not in _SCOPED:
        raise ConflictError(
            f"Tag {tag.name!r} is exclusive, which a {target.kind.value} cannot hold; "
            "tag a run, a version or a snapshot."
        )
    tag_id = _known_tag(draft, tag.name, exclusive=exclusive, cascade=cascade, at=at)
    if exclusive and draft.state.holders.get(key_of(tag_id, target.kind.value, target.scope)) == target.id:
        # It holds the tag since it got it.
        return ""
    lost = _take_from_holder(draft, tag_id, target) if exclusive else ""
    row = {
        "tag_id": tag_id,
        "entity_kind": target.kind.value,
        "entity_id": target.id,
        "scope": target.scope,
        "at": at,
    }
    draft.put("tagging", key_of(tag_id, target.kind.value, target.id), row)
    return lost


def _known_tag(draft: Draft, name: str, *, exclusive: bool, cascade: bool, at: str) -> str:
    tag_id = draft.state.tag_ids.get(name)
    if tag_id is None:
        tag_id = new_id()
        row = {"id": tag_id, "name": name, "exclusive": exclusive, "cascade": cascade, "created": at}
        draft.put("tag", tag_id, row)
    return tag_id


def _take_from_holder(draft: Draft, tag_id: str, target: Target) -> str:
    holder = draft.state.holders.get(key_of(tag_id, target.kind.value, target.scope))
    if holder is None:
        return ""
    draft.put("tagging", key_of(tag_id, target.kind.value, holder), None)
    return holder


def is_exclusive(draft: Draft, tag: Tag) -> bool:
    """Tell whether a tag is exclusive: by what the workspace knows of it, else by what was declared."""
    row = draft.state.tags.get(draft.state.tag_ids.get(tag.name) or "")
    return bool(row["exclusive"]) if row is not None else tag.exclusive


def remove_tag(draft: Draft, name: str, target: Target) -> None:
    """Take the tag from `target`; a tag that does not exist is no error."""
    tag_id = draft.state.tag_ids.get(name)
    if tag_id is not None:
        draft.put("tagging", key_of(tag_id, target.kind.value, target.id), None)


def rename_tag(state: OperationState, name: str, to: Tag) -> tuple[Change, ...]:
    """Give a tag another name, on everything that bears it."""
    row = _row_of(state, name)
    if to.name == name:
        return ()
    if state.tag_ids.get(to.name) is not None:
        raise ConflictError(f"A tag named {to.name!r} exists already.")
    return (Change("tag", row["id"], {**row, "name": to.name}),)


def delete_tag(state: OperationState, name: str) -> tuple[Change, ...]:
    """Delete a tag; everything that bears it loses it."""
    return (Change("tag", _row_of(state, name)["id"], None),)


def _row_of(state: OperationState, name: str) -> dict[str, Any]:
    tag_id = state.tag_ids.get(name)
    row = state.tags.get(tag_id) if tag_id else None
    if row is None:
        raise NotFoundError("tag", name, [known for known, held in state.tag_ids.items() if held])
    return dict(row)
