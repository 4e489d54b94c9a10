"""Where the boxes of a very large graph stand: in time that grows with its size, and no faster.

The careful layout (`views.layout`) weighs every edge against every other, which for thousands of
boxes takes longer than anybody waits. Here each box stands one rank below the last that it waits
for, each rank is ordered by the places of what its boxes wait for, and edges run straight from
box to box. At that size nobody follows a single line by eye: one looks for a name, and at what is
around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from nbpipe.errors import BadValueError
from nbpipe.views.layout import Box, Direction, Layout, PlacedBox, Route
from nbpipe.views.ranks import Edge, longest_paths

_GAP = 20.0
_RANK_GAP = 60.0
_MARGIN = 8.0
_SWEEPS = 4
# A rank of thousands of boxes would make the drawing a line: it is broken into rows.
_MOST_IN_ROW = 60


def quick_layout(nodes: Sequence[Box], edges: Sequence[tuple[str, str]]) -> Layout:
    """Place the boxes of a graph, its edges running down.

    Raises:
        BadValueError: An id twice, or edges that go round in a circle.
    """
    number = {box.id: place for place, box in enumerate(nodes)}
    if len(number) < len(nodes):
        raise BadValueError("Two boxes of the drawing have the same id; give each its own.")
    links = [(number[source], number[target]) for source, target in dict.fromkeys(edges)]
    if not nodes:
        return Layout((), (), 0.0, 0.0, Direction.DOWN, 0)
    ranks = longest_paths(len(nodes), links)
    boxes: list[PlacedBox | None] = [None] * len(nodes)
    rows = [row for layer in ordered_ranks(ranks, links) for row in _rows(layer)]
    wide = max(fsum(nodes[node].width + _GAP for node in row) - _GAP for row in rows)
    y = _MARGIN
    for row in rows:
        x = _MARGIN + (wide - fsum(nodes[node].width + _GAP for node in row) + _GAP) / 2
        for node in row:
            box = nodes[node]
            boxes[node] = PlacedBox(box.id, x, y, box.width, box.height, ranks[node])
            x += box.width + _GAP
        y += max(nodes[node].height for node in row) + _RANK_GAP
    placed = tuple(box for box in boxes if box is not None)
    routes = tuple(_route(placed[tail], placed[head]) for tail, head in links)
    return Layout(placed, routes, wide + 2 * _MARGIN, y - _RANK_GAP + _MARGIN, Direction.DOWN, 0)


def ordered_ranks(ranks: Sequence[int], edges: Sequence[Edge]) -> list[list[int]]:
    """Order the nodes of each rank by the mean place of their neighbours, on the ranks before and after in turns."""
    layers: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for node, rank in enumerate(ranks):
        layers[rank].append(node)
    before: list[list[int]] = [[] for _ in ranks]
    after: list[list[int]] = [[] for _ in ranks]
    for tail, head in edges:
        before[head].append(tail)
        after[tail].append(head)
    place = [0.0] * len(ranks)
    for layer in layers:
        _number(layer, place)
    for sweep in range(_SWEEPS):
        near = before if sweep % 2 == 0 else after
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wish = {node: fsum(place[n] for n in near[node]) / len(near[node]) for node in layer if near[node]}
            layer.sort(key=lambda node, wish=wish: wish.get(node, place[node]))  # type: ignore[misc]
            _number(layer, place)
    return layers


def _number(layer: Sequence[int], place: list[float]) -> None:
    """Say where on its rank each node stands, from 0 to 1: ranks differ in size."""
    for spot, node in enumerate(layer):
        place[node] = (spot + 0.5) / len(layer)


def _rows(layer: Sequence[int]) -> list[Sequence[int]]:
    return [layer[start : start + _MOST_IN_ROW] for start in range(0, len(layer), _MOST_IN_ROW)]


def _route(tail: PlacedBox, head: PlacedBox) -> Route:
    start = (tail.x + tail.width / 2, tail.y + tail.height)
    end = (head.x + head.width / 2, head.y)
    return Route(tail.id, head.id, (start, start, end, end))
