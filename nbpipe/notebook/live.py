"""A run while it goes on, in the cell that started it; and a cell that is a step, while it runs.

Its graph is drawn again in place, and below it stands how far the steps are that run: at most four
times a second, and only if there is anything new. When the run is over, the same output is a
picture alone, which survives saving, reopening and a notebook nobody trusts. Where nobody looks,
none of this is made.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from IPython.display import display

from nbpipe.base.ids import new_id
from nbpipe.commands.looking import running_facts
from nbpipe.commands.showing_steps import standing_of
from nbpipe.execute.glimpses import Look
from nbpipe.records.runs import NOT_TAKEN, Status
from nbpipe.services.watching import StartedRun
from nbpipe.views.children import with_children
from nbpipe.views.dag import dag_html, dag_text
from nbpipe.views.facts import ChildFacts
from nbpipe.views.frames import Bundle
from nbpipe.views.graphs import graph_edges, graph_nodes
from nbpipe.views.markup import render
from nbpipe.views.running import RunningFacts, shown_running

_REDRAW_S = 0.25
# A bar stands where the cell's output had come to when it was first drawn; that is to be its beginning.
_FIRST_S = 0.05


def _is_over(standing: str) -> bool:
    return standing == NOT_TAKEN or Status(standing).is_over


class _Standing:
    """How the steps of one run stand.

    Args:
        started: The run.
    """

    def __init__(self, started: StartedRun) -> None:
        self.facts = started.facts
        self.statuses: dict[str, str] = {node.id: Status.PENDING.value for node in started.traced.graph.nodes}
        self.items: dict[str, dict[str, int]] = {}
        self._look = started.look
        self._began_s: dict[str, float] = {}

    def take(self, node: str, settled: Any) -> None:
        """Take in that a node has started or is settled."""
        self.statuses[node] = standing_of(settled) if settled is not None else Status.RUNNING.value
        if settled is not None and settled.items is not None:
            self.items[node] = settled.items.as_record()
        if settled is None:
            self._began_s[node] = time.monotonic()
        else:
            self._began_s.pop(node, None)

    @property
    def is_over(self) -> bool:
        """Whether all steps are settled."""
        return all(map(_is_over, self.statuses.values()))

    def running(self, prefix: str = "") -> Iterator[RunningFacts]:
        """Give what is seen of each step that runs."""
        if not self._began_s:
            return
        now_s, seen = time.monotonic(), self._look()
        for node, began_s in self._began_s.items():
            yield running_facts(f"{prefix}{node}", seen.get(node), elapsed_s=now_s - began_s)


class LiveRun:
    """The graph of a run that goes on, drawn again in place, and how far its steps are.

    Args:
        started: The run.
    """

    def __init__(self, started: StartedRun) -> None:
        self._started = started
        self._standing = _Standing(started)
        self._children: dict[str, ChildFacts] = {}
        self._standing_of_children: dict[str, _Standing] = {}
        self._lock = threading.Lock()
        self._picture: Bundle | None = None
        self._drawn = self._bundle()
        self._handle = display(_as_data(self._drawn), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        # It draws for the cell in which the run was begun, wherever that thread's output would go.
        work = contextvars.copy_context().run
        self._thread = threading.Thread(target=work, args=(self._redraw,), name="nbpipe-live", daemon=True)
        self._thread.start()

    def __call__(self, node: str, settled: Any) -> None:
        """Take in that a node has started or is settled."""
        with self._lock:
            self._standing.take(node, settled)
            if settled is not None and settled.status is Status.REUSED:
                own = self._started.facts.id
                for one in settled.triggered:
                    self._children[one.run] = ChildFacts(one.run, one.pipeline, node, own, "reused")
            self._picture = None
            if self._standing.is_over:
                # What comes next in the cell is drawn after it.
                self._draw()

    def child(self, started: StartedRun) -> Callable[[str, Any], None]:
        """Show a run that a step asked for beside that step; the answer is to be told of its steps."""
        standing = _Standing(started)
        own, (parent, step) = started.facts, started.parent

        def take_in() -> None:
            became = _became(standing.statuses.values())
            self._children[own.id] = ChildFacts(own.id, own.pipeline, step, parent, became)
            self._picture = None

        def tell(node: str, settled: Any) -> None:
            with self._lock:
                standing.take(node, settled)
                take_in()

        with self._lock:
            self._standing_of_children[own.id] = standing
            take_in()
        return tell

    def _redraw(self) -> None:
        """Draw it again now and then, as long as the run goes on."""
        while not self._started.is_over():
            time.sleep(_REDRAW_S)
            # Who looks may be gone, and the run goes on.
            with self._lock, suppress(Exception):
                if self._standing.is_over:
                    return
                self._draw()

    def _draw(self) -> None:
        bundle = self._bundle()
        if bundle != self._drawn:
            self._handle.update(_as_data(bundle), raw=True)
            self._drawn = bundle

    def _bundle(self) -> Bundle:
        picture = self._picture = self._picture or self._made_picture()
        running = [*self._standing.running()]
        for standing in self._standing_of_children.values():
            running += standing.running(f"{standing.facts.pipeline} › ")
        if not running:
            return picture
        below = shown_running(running)
        return Bundle(f"{picture.html}{render(below.element)}", f"{picture.text}\n\n{below.text}")

    def _made_picture(self) -> Bundle:
        graph = self._started.traced.graph
        own = self._started.facts
        nodes, edges = with_children(
            own.id,
            graph_nodes(graph, self._standing.statuses, self._standing.items),
            graph_edges(graph),
            list(self._children.values()),
            stable=False,
        )
        return Bundle(dag_html(nodes, edges, name=own.pipeline), dag_text(nodes, edges, name=own.pipeline))


class LiveBar:
    """How far the step of a cell is, in that cell; nothing, as long as it does not say.

    It is drawn past whoever keeps what the cell shows: a cell that is reused shows no bar again.

    Args:
        publish: Shows something, as the shell's publisher does.
        look: Gives what is to be seen of the step.
    """

    def __init__(self, publish: Callable[..., Any], look: Look) -> None:
        self._publish = publish
        self._look = look
        self._id = new_id()
        self._drawn: Bundle | None = None
        self._last: RunningFacts | None = None
        self._is_over = threading.Event()
        work = contextvars.copy_context().run
        self._thread = threading.Thread(target=work, args=(self._redraw,), name="nbpipe-bar", daemon=True)
        self._thread.start()

    def end(self, status: Status) -> None:
        """Draw it a last time, as it stands now that the step is over."""
        self._is_over.set()
        self._thread.join()
        # A look of long ago missed what was said since; a quick cell has not been looked at yet.
        self._take_a_look()
        if self._last is not None:
            with suppress(Exception):
                self._draw(replace(self._last, status=status.value))

    def _redraw(self) -> None:
        pause_s = _FIRST_S
        while not self._is_over.wait(pause_s):
            pause_s = min(2 * pause_s, _REDRAW_S) if self._drawn is None else _REDRAW_S
            # Who looks may be gone, and the cell goes on.
            with suppress(Exception):
                self._take_a_look()
                if self._last is not None:
                    self._draw(self._last)

    def _take_a_look(self) -> None:
        for node, seen in self._look().items():
            if seen.progress is not None:
                self._last = running_facts(node, seen)

    def _draw(self, facts: RunningFacts) -> None:
        shown = shown_running([facts], prints_elsewhere=True)
        bundle = Bundle(render(shown.element), shown.text)
        if bundle != self._drawn:
            is_update = self._drawn is not None
            self._publish(_as_data(bundle), {}, transient={"display_id": self._id}, update=is_update)
            self._drawn = bundle


def _as_data(bundle: Bundle) -> dict[str, str]:
    return {"text/html": bundle.html, "text/plain": bundle.text}


def _became(statuses: Collection[str]) -> str:
    """Say how a run stands by its steps."""
    if not all(map(_is_over, statuses)):
        return Status.RUNNING.value
    bad = (Status.FAILED.value, Status.INTERRUPTED.value)
    return next((status for status in bad if status in statuses), Status.COMPLETED.value)
