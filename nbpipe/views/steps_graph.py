"""The graph that is to be shown: steps, what flows between them, and how it is said in a sentence.

Picture (`views.dag_picture`) and text (`views.dag`) start from here, so that both show the same.
What a step is and why it has its status nobody here knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from nbpipe.errors import BadValueError
from nbpipe.views.amounts import shorten
from nbpipe.views.folding import fold
from nbpipe.views.markup import one_line
from nbpipe.views.theme import look, weightiest

MOST_BOXES = 60


@dataclass(frozen=True, slots=True)
class DagNode:
    """A step to be drawn.

    Attributes:
        id: Its name in the graph.
        title: What is written in its box; the id if empty.
        subtitle: A second, smaller line, such as a duration.
        status: A status known to `views.theme`, or empty where nothing has run.
        detail: A sentence shown when the pointer rests on it, such as why it ran.
        is_run: Whether it is no step, but a run of another pipeline that a step asked for.
        times: Of a step that is mapped over a list, how often it runs: `×10,000`, or `×n` while nobody knows.
    """

    id: str
    title: str = ""
    subtitle: str = ""
    status: str = ""
    detail: str = ""
    is_run: bool = False
    times: str = ""


@dataclass(frozen=True, slots=True)
class DagEdge:
    """What flows from one step to another; `label` names it, and several labels of one pair are joined.

    Where `decides` is set, it does not flow into the step: it decides whether the step runs.
    """

    source: str
    target: str
    label: str = ""
    decides: bool = False


@dataclass(frozen=True)
class StepsGraph:
    """A graph as it is shown.

    Attributes:
        nodes: In the order given.
        edges: The label of each pair of ids that are connected.
        folded_steps: How many steps are in boxes that hold several.
        folded_boxes: How many such boxes there are.
        deciding: The pairs between which nothing flows but a decision.
    """

    nodes: tuple[DagNode, ...]
    edges: dict[tuple[str, str], str]
    folded_steps: int = 0
    folded_boxes: int = 0
    deciding: frozenset[tuple[str, str]] = frozenset()

    @cached_property
    def names(self) -> dict[str, str]:
        """What each node is called where another speaks of it, by id."""
        return {node.id: one_line(node.title) or one_line(node.id) for node in self.nodes}


def steps_graph(nodes: Sequence[DagNode], edges: Sequence[DagEdge]) -> StepsGraph:
    """Put nodes and edges together.

    Raises:
        BadValueError: An edge that does not lead from one of the steps to another.
    """
    known = {node.id for node in nodes}
    labels: dict[tuple[str, str], list[str]] = {}
    flowing = {(edge.source, edge.target) for edge in edges if not edge.decides}
    for edge in edges:
        if not {edge.source, edge.target} <= known:
            raise BadValueError(f"An edge leads from {edge.source!r} to {edge.target!r}, but one of them is no step.")
        labels.setdefault((edge.source, edge.target), []).append(one_line(edge.label))
    joined = {pair: ", ".join(dict.fromkeys(filter(None, said))) for pair, said in labels.items()}
    return StepsGraph(tuple(nodes), joined, deciding=frozenset(joined.keys() - flowing))


def folded(whole: StepsGraph) -> StepsGraph:
    """Put steps that belong together into one box, if there are more than `MOST_BOXES`."""
    if len(whole.nodes) <= MOST_BOXES:
        return whole
    place = {node.id: at for at, node in enumerate(whole.nodes)}
    grouped = fold(len(place), [(place[source], place[target]) for source, target in whole.edges], most=MOST_BOXES)
    boxes = [_as_box([whole.nodes[member] for member in group]) for group in grouped.groups]
    several = [group for group in grouped.groups if len(group) > 1]
    return StepsGraph(
        tuple(boxes),
        {(boxes[tail].id, boxes[head].id): "" for tail, head in grouped.edges},
        sum(map(len, several)),
        len(several),
    )


def title_of(node: DagNode) -> str:
    """Give what is written in a step's box."""
    title = one_line(node.title) or one_line(node.id)
    return f"{title} {one_line(node.times)}" if node.times else title


def note_of(node: DagNode) -> str:
    """Give the second line of a step's box: its status in words, and its subtitle."""
    return " · ".join(filter(None, (one_line(look(node.status).word), one_line(node.subtitle))))


def sentence(graph: StepsGraph, name: str) -> str:
    """Say in one line how large a graph is and what became of its steps, without the full stop."""
    steps = [node for node in graph.nodes if not node.is_run]
    runs = {node.id for node in graph.nodes if node.is_run}
    between = [pair for pair in graph.edges if pair[1] not in runs]
    said = f"{one_line(name) or 'Pipeline'}: {_many(len(steps), 'step')}, {_many(len(between), 'connection')}"
    if runs:
        said += f", {_many(len(runs), 'triggered run')}"
    counts = Counter(one_line(look(node.status).word) for node in steps if node.status)
    return f"{said}; {', '.join(f'{count} {word}' for word, count in sorted(counts.items()))}" if counts else said


def folding_sentence(graph: StepsGraph) -> str:
    """Say how many steps are folded; nothing if none are."""
    if not graph.folded_boxes:
        return ""
    return f"{graph.folded_steps} steps are folded into {_many(graph.folded_boxes, 'box', 'boxes')}"


def _as_box(members: Sequence[DagNode]) -> DagNode:
    if len(members) == 1:
        return members[0]
    counts = Counter(node.status for node in members if node.status)
    tally = " ".join(f"{count} {look(status).sign}" for status, count in sorted(counts.items()))
    names = ", ".join(map(title_of, members))
    return DagNode(
        members[0].id,
        title=f"{len(members)} steps: {names}",
        subtitle=tally or f"… {title_of(members[-1])}",
        status=weightiest([node.status for node in members]),
        detail=shorten(names, 600),
    )


def _many(count: int, one: str, several: str = "") -> str:
    return f"{count} {one if count == 1 else several or one + 's'}"
