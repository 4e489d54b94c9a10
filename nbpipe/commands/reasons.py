"""How it is shown why steps ran or were reused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nbpipe.services.explaining import Change, Explanation
from nbpipe.services.runs import Run
from nbpipe.views.explaining import WhyFacts, explanation_card
from nbpipe.views.frames import Bundle


def explanation_bundle(run: Run, explained: Sequence[Explanation]) -> Bundle:
    """Show why the steps of a run ran or were reused."""
    return explanation_card(run.name, run.status.value, [_why_facts(one) for one in explained])


def step_explanation_bundle(one: Explanation, *, stable: bool = False) -> Bundle:
    """Show why one step ran or was reused."""
    facts = _why_facts(one)
    return explanation_card(one.node, one.status.value, [replace(facts, against="") if stable else facts])


def _why_facts(one: Explanation) -> WhyFacts:
    texts = [(change.name or "its own text", change.diff) for change in one.changes if change.kind == "source"]
    return WhyFacts(
        one.node,
        one.status.value,
        [_said(change) for change in one.changes] or [one.why],
        explained_against(one),
        [(name, diff) for name, diff in texts if diff],
    )


def _said(change: Change) -> str:
    return f"{change.said}, for {change.made_by} ran" if change.made_by else change.said


def explained_against(one: Explanation) -> str:
    """Name the run with which a step was compared, or whose result it reuses."""
    return f"{one.against.id[:8]} {one.against.name}" if one.against is not None else ""
