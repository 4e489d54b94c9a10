"""Why the steps of a run ran or were reused, as a card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nbpipe.views.frames import Bundle, Card, Section, shown_table, written
from nbpipe.views.markup import element
from nbpipe.views.previews import Shown
from nbpipe.views.scrolling import stop_of_lines
from nbpipe.views.tables import Table
from nbpipe.views.theme import look, signed

_DIFF_PX = 320


@dataclass(frozen=True, slots=True)
class WhyFacts:
    """Why one step ran or was reused.

    Attributes:
        node: Its name in the graph.
        status: What became of it.
        reasons: Each reason in a few words; the first stands beside the status.
        against: The run with which it was compared, in a few words, or `""`.
        texts: For each text that changed its name and the lines of a unified diff.
    """

    node: str
    status: str
    reasons: Sequence[str]
    against: str = ""
    texts: Sequence[tuple[str, Sequence[str]]] = ()


def explanation_card(run: str, status: str, steps: Sequence[WhyFacts]) -> Bundle:
    """Show why each step of a run ran or was reused.

    Args:
        run: The run's name.
        status: How it stands.
        steps: Its steps in their order.
    """
    rows = [
        (step.node if place == 0 else "", signed(step.status) if place == 0 else "", reason, step.against)
        if place == 0
        else ("", "", reason, "")
        for step in steps
        for place, reason in enumerate(step.reasons or [""])
    ]
    sections = [Section("steps", shown_table(Table(("step", "status", "why", "compared with"), rows)))]
    sections += [Section(f"{step.node}: {name}", shown_diff(lines)) for step in steps for name, lines in step.texts]
    return written(Card("explained", run, status=status, sections=sections))


def shown_diff(lines: Sequence[str]) -> Shown:
    """Write the lines of a diff; what is new and what is gone is told by sign and by colour."""
    colours = {"+": look("completed"), "-": look("failed")}
    shown = []
    for line in lines:
        colour = colours.get(line[:1])
        style = f"background-color:{colour.fill}; color:{colour.text};" if colour is not None else "opacity:0.85;"
        shown.append(element("div", line or " ", style=f"{style} padding:0 8px; white-space:pre-wrap;"))
    body = element(
        "div",
        shown,
        tabindex=stop_of_lines("\n".join(lines), _DIFF_PX),
        style=f"font-family:monospace; font-size:12px; overflow:auto; max-height:{_DIFF_PX}px;",
    )
    return Shown(body, "\n".join(lines))
