"""What a page of the catalog is narrowed down by, checked and made into conditions.

Words are looked for in upper and lower case alike, and all of them must be found. What else may be
asked (tags, times, metrics, metadata) is asked as in every listing.

A condition is made of constants; what is asked for is bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.services.browsing_columns import Noun, unknown
from nbpipe.services.filters import Conditions, bears, checked_text, during, stretch
from nbpipe.services.instants import meant_instant
from nbpipe.services.noted import notes

# What every noun may be filtered by beside its own filters; the first four by what bears tags alone.
BY_TAGS = ("tags", "any_tags", "tag_prefix", "tag_contains")
BY_ALL = ("since", "until")
BY_NOTES = ("where", "metadata")

ALL = "true"
_MOST_WORDS = 12


def known_filters(noun: Noun) -> list[str]:
    """Give the names of all filters that a noun has."""
    of_tags = BY_TAGS if noun.kind is not None else ()
    of_notes = BY_NOTES if noun.noted_kind is not None else ()
    return [*noun.filters, *of_tags, *of_notes, *BY_ALL]


def said_filters(noun: Noun, filters: Mapping[str, Any]) -> dict[str, Any]:
    """Give the filters that say something, as they were given; an age stays one until it is asked for.

    Raises:
        BadValueError: One that the noun does not have, or a value that does not fit.
    """
    known = known_filters(noun)
    for name in filters:
        if name not in known:
            raise unknown(f"{noun.name} are not filtered by", name, known)
    said = {name: value for name, value in filters.items() if value is not None and value not in ("", (), [], {})}
    for name, value in said.items():
        _checked(noun, name, value)
    stretch(said.get("since"), said.get("until"))
    return said


def conditions(noun: Noun, text: str, filters: Mapping[str, Any]) -> Conditions:
    """Say in SQL which rows are asked for.

    Args:
        noun: What is browsed.
        text: The words to look for.
        filters: As `said_filters` gives them.
    """
    filters = {name: _checked(noun, name, value) for name, value in filters.items()}
    found: list[str] = []
    asked: dict[str, Any] = {}
    for n, word in enumerate(words_in(text)):
        places = [f'contains(lower(it."{column}"), lower($word_{n}))' for column in noun.texts]
        found.append(f"({' OR '.join(places)})")
        asked[f"word_{n}"] = word
    for name in noun.filters.keys() & filters.keys():
        found.append(noun.filters[name].sql)
        asked[name] = filters[name]
    also = [during(f"it.{noun.when}", filters.get("since"), filters.get("until"))]
    if noun.kind is not None:
        by_tags = {name: filters[name] for name in BY_TAGS if name in filters}
        also.append(bears(noun.kind, f"it.{noun.id}", **by_tags))
    if noun.noted_kind is not None:
        noted = notes(noun.noted_kind, where=filters.get("where"), metadata=filters.get("metadata"))
        also.append(Conditions(noun.noted_in.format(fits=noted.sql), noted.parameters) if noted.are_any else noted)
    for one in also:
        found += [one.sql] if one.are_any else []
        asked |= one.parameters
    return Conditions(" AND ".join(found) or ALL, asked)


def words_in(text: str) -> list[str]:
    """Give the words to look for; a long text is looked for as it is, since nobody remembers so many words."""
    words = text.split()
    return words if len(words) <= _MOST_WORDS else [text.strip()]


def metric_kind(noun: Noun) -> str:
    """Give the kind under which a noun's metrics are kept."""
    return noun.noted_kind.value if noun.noted_kind is not None else ""


def _checked(noun: Noun, name: str, value: Any) -> Any:
    if name in ("tags", "any_tags"):
        if isinstance(value, str) or not isinstance(value, Sequence | set | frozenset):
            raise BadValueError(f"{name} takes a list; write [{shorten(value)}].")
        return tuple(dict.fromkeys(checked_text(name, one).strip() for one in value))
    if name in BY_ALL:
        meant_instant(name, value)
        return value
    if name in BY_NOTES and noun.noted_kind is not None:
        notes(noun.noted_kind, **{name: value})
        return value
    word = checked_text(name, value)
    choices = noun.filters[name].choices if name in noun.filters else ()
    if choices and word not in choices:
        raise unknown(f"{name} cannot be", value, list(choices))
    # An enumeration's own text is bound as plain text.
    return str(word)
