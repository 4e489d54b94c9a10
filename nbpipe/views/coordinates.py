"""How far along its rank each node stands: near its neighbours, and never on another.

Each rank in turn is moved as close as it can be to where its neighbours are, its order and its
gaps kept. That is isotonic regression, solved exactly by pooling adjacent violators. Long edges
pull hardest, so that they run straight; at the end what follows one upon one is drawn into line.

Distances are in the units of `extents`. Which way the ranks run is `views.layout`.
"""

from __future__ import annotations

import itertools
from math import fsum, inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbpipe.views.ordering import Layering

_SWEEPS = 10
# How strongly an edge pulls, by how many of its ends are bends.
_PULL = (1.0, 2.0, 8.0)


def place_along_ranks(layering: Layering, extents: Sequence[float], *, boxes: int, gap: float) -> list[float]:
    """Give the middle of each node and bend along its rank; the least start is 0.

    Args:
        layering: The order on each rank.
        extents: How much room each takes along its rank.
        boxes: How many are boxes; numbers from there on are bends.
        gap: The room to leave between neighbours.
    """
    middles = [0.0] * len(extents)
    offsets = [_offsets(layer, extents, gap) for layer in layering.layers]
    for layer, offset in zip(layering.layers, offsets, strict=True):
        for node, at in zip(layer, offset, strict=True):
            middles[node] = at - offset[-1] / 2
    pulls_above = _pulls(layering.above, boxes)
    pulls_below = _pulls(layering.below, boxes)
    both = [up + down for up, down in zip(pulls_above, pulls_below, strict=True)]
    ranks = range(len(layering.layers))
    for sweep in range(_SWEEPS):
        downward = sweep % 2 == 0
        pulls = both if sweep >= _SWEEPS // 2 else pulls_above if downward else pulls_below
        for rank in ranks if downward else reversed(ranks):
            _settle(layering.layers[rank], offsets[rank], pulls, middles)
    _straighten(layering, extents, middles, gap=gap)
    start = min((middle - extent / 2 for middle, extent in zip(middles, extents, strict=True)), default=0.0)
    return [middle - start for middle in middles]


def _offsets(layer: Sequence[int], extents: Sequence[float], gap: float) -> list[float]:
    """Give the middles of a rank's nodes when they stand as close as they may, the first at 0."""
    offset = [0.0]
    for left, right in itertools.pairwise(layer):
        offset.append(offset[-1] + (extents[left] + extents[right]) / 2 + gap)
    return offset


def _pulls(near: list[list[int]], boxes: int) -> list[list[tuple[int, float]]]:
    return [
        [(other, _PULL[(node >= boxes) + (other >= boxes)]) for other in others] for node, others in enumerate(near)
    ]


def _settle(
    layer: Sequence[int], offset: Sequence[float], pulls: list[list[tuple[int, float]]], middles: list[float]
) -> None:
    wishes = []
    for node, at in zip(layer, offset, strict=True):
        force = fsum([pull for _, pull in pulls[node]])
        # What nobody pulls stays where it is, but yields to all that is pulled.
        wish = fsum([middles[other] * pull for other, pull in pulls[node]]) / force if force else middles[node]
        wishes.append((wish - at, force or 0.01))
    for node, at, base in zip(layer, offset, _isotonic(wishes), strict=True):
        middles[node] = base + at


def _isotonic(wishes: Sequence[tuple[float, float]]) -> list[float]:
    """Give the rising numbers nearest to the wishes `(value, weight)` in weighted squares."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in wishes:
        pool = (value, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            before = pools.pop()
            together = before[1] + pool[1]
            pool = ((before[0] * before[1] + pool[0] * pool[1]) / together, together, before[2] + pool[2])
        pools.append(pool)
    return [value for value, _, count in pools for _ in range(count)]


def _straighten(layering: Layering, extents: Sequence[float], middles: list[float], *, gap: float) -> None:
    """Draw what follows one upon one into line, as far as the ranks leave room."""
    beside: dict[int, tuple[int | None, int | None]] = {}
    for layer in layering.layers:
        beside |= dict(zip(layer, zip([None, *layer], [*layer[1:], None], strict=False), strict=True))

    def room(node: int) -> tuple[float, float]:
        left, right = beside[node]
        low = -inf if left is None else middles[left] + (extents[left] + extents[node]) / 2 + gap
        high = inf if right is None else middles[right] - (extents[right] + extents[node]) / 2 - gap
        return low, high

    for path in _single_files(layering):
        line: list[int] = []
        low, high = -inf, inf
        for node in path:
            least, most = room(node)
            if line and max(low, least) > min(high, most):
                _align(line, low, high, middles)
                line, low, high = [], -inf, inf
            line.append(node)
            low, high = max(low, least), min(high, most)
        _align(line, low, high, middles)


def _single_files(layering: Layering) -> list[list[int]]:
    """List the paths on which each has but one before it and one after it; the bends of an edge always are one."""
    follower = {
        node: below[0]
        for node, below in enumerate(layering.below)
        if len(below) == 1 and len(layering.above[below[0]]) == 1
    }
    files = []
    for start in sorted(follower.keys() - set(follower.values())):
        path = [start]
        while path[-1] in follower:
            path.append(follower[path[-1]])
        files.append(path)
    return files


def _align(line: list[int], low: float, high: float, middles: list[float]) -> None:
    if len(line) > 1:
        at = min(max(fsum(middles[node] for node in line) / len(line), low), high)
        for node in line:
            middles[node] = at
