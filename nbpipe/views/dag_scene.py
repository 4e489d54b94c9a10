"""A graph as plain data for a view that draws it itself: where each box stands, which way each edge runs.

The live view in a notebook and whatever else draws in a page get positions from here, the same
ones that the picture has (`views.dag_picture`). How a step stands is told apart from this, again
and again and in small: what is here is sent once. Steps go by their number, so that no name,
however odd, is anything but text.

A large graph comes with an overview, in which steps that belong together are one box.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil
from typing import Any

from nbpipe.views.amounts import shorten
from nbpipe.views.folding import fold
from nbpipe.views.layout import Box, Direction, Layout, layout
from nbpipe.views.lettering import fitting, width_px
from nbpipe.views.markup import one_line
from nbpipe.views.quick_layout import quick_layout
from nbpipe.views.steps_graph import DagEdge, DagNode, StepsGraph, sentence, steps_graph, title_of
from nbpipe.views.theme import LOOKS

MOST_UNFOLDED = 300
MOST_CAREFUL = 1_200
_DENSE = 5  # of so many edges for each box nobody follows one, however carefully it is led
_MOST_BOXES = 80
_TITLE, _NOTE = 13, 11
_SIGN_ROOM, _PADDING, _ROUND_ROOM = 18, 11, 6
_LEAST_WIDTH, _MOST_WIDTH, _WIDTH_STEP, _HEIGHT = 168.0, 264.0, 24, 50.0
_GAP, _LABEL_ROOM = 52.0, 50.0
_MOST_LETTERS = 200
_MOST_LABELS = 40

Data = dict[str, Any]


def dag_scene(nodes: Sequence[DagNode], edges: Sequence[DagEdge], *, name: str = "") -> Data:
    """Give a graph as plain data, its steps in the order given.

    Returns:
        `name`; `said`, the graph in a sentence; `looks`, by status its sign, its word and its weight; `nodes`, with
        `title` as it fits into the box, `name` in full, `x`, `y`, `w`, `h`, and where they apply `run` and `times`;
        `edges`, each with the numbers of its two ends `ends`, its `points` (see `views.layout.Route`), and where they
        apply a `label` and `kind`, `asks` or `decides`; `width`, `height` and `down`, whether edges run downward; and
        `overview`, the same of groups, whose nodes have `members`, or `None` where the graph is small.

    Raises:
        BadValueError: An edge to nowhere, or edges that go round in a circle.
    """
    graph = steps_graph(nodes, edges)
    titles = [title_of(node) for node in graph.nodes]
    boxes = tuple(Box(node.id, _width(node, title), _HEIGHT) for node, title in zip(graph.nodes, titles, strict=True))
    drawing = _with_labels(graph, boxes)
    return {
        "name": shorten(one_line(name), _MOST_LETTERS),
        "said": sentence(graph, shorten(name, _MOST_LETTERS)),
        "looks": {status: [look.sign, look.word, look.weight] for status, look in LOOKS.items()},
        **_placed(drawing),
        "nodes": [_node(node, title, box) for node, title, box in zip(graph.nodes, titles, drawing.boxes, strict=True)],
        "edges": _edges(graph, drawing),
        "overview": _overview(graph, titles) if len(nodes) > MOST_UNFOLDED else None,
    }


def _with_labels(graph: StepsGraph, boxes: tuple[Box, ...]) -> Layout:
    """Place the boxes; edges that run to the right get room for what is written on them, beside their arrowheads."""
    longest = max((width_px(label, _NOTE) for label in _labels(graph).values()), default=0.0)
    drawing = _laid_out(boxes, tuple(graph.edges), max(_GAP, longest + _LABEL_ROOM) if longest else _GAP)
    if longest and drawing.direction is Direction.DOWN:
        return _laid_out(boxes, tuple(graph.edges))
    return drawing


def _labels(graph: StepsGraph) -> dict[tuple[str, str], str]:
    labels = {pair: fitting(label, _NOTE, _MOST_WIDTH / 2) for pair, label in graph.edges.items() if label}
    return labels if len(labels) <= _MOST_LABELS else {}


def _width(node: DagNode, title: str) -> float:
    around = _SIGN_ROOM + 2 * _PADDING + (2 * _ROUND_ROOM if node.is_run else 0)
    width = max(width_px(title[:_MOST_LETTERS], _TITLE, bold=True) + around, _LEAST_WIDTH)
    return min(ceil(width / _WIDTH_STEP) * _WIDTH_STEP, _MOST_WIDTH)


def _placed(drawing: Layout) -> Data:
    return {
        "width": round(drawing.width),
        "height": round(drawing.height),
        "down": drawing.direction is Direction.DOWN,
    }


def _node(node: DagNode, title: str, box: Any) -> Data:
    room = box.width - _SIGN_ROOM - 2 * _PADDING - (2 * _ROUND_ROOM if node.is_run else 0)
    data: Data = {
        "title": fitting(title, _TITLE, room, bold=True),
        "name": shorten(title, _MOST_LETTERS),
        **_rectangle(box),
    }
    if node.is_run:
        data["run"] = True
    if node.times:
        data["times"] = one_line(node.times)
    return data


def _rectangle(box: Any) -> Data:
    return {"x": round(box.x), "y": round(box.y), "w": round(box.width), "h": round(box.height)}


def _edges(graph: StepsGraph, drawing: Layout) -> list[Data]:
    number = {node.id: place for place, node in enumerate(graph.nodes)}
    runs = {node.id for node in graph.nodes if node.is_run}
    labels = _labels(graph)
    found = []
    for route in drawing.routes:
        pair = route.source, route.target
        data: Data = {"ends": [number[route.source], number[route.target]], "points": _flat(route.points)}
        if pair in labels:
            data["label"] = labels[pair]
        if route.target in runs:
            data["kind"] = "asks"
        elif pair in graph.deciding:
            data["kind"] = "decides"
        found.append(data)
    return found


def _flat(points: Sequence[tuple[float, float]]) -> list[int]:
    return [round(part) for point in points for part in point]


def _overview(graph: StepsGraph, titles: Sequence[str]) -> Data:
    place = {node.id: at for at, node in enumerate(graph.nodes)}
    links = [(place[source], place[target]) for source, target in graph.edges]
    folded = fold(len(place), links, most=_MOST_BOXES)
    boxes = tuple(Box(str(number), _MOST_WIDTH - _WIDTH_STEP, _HEIGHT) for number in range(len(folded.groups)))
    drawing = _laid_out(boxes, tuple((str(tail), str(head)) for tail, head in folded.edges))
    nodes = [
        {
            "title": fitting(_said(group, titles), _TITLE, box.width - _SIGN_ROOM - 2 * _PADDING, bold=True),
            "name": _said(group, titles),
            **_rectangle(box),
            "members": list(group),
        }
        for group, box in zip(folded.groups, drawing.boxes, strict=True)
    ]
    edges = [{"ends": [int(one.source), int(one.target)], "points": _flat(one.points)} for one in drawing.routes]
    return {**_placed(drawing), "nodes": nodes, "edges": edges}


def _said(group: Sequence[int], titles: Sequence[str]) -> str:
    if len(group) == 1:
        return shorten(titles[group[0]], _MOST_LETTERS)
    return shorten(f"{len(group)} steps: {', '.join(titles[member] for member in group[:8])}", _MOST_LETTERS)


@lru_cache(maxsize=16)
def _laid_out(boxes: tuple[Box, ...], edges: tuple[tuple[str, str], ...], gap: float = _GAP) -> Layout:
    """Place boxes; what was placed before is known, since the same graph is shown again and again."""
    is_large = len(boxes) > MOST_CAREFUL or len(edges) > _DENSE * len(boxes)
    return quick_layout(boxes, edges) if is_large else layout(boxes, edges, rank_gap=gap)
