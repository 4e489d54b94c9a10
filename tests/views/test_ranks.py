from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given

from nbpipe.errors import BadValueError
from nbpipe.views.ranks import assign_ranks
from tests.views.graphs import Graph, numbered_graphs


def total_length(ranks: Sequence[int], edges: list[tuple[int, int]]) -> int:
    return sum(ranks[head] - ranks[tail] for tail, head in edges)


@given(numbered_graphs())
def test_every_edge_leads_to_a_later_rank_and_the_first_rank_is_used(graph: Graph) -> None:
    count, edges = graph

    ranks = assign_ranks(count, edges)

    assert all(ranks[tail] < ranks[head] for tail, head in edges)
    assert min(ranks) == 0


@given(numbered_graphs(most=5))
def test_no_other_ranks_make_the_edges_shorter(graph: Graph) -> None:
    count, edges = graph

    found = total_length(assign_ranks(count, edges), edges)

    legal = (ranks for ranks in product(range(count), repeat=count) if all(ranks[a] < ranks[b] for a, b in edges))
    assert found == min(total_length(ranks, edges) for ranks in legal)


@given(numbered_graphs())
def test_no_rank_between_the_first_and_the_last_is_empty_of_boxes_and_edges(graph: Graph) -> None:
    count, edges = graph

    ranks = assign_ranks(count, edges)

    passed = {rank for tail, head in edges for rank in range(ranks[tail], ranks[head] + 1)}
    assert set(range(max(ranks) + 1)) == passed | set(ranks)


def test_a_source_stands_right_before_its_only_target() -> None:
    chain = [(0, 1), (1, 2), (2, 3), (4, 3)]

    ranks = assign_ranks(5, chain)

    assert ranks == [0, 1, 2, 3, 2]


def test_edges_that_go_round_in_a_circle_are_refused() -> None:
    with pytest.raises(BadValueError, match="circle"):
        assign_ranks(3, [(0, 1), (1, 2), (2, 1)])
