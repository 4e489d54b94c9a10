"""What a comparison of runs is made of, and which of it is best: plain values, pure rules.

Whether more is better is read from a metric's name unless the caller says so. A number that is
none (NaN) is never better than anything, and what only one run has is not best.

How it is laid out is `views.comparison`; charts are `views.dot_chart` and `views.parallel_axes`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nbpipe.views.amounts import duration_text, number_text, value_text
from nbpipe.views.facts import StepFacts
from nbpipe.views.theme import signed

_LESS_IS_BETTER = re.compile(
    r"(?:^|[._\s-])(?:loss|error|errors|err|rmse|mse|mae|mape|latency|time|duration|seconds|perplexity|cost|logloss)"
    r"(?:$|[._\s-])",
    re.IGNORECASE,
)
BEST = "★"
NOTHING = "–"
_NOISY_DIGITS = 8


@dataclass(frozen=True, slots=True)
class ComparedRunFacts:
    """One of the runs.

    Attributes:
        id: Its id.
        name: Its name.
        pipeline: Its pipeline's name.
        status: A status known to `views.theme`.
        duration_s: How long it took, in seconds.
    """

    id: str
    name: str
    pipeline: str
    status: str
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One thing across the runs.

    Attributes:
        group: `run`, `parameters`, `metrics`, `steps`, `data`, `code` or `tags`.
        name: What it is called in its group.
        values: Its value in each run, by the run's place; a run that does not have it is left out. Of `metrics` they
            are numbers, of `steps` `StepFacts`, of `data` and `code` texts of which equal ones need not be equal data.
        differs: Whether two runs differ in it.
    """

    group: str
    name: str
    values: Mapping[int, object]
    differs: bool


@dataclass(frozen=True, slots=True)
class ComparisonFacts:
    """Two runs or more, side by side.

    Attributes:
        runs: The runs, in order.
        rows: Everything that is compared, group by group.
        more_is_better: For each metric whether more is better; read from its name where it is not given.
    """

    runs: Sequence[ComparedRunFacts]
    rows: Sequence[ComparedRow]
    more_is_better: Mapping[str, bool] = field(default_factory=dict)

    def shown(self, *, only_differences: bool) -> list[ComparedRow]:
        """Give the rows in which the runs differ, or all."""
        return [row for row in self.rows if row.differs or not only_differences]

    def labels(self, *, stable: bool = False) -> list[str]:
        """Name each run in a few letters: by the beginning of its id, or by its place if ids must not show."""
        if stable:
            return [f"run {place}" for place, _ in enumerate(self.runs, start=1)]
        return [run.id[:8] or run.name for run in self.runs]

    def is_more_better(self, metric: str) -> bool:
        """Tell whether more of a metric is better."""
        return self.more_is_better.get(metric, reads_as_more_is_better(metric))

    def best(self, row: ComparedRow) -> frozenset[int]:
        """Give the places of the runs that have the best of a metric; none if none is better than another."""
        return best_places(numbers_of(row), more_is_better=self.is_more_better(row.name))


def numbers_of(row: ComparedRow) -> dict[int, float]:
    """Give the values of a row that are numbers, as floats, by the run's place; infinities and NaN among them."""
    found = {}
    for place, value in row.values.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                found[place] = float(value)
            except OverflowError:
                found[place] = math.inf if value > 0 else -math.inf
    return found


def best_places(values: Mapping[int, float], *, more_is_better: bool) -> frozenset[int]:
    """Give the keys of the best of some numbers; none if all are the same, or only one is a number at all."""
    known = {place: value for place, value in values.items() if not math.isnan(value)}
    if len(set(known.values())) < 2:
        return frozenset()
    best = max(known.values()) if more_is_better else min(known.values())
    return frozenset(place for place, value in known.items() if value == best)


def best_of(before: float, after: float, *, more_is_better: bool) -> str | None:
    """Say which of two numbers is better, `"left"` or `"right"`; `None` if neither is."""
    best = best_places({0: before, 1: after}, more_is_better=more_is_better)
    return None if not best else "left" if 0 in best else "right"


def delta_text(before: float, after: float) -> str:
    """Write a change: `▲ 0.03 (+3.4 %)`, `▼ 2`, `=` where there is none."""
    if before == after or (math.isnan(before) and math.isnan(after)):
        return "="
    change = after - before
    if math.isnan(change):
        return NOTHING
    share = change / abs(before) if before else math.inf
    # Of next to nothing, anything is infinitely much.
    told = f" ({share:+.1%})".replace("%", " %") if math.isfinite(change) and math.isfinite(share) else ""
    return f"{'▲' if change > 0 else '▼'} {number_text(abs(change))}{told}"


def pair_texts(metric: str, before: float | None, after: float | None) -> tuple[str, str, str]:
    """Write two values of a metric, the better one marked, and the change; a value that is not there is `None`."""
    known = {place: value for place, value in enumerate((before, after)) if value is not None}
    texts = _number_texts(known)
    if before is None or after is None:
        return texts.get(0, NOTHING), texts.get(1, NOTHING), NOTHING
    best = best_places(known, more_is_better=reads_as_more_is_better(metric))
    left, right = (f"{BEST} {text}" if place in best else text for place, text in texts.items())
    return left, right, delta_text(before, after)


def reads_as_more_is_better(metric: str) -> bool:
    """Tell from a metric's name whether more is better: not for losses, errors and times."""
    return _LESS_IS_BETTER.search(metric) is None


def cell_texts(row: ComparedRow, *, stable: bool = False) -> dict[int, str]:
    """Write the values of a row, by the run's place.

    Two numbers that differ never read the same; of more, some may, but never all of them.

    Args:
        row: The row.
        stable: Leave durations out.
    """
    if row.group == "metrics":
        return _number_texts(numbers_of(row))
    if row.group == "parameters":
        return {place: _parameter_text(value) for place, value in row.values.items()}
    if row.group == "steps":
        return {place: _step_text(value, stable=stable) for place, value in row.values.items()}
    if row.group == "tags":
        return dict.fromkeys(row.values, "✓")
    if row.group == "run" and row.name == "status":
        return {place: signed(str(value)) for place, value in row.values.items()}
    return {place: value_text(value) for place, value in row.values.items()}


def short_names(paths: Sequence[str]) -> list[str]:
    """Name things by the ends of their dotted paths, where no two end alike."""
    ends = [path.rpartition(".")[2] or path for path in paths]
    return [end if ends.count(end) == 1 else path for end, path in zip(ends, paths, strict=True)]


def _number_texts(numbers: Mapping[int, float]) -> dict[int, str]:
    """Write numbers with as many digits as tell them apart; of many, one digit may do that tells some of them apart."""
    texts = {place: number_text(number) for place, number in numbers.items()}
    different = len({repr(number) for number in numbers.values()})
    for digits in range(5, 18):
        told_apart = len(set(texts.values()))
        # The last digits of many are mostly noise.
        if told_apart == different or (digits >= _NOISY_DIGITS and len(numbers) > 2 and told_apart > 1):
            break
        texts = {place: _with_digits(number, digits) for place, number in numbers.items()}
    return texts


def _with_digits(number: float, digits: int) -> str:
    return f"{number:,.{digits}g}" if math.isfinite(number) else number_text(number)


def _parameter_text(value: object) -> str:
    if isinstance(value, float):
        # In full, where a rounded one might hide the difference; and numpy's own floats as plain ones.
        return repr(float(value))
    # Text is quoted, so that "1" and 1 are seen to differ.
    return value_text(repr(value[:500]) if isinstance(value, str) else value)


def _step_text(value: object, *, stable: bool) -> str:
    if not isinstance(value, StepFacts):
        return value_text(value)
    is_timed = not stable and value.duration_s is not None and value.status != "reused"
    took = f" {duration_text(value.duration_s or 0)}" if is_timed else ""
    return f"{signed(value.status)}{took}"
