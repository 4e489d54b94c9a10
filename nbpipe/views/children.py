"""Triggered runs in a graph: a box beside the step that asked for each, and beside that box theirs.

Many of one pipeline that one step asked for become a single box with their tally. What runs are,
and how a graph is drawn, is known elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nbpipe.views.amounts import duration_text
from nbpipe.views.facts import ChildFacts
from nbpipe.views.steps_graph import DagEdge, DagNode
from nbpipe.views.theme import look, weightiest

MOST_APART = 4


def with_children(
    run: str, nodes: Sequence[DagNode], edges: Sequence[DagEdge], children: Sequence[ChildFacts], *, stable: bool
) -> tuple[list[DagNode], list[DagEdge]]:
    """Add the runs that the steps of a run asked for to its graph.

    Args:
        run: The run's id.
        nodes: Its steps.
        edges: What flows between them.
        children: What they asked for, each after its parent.
        stable: Leave out what differs between two equal runs.
    """
    of_one_kind = Counter(_kind(child) for child in children)
    several = {kind for kind, count in of_one_kind.items() if count > MOST_APART}
    steps = {node.id for node in nodes}
    boxes = {child.id: _box(child, several) for child in children}
    gathered: dict[str, list[ChildFacts]] = {}
    arrows: dict[tuple[str, str], None] = {}
    for child in children:
        source = child.step if child.parent == run else boxes.get(child.parent, "")
        if source in steps or source in gathered:
            gathered.setdefault(boxes[child.id], []).append(child)
            arrows[source, boxes[child.id]] = None
    runs = [_node(box, group, stable=stable) for box, group in gathered.items()]
    return [*nodes, *runs], [*edges, *(DagEdge(source, box, "triggers") for source, box in arrows)]


def _kind(child: ChildFacts) -> tuple[str, str, str]:
    return child.parent, child.step, child.pipeline


def _box(child: ChildFacts, several: set[tuple[str, str, str]]) -> str:
    # No step's name holds a zero byte, so no step is taken for a run.
    return "\0".join(("runs", *_kind(child))) if _kind(child) in several else f"run\0{child.id}"


def _node(box: str, group: Sequence[ChildFacts], *, stable: bool) -> DagNode:
    first = group[0]
    if len(group) == 1:
        took = "" if stable or first.duration_s is None else duration_text(first.duration_s)
        name = "" if stable else first.id[:8]
        subtitle = " · ".join(filter(None, (took, name)))
        if first.is_former:
            # What was not done again is shown as what a reused step gave.
            return DagNode(box, first.pipeline, subtitle, "reused", f"{first.status}; {first.note}", is_run=True)
        return DagNode(box, first.pipeline, subtitle, first.status, first.note, is_run=True)
    counts = Counter(child.status for child in group)
    tally = " ".join(f"{count} {look(status).sign}" for status, count in sorted(counts.items()))
    status = weightiest([child.status for child in group])
    return DagNode(box, f"{len(group)} runs of {first.pipeline}", tally, status, first.note, is_run=True)
