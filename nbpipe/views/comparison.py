"""Two runs side by side: only what differs, how far, and which is better.

Whether more is better is read from a metric's name unless the caller says so. A number that is
none (NaN) is never better than anything.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from nbpipe.views.amounts import duration_text, number_text, value_text
from nbpipe.views.facts import RunFacts
from nbpipe.views.frames import Bundle, Card, Section, shown_table, written
from nbpipe.views.tables import Table
from nbpipe.views.theme import signed

_LESS_IS_BETTER = re.compile(
    r"(?:^|[._\s-])(?:loss|error|errors|err|rmse|mse|mae|mape|latency|time|duration|seconds|perplexity|cost|logloss)"
    r"(?:$|[._\s-])",
    re.IGNORECASE,
)
_BEST = "★"


def comparison_card(
    left: RunFacts, right: RunFacts, *, more_is_better: Mapping[str, bool] | None = None, stable: bool = False
) -> Bundle:
    """Show what differs between two runs.

    Args:
        left: What is compared with, the earlier as a rule.
        right: What is compared.
        more_is_better: For each metric whether more is better; read from its name where it is not given.
        stable: Leave out ids, names of runs and durations.
    """
    names = ("left", "right") if stable else (_short(left), _short(right))
    sections = [
        *_differences("parameters", left.parameters, right.parameters, names),
        *_metrics(left.metrics, right.metrics, names, more_is_better or {}),
        *_steps(left, right, names, stable=stable),
    ]
    facts: list[tuple[str, object]] = [("left", f"{signed(left.status)}"), ("right", f"{signed(right.status)}")]
    if not stable:
        facts = [(name, f"{run.name} {signed(run.status)}") for name, run in zip(names, (left, right), strict=True)]
    if not sections:
        facts.append(("difference", "none in parameters, metrics and steps"))
    title = left.pipeline if left.pipeline == right.pipeline else f"{left.pipeline} and {right.pipeline}"
    return written(Card("comparison", title, facts=facts, sections=sections))


def delta_text(before: float, after: float) -> str:
    """Write a change: `▲ 0.03 (+3.4 %)`, `▼ 2`, `=` where there is none."""
    if before == after or (math.isnan(before) and math.isnan(after)):
        return "="
    change = after - before
    if math.isnan(change):
        return "–"
    share = f" ({change / abs(before):+.1%})".replace("%", " %") if before and math.isfinite(change) else ""
    return f"{'▲' if change > 0 else '▼'} {number_text(abs(change))}{share}"


def best_of(before: float, after: float, *, more_is_better: bool) -> str | None:
    """Say which of two numbers is better, `"left"` or `"right"`; `None` if neither is."""
    if math.isnan(before) or math.isnan(after) or before == after:
        return None
    return "right" if (after > before) == more_is_better else "left"


def reads_as_more_is_better(metric: str) -> bool:
    """Tell from a metric's name whether more is better: not for losses, errors and times."""
    return _LESS_IS_BETTER.search(metric) is None


def _short(run: RunFacts) -> str:
    return run.id[:8] or run.name


def _differences(
    title: str, left: Mapping[str, object], right: Mapping[str, object], names: tuple[str, str]
) -> list[Section]:
    keys = [key for key in dict.fromkeys((*left, *right)) if _written(left, key) != _written(right, key)]
    rows = [(key, _written(left, key), _written(right, key)) for key in keys]
    return [Section(title, shown_table(Table(("parameter", *names), rows)))] if rows else []


def _written(values: Mapping[str, object], key: str) -> str:
    if key not in values:
        return "–"
    value = values[key]
    if isinstance(value, float):
        # In full, where a rounded one might hide the difference; and numpy's own floats as plain ones.
        return repr(float(value))
    # Text is quoted, so that "1" and 1 are seen to differ.
    return value_text(repr(value) if isinstance(value, str) else value)


def _metrics(
    left: Mapping[str, float], right: Mapping[str, float], names: tuple[str, str], said: Mapping[str, bool]
) -> list[Section]:
    rows = []
    for key in dict.fromkeys((*left, *right)):
        before, after = left.get(key), right.get(key)
        if before is None or after is None:
            rows.append((key, _marked(before, best=False), _marked(after, best=False), "–"))
            continue
        best = best_of(before, after, more_is_better=said.get(key, reads_as_more_is_better(key)))
        change = delta_text(before, after)
        if change != "=":
            rows.append((key, _marked(before, best=best == "left"), _marked(after, best=best == "right"), change))
    table = Table(("metric", *names, "change"), rows, frozenset(names))
    return [Section("metrics", shown_table(table))] if rows else []


def _marked(value: float | None, *, best: bool) -> str:
    if value is None:
        return "–"
    return f"{_BEST} {number_text(value)}" if best else number_text(value)


def _steps(left: RunFacts, right: RunFacts, names: tuple[str, str], *, stable: bool) -> list[Section]:
    before = {step.node: step for step in left.steps}
    after = {step.node: step for step in right.steps}
    rows = []
    for node in dict.fromkeys((*before, *after)):
        shown = []
        for steps in (before, after):
            step = steps.get(node)
            took = "" if stable or step is None or step.duration_s is None else f" {duration_text(step.duration_s)}"
            shown.append(f"{signed(step.status)}{took}" if step else "–")
        statuses = [steps[node].status if node in steps else None for steps in (before, after)]
        if statuses[0] != statuses[1]:
            rows.append((node, *shown))
    return [Section("steps", shown_table(Table(("step", *names), rows)))] if rows else []
