from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.views.folding import fold
from nbpipe.views.ranks import assign_ranks
from tests.views.graphs import Graph, numbered_graphs


@given(numbered_graphs(most=40), st.integers(1, 12))
def test_folding_keeps_every_node_once_within_the_limit_and_makes_no_circle(graph: Graph, most: int) -> None:
    count, edges = graph

    folded = fold(count, edges, most=most)

    assert sorted(node for group in folded.groups for node in group) == list(range(count))
    assert len(folded.groups) <= max(most, 1)
    assign_ranks(len(folded.groups), folded.edges)


@given(numbered_graphs(most=40), st.integers(1, 12))
def test_groups_are_connected_exactly_where_their_nodes_are(graph: Graph, most: int) -> None:
    count, edges = graph

    folded = fold(count, edges, most=most)

    group_of = {node: number for number, group in enumerate(folded.groups) for node in group}
    between = {(group_of[tail], group_of[head]) for tail, head in edges if group_of[tail] != group_of[head]}
    assert set(folded.edges) == between


def test_a_graph_within_the_limit_is_left_as_it_is() -> None:
    folded = fold(3, [(0, 1), (1, 2)], most=3)

    assert folded.groups == ((0,), (1,), (2,))


def test_a_fan_becomes_three_boxes() -> None:
    fan = [(0, node) for node in range(1, 9)] + [(node, 9) for node in range(1, 9)]

    folded = fold(10, fan, most=5)

    assert folded.groups == ((0,), tuple(range(1, 9)), (9,))


def test_a_chain_ends_where_another_joins_it() -> None:
    joined = [(0, 1), (1, 2), (2, 3), (4, 5), (5, 3), (3, 6), (6, 7)]

    folded = fold(8, joined, most=4)

    assert folded.groups == ((0, 1, 2), (3, 6, 7), (4, 5))


@pytest.mark.parametrize("length", [100, 3000])
def test_a_long_chain_is_folded_whatever_its_length(length: int) -> None:
    folded = fold(length, [(node, node + 1) for node in range(length - 1)], most=10)

    assert len(folded.groups) <= 10
