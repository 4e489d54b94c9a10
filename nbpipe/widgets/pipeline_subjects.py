"""What a view of a pipeline shows: a pipeline as it is defined, or a run on record.

They answer the same questions, as does a run that goes on here (`widgets.pipeline_live`): what the
graph is, how its steps stand, what there is to say of one of them. How that is drawn, and who
looks, they do not know.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from nbpipe.commands.calling import Runnable
from nbpipe.commands.looking import running_facts
from nbpipe.commands.node_cards import (
    defined_node_bundle,
    pipeline_without_graph,
    run_node_bundle,
    run_without_graph,
)
from nbpipe.commands.showing import child_facts, drawn, pipeline_bundle, run_bundle
from nbpipe.commands.showing_steps import standing_of
from nbpipe.errors import ConflictError, NbpipeError
from nbpipe.records.runs import Status
from nbpipe.services.client import Client
from nbpipe.services.foreseeing import foresee
from nbpipe.services.runs import Run, StepRun
from nbpipe.views.children import with_children
from nbpipe.views.frames import Bundle
from nbpipe.views.graphs import graph_edges, graph_nodes
from nbpipe.views.steps_graph import DagEdge, DagNode
from nbpipe.widgets.pipeline_states import (
    State,
    running_state,
    settled_state,
    states_of_runs,
)

RUN_BOX = "run\0"  # how the box of a single run is called (`views.children`)

_LOG = logging.getLogger("nbpipe.widgets")


class Subject(Protocol):
    """What is shown."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def is_going(self) -> bool:
        """Whether it may change by itself."""

    def graph(self) -> tuple[Sequence[DagNode], Sequence[DagEdge]]:
        """Give the graph; another one if runs were triggered meanwhile."""

    def states(self) -> dict[str, State]:
        """Say how each node stands."""

    def catch_up(self) -> None:
        """See how it stands now."""

    def whole(self) -> State:
        """Say how all of it stands."""

    def card(self, node: str) -> Bundle:
        """Give the card of a node, or of all of it for `""`."""

    def static(self) -> Bundle:
        """Give what is shown where nothing is live."""

    def stop(self) -> None:
        """Ask it to stop."""


class DefinedPipeline:
    """A pipeline as it is defined, with marks at the steps that a run would execute anew.

    Args:
        pipeline: The pipeline.
    """

    def __init__(self, pipeline: Runnable) -> None:
        self._request = pipeline.request({})
        self._traced = drawn(self._request.definition, self._request.configuration)
        self._foreseen: Mapping[str, Any] | None = None
        self.name = self._request.definition.name

    @property
    def is_going(self) -> bool:
        """Until it is known what a run would do."""
        return self._foreseen is None

    def graph(self) -> tuple[Sequence[DagNode], Sequence[DagEdge]]:
        """See `Subject`."""
        return graph_nodes(self._traced.graph), graph_edges(self._traced.graph)

    def catch_up(self) -> None:
        """Find out what a run would do."""
        try:
            self._foreseen = foresee(Client().workspace, self._request)
        except Exception:  # noqa: BLE001 — the user's own body runs here; where it raises, nothing is foreseen
            _LOG.info("what a run of %s would do could not be foreseen", self._request.definition.name, exc_info=True)
            self._foreseen = {}

    def states(self) -> dict[str, State]:
        """See `Subject`; those that are not stale stand as they are defined."""
        stale = {node: one for node, one in (self._foreseen or {}).items() if one.standing == "stale"}
        return {
            node.id: settled_state("stale", why=stale[node.id].why) if node.id in stale else {}
            for node in self._traced.graph.nodes
        }

    def whole(self) -> State:
        """See `Subject`."""
        stale = sum(bool(state) for state in self.states().values())
        return {"note": f"{stale:,} would run anew"} if stale else {}

    def card(self, node: str) -> Bundle:
        """See `Subject`."""
        if not node:
            return pipeline_without_graph(self._request.definition, self._traced)
        state = self.states().get(node, {})
        return defined_node_bundle(self._traced, node, status=state.get("status", ""), why=state.get("why", ""))

    def static(self) -> Bundle:
        """See `Subject`."""
        return pipeline_bundle(self._request.definition, self._request.configuration)

    def stop(self) -> None:
        """Refuse: nothing runs.

        Raises:
            ConflictError: Always.
        """
        raise ConflictError(f"Pipeline {self.name} does not run; there is nothing to stop.")


class RecordedRun:
    """A run as the catalog knows it, in whatever process it goes on.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._steps: Mapping[str, StepRun] = run.steps
        self._children = [child_facts(child) for child in run.children]
        self._began_s = time.monotonic()
        self._since: dict[str, float] = {}
        self._is_stopping = False
        self.name = run.pipeline or run.name

    @property
    def is_going(self) -> bool:
        """See `Subject`."""
        return not self._run.status.is_over and self._run.kind == "pipeline"

    def graph(self) -> tuple[Sequence[DagNode], Sequence[DagEdge]]:
        """See `Subject`."""
        graph = self._run.graph
        known = {node.id for node in graph.nodes}
        # A notebook's session has no graph, but it has steps.
        loose = [DagNode(node) for node in self._steps if node not in known]
        nodes = [*graph_nodes(graph), *loose]
        return with_children(self._run.id, nodes, graph_edges(graph), self._children, stable=False)

    def catch_up(self) -> None:
        """See `Subject`."""
        self._run = self._run.refresh()
        self._steps = self._run.steps
        self._children = [child_facts(child) for child in self._run.children]

    def states(self) -> dict[str, State]:
        """See `Subject`."""
        unreached = Status.SKIPPED.value if self._run.status.is_over else Status.PENDING.value
        nodes, _ = self.graph()
        return {
            **{node.id: self._state(node.id, unreached) for node in nodes if not node.is_run},
            **states_of_runs(nodes),
        }

    def _state(self, node: str, unreached: str) -> State:
        step = self._steps.get(node)
        if step is None:
            return settled_state(unreached)
        if not step.status.is_over:
            since = self._since.setdefault(node, time.monotonic())
            return running_state(running_facts(node, None, elapsed_s=time.monotonic() - since))
        counts = step.items.counts if step.items is not None else None
        return settled_state(standing_of(step), took_s=step.duration_s, why=step.error or step.why, items=counts)

    def whole(self) -> State:
        """See `Subject`."""
        run = self._run
        if not self.is_going:
            return {**settled_state(run.status.value, took_s=run.duration_s), "note": f"run {run.id[:8]}"}
        elapsed_s = time.time() - run.started.timestamp() if run.started is not None else 0.0
        return {"status": run.status.value, "live": True, "elapsed": round(elapsed_s, 1), "stopping": self._is_stopping}

    def card(self, node: str) -> Bundle:
        """See `Subject`."""
        if node.startswith(RUN_BOX):
            return run_bundle(Client().runs.get(node.removeprefix(RUN_BOX)))
        return run_node_bundle(self._run, node) if node else run_without_graph(self._run)

    def static(self) -> Bundle:
        """See `Subject`."""
        return run_bundle(self._run)

    def stop(self) -> None:
        """Ask it to stop, in whatever process it goes on.

        Raises:
            ConflictError: It is over.
        """
        if not self.is_going:
            raise ConflictError(f"Run {self._run.name} is over: it is {self._run.status.value}.")
        self._is_stopping = True
        # It waits for the end, and whoever pressed does not.
        threading.Thread(target=self._stop, name="nbpipe-view-stop", daemon=True).start()

    def _stop(self) -> None:
        # It ended by itself, or its process died: the next look tells which.
        with suppress(NbpipeError):
            self._run.stop()
