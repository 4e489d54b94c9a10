from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.views.coordinates import place_along_ranks
from nbpipe.views.ordering import cut_long_edges, with_few_crossings
from nbpipe.views.ranks import assign_ranks
from tests.views.graphs import Graph, numbered_graphs


@given(numbered_graphs(), st.data())
def test_neighbours_on_a_rank_keep_their_order_and_the_gap(graph: Graph, data: st.DataObject) -> None:
    count, edges = graph
    layering = with_few_crossings(cut_long_edges(assign_ranks(count, edges), edges))
    extents = [data.draw(st.floats(1, 200)) for _ in range(count)] + [6.0] * (len(layering.above) - count)

    middles = place_along_ranks(layering, extents, boxes=count, gap=20.0)

    for layer in layering.layers:
        for left, right in pairwise(layer):
            assert middles[right] - middles[left] >= (extents[left] + extents[right]) / 2 + 20.0 - 1e-6
    assert min(at - extent / 2 for at, extent in zip(middles, extents, strict=True)) == pytest.approx(0)


def test_a_chain_is_drawn_straight() -> None:
    layering = cut_long_edges([0, 1, 2], [(0, 1), (1, 2)])

    middles = place_along_ranks(layering, [80.0, 120.0, 40.0], boxes=3, gap=20.0)

    assert middles == [60.0, 60.0, 60.0]


def test_a_source_stands_in_the_middle_above_its_targets() -> None:
    layering = cut_long_edges([0, 1, 1], [(0, 1), (0, 2)])

    middles = place_along_ranks(layering, [50.0, 50.0, 50.0], boxes=3, gap=20.0)

    assert middles == pytest.approx([60.0, 25.0, 95.0])
