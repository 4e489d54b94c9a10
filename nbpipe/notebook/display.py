"""How records look in a notebook.

A record shows itself (`base.displaying`); in a shell that has loaded nbpipe its card is put in
place of that, since here is known whether somebody looks. A run while it goes on is
`notebook.live`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nbpipe.commands.faces import FACES, face_of
from nbpipe.commands.showing import run_facts
from nbpipe.notebook.viewing import show_bundle
from nbpipe.services.deployment_records import Deployment
from nbpipe.services.listing import Listing
from nbpipe.services.runs import Run
from nbpipe.views.amounts import duration_text
from nbpipe.views.cards import run_card
from nbpipe.views.frames import Bundle
from nbpipe.views.markup import element, render
from nbpipe.views.tables import Table, table_text
from nbpipe.views.theme import signed

_REDRAW_S = 0.25
_REMARK = "opacity:0.65; font-size:12px;"
_SUMMARY = "cursor:pointer; opacity:0.75; font-size:12px;"


def run_bundle_below(run: Run) -> Bundle:
    """Show a run whose graph stands right above: all of its card but the graph."""
    facts = run_facts(run, tags=run.tags)
    rows = [
        (step.node, signed(step.status), duration_text(step.duration_s or 0.0), step.why, ", ".join(step.outputs))
        for step in facts.steps
    ]
    table = Table(("step", "status", "took", "why", "outputs"), rows, frozenset({"took"}))
    card = run_card(replace(facts, steps=[], edges=[]))
    text = table_text(table)
    # As lines, and not as a table: what each cell of one says of its looks would make the file several times as large.
    lines = element("pre", text, style="font-size:12px; overflow:auto;")
    steps = element("details", element("summary", "step by step", style=_SUMMARY), lines)
    return Bundle(card.html + render(steps), f"{card.text}\n\n{text}")


class RecordFormatters:
    """Our cards in one shell's formatters.

    Args:
        shell: The shell.
        is_watched: Whether somebody looks; else what differs from run to run is left out.
        has_picture: Whether the cell already shows the graph of the run with this id.
    """

    def __init__(self, shell: Any, is_watched: Callable[[], bool], has_picture: Callable[[str], bool]) -> None:
        self._formatters = shell.display_formatter
        self._is_watched = is_watched
        self._has_picture = has_picture

    def register(self) -> None:
        """Show records as cards from now on."""
        for kind in FACES:
            self._formatters.mimebundle_formatter.for_type_by_name(*kind.rsplit(".", 1), self._bundle)
        # IPython writes a list in its own way, whatever the bundle says.
        self._formatters.formatters["text/plain"].for_type(Listing, self._print_listing)

    def unregister(self) -> None:
        """Show records as they show themselves."""
        for kind in FACES:
            self._formatters.mimebundle_formatter.pop(kind, None)
        self._formatters.formatters["text/plain"].pop(Listing, None)

    def _bundle(self, record: Any) -> dict[str, Any]:
        if isinstance(record, Deployment) and self._is_watched():
            return _live_bundle(record)
        face = self._face(record)
        return {"text/html": face.html, "text/plain": face.text}

    def _print_listing(self, listing: Listing[Any], printer: Any, _: bool) -> None:
        printer.text(self._face(listing).text if len(printer.stack) <= 1 else repr(listing))

    def _face(self, record: Any) -> Bundle:
        if isinstance(record, Run) and self._has_picture(record.id):
            return run_bundle_below(record)
        return face_of(record, stable=not self._is_watched())


def _live_bundle(deployment: Deployment) -> dict[str, Any]:
    # Widgets are loaded when the first is shown.
    from nbpipe.widgets.deployment_card import DeploymentCard

    return DeploymentCard(deployment)._repr_mimebundle_()


def show_reused(step: str) -> None:
    """Say that a cell did not run."""
    show_remark(f"↺ {step} reused: nothing it depends on changed")


def show_remark(said: str) -> None:
    """Show a line that is no part of what a cell gives."""
    show_bundle(Bundle(render(element("span", said, style=_REMARK)), said))
