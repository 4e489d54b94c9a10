"""How the steps of a pipeline and of a run are shown: a graph's nodes and edges, a step's facts and its card.

What a graph says of a step stands before any run of it; what a run recorded of it is put on top. The
cards of what a run is a part of, or made, are `showing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nbpipe.commands.shapes import HasStatus, ShownGraph, ShownNode
from nbpipe.records.runs import NOT_TAKEN, Status
from nbpipe.services.artifact_records import Artifact
from nbpipe.services.runs import Run, StepRun
from nbpipe.views import facts as shown
from nbpipe.views.amounts import items_text
from nbpipe.views.cards import step_card
from nbpipe.views.frames import Bundle
from nbpipe.views.steps_graph import DagEdge, DagNode


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


def standing_of(step: HasStatus) -> str:
    """Say how a step stands, as it is shown: of a branch that was not taken, that."""
    is_untaken = step.status is Status.SKIPPED and step.why.startswith(NOT_TAKEN)
    return NOT_TAKEN if is_untaken else step.status.value


def step_facts(step: StepRun) -> shown.StepFacts:
    """Give the facts of one step of a run."""
    return shown.StepFacts(
        node=step.node,
        status=standing_of(step),
        why=step.why,
        duration_s=step.duration_s,
        outputs=[artifact_label(artifact) for artifact in step.outputs.values()],
        parameters=dict(step.parameters),
        metrics=dict(step.metrics),
        error=step.error,
        logs=step.logs,
        times=f"×{len(step.items):,}" if step.items is not None else "",
        items=dict(step.items.counts) if step.items is not None else {},
    )


def step_bundle(step: StepRun, *, stable: bool = False) -> Bundle:
    """Show what became of one step of a run."""
    previews = {artifact_label(artifact): artifact.preview for artifact in step.outputs.values()}
    failed = [(item.place, item.error) for item in step.items.failed] if step.items is not None else []
    return step_card(replace(step_facts(step), previews=previews, failed_items=failed), stable=stable)


def artifact_label(artifact: Artifact) -> str:
    """Name an artifact version in a line: `raw_data@7`."""
    return artifact.name if artifact.version is None else f"{artifact.name}@{artifact.version}"


def steps_not_reached(run: Run, steps: Mapping[str, StepRun]) -> list[shown.StepFacts]:
    """Give the steps of which nothing is recorded: the run goes on, or died before them."""
    status = Status.SKIPPED if run.status.is_over else Status.PENDING
    return [
        shown.StepFacts(node.id, status.value, times=times_of(node)) for node in run.graph.nodes if node.id not in steps
    ]
