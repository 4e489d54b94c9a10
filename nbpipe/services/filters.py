"""Filters, which every listing knows: tags, times, names, states; what was logged is `services.noted`.

A condition is a piece of SQL made of constants; what the caller asks for is bound, never written
into it. What cannot be meant is refused before anything is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from inspect import signature
from typing import Any, TypeVar

from nbpipe.errors import BadValueError, nearest
from nbpipe.records.base import is_whole, shorten
from nbpipe.records.refs import Kind
from nbpipe.services.instants import as_instant, meant_instant
from nbpipe.services.workspace import Workspace

BEARS_ALL = """{id} IN (
    SELECT entity_id FROM tags WHERE entity_kind = $tagged_kind AND list_contains($all_tags, tag)
    GROUP BY entity_id HAVING count(DISTINCT tag) = len($all_tags))"""
BEARS_ANY = "{id} IN (SELECT entity_id FROM tags WHERE entity_kind = $tagged_kind AND list_contains($any_tags, tag))"
BEARS_PREFIX = "{id} IN (SELECT entity_id FROM tags WHERE entity_kind = $tagged_kind AND starts_with(tag, $tag_prefix))"
BEARS_PART = "{id} IN (SELECT entity_id FROM tags WHERE entity_kind = $tagged_kind AND contains(tag, $tag_contains))"
# Named in full, or without its module.
IS_OF_TYPE = "({column} = $type OR ends_with({column}, '.' || $type))"
MENTIONED = """
    SELECT id FROM (
        SELECT entity_id AS id FROM tags WHERE entity_kind = $of_kind
        UNION SELECT entity_id FROM metadata WHERE entity_kind = $of_kind)
    WHERE {fits}
"""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions that must all hold.

    Attributes:
        sql: A boolean expression; `true` if there are none.
        parameters: What it binds.
    """

    sql: str = "true"
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def are_any(self) -> bool:
        """Whether anything is asked at all."""
        return self.sql != "true"


def all_of(*conditions: Conditions) -> Conditions:
    """Put conditions together; each binds names of its own."""
    asked = [one for one in conditions if one.are_any]
    parameters = {name: value for one in conditions for name, value in one.parameters.items()}
    return Conditions(" AND ".join(f"({one.sql})" for one in asked) or "true", parameters)


def bears(
    kind: Kind,
    column: str,
    *,
    tags: Sequence[str] | None = None,
    any_tags: Sequence[str] | None = None,
    tag_prefix: str = "",
    tag_contains: str = "",
) -> Conditions:
    """Say which entities are asked for by their tags.

    Args:
        kind: The kind of the entities.
        column: The column that holds their id: a constant of ours, never a caller's word.
        tags: Tags that each must bear, all of them.
        any_tags: Tags of which each must bear one at least.
        tag_prefix: What one of its tags must begin with.
        tag_contains: What one of its tags must hold.

    Raises:
        BadValueError: A bare string in place of a list, or something that is no text.
    """
    asked = {
        BEARS_ALL: ("all_tags", sorted(set(_texts("tags", tags)))),
        BEARS_ANY: ("any_tags", _texts("any_tags", any_tags)),
        BEARS_PREFIX: ("tag_prefix", checked_text("tag_prefix", tag_prefix)),
        BEARS_PART: ("tag_contains", checked_text("tag_contains", tag_contains)),
    }
    if len(asked[BEARS_ALL][1]) == 1 and not asked[BEARS_ANY][1]:
        # All of one is any of one, which takes no counting.
        asked[BEARS_ANY], asked[BEARS_ALL] = ("any_tags", asked[BEARS_ALL][1]), ("all_tags", [])
    wanted = {sql: (name, value) for sql, (name, value) in asked.items() if value}
    if not wanted:
        return Conditions()
    sql = " AND ".join(wanted).format(id=column)
    return Conditions(sql, {"tagged_kind": kind.value, **dict(wanted.values())})


def during(column: str, since: object = None, until: object = None) -> Conditions:
    """Say which entities are asked for by an instant: not before `since`, and before `until`.

    Args:
        column: The column that holds the instant: a constant of ours.
        since: As `services.instants.meant_instant` reads it; `None` for no bound.
        until: Likewise.

    Raises:
        BadValueError: Something that is no time, or a stretch that ends before it begins.
    """
    begin, end = stretch(since, until)
    conditions = []
    if begin is not None:
        conditions.append(Conditions(f"{column} >= $since", {"since": begin}))
    if end is not None:
        conditions.append(Conditions(f"{column} < $until", {"until": end}))
    return all_of(*conditions)


def stretch(since: object, until: object) -> tuple[datetime | None, datetime | None]:
    """Read both ends of a stretch of time; `None` is open.

    Raises:
        BadValueError: Something that is no time, or a stretch that ends before it begins.
    """
    begin = None if since is None else meant_instant("since", since)
    end = None if until is None else meant_instant("until", until)
    if begin is not None and end is not None and begin > end:
        raise BadValueError(f"since={shorten(since)} is later than until={shorten(until)}; swap them.")
    return begin, end


def is_within(at: str | datetime, begin: datetime | None, end: datetime | None) -> bool:
    """Say the same as `during` of an instant that is at hand, with both ends as `stretch` gives them."""
    if begin is None and end is None:
        return True
    instant = as_instant(at)
    return (begin is None or instant >= begin) and (end is None or instant < end)


def named(column: str, *, name: str | None = None, name_prefix: str = "", name_contains: str = "") -> Conditions:
    """Say which entities are asked for by name.

    Args:
        column: The column that holds the name: a constant of ours.
        name: The whole name.
        name_prefix: What it must begin with.
        name_contains: What it must hold.

    Raises:
        BadValueError: Something that is no text.
    """
    asked = {
        f"{column} = $name": ("name", None if name is None else checked_text("name", name)),
        f"starts_with({column}, $name_prefix)": ("name_prefix", checked_text("name_prefix", name_prefix) or None),
        f"contains({column}, $name_contains)": ("name_contains", checked_text("name_contains", name_contains) or None),
    }
    return all_of(*(Conditions(sql, {key: value}) for sql, (key, value) in asked.items() if value is not None))


def fits_name(*, name: str | None = None, name_prefix: str = "", name_contains: str = "") -> Callable[[str], bool]:
    """Say the same as `named` of names that are at hand.

    Raises:
        BadValueError: Something that is no text.
    """
    checked = named("", name=name, name_prefix=name_prefix, name_contains=name_contains).parameters
    whole, beginning, part = (checked.get(key) for key in ("name", "name_prefix", "name_contains"))
    return lambda one: whole in (None, one) and one.startswith(beginning or "") and (part or "") in one


def equal(column: str, name: str, value: str | None) -> Conditions:
    """Say that a column holds a text; `None` asks nothing.

    Raises:
        BadValueError: Something that is no text.
    """
    return Conditions() if value is None else Conditions(f"{column} = ${name}", {name: checked_text(name, value)})


Word = TypeVar("Word", bound=StrEnum)


def words_of(name: str, kinds: type[Word], given: str | Sequence[str] | None) -> list[str] | None:
    """Read one word of a few, or a list of them; `None` asks nothing.

    Raises:
        BadValueError: Another word; the nearest is told.
    """
    if given is None:
        return None
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list | tuple | set | frozenset):
        raise BadValueError(f"{name}={shorten(given)} is neither a {name} nor a list of them.")
    known = [str(one) for one in kinds]
    for one in listed:
        if one not in known:
            near = nearest(one, known) if isinstance(one, str) else []
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise BadValueError(f"{shorten(one)} is no {name}; there are {', '.join(known)}.{hint}")
    return [str(one) for one in listed]


def one_of(column: str, name: str, words: Collection[str] | None) -> Conditions:
    """Say that a column holds one of several words; `None` asks nothing, and none of none fits."""
    return Conditions() if words is None else Conditions(f"list_contains(${name}, {column})", {name: list(words)})


def refuse_unknown(noun: str, listing: Callable[..., object], given: Mapping[str, object]) -> None:
    """Refuse filters that there are not.

    Args:
        noun: What is listed, such as `"Runs"`.
        listing: The method that lists; its own parameters are the filters that there are.
        given: What a caller named beside them.

    Raises:
        BadValueError: There is one; the nearest filter is told.
    """
    if given:
        name = next(iter(given))
        names = [one.name for one in signature(listing).parameters.values() if one.kind is one.KEYWORD_ONLY]
        near = nearest(name, names)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}."
        raise BadValueError(f"{noun} have no filter {shorten(name)}; {hint}")


def entities(workspace: Workspace, kind: Kind, conditions: Conditions) -> set[str] | None:
    """Give the ids of those of a kind that fit conditions on their tags and notes; `None` if nothing is asked.

    It is for kinds whose records are state, which is at hand: the catalog is asked once, and only if it must be.

    Args:
        workspace: Where to look.
        kind: The kind.
        conditions: Conditions on a column `id`, as `bears(kind, "id", …)` and `noted.notes(kind, …)` write them.
    """
    if not conditions.are_any:
        return None
    sql = MENTIONED.format(fits=conditions.sql)
    return {row["id"] for row in workspace.catalog.rows(sql, {**conditions.parameters, "of_kind": kind.value})}


def checked_text(name: str, value: object) -> str:
    """Give back a text that can be looked for.

    Raises:
        BadValueError: It is no text, or holds half of a character.
    """
    if not isinstance(value, str):
        raise BadValueError(f"{name} looks for texts, and {shorten(value)} is none.")
    if not is_whole(value):
        raise BadValueError(f"{name}={shorten(value)} holds half of a character, which no name does.")
    return value


def _texts(name: str, values: Sequence[str] | None) -> list[str]:
    if isinstance(values, str):
        raise BadValueError(f"{name} takes a list; write [{shorten(values)}].")
    if values is not None and not isinstance(values, Iterable):
        raise BadValueError(f"{name} takes a list of texts, not {shorten(values)}.")
    return [checked_text(name, value).strip() for value in values or ()]
