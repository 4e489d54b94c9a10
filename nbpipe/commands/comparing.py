"""How compared runs are shown: the services' values, handed to the comparison of the views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbpipe.services.compared import ComparedData, ComparedRuns, ComparedStep
from nbpipe.views.compared import ComparedRow, ComparedRunFacts, ComparisonFacts
from nbpipe.views.comparison import comparison_card
from nbpipe.views.facts import StepFacts
from nbpipe.views.frames import Bundle

_DIGITS = 8


def comparison_facts(compared: ComparedRuns, more_is_better: Mapping[str, bool] | None = None) -> ComparisonFacts:
    """Give the facts of a comparison.

    Args:
        compared: The runs.
        more_is_better: For each metric whether more is better; read from its name where it is not given.
    """
    runs = [
        ComparedRunFacts(run.id, run.name, run.pipeline, run.status.value, run.duration_s)
        for run in (side.run for side in compared.runs)
    ]
    rows = [
        ComparedRow(fact.group, fact.name, {place: _shown(value) for place, value in fact.values.items()}, fact.differs)
        for fact in compared.facts
    ]
    return ComparisonFacts(runs, rows, dict(more_is_better or {}))


def comparison_bundle(compared: ComparedRuns, *, stable: bool = False) -> Bundle:
    """Show in what runs differ; `stable` leaves out ids and durations."""
    return comparison_card(comparison_facts(compared), stable=stable)


def _shown(value: Any) -> object:
    match value:
        case ComparedStep():
            return StepFacts("", value.status.value, duration_s=value.duration_s)
        case ComparedData():
            return f"{value.label} · {value.digest[:_DIGITS]}"
    return value
