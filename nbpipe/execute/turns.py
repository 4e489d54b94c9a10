"""Whose turn it is: which nodes may start now, the first written first.

A node may start when all that it waits for is settled. Nodes that must not overlap go one after the
other in the order in which they were written. This module knows order; it knows no run.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import pairwise

from nbpipe.graph.graph import Node


class Turns:
    """The turns of one run.

    Args:
        nodes: In an order in which they can run.
        one_by_one: Those of them, in order, of which one must be settled before the next may start.
    """

    def __init__(self, nodes: Sequence[Node], one_by_one: Sequence[str]) -> None:
        self._nodes = nodes
        self._place = {node.id: place for place, node in enumerate(nodes)}
        self._awaited: dict[str, set[str]] = {node.id: set(node.upstream) for node in nodes}
        for before, after in pairwise(one_by_one):
            self._awaited[after].add(before)
        self._waiting: dict[str, list[str]] = {node.id: [] for node in nodes}
        for node, awaited in self._awaited.items():
            for other in awaited:
                self._waiting[other].append(node)
        self._ready = [place for place, node in enumerate(nodes) if not self._awaited[node.id]]

    def next(self) -> Node | None:
        """Give the node that comes next; `None` while none may start."""
        return self._nodes[heapq.heappop(self._ready)] if self._ready else None

    def settle(self, node: str) -> None:
        """A node is settled: it may be the turn of those that waited for it."""
        for other in self._waiting[node]:
            awaited = self._awaited[other]
            if node in awaited:
                awaited.remove(node)
                if not awaited:
                    heapq.heappush(self._ready, self._place[other])

    def put_off(self, node: str, until: str) -> None:
        """Give a node that had its turn another when a node that goes on is settled."""
        self._awaited[node].add(until)
        if node not in self._waiting[until]:
            self._waiting[until].append(node)

    def again(self, first: str, then: str) -> None:
        """Let two nodes that had their turn have it once more, one after the other."""
        self.put_off(then, first)
        heapq.heappush(self._ready, self._place[first])
