"""Where the boxes of a graph stand and which way its edges run.

A layered drawing (Sugiyama's): ranks (`views.ranks`), order on each rank (`views.ordering`),
places along the rank (`views.coordinates`), then the routes of the edges. An edge crosses a
rank only in a lane of its own beside the boxes, and turns only between ranks, so that none ever
runs through a box. The same input always gives the same drawing.

This module knows rectangles and numbers. It does not know what a box stands for nor how it is
painted (`views.dag`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import fsum

from nbpipe.errors import BadValueError
from nbpipe.views.coordinates import place_along_ranks
from nbpipe.views.ordering import Layering, count_crossings, cut_long_edges, with_few_crossings
from nbpipe.views.ranks import assign_ranks

Point = tuple[float, float]

# A notebook cell is about 900 px wide. Left to right reads like a sentence and keeps the cell low; shrunk to
# less than three quarters its letters would be too small, and then a tall drawing that is scrolled is better.
READABLE_WIDTH = 1200.0
_GAP_IN_RANK = 20.0
_LANE = 6.0
_MARGIN = 8.0
_MOST_RANK_GAP = 110.0


class Direction(StrEnum):
    """Which way the edges run."""

    RIGHT = "right"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle to be placed.

    Attributes:
        id: Its name, unique in the graph.
        width: In pixels.
        height: In pixels.
    """

    id: str
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """A rectangle in its place; `x` and `y` are its upper left corner, in pixels."""

    id: str
    x: float
    y: float
    width: float
    height: float
    rank: int


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one edge.

    Attributes:
        source: The box where it starts.
        target: The box where it ends.
        points: An even number of points. From an even one to the next the edge is straight along its
            direction; from an odd one to the next it swings over, between two ranks.
    """

    source: str
    target: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing: boxes and routes in the order they were given in, within `width` by `height` pixels.

    Attributes:
        crossings: How often edges cross.
    """

    boxes: tuple[PlacedBox, ...]
    routes: tuple[Route, ...]
    width: float
    height: float
    direction: Direction
    crossings: int


def layout(
    nodes: Sequence[Box],
    edges: Sequence[tuple[str, str]],
    *,
    direction: Direction | None = None,
    rank_gap: float = 44.0,
) -> Layout:
    """Place `nodes` in ranks and route `edges` between them.

    Args:
        nodes: The boxes; their order decides where nothing else does.
        edges: Pairs of ids; a pair given twice is one edge.
        direction: Which way the edges run. If not given: to the right where that is at most
            `READABLE_WIDTH` wide or the narrower of the two, else down.
        rank_gap: The least room between ranks, in pixels.

    Raises:
        BadValueError: An id twice, an edge to nowhere, or edges that go round in a circle.
    """
    number = {box.id: place for place, box in enumerate(nodes)}
    if len(number) < len(nodes):
        raise BadValueError("Two boxes of the drawing have the same id; give each its own.")
    links = _numbered(edges, number)
    ranks = assign_ranks(len(nodes), links)
    if not nodes:
        return Layout((), (), 0.0, 0.0, direction or Direction.RIGHT, 0)
    layering = with_few_crossings(cut_long_edges(ranks, links))
    drawing = _Drawing(nodes, ranks, layering, direction or _best_direction(nodes, ranks, rank_gap), rank_gap)
    return drawing.finished()


def _numbered(edges: Sequence[tuple[str, str]], number: dict[str, int]) -> list[tuple[int, int]]:
    for source, target in edges:
        for end in (source, target):
            if end not in number:
                raise BadValueError(
                    f"An edge of the drawing leads from {source!r} to {target!r}, but {end!r} is no box."
                )
    return [(number[source], number[target]) for source, target in dict.fromkeys(edges)]


def _best_direction(nodes: Sequence[Box], ranks: Sequence[int], rank_gap: float) -> Direction:
    deep = [0.0] * (max(ranks) + 1)
    wide = [-_GAP_IN_RANK] * len(deep)
    for box, rank in zip(nodes, ranks, strict=True):
        deep[rank] = max(deep[rank], box.width)
        wide[rank] += box.width + _GAP_IN_RANK
    to_the_right = fsum(deep) + rank_gap * (len(deep) - 1)
    return Direction.RIGHT if to_the_right <= max(READABLE_WIDTH, *wide) else Direction.DOWN


class _Drawing:
    """One drawing in the making, as if it ran downward: `along` a rank, and `depth` across the ranks."""

    def __init__(
        self, nodes: Sequence[Box], ranks: Sequence[int], layering: Layering, direction: Direction, rank_gap: float
    ) -> None:
        self.nodes = nodes
        self.ranks = ranks
        self.layering = layering
        self.direction = direction
        turned = direction is Direction.RIGHT
        self.widths = [box.height if turned else box.width for box in nodes]
        self.depths = [box.width if turned else box.height for box in nodes]
        bends = len(layering.above) - len(nodes)
        self.along = place_along_ranks(layering, [*self.widths, *[_LANE] * bends], boxes=len(nodes), gap=_GAP_IN_RANK)
        self.ports = self._ports()
        self.bands = self._bands(rank_gap)

    def finished(self) -> Layout:
        boxes = tuple(self._placed(node) for node in range(len(self.nodes)))
        routes = tuple(self._routed(chain) for chain in self.layering.chains)
        lanes = self.along[len(self.nodes) :]
        ends = [at + width / 2 for at, width in zip(self.along, self.widths, strict=False)]
        along = max([*ends, *(at + _LANE / 2 for at in lanes)]) + 2 * _MARGIN
        deep = self.bands[-1][1] + _MARGIN
        width, height = (deep, along) if self.direction is Direction.RIGHT else (along, deep)
        return Layout(boxes, routes, width, height, self.direction, count_crossings(self.layering))

    def _bands(self, rank_gap: float) -> list[tuple[float, float]]:
        """Give where each rank begins and ends; edges that swing far get more room to do it."""
        depth = [0.0] * len(self.layering.layers)
        for node, rank in enumerate(self.ranks):
            depth[rank] = max(depth[rank], self.depths[node])
        swing = [0.0] * len(depth)
        for chain in self.layering.chains:
            for step, (one, two) in enumerate(itertools.pairwise(chain)):
                rank = self.ranks[chain[0]] + step
                swing[rank] = max(swing[rank], abs(self.along[one] - self.along[two]))
        bands, start = [], _MARGIN
        for rank, size in enumerate(depth):
            bands.append((start, start + size))
            start += size + max(rank_gap, min(swing[rank] / 4, _MOST_RANK_GAP))
        return bands

    def _ports(self) -> dict[tuple[int, int], float]:
        """Give where the edge between a box and its neighbour meets the box, in the neighbours' order."""
        place = {node: spot for layer in self.layering.layers for spot, node in enumerate(layer)}
        ports = {}
        for node, width in enumerate(self.widths):
            for near in (self.layering.above[node], self.layering.below[node]):
                pitch = min(10.0, width * 0.6 / max(len(near) - 1, 1))
                for turn, other in enumerate(sorted(near, key=place.__getitem__)):
                    ports[node, other] = self.along[node] + (turn - (len(near) - 1) / 2) * pitch
        return ports

    def _placed(self, node: int) -> PlacedBox:
        box, (start, end) = self.nodes[node], self.bands[self.ranks[node]]
        x, y = self._point(self.along[node] - self.widths[node] / 2, (start + end - self.depths[node]) / 2)
        return PlacedBox(box.id, x, y, box.width, box.height, self.ranks[node])

    def _routed(self, chain: list[int]) -> Route:
        tail, head = chain[0], chain[-1]
        first, last = self.bands[self.ranks[tail]], self.bands[self.ranks[head]]
        out, into = self.ports[tail, chain[1]], self.ports[head, chain[-2]]
        points = [self._point(out, (fsum(first) + self.depths[tail]) / 2), self._point(out, first[1])]
        for step, bend in enumerate(chain[1:-1], start=self.ranks[tail] + 1):
            points += [self._point(self.along[bend], at) for at in self.bands[step]]
        points += [self._point(into, last[0]), self._point(into, (fsum(last) - self.depths[head]) / 2)]
        return Route(self.nodes[tail].id, self.nodes[head].id, tuple(points))

    def _point(self, along: float, depth: float) -> Point:
        along += _MARGIN
        return (depth, along) if self.direction is Direction.RIGHT else (along, depth)
