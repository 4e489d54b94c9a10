"""On which rank of a layered drawing each node stands.

Every edge must lead to a later rank, and the edges together shall be as short as can be: long
edges are what makes a drawing cross itself. The network simplex method finds the optimum
(Gansner, Koutsofios, North and Vo, "A Technique for Drawing Directed Graphs", 1993).

Nodes are numbers here, `0 … count - 1`. Names, sizes and places are `views.layout`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbpipe.errors import BadValueError

if TYPE_CHECKING:
    from collections.abc import Sequence

Edge = tuple[int, int]

# Thirty to fifty exchanges bring a graph of 200 nodes to its optimum; one that needs more than this is
# drawn a little longer than it might be, rather than later.
_MOST_EXCHANGES = 500


def assign_ranks(count: int, edges: Sequence[Edge]) -> list[int]:
    """Give each node its rank, 0 upward, with the least total length of edges.

    Raises:
        BadValueError: The edges go round in a circle.
    """
    ranks = longest_paths(count, edges)
    forest = _TightForest(count, edges, ranks)
    for _ in range(_MOST_EXCHANGES):
        if not forest.exchange():
            break
    forest.start_each_tree_at_zero()
    _even_out(count, edges, ranks)
    return ranks


def longest_paths(count: int, edges: Sequence[Edge]) -> list[int]:
    """Give each node the first rank on which it can stand.

    Raises:
        BadValueError: The edges go round in a circle.
    """
    after: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for tail, head in edges:
        after[tail].append(head)
        waiting[head] += 1
    ranks = [0] * count
    ready = [node for node in range(count) if not waiting[node]]
    for node in ready:
        for head in after[node]:
            ranks[head] = max(ranks[head], ranks[node] + 1)
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    if len(ready) < count:
        raise BadValueError("The edges go round in a circle, so there is no first node to draw. Take one of them out.")
    return ranks


class _TightForest:
    """Spanning trees of edges of length one; exchanging an edge shortens the whole.

    Args:
        ranks: Feasible ranks; changed in place.
    """

    def __init__(self, count: int, edges: Sequence[Edge], ranks: list[int]) -> None:
        self.edges = edges
        self.ranks = ranks
        self.touching: list[list[int]] = [[] for _ in range(count)]
        # Edges that leave a node less those that enter it. Summed over a subtree, what is inside
        # cancels out, and what is left says whether moving the subtree makes the edges shorter.
        self.balance = [0] * count
        for number, (tail, head) in enumerate(edges):
            self.touching[tail].append(number)
            self.touching[head].append(number)
            self.balance[tail] += 1
            self.balance[head] -= 1
        self.in_tree: list[set[int]] = [set() for _ in range(count)]
        self.tree_of = [-1] * count
        self.roots: list[int] = []
        for node in range(count):
            if self.tree_of[node] < 0:
                self._grow_from(node)

    def exchange(self) -> bool:
        """Replace the tree edge that costs most by the tightest that reconnects; tell whether there was one."""
        visited, parent_edge, size = self._walk()
        leaving = self._costliest(visited, parent_edge)
        if leaving is None:
            return False
        position = visited.index(leaving)
        part = set(visited[position : position + size[leaving]])
        old = parent_edge[leaving]
        part_is_tail = self.edges[old][0] == leaving
        crossing = [
            number
            for node in part
            for number in self.touching[node]
            if self.edges[number][1 if part_is_tail else 0] == node
            and self.edges[number][0 if part_is_tail else 1] not in part
        ]
        new = min(crossing, key=lambda number: (self._slack(number), number))
        shift = -self._slack(new) if part_is_tail else self._slack(new)
        for node in part:
            self.ranks[node] += shift
        for end in self.edges[old]:
            self.in_tree[end].discard(old)
        for end in self.edges[new]:
            self.in_tree[end].add(new)
        return True

    def start_each_tree_at_zero(self) -> None:
        """Let each connected part of the graph begin on the first rank."""
        first: dict[int, int] = {}
        for node, root in enumerate(self.tree_of):
            first[root] = min(first.get(root, self.ranks[node]), self.ranks[node])
        for node, root in enumerate(self.tree_of):
            self.ranks[node] -= first[root]

    def _slack(self, number: int) -> int:
        tail, head = self.edges[number]
        return self.ranks[head] - self.ranks[tail] - 1

    def _other(self, number: int, node: int) -> int:
        tail, head = self.edges[number]
        return head if tail == node else tail

    def _grow_from(self, root: int) -> None:
        self.roots.append(root)
        self.tree_of[root] = root
        members = [root]
        fresh = [root]
        while True:
            while fresh:
                node = fresh.pop()
                for number in self.touching[node]:
                    other = self._other(number, node)
                    if self.tree_of[other] < 0 and self._slack(number) == 0:
                        self.tree_of[other] = root
                        self.in_tree[node].add(number)
                        self.in_tree[other].add(number)
                        members.append(other)
                        fresh.append(other)
            border = [
                (self._slack(number), number, node)
                for node in members
                for number in self.touching[node]
                if self.tree_of[self._other(number, node)] < 0
            ]
            if not border:
                return
            slack, number, inside = min(border)
            shift = slack if self.edges[number][0] == inside else -slack
            for node in members:
                self.ranks[node] += shift
            fresh = [inside]

    def _walk(self) -> tuple[list[int], list[int], list[int]]:
        """Visit the trees in preorder: the nodes, the edge that led to each (-1: root), and the sizes of subtrees."""
        visited: list[int] = []
        parent_edge = [-1] * len(self.ranks)
        todo = [(root, -1) for root in reversed(self.roots)]
        while todo:
            node, by = todo.pop()
            parent_edge[node] = by
            visited.append(node)
            todo += [(self._other(number, node), number) for number in sorted(self.in_tree[node]) if number != by]
        size = [1] * len(self.ranks)
        for node in reversed(visited):
            if parent_edge[node] >= 0:
                size[self._other(parent_edge[node], node)] += size[node]
        return visited, parent_edge, size

    def _costliest(self, visited: list[int], parent_edge: list[int]) -> int | None:
        total = self.balance.copy()
        worst, found = 0, None
        for node in reversed(visited):
            number = parent_edge[node]
            if number < 0:
                continue
            cost = total[node] if self.edges[number][0] == node else -total[node]
            if cost < worst:
                worst, found = cost, node
            total[self._other(number, node)] += total[node]
        return found


def _even_out(count: int, edges: Sequence[Edge], ranks: list[int]) -> None:
    """Move nodes that may stand on several ranks at no cost to the least crowded of them."""
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for tail, head in edges:
        before[head].append(tail)
        after[tail].append(head)
    crowd = [0] * (max(ranks, default=0) + 1)
    for rank in ranks:
        crowd[rank] += 1
    for node in range(count):
        if not before[node] or len(before[node]) != len(after[node]):
            continue
        first = max(ranks[tail] for tail in before[node]) + 1
        last = min(ranks[head] for head in after[node]) - 1
        crowd[ranks[node]] -= 1
        ranks[node] = min(range(first, last + 1), key=lambda rank: (crowd[rank], rank))
        crowd[ranks[node]] += 1
