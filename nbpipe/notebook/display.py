"""How records look in a notebook, and a run while it goes on.

A record shows itself (`base.displaying`); in a shell that has loaded nbpipe its card is put in
place of that, since here is known whether somebody looks. While a run goes on and somebody looks,
its graph is drawn again in place, at most four times a second; its last form is a picture that
survives saving, reopening and a notebook nobody trusts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from IPython.display import display

from nbpipe.commands.faces import FACES, face_of
from nbpipe.commands.showing import graph_edges, graph_nodes, run_facts, standing_of
from nbpipe.records.runs import NOT_TAKEN, Status
from nbpipe.services.listing import Listing
from nbpipe.services.runs import Run
from nbpipe.services.watching import StartedRun
from nbpipe.views.amounts import duration_text
from nbpipe.views.cards import run_card
from nbpipe.views.children import with_children
from nbpipe.views.dag import dag_html, dag_text
from nbpipe.views.facts import ChildFacts
from nbpipe.views.frames import Bundle
from nbpipe.views.markup import element, render
from nbpipe.views.tables import Table, table_element, table_text
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
    steps = element("details", element("summary", "step by step", style=_SUMMARY), table_element(table))
    return Bundle(card.html + render(steps), f"{card.text}\n\n{table_text(table)}")


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

    @property
    def kinds(self) -> frozenset[type]:
        """The kinds of records that have a card."""
        return frozenset(FACES)

    def register(self) -> None:
        """Show records as cards from now on."""
        for kind in FACES:
            self._formatters.mimebundle_formatter.for_type(kind, self._bundle)
        # IPython writes a list in its own way, whatever the bundle says.
        self._formatters.formatters["text/plain"].for_type(Listing, self._print_listing)

    def unregister(self) -> None:
        """Show records as they show themselves."""
        for kind in FACES:
            self._formatters.mimebundle_formatter.pop(kind, None)
        self._formatters.formatters["text/plain"].pop(Listing, None)

    def _bundle(self, record: Any) -> dict[str, str]:
        face = self._face(record)
        return {"text/html": face.html, "text/plain": face.text}

    def _print_listing(self, listing: Listing[Any], printer: Any, _: bool) -> None:
        printer.text(self._face(listing).text if len(printer.stack) <= 1 else repr(listing))

    def _face(self, record: Any) -> Bundle:
        if isinstance(record, Run) and self._has_picture(record.id):
            return run_bundle_below(record)
        return face_of(record, stable=not self._is_watched())


class LiveRun:
    """The graph of a run that goes on, drawn again in place.

    Args:
        started: The run.
    """

    def __init__(self, started: StartedRun) -> None:
        self._started = started
        self._statuses: dict[str, str] = {node.id: Status.PENDING.value for node in started.traced.graph.nodes}
        self._items: dict[str, dict[str, int]] = {}
        self._children: dict[str, ChildFacts] = {}
        self._lock = threading.Lock()
        self._late: threading.Timer | None = None
        self._handle = display(self._bundle(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        self._drawn_s = time.monotonic()

    def __call__(self, node: str, settled: Any) -> None:
        """Take in that a node has started or is settled."""
        with self._lock:
            self._statuses[node] = standing_of(settled) if settled is not None else Status.RUNNING.value
            if settled is not None and settled.items is not None:
                self._items[node] = settled.items.as_record()
            if settled is not None and settled.status is Status.REUSED:
                own = self._started.facts.id
                for one in settled.triggered:
                    self._children[one.run] = ChildFacts(one.run, one.pipeline, node, own, "reused")
            self._draw_soon(at_once=all(_is_over(status) for status in self._statuses.values()))

    def child(self, started: StartedRun) -> Callable[[str, Any], None]:
        """Show a run that a step asked for beside that step; the answer is to be told of its steps."""
        statuses = dict.fromkeys((node.id for node in started.traced.graph.nodes), Status.PENDING.value)
        own, (parent, step) = started.facts, started.parent

        def tell(node: str, settled: Any) -> None:
            statuses[node] = settled.status.value if settled is not None else Status.RUNNING.value
            with self._lock:
                self._children[own.id] = ChildFacts(own.id, own.pipeline, step, parent, _became(statuses.values()))
                self._draw_soon()

        with self._lock:
            self._children[own.id] = ChildFacts(own.id, own.pipeline, step, parent, _became(statuses.values()))
            self._draw_soon()
        return tell

    def _draw_soon(self, *, at_once: bool = False) -> None:
        wait_s = self._drawn_s + _REDRAW_S - time.monotonic()
        if at_once or wait_s <= 0:
            self._draw()
        elif self._late is None:
            # What came too soon to be drawn is drawn a little later, or a long step would look pending.
            self._late = threading.Timer(wait_s, self._draw_late)
            self._late.daemon = True
            self._late.start()

    def _draw(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
        self._handle.update(self._bundle(), raw=True)
        self._drawn_s = time.monotonic()

    def _draw_late(self) -> None:
        with self._lock:
            if self._late is not None:
                self._draw()

    def _bundle(self) -> dict[str, str]:
        graph = self._started.traced.graph
        own = self._started.facts
        nodes, edges = with_children(
            own.id,
            graph_nodes(graph, self._statuses, self._items),
            graph_edges(graph),
            list(self._children.values()),
            stable=False,
        )
        name = own.pipeline
        return {"text/html": dag_html(nodes, edges, name=name), "text/plain": dag_text(nodes, edges, name=name)}


def _is_over(standing: str) -> bool:
    return standing == NOT_TAKEN or Status(standing).is_over


def _became(statuses: Collection[str]) -> str:
    """Say how a run stands by its steps."""
    if not all(Status(status).is_over for status in statuses):
        return Status.RUNNING.value
    bad = (Status.FAILED.value, Status.INTERRUPTED.value)
    return next((status for status in bad if status in statuses), Status.COMPLETED.value)


def show_bundle(bundle: Bundle) -> None:
    """Show a card."""
    display({"text/html": bundle.html, "text/plain": bundle.text}, raw=True)  # type: ignore[no-untyped-call]


def show_reused(step: str) -> None:
    """Say that a cell did not run."""
    said = f"↺ {step} reused: nothing it depends on changed"
    show_bundle(Bundle(render(element("span", said, style=_REMARK)), said))
