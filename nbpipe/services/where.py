"""Comparisons of metrics as people write them: `"evaluation_metrics.accuracy > 0.8 and loss <= 0.2"`.

A metric's name is whatever stands before the sign, dots, blanks and all; one that holds a sign
itself, or the word `and`, is put into quotes. What is compared with is a number. This module
reads; what is asked of the catalog is `services.noted`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.services.filters import checked_text

_COMPARISON = re.compile(
    r"""\s*(?:"(?P<double>[^"]+)"\s*|'(?P<single>[^']+)'\s*|`(?P<back>[^`]+)`\s*|(?P<bare>[^\s<>=!"'`][^<>=!]*))
    (?P<sign>>=|<=|!=|==|=|>|<)\s*(?P<bound>[^\s<>=!]+)(?:\s+and(?=\s)|\s*$)""",
    re.VERBOSE | re.IGNORECASE,
)
_MOST = 20
_LONGEST = 200_000
# In the engine's order NaN is larger than all numbers, which is not what anybody means.
_CONDITIONS = {
    ">=": "{value} >= {bound} AND NOT isnan({value})",
    "<=": "{value} <= {bound}",
    "!=": "{value} <> {bound}",
    "==": "{value} = {bound}",
    ">": "{value} > {bound} AND NOT isnan({value})",
    "<": "{value} < {bound}",
    "=": "{value} = {bound}",
}


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One comparison of a metric with a number.

    Attributes:
        metric: The metric's dotted name.
        sign: One of `>=`, `<=`, `!=`, `==`, `=`, `>` and `<`.
        bound: What it is compared with.
    """

    metric: str
    sign: str
    bound: float

    def condition(self, value: str, bound: str) -> str:
        """Write the condition.

        Args:
            value: The SQL that gives the metric's value: a constant of ours.
            bound: The name under which the number is bound.
        """
        return _CONDITIONS[self.sign].format(value=value, bound=bound)


def parse_where(where: str | Sequence[str] | None) -> tuple[MetricComparison, ...]:
    """Read comparisons that must all hold.

    Args:
        where: Comparisons joined by `and`, a list of such texts, or nothing.

    Raises:
        BadValueError: No comparison of this form, or too many.
    """
    texts = [where] if isinstance(where, str) else where if where is not None else []
    if not isinstance(texts, list | tuple):
        raise BadValueError(f"where={shorten(where)} is neither a text nor a list of texts.")
    found = [comparison for text in texts for comparison in _read(text)]
    if len(found) > _MOST:
        raise BadValueError(f"where compares {len(found)} metrics; at most {_MOST} can be compared at once.")
    return tuple(found)


def _read(text: object) -> list[MetricComparison]:
    text = checked_text("where", text).strip()
    if len(text) > _LONGEST:
        raise BadValueError(f"where has {len(text):,} letters; at most {_LONGEST:,} are read.")
    found: list[MetricComparison] = []
    place = 0
    while place < len(text) or not found:
        match = _COMPARISON.match(text, place)
        comparison = _comparison(match) if match is not None else None
        if match is None or comparison is None:
            raise BadValueError(
                f"{shorten(text)} compares nothing; write it as in 'evaluation_metrics.accuracy > 0.8 and loss < 0.2'."
            )
        found.append(comparison)
        place = match.end()
    return found


def _comparison(match: re.Match[str]) -> MetricComparison | None:
    parts = match.groupdict()
    metric = next(name for name in (parts["double"], parts["single"], parts["back"], parts["bare"]) if name is not None)
    try:
        bound = float(parts["bound"])
    except ValueError:
        return None
    # A bare name is what stands between the blanks around it.
    metric = metric if parts["bare"] is None else metric.strip()
    if not metric or (math.isnan(bound) and parts["sign"] not in ("=", "==", "!=")):
        return None
    return MetricComparison(metric, parts["sign"], bound)
