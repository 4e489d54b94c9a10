from __future__ import annotations

from itertools import combinations

from hypothesis import given

from nbpipe.views.ordering import Layering, count_crossings, cut_long_edges, with_few_crossings
from nbpipe.views.ranks import assign_ranks
from tests.views.graphs import Graph, numbered_graphs


def layered(graph: Graph) -> Layering:
    count, edges = graph
    return cut_long_edges(assign_ranks(count, edges), edges)


def crossings_by_pairs(layering: Layering) -> int:
    place = {node: spot for layer in layering.layers for spot, node in enumerate(layer)}
    count = 0
    for layer in layering.layers:
        links = [(place[node], place[other]) for node in layer for other in layering.below[node]]
        count += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in combinations(links, 2))
    return count


@given(numbered_graphs())
def test_every_piece_of_an_edge_joins_neighbouring_ranks(graph: Graph) -> None:
    layering = layered(graph)

    rank = {node: at for at, layer in enumerate(layering.layers) for node in layer}

    assert all(rank[other] == rank[node] + 1 for node, below in enumerate(layering.below) for other in below)
    assert [(chain[0], chain[-1]) for chain in layering.chains] == graph[1]


@given(numbered_graphs())
def test_crossings_are_counted_as_looking_at_every_pair_of_edges_counts_them(graph: Graph) -> None:
    layering = layered(graph)

    assert count_crossings(layering) == crossings_by_pairs(layering)


@given(numbered_graphs())
def test_ordering_keeps_every_node_on_its_rank(graph: Graph) -> None:
    layering = layered(graph)

    ordered = with_few_crossings(layering)

    assert [sorted(layer) for layer in ordered.layers] == [sorted(layer) for layer in layering.layers]


@given(numbered_graphs(most=8))
def test_a_forest_is_drawn_without_any_crossing(graph: Graph) -> None:
    count, edges = graph
    one_parent = list({head: (tail, head) for tail, head in edges}.values())

    ordered = with_few_crossings(layered((count, one_parent)))

    assert count_crossings(ordered) == 0


def test_a_tangled_ladder_is_untangled() -> None:
    edges = [(node, 7 - node) for node in range(4)]

    ordered = with_few_crossings(cut_long_edges([0, 0, 0, 0, 1, 1, 1, 1], edges))

    assert count_crossings(ordered) == 0
