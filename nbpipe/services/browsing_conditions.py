"""What a page of the catalog is narrowed down by, checked and made into conditions.

Words are looked for in upper and lower case alike, and all of them must be found. A number that
is none (NaN) is neither more nor less than anything. Instants may be written as ISO 8601 or as
an age: `7d` is a week ago.

A condition is made of constants; what is asked for is bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from nbpipe.base.clock import now
from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.services.browsing_columns import Noun, unknown
from nbpipe.services.filters import Conditions, bears
from nbpipe.services.runs import parse_where

# What every noun may be filtered by beside its own filters; the first four by what bears tags alone.
BY_TAGS = ("tags", "any_tags", "tag_prefix", "tag_contains")
BY_ALL = ("since", "until")
BY_METRIC = "where"

ALL = "true"
_MOST_WORDS = 12
_MOST_COMPARISONS = 8
_AGE = re.compile(r"(\d{1,6})\s*(min|m|h|d|w)", re.IGNORECASE)
_AGE_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MEASURED = """
    SELECT entity_id FROM (
        SELECT entity_id, arg_max(value, logged_at) AS value FROM metrics
        WHERE entity_kind = $metric_kind AND key = $metric_{n} GROUP BY entity_id)
    WHERE {comparison} {sound}"""


def known_filters(noun: Noun) -> list[str]:
    """Give the names of all filters that a noun has."""
    of_tags = BY_TAGS if noun.kind is not None else ()
    of_metrics = (BY_METRIC,) if noun.measured_in else ()
    return [*noun.filters, *of_tags, *of_metrics, *BY_ALL]


def said_filters(noun: Noun, filters: Mapping[str, Any]) -> dict[str, Any]:
    """Give the filters that say something, as they were given; an age stays one until it is asked for.

    Raises:
        BadValueError: One that the noun does not have, or a value that does not fit.
    """
    known = known_filters(noun)
    for name in filters:
        if name not in known:
            raise unknown(f"{noun.name} are not filtered by", name, known)
    said = {name: value for name, value in filters.items() if value is not None and value not in ("", (), [])}
    for name, value in said.items():
        _checked(noun, name, value)
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
    for name, comparison in (("since", ">="), ("until", "<")):
        if name in filters:
            found.append(f"it.{noun.when} {comparison} ${name}::TIMESTAMPTZ")
            asked[name] = filters[name].isoformat()
    for n, (metric, comparison, bound) in enumerate(filters.get(BY_METRIC, ())):
        found.append(_measured(noun, comparison, n))
        asked |= {"metric_kind": metric_kind(noun), f"metric_{n}": metric, f"bound_{n}": bound}
    if noun.kind is not None:
        tagged = bears(noun.kind, f"it.{noun.id}", **{name: filters[name] for name in BY_TAGS if name in filters})
        found += [tagged.sql] if tagged.parameters else []
        asked |= tagged.parameters
    return Conditions(" AND ".join(found) or ALL, asked)


def words_in(text: str) -> list[str]:
    """Give the words to look for; a long text is looked for as it is, since nobody remembers so many words."""
    words = text.split()
    return words if len(words) <= _MOST_WORDS else [text.strip()]


def metric_kind(noun: Noun) -> str:
    """Give the kind under which the metrics are kept by which a noun is compared."""
    return noun.measured_kind.value if noun.measured_kind is not None else ""


def checked_word(name: str, value: object) -> str:
    """Give back a text that can be looked for.

    Raises:
        BadValueError: It is no text, or holds half of a character.
    """
    if not isinstance(value, str):
        raise BadValueError(f"{name} looks for texts, and {shorten(value)} is none.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadValueError(f"{name}={shorten(value)} holds half of a character, which no name does.") from None
    return value


def _checked(noun: Noun, name: str, value: Any) -> Any:
    if name in ("tags", "any_tags"):
        if isinstance(value, str) or not isinstance(value, Sequence | set | frozenset):
            raise BadValueError(f"{name} takes a list; write [{shorten(value)}].")
        return tuple(dict.fromkeys(checked_word(name, one).strip() for one in value))
    if name in BY_ALL:
        return _instant(name, value)
    if name == BY_METRIC:
        return _comparisons(value)
    word = checked_word(name, value)
    choices = noun.filters[name].choices if name in noun.filters else ()
    if choices and word not in choices:
        raise unknown(f"{name} cannot be", value, list(choices))
    # An enumeration's own text is bound as plain text.
    return str(word)


def _comparisons(value: Any) -> tuple[tuple[str, str, float], ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or len(texts) > _MOST_COMPARISONS:
        raise BadValueError(
            f"where={shorten(value)} is no comparison of a metric, nor a list of up to {_MOST_COMPARISONS}; "
            "write it as in 'evaluation_metrics.accuracy > 0.8'."
        )
    return tuple(parse_where(checked_word(BY_METRIC, text)) for text in texts)


def _measured(noun: Noun, comparison: str, n: int) -> str:
    # The engine takes NaN for the largest of numbers.
    sound = "" if "<>" in comparison else "AND NOT isnan(value)"
    bound = comparison.replace("$bound", f"$bound_{n}")
    return noun.measured_in.format(ids=_MEASURED.format(n=n, comparison=bound, sound=sound))


def _instant(name: str, value: Any) -> datetime:
    if isinstance(value, str):
        age = _AGE.fullmatch(value.strip())
        try:
            if age is not None:
                return now() - timedelta(**{_AGE_UNITS[age[2].lower()]: int(age[1])})
            value = datetime.fromisoformat(value.strip())
        except (ValueError, OverflowError):
            value = None
    if not isinstance(value, datetime):
        raise BadValueError(
            f"{name} takes an instant or an age: '2026-11-20', '2026-11-20T08:15+01:00', '24h' or '7d'."
        )
    try:
        # One without a zone is the reader's own.
        return value.astimezone(UTC)
    except (OverflowError, ValueError, OSError):
        raise BadValueError(f"{name}={shorten(value)} lies outside the calendar.") from None
