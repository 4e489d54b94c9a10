"""Filters by tag, which every listing knows: all of several tags, any of several, by beginning, by part.

A condition is a piece of SQL made of constants; what the caller asks for is bound, never written
into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.records.refs import Kind

BEARS_ALL = """{id} IN (
    SELECT entity_id FROM tags WHERE entity_kind = $tagged_kind AND list_contains($all_tags, tag)
    GROUP BY entity_id HAVING count(DISTINCT tag) = len($all_tags))"""
BEARS_ANY = "{id} IN (SELECT entity_id FROM tags WHERE entity_kind = $tagged_kind AND list_contains($any_tags, tag))"
BEARS_PREFIX = "{id} IN (SELECT entity_id FROM tags WHERE entity_kind = $tagged_kind AND starts_with(tag, $tag_prefix))"
BEARS_PART = "{id} IN (SELECT entity_id FROM tags WHERE entity_kind = $tagged_kind AND contains(tag, $tag_contains))"


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions that must all hold.

    Attributes:
        sql: A boolean expression; `true` if there are none.
        parameters: What it binds.
    """

    sql: str
    parameters: dict[str, Any]


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
        return Conditions("true", {})
    sql = " AND ".join(wanted).format(id=column)
    return Conditions(sql, {"tagged_kind": kind.value, **dict(wanted.values())})


def _texts(name: str, values: Sequence[str] | None) -> list[str]:
    if isinstance(values, str):
        raise BadValueError(f"{name} takes a list; write [{shorten(values)}].")
    return [checked_text(name, value).strip() for value in values or ()]


def checked_text(name: str, value: str) -> str:
    """Give back what a filter looks for, if it is a text.

    Raises:
        BadValueError: It is none.
    """
    if not isinstance(value, str):
        raise BadValueError(f"{name} looks for texts, and {shorten(value)} is none.")
    return value
