"""Fewer boxes for a large graph: steps that belong together become one.

First those that only differ in name, with the same sources and the same targets (a fan-out);
then chains; and where that is not enough, neighbours on one rank of the drawing. None of these
can make a circle, so that what is left is a graph again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from nbpipe.views.ordering import cut_long_edges, with_few_crossings
from nbpipe.views.quick_layout import ordered_ranks
from nbpipe.views.ranks import Edge, assign_ranks, longest_paths

# To weigh every crossing of a graph of thousands takes longer than anybody waits.
_LARGE = 800


@dataclass(frozen=True, slots=True)
class Folded:
    """A graph of groups.

    Attributes:
        groups: The numbers of the nodes in each group, rising; most have one.
        edges: Between groups, each once.
    """

    groups: tuple[tuple[int, ...], ...]
    edges: tuple[Edge, ...]


def fold(count: int, edges: Sequence[Edge], *, most: int) -> Folded:
    """Group `count` nodes until at most `most` groups are left; a graph that small is given back as it is.

    Raises:
        BadValueError: The edges go round in a circle.
    """
    return _folded(count, tuple(dict.fromkeys(edges)), most)


# A graph is folded for its picture, for what is said of it, and again for each picture of a run that goes on.
@lru_cache(maxsize=8)
def _folded(count: int, edges: tuple[Edge, ...], most: int) -> Folded:
    folded = Folded(tuple((node,) for node in range(count)), edges)
    layers = _quick_layers if count + len(folded.edges) > _LARGE else _careful_layers
    for grouping in (_siblings, _chains, _siblings, _chains, *(_neighbours(size, layers) for size in range(2, 9))):
        if len(folded.groups) <= most:
            return folded
        folded = _merged(folded, grouping)
    if len(folded.groups) <= most:
        return folded
    return _merged(folded, _bands(most))


Grouping = Callable[[int, Sequence[Edge]], list[int]]


def _merged(folded: Folded, grouping: Grouping) -> Folded:
    """Put groups with the same mark together; the groups stand in the order of their first nodes."""
    marks = grouping(len(folded.groups), folded.edges)
    members: dict[int, list[int]] = {}
    for group, mark in zip(folded.groups, marks, strict=True):
        members.setdefault(mark, []).extend(group)
    place = {mark: number for number, mark in enumerate(members)}
    joined = [(place[marks[tail]], place[marks[head]]) for tail, head in folded.edges]
    between = dict.fromkeys(edge for edge in joined if edge[0] != edge[1])
    return Folded(tuple(tuple(sorted(group)) for group in members.values()), tuple(between))


def _siblings(count: int, edges: Sequence[Edge]) -> list[int]:
    sources: list[set[int]] = [set() for _ in range(count)]
    targets: list[set[int]] = [set() for _ in range(count)]
    for tail, head in edges:
        sources[head].add(tail)
        targets[tail].add(head)
    first: dict[tuple[frozenset[int], frozenset[int]], int] = {}
    return [
        first.setdefault((frozenset(before), frozenset(after)), node)
        for node, (before, after) in enumerate(zip(sources, targets, strict=True))
    ]


def _chains(count: int, edges: Sequence[Edge]) -> list[int]:
    leaving = Counter(tail for tail, _ in edges)
    entering = Counter(head for _, head in edges)
    follower = {tail: head for tail, head in edges if leaving[tail] == 1 and entering[head] == 1}
    marks = list(range(count))
    for start in set(range(count)) - set(follower.values()):
        node = start
        while node in follower:
            node = follower[node]
            marks[node] = start
    return marks


def _neighbours(size: int, layers: Callable[[int, Sequence[Edge]], list[list[int]]]) -> Grouping:
    def grouping(count: int, edges: Sequence[Edge]) -> list[int]:
        marks = [0] * count
        for layer in layers(count, edges):
            nodes = [node for node in layer if node < count]
            for place, node in enumerate(nodes):
                marks[node] = nodes[place - place % size]
        return marks

    return grouping


def _careful_layers(count: int, edges: Sequence[Edge]) -> list[list[int]]:
    return with_few_crossings(cut_long_edges(assign_ranks(count, edges), edges)).layers


def _quick_layers(count: int, edges: Sequence[Edge]) -> list[list[int]]:
    return ordered_ranks(longest_paths(count, edges), edges)


def _bands(most: int) -> Grouping:
    def grouping(count: int, edges: Sequence[Edge]) -> list[int]:
        ranks = longest_paths(count, edges)
        height = -(-(max(ranks) + 1) // most)
        return [rank // height for rank in ranks]

    return grouping
