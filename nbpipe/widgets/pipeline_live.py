"""A run that goes on in this process, as a view shows it: told of every step, asked now and then how far they are.

It answers the questions of `widgets.pipeline_subjects.Subject`, from whatever thread. How it is
drawn, and who looks, it does not know.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from nbpipe.commands.looking import running_facts
from nbpipe.commands.node_cards import (
    defined_node_bundle,
    run_node_bundle,
    run_without_graph,
)
from nbpipe.commands.showing import run_bundle
from nbpipe.commands.showing_steps import standing_of
from nbpipe.errors import ConflictError, NbpipeError
from nbpipe.records.runs import Status
from nbpipe.services.client import Client
from nbpipe.services.step_history import usual_durations
from nbpipe.services.watching import StartedRun
from nbpipe.views.children import with_children
from nbpipe.views.dag import dag_html, dag_text
from nbpipe.views.facts import ChildFacts
from nbpipe.views.frames import Bundle
from nbpipe.views.graphs import graph_edges, graph_nodes
from nbpipe.views.running import RunningFacts
from nbpipe.views.steps_graph import DagEdge, DagNode
from nbpipe.widgets.pipeline_states import (
    State,
    about_text,
    pending_state,
    running_state,
    settled_state,
    states_of_runs,
)
from nbpipe.widgets.pipeline_subjects import RUN_BOX

# What is looked up of earlier runs is not worth it for a run that is over at once.
_LOOK_BACK_S = 0.4


class _Stand:
    """How the steps of one run stand that goes on in this process, told by itself.

    Args:
        started: The run.
    """

    def __init__(self, started: StartedRun) -> None:
        self.started = started
        self.statuses: dict[str, str] = {node.id: Status.PENDING.value for node in started.traced.graph.nodes}
        self.settled: dict[str, State] = {}
        self.items: dict[str, dict[str, int]] = {}
        self.began_s: dict[str, float] = {}
        self._open = set(self.statuses)
        self._pending: dict[str, State] = {}
        self._usual: Mapping[str, float] | None = None

    def take(self, node: str, settled: Any) -> None:
        """Take in that a node has started or is settled."""
        if settled is None:
            self._open.add(node)
            self.statuses[node] = Status.RUNNING.value
            self.began_s[node] = time.monotonic()
            return
        self._open.discard(node)
        self.began_s.pop(node, None)
        self.statuses[node] = status = standing_of(settled)
        if settled.items is not None:
            self.items[node] = settled.items.as_record()
        error = f"{settled.failure.type_name}: {settled.failure.message}" if settled.failure is not None else ""
        self.settled[node] = settled_state(
            status, took_s=settled.duration_s, why=error or settled.why, items=self.items.get(node)
        )

    @property
    def is_over(self) -> bool:
        """Whether all steps are settled."""
        return not self._open

    def became(self) -> str:
        """Say how the run stands by its steps."""
        standings = set(self.statuses.values())
        bad = (Status.FAILED.value, Status.INTERRUPTED.value)
        ended = next((status for status in bad if status in standings), Status.COMPLETED.value)
        return ended if self.is_over else Status.RUNNING.value

    def states(self, usual: Mapping[str, float]) -> dict[str, State]:
        """Say how each step stands; what has not changed is the same object as before."""
        if usual is not self._usual:
            self._usual = usual
            self._pending = {node: pending_state(usual.get(node)) for node in self.statuses}
        running = {facts.node: running_state(facts, usual.get(facts.node)) for facts in self.running()}
        return {**self._pending, **self.settled, **running}

    def running(self) -> list[RunningFacts]:
        """Give what is seen of each step that runs."""
        if not self.began_s:
            return []
        now_s, seen = time.monotonic(), self.started.look()
        return [
            running_facts(node, seen.get(node), elapsed_s=now_s - began_s) for node, began_s in self.began_s.items()
        ]


class LiveRun:
    """A run that goes on in this process, from its first step on.

    Args:
        started: The run.
        is_in_cell: See below.
        is_deaf: Tells whether the kernel hears nothing of what is pressed in the page, as while a cell waits for a run.

    Attributes:
        started: The run.
        is_in_cell: Whether the cell in which it was begun is being executed still.
        changes: How often something has happened to it.
    """

    def __init__(self, started: StartedRun, *, is_in_cell: bool = False, is_deaf: Callable[[], bool] = bool) -> None:
        self._stand = _Stand(started)
        self.is_in_cell = is_in_cell
        self._is_deaf = is_deaf
        self._children: dict[str, ChildFacts] = {}
        self._stands_of_children: dict[str, _Stand] = {}
        self._usual: Mapping[str, float] = {}
        self._usual_s: float | None = None
        self._has_looked_back = False
        self._began_s = time.monotonic()
        self._is_stopping = False
        self._lock = threading.Lock()
        self.started = started
        self.name = started.facts.pipeline
        self.changes = 0

    def take(self, node: str, settled: Any) -> None:
        """Take in that a node has started or is settled."""
        with self._lock:
            self.changes += 1
            self._stand.take(node, settled)
            if settled is not None and settled.status is Status.REUSED:
                own = self.started.facts.id
                for one in settled.triggered:
                    self._children[one.run] = ChildFacts(one.run, one.pipeline, node, own, "reused")

    def take_child(self, started: StartedRun) -> Any:
        """Take in a run that a step asked for; the answer is to be told of its steps."""
        stand = _Stand(started)
        own, (parent, step) = started.facts, started.parent

        def tell(node: str, settled: Any) -> None:
            with self._lock:
                self.changes += 1
                stand.take(node, settled)
                self._children[own.id] = replace(self._children[own.id], status=stand.became())

        with self._lock:
            self.changes += 1
            self._stands_of_children[own.id] = stand
            self._children[own.id] = ChildFacts(own.id, own.pipeline, step, parent, stand.became())
        return tell

    @property
    def all_settled(self) -> bool:
        """Whether all of its steps are settled."""
        return self._stand.is_over

    @property
    def is_going(self) -> bool:
        """See `Subject`."""
        return not self.all_settled and not self.started.is_over()

    def _nodes(self, *, with_states: bool = False) -> tuple[list[DagNode], list[DagEdge]]:
        graph = self.started.traced.graph
        given = (self._stand.statuses, self._stand.items) if with_states else ()
        nodes, edges = graph_nodes(graph, *given), graph_edges(graph)
        return with_children(self.started.facts.id, nodes, edges, list(self._children.values()), stable=False)

    def graph(self) -> tuple[Sequence[DagNode], Sequence[DagEdge]]:
        """See `Subject`."""
        with self._lock:
            return self._nodes()

    def catch_up(self) -> None:
        """Look up once how long the steps usually take, if the run is not over at once."""
        if self._has_looked_back or time.monotonic() - self._began_s < _LOOK_BACK_S:
            return
        self._has_looked_back = True
        # Nobody must know; the run goes on.
        with suppress(NbpipeError):
            self._usual, self._usual_s = usual_durations(Client().workspace, self.name)

    def states(self) -> dict[str, State]:
        """See `Subject`."""
        with self._lock:
            nodes, _ = self._nodes() if self._children else ([], [])
            return {**self._stand.states(self._usual), **states_of_runs(nodes)}

    def whole(self) -> State:
        """See `Subject`."""
        status = self._stand.became()
        if not self.is_going:
            return {"status": status}
        return {
            "status": status,
            "live": True,
            "stopping": self._is_stopping,
            "blocking": self.is_in_cell,
            "deaf": self.is_in_cell and self._is_deaf(),
            "elapsed": round(time.monotonic() - self._began_s, 1),
            "about": about_text(self._usual_s),
        }

    def card(self, node: str) -> Bundle:
        """See `Subject`."""
        runs, own = Client().runs, self.started.facts.id
        if node.startswith(RUN_BOX):
            return run_bundle(runs.get(node.removeprefix(RUN_BOX)))
        if not node:
            return run_without_graph(runs.get(own))
        state = self._stand.settled.get(node)
        if state is not None:
            run = runs.get(own)
            if node in run.steps:
                return run_node_bundle(run, node)
        state = state or {"status": self._stand.statuses.get(node, "")}
        return defined_node_bundle(self.started.traced, node, status=state["status"], why=state.get("why", ""))

    def static(self) -> Bundle:
        """Give the graph as a picture: the run's card stands below it."""
        with self._lock:
            nodes, edges = self._nodes(with_states=True)
        return Bundle(dag_html(nodes, edges, name=self.name, is_light=True), dag_text(nodes, edges, name=self.name))

    def running(self) -> list[RunningFacts]:
        """Give what is seen of each step that runs, those of triggered runs too."""
        with self._lock:
            found = self._stand.running()
            for stand in self._stands_of_children.values():
                within = f"{stand.started.facts.pipeline} › "
                found += [replace(facts, node=f"{within}{facts.node}") for facts in stand.running()]
            return found

    def text(self) -> str:
        """Give the graph as text alone."""
        with self._lock:
            nodes, edges = self._nodes(with_states=True)
        return dag_text(nodes, edges, name=self.name)

    def stop(self) -> None:
        """Ask it to stop.

        Raises:
            ConflictError: It is over.
        """
        if not self.is_going:
            raise ConflictError(f"Run {self.started.facts.name} is over; there is nothing to stop.")
        self._is_stopping = True
        self.started.stop.stop()
