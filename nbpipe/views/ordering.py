"""In which order the nodes of each rank stand, so that few edges cross.

An edge that passes several ranks is cut into short ones by *bends*, nodes without a box, so
that every edge joins neighbouring ranks. The least number of crossings cannot be found in
reasonable time; what is done is the classic approach with a few starts, and a step of our own
choosing at the end of each: sort every rank by its neighbours' places, switch adjacent nodes
while that helps, and at last move single nodes to the best place nearby.

Everything is counted, nothing is timed or drawn by lot: the same graph gives the same order.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbpipe.views.ranks import Edge

Layers = list[list[int]]

_MOST_SWEEPS = 40
_PATIENCE = 6
_MOST_SIFTINGS = 3
# How far from its place a node is tried when it is moved alone: wide fans would cost their square.
_REACH = 8
# From this many nodes and bends on, one start must do.
_LARGE = 2_000


@dataclass(frozen=True, slots=True)
class Layering:
    """A graph whose edges all join neighbouring ranks.

    Attributes:
        layers: The nodes and bends of each rank, in the order given or found.
        above: For each node or bend, its neighbours on the rank before.
        below: The same on the rank after.
        chains: For each edge of the graph, tail, bends and head.
    """

    layers: Layers
    above: list[list[int]]
    below: list[list[int]]
    chains: list[list[int]]


def cut_long_edges(ranks: Sequence[int], edges: Sequence[Edge]) -> Layering:
    """Put bends where edges pass ranks; bends are numbered from `len(ranks)` on."""
    layers: Layers = [[] for _ in range(max(ranks, default=-1) + 1)]
    for node, rank in enumerate(ranks):
        layers[rank].append(node)
    above: list[list[int]] = [[] for _ in ranks]
    below: list[list[int]] = [[] for _ in ranks]
    chains = []
    for tail, head in edges:
        chain = [tail]
        for rank in range(ranks[tail] + 1, ranks[head]):
            layers[rank].append(len(above))
            chain.append(len(above))
            above.append([])
            below.append([])
        chain.append(head)
        for one, two in itertools.pairwise(chain):
            below[one].append(two)
            above[two].append(one)
        chains.append(chain)
    return Layering(layers, above, below, chains)


def with_few_crossings(layering: Layering) -> Layering:
    """Give the same layering with each rank in the best order that was found."""
    starts = [(True, True, False), (True, False, True), (False, True, True), (False, False, False)]
    if len(layering.above) >= _LARGE:
        starts = starts[:1]
    best: tuple[int, Layers] | None = None
    for along_both, from_first, downward in starts:
        search = _Search(layering, _first_order(layering, along_both=along_both, from_first=from_first))
        found = search.best(downward_first=downward)
        if best is None or found[0] < best[0]:
            best = found
        if best[0] == 0:
            break
    assert best is not None
    return Layering(best[1], layering.above, layering.below, layering.chains)


def count_crossings(layering: Layering) -> int:
    """Count the pairs of edges that cross between neighbouring ranks."""
    place = [0] * len(layering.above)
    for layer in layering.layers:
        for position, node in enumerate(layer):
            place[node] = position
    return _crossings(layering.layers, layering.above, place)


def _crossings(layers: Layers, above: list[list[int]], place: list[int]) -> int:
    crossings = 0
    for layer in layers[1:]:
        passed: list[int] = []
        for node in layer:
            ends = sorted([place[neighbour] for neighbour in above[node]])
            for end in ends:
                crossings += len(passed) - bisect_right(passed, end)
            for end in ends:
                passed.insert(bisect_right(passed, end), end)
    return crossings


def _first_order(layering: Layering, *, along_both: bool, from_first: bool) -> Layers:
    """Order each rank as a walk in depth meets its nodes, so that what is connected starts together."""
    rank_of = [0] * len(layering.above)
    for rank, layer in enumerate(layering.layers):
        for node in layer:
            rank_of[node] = rank
    near = layering.below if from_first else layering.above
    if along_both:
        near = [up + down for up, down in zip(layering.above, layering.below, strict=True)]
    found: Layers = [[] for _ in layering.layers]
    seen = [False] * len(rank_of)
    for layer in layering.layers if from_first else layering.layers[::-1]:
        for start in layer:
            todo = [start]
            while todo:
                node = todo.pop()
                if not seen[node]:
                    seen[node] = True
                    found[rank_of[node]].append(node)
                    todo += reversed(near[node])
    return found


class _Search:
    """One search from one start; `layers` and `place` always agree."""

    def __init__(self, layering: Layering, layers: Layers) -> None:
        self.above = layering.above
        self.below = layering.below
        self.layers = layers
        self.place = [0] * len(layering.above)
        self._note_places()

    def best(self, *, downward_first: bool) -> tuple[int, Layers]:
        """Search until nothing was gained for a while; give the crossings and the order of the best."""
        self._switch_adjacent()
        best = (self._count(), self._copy())
        fruitless = 0
        for sweep in range(_MOST_SWEEPS):
            if not best[0] or fruitless == _PATIENCE:
                break
            self._sort_by_neighbours(downward=(sweep % 2 == 0) == downward_first, by_median=sweep // 2 % 2 == 0)
            self._switch_adjacent()
            count = self._count()
            fruitless = 0 if count < best[0] else fruitless + 1
            if count < best[0]:
                best = (count, self._copy())
        self.layers = best[1]
        self._note_places()
        for _ in range(_MOST_SIFTINGS if best[0] else 0):
            if not self._move_single_nodes():
                break
            self._switch_adjacent()
        return self._count(), self.layers

    def _count(self) -> int:
        return _crossings(self.layers, self.above, self.place)

    def _copy(self) -> Layers:
        return [layer.copy() for layer in self.layers]

    def _note_places(self) -> None:
        for layer in self.layers:
            for position, node in enumerate(layer):
                self.place[node] = position

    def _sort_by_neighbours(self, *, downward: bool, by_median: bool) -> None:
        near = self.above if downward else self.below
        place = self.place
        for layer in self.layers[1:] if downward else self.layers[-2::-1]:
            wish: dict[int, float] = {}
            for node in layer:
                ends = sorted([place[neighbour] for neighbour in near[node]])
                if not ends:
                    continue
                half = len(ends) // 2
                median = ends[half] if len(ends) % 2 else (ends[half - 1] + ends[half]) / 2
                wish[node] = median if by_median else fsum(ends) / len(ends)
            # A node without neighbours there keeps its place; the others fill the rest in their order.
            movers = iter(sorted(wish, key=wish.__getitem__))
            layer[:] = [next(movers) if node in wish else node for node in layer]
            for position, node in enumerate(layer):
                place[node] = position

    def _gain(self, left: int, right: int) -> int:
        """Give how many crossings are saved if `right` stands before `left`."""
        place, gain = self.place, 0
        for near in (self.above, self.below):
            others = near[right]
            if not others:
                continue
            for one in near[left]:
                at = place[one]
                for two in others:
                    if at > place[two]:
                        gain += 1
                    elif at < place[two]:
                        gain -= 1
        return gain

    def _switch_adjacent(self) -> None:
        place, gain = self.place, self._gain
        dirty = set(range(len(self.layers)))
        while dirty:
            stirred: set[int] = set()
            for rank in sorted(dirty):
                layer = self.layers[rank]
                switched = True
                while switched:
                    switched = False
                    for position in range(len(layer) - 1):
                        left, right = layer[position], layer[position + 1]
                        if gain(left, right) > 0:
                            layer[position], layer[position + 1] = right, left
                            place[right], place[left] = position, position + 1
                            switched = True
                            stirred |= {rank - 1, rank + 1}
            dirty = stirred & set(range(len(self.layers)))

    def _move_single_nodes(self) -> bool:
        """Move each node to the place nearby where it crosses least; tell whether any moved."""
        moved = False
        for layer in self.layers:
            for node in layer.copy() if len(layer) > 2 else ():
                start = self.place[node]
                goal = self._best_place(layer, node, start)
                if goal == start:
                    continue
                layer.insert(goal, layer.pop(start))
                for position in range(min(start, goal), max(start, goal) + 1):
                    self.place[layer[position]] = position
                moved = True
        return moved

    def _best_place(self, layer: list[int], node: int, start: int) -> int:
        best, goal = 0, start
        saved = 0
        for position in range(start + 1, min(len(layer), start + _REACH)):
            saved += self._gain(node, layer[position])
            if saved > best:
                best, goal = saved, position
        saved = 0
        for position in range(start - 1, max(-1, start - _REACH), -1):
            saved += self._gain(layer[position], node)
            if saved > best:
                best, goal = saved, position
        return goal
