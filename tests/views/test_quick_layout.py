"""The quick layout: every box has a place of its own, and each edge runs down from box to box."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings

from nbpipe.errors import BadValueError
from nbpipe.views.layout import Box
from nbpipe.views.quick_layout import quick_layout
from tests.views.graphs import Graph, numbered_graphs


@settings(deadline=None)
@given(numbered_graphs(most=25))
def test_no_two_boxes_overlap_and_edges_run_down(graph: Graph) -> None:
    count, edges = graph
    names = [f"n{n}" for n in range(count)]

    drawing = quick_layout([Box(name, 100, 40) for name in names], [(names[a], names[b]) for a, b in edges])

    boxes = {box.id: box for box in drawing.boxes}
    for one, two in combinations(drawing.boxes, 2):
        is_beside = one.x + one.width <= two.x or two.x + two.width <= one.x
        assert is_beside or one.y + one.height <= two.y or two.y + two.height <= one.y
    for route in drawing.routes:
        assert boxes[route.source].y < boxes[route.target].y
        assert len(route.points) % 2 == 0
    assert all(box.x + box.width <= drawing.width and box.y + box.height <= drawing.height for box in drawing.boxes)


def test_the_same_graph_is_drawn_the_same_way_and_a_wide_rank_is_broken_into_rows() -> None:
    fan = [Box("root", 100, 40), *(Box(f"n{n}", 100, 40) for n in range(500))]
    edges = [("root", f"n{n}") for n in range(500)]

    first, second = quick_layout(fan, edges), quick_layout(fan, edges)

    assert first == second
    assert first.width < 10_000


@pytest.mark.parametrize(
    ("boxes", "edges"),
    [(["a", "a"], []), (["a", "b"], [("a", "b"), ("b", "a")])],
    ids=["an id twice", "a circle"],
)
def test_what_is_no_graph_is_refused(boxes: list[str], edges: list[tuple[str, str]]) -> None:
    with pytest.raises(BadValueError):
        quick_layout([Box(name, 10, 10) for name in boxes], edges)


def test_nothing_is_drawn_of_nothing() -> None:
    assert quick_layout([], []).boxes == ()
