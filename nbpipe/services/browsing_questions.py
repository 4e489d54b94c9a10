"""A question to the catalog: which rows of which noun, in which order, and which page of them.

It is checked when it is made: one that exists can be asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.services.browsing_columns import Noun
from nbpipe.services.browsing_conditions import said_filters
from nbpipe.services.browsing_nouns import noun_named
from nbpipe.services.filters import checked_text

METRIC = "metric:"
LARGEST_PAGE = 500
FARTHEST = 2**62
_MOST_METRICS = 12
_LONGEST_TEXT = 20_000


@dataclass(frozen=True)
class Question:
    """What is asked of the catalog: a noun, what its rows are narrowed down by, their order, and which page.

    Attributes:
        noun: One of `browsing_nouns.NOUNS`.
        text: Words that must all be found in a row, in upper or lower case.
        filters: Further conditions by name: those of the noun, `tags` (all of them), `any_tags`, `tag_prefix`,
            `tag_contains`, `where` (comparisons of metrics), `since` and `until`.
        sort: A column's name, or `metric:` and a metric's dotted name; empty for the order of arrival.
        descending: The largest or newest first. Missing values come last either way, and rows that
            are equal stand in the order of arrival, newest first.
        page: Which page, from 1.
        size: How many rows a page has.
        metrics: The metrics to show; `None` for those that most rows of the page have.

    Raises:
        BadValueError: Anything of it does not fit.
    """

    noun: str = "runs"
    text: str = ""
    filters: Mapping[str, Any] = field(default_factory=dict)
    sort: str = ""
    descending: bool = True
    page: int = 1
    size: int = 20
    metrics: Sequence[str] | None = None

    def __post_init__(self) -> None:
        noun = noun_named(self.noun)
        checked = {
            "noun": noun.name,
            "text": _checked_text(self.text),
            "filters": said_filters(noun, _checked_mapping(self.filters)),
            "sort": _checked_sort(noun, self.sort),
            "metrics": _checked_metrics(noun, self.metrics),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if not isinstance(self.descending, bool):
            raise BadValueError(f"descending={shorten(self.descending)} should be True or False.")
        _check_number("page", self.page, FARTHEST)
        _check_number("size", self.size, LARGEST_PAGE)


def _checked_text(text: object) -> str:
    word = checked_text("text", text)
    if len(word) > _LONGEST_TEXT:
        raise BadValueError(f"text has {len(word):,} letters; at most {_LONGEST_TEXT:,} are looked for.")
    return word.strip()


def _checked_mapping(filters: object) -> Mapping[str, Any]:
    if not isinstance(filters, Mapping):
        raise BadValueError(f"filters={shorten(filters)} should go by name, as in {{'status': 'failed'}}.")
    return filters


def _checked_sort(noun: Noun, sort: object) -> str:
    if not isinstance(sort, str):
        raise BadValueError(f"sort={shorten(sort)} should be the name of a column.")
    if sort.startswith(METRIC) and noun.is_measured:
        return METRIC + _checked_metric(sort.removeprefix(METRIC))
    return noun.column(sort).name if sort else sort


def _checked_metrics(noun: Noun, metrics: object) -> tuple[str, ...] | None:
    if metrics is None:
        return None
    if isinstance(metrics, str) or not isinstance(metrics, Sequence) or len(metrics) > _MOST_METRICS:
        raise BadValueError(f"metrics={shorten(metrics)} should be a list of up to {_MOST_METRICS} names.")
    if metrics and not noun.is_measured:
        raise BadValueError(f"{noun.name} have no metrics.")
    return tuple(dict.fromkeys(_checked_metric(metric) for metric in metrics))


def _checked_metric(metric: object) -> str:
    name = checked_text("metric", metric).strip()
    if not name:
        raise BadValueError("A metric goes by its name, as in 'evaluation_metrics.accuracy'.")
    return name


def _check_number(name: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not value >= 1:
        raise BadValueError(f"{name}={shorten(value)} should be a whole number from 1.")
    if value > most:
        raise BadValueError(f"{name}={shorten(value)} is too large; {most:,} is the most.")
