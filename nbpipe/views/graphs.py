"""A pipeline's graph as nodes and edges that can be drawn, with how each step stands.

What a graph is, is looked at only as far as it is drawn: its nodes, where their inputs come from, and what they wait
for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from nbpipe.views.amounts import items_text
from nbpipe.views.steps_graph import DagEdge, DagNode


class ShownNode(Protocol):
    """What is shown of a node: where its inputs come from (`graph.Origin`), and what it waits for."""

    @property
    def id(self) -> str:
        """Its name in the graph."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Where each argument comes from."""

    @property
    def after(self) -> Sequence[str]:
        """Nodes that come first though nothing flows from them."""

    @property
    def conditions(self) -> Sequence[Any]:
        """What must hold for it to run (`graph.Condition`)."""

    @property
    def mapped(self) -> Sequence[str]:
        """The arguments that are lists, if it is executed once for each item."""


class ShownGraph(Protocol):
    """What is shown of a graph: its nodes."""

    @property
    def nodes(self) -> Sequence[ShownNode]:
        """In the order in which they were written."""


def graph_edges(graph: ShownGraph) -> list[DagEdge]:
    """Give the edges of a graph, each named by the output that flows along it."""
    edges = []
    for node in graph.nodes:
        for origin in node.inputs.values():
            for output in _outputs_behind(origin):
                label = "" if output.output in ("", "output") else output.output
                edges.append(DagEdge(output.node, node.id, label))
        for condition in node.conditions:
            found = _outputs_behind(condition.origin)
            edges += [DagEdge(output.node, node.id, condition.said, decides=True) for output in found]
        edges += [DagEdge(source, node.id) for source in node.after]
    return edges


def _outputs_behind(origin: Any) -> Sequence[Any]:
    """Give the outputs of nodes from which a value may come, several where branches come together."""
    if origin.kind == "either":
        found: Sequence[Any] = origin.of
        return found
    return [origin] if origin.kind == "output" else []


def graph_nodes(
    graph: ShownGraph,
    statuses: Mapping[str, str] | None = None,
    items: Mapping[str, Mapping[str, int]] | None = None,
) -> list[DagNode]:
    """Give the nodes of a graph, each with its status and with what became of its items, if that is known."""
    known = statuses or {}
    counts = items or {}
    return [
        DagNode(
            node.id,
            subtitle=items_text(counts.get(node.id, {})),
            status=known.get(node.id, ""),
            detail=_origins(node.inputs),
            times=times_of(node, counts.get(node.id, {}).get("total")),
        )
        for node in graph.nodes
    ]


def times_of(node: ShownNode, total: int | None = None) -> str:
    """Say how often a node is executed, if it is mapped over a list: `×3`, or `×n` where that is not known yet."""
    if not node.mapped:
        return ""
    if total is None:
        lists = [node.inputs[name].value for name in node.mapped if node.inputs[name].kind == "constant"]
        total = len(lists[0]) if lists else None
    return "×n" if total is None else f"×{total:,}"


def _origins(inputs: Mapping[str, Any]) -> str:
    taken = [f"{name} from artifact {origin.name}" for name, origin in inputs.items() if origin.kind == "artifact"]
    return "; ".join(taken)
