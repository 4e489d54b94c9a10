from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.row_l_layout import edges_through_boxes, seeded_graph
from nbpipe.errors import BadValueError
from nbpipe.views.layout import READABLE_WIDTH, Box, Direction, PlacedBox, Point, layout
from tests.views.graphs import numbered_graphs

Graph = tuple[list[Box], list[tuple[str, str]]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    count, edges = draw(numbered_graphs())
    sizes = [(draw(st.integers(20, 300)), draw(st.integers(20, 60))) for _ in range(count)]
    boxes = [Box(f"n{node}", *size) for node, size in enumerate(sizes)]
    return boxes, [(f"n{tail}", f"n{head}") for tail, head in edges]


def apart(one: PlacedBox, two: PlacedBox) -> bool:
    return (
        one.x + one.width <= two.x
        or two.x + two.width <= one.x
        or one.y + one.height <= two.y
        or two.y + two.height <= one.y
    )


def may_touch(start: Point, end: Point, box: PlacedBox) -> bool:
    """Tell whether the rectangle of a piece of an edge reaches into a box."""
    return (
        min(start[0], end[0]) < box.x + box.width - 1e-6
        and max(start[0], end[0]) > box.x + 1e-6
        and min(start[1], end[1]) < box.y + box.height - 1e-6
        and max(start[1], end[1]) > box.y + 1e-6
    )


@given(graphs(), st.sampled_from([None, *Direction]))
def test_no_box_lies_on_another_and_all_lie_within_the_drawing(graph: Graph, direction: Direction | None) -> None:
    drawing = layout(*graph, direction=direction)

    assert all(apart(one, two) for one, two in combinations(drawing.boxes, 2))
    for box in drawing.boxes:
        assert 0 <= box.x <= drawing.width - box.width
        assert 0 <= box.y <= drawing.height - box.height


@given(graphs(), st.sampled_from(Direction))
def test_no_edge_runs_through_a_box_or_leaves_the_drawing(graph: Graph, direction: Direction | None) -> None:
    drawing = layout(*graph, direction=direction)

    for route in drawing.routes:
        assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y in route.points)
        for start, end in pairwise(route.points):
            assert not any(may_touch(start, end, box) for box in drawing.boxes)


@given(graphs(), st.sampled_from(Direction))
def test_every_edge_leaves_its_source_and_reaches_its_target_at_their_borders(
    graph: Graph, direction: Direction | None
) -> None:
    drawing = layout(*graph, direction=direction)

    boxes = {box.id: box for box in drawing.boxes}
    for route in drawing.routes:
        source, target = boxes[route.source], boxes[route.target]
        (x0, y0), (x1, y1) = route.points[0], route.points[-1]
        if direction is Direction.RIGHT:
            assert (x0, x1) == pytest.approx((source.x + source.width, target.x))
            assert source.y <= y0 <= source.y + source.height
            assert target.y <= y1 <= target.y + target.height
        else:
            assert (y0, y1) == pytest.approx((source.y + source.height, target.y))
            assert source.x <= x0 <= source.x + source.width
            assert target.x <= x1 <= target.x + target.width


@given(graphs())
def test_the_same_graph_is_drawn_the_same_and_in_the_order_it_was_given(graph: Graph) -> None:
    boxes, edges = graph

    drawing = layout(boxes, edges)

    assert drawing == layout(list(boxes), list(edges))
    assert [box.id for box in drawing.boxes] == [box.id for box in boxes]
    assert [(route.source, route.target) for route in drawing.routes] == edges


def test_a_short_pipeline_runs_to_the_right_and_a_long_chain_runs_down() -> None:
    short = [Box(str(node), 120, 40) for node in range(5)]
    long = [Box(str(node), 120, 40) for node in range(30)]

    chain = [(str(node), str(node + 1)) for node in range(29)]

    assert layout(short, chain[:4]).direction is Direction.RIGHT
    assert layout(long, chain).direction is Direction.DOWN
    assert layout(long, chain).width < READABLE_WIDTH


def test_a_fan_of_thirty_runs_to_the_right_and_so_stays_narrow() -> None:
    boxes = [Box(str(node), 120, 40) for node in range(32)]
    fan = [("0", str(node)) for node in range(1, 31)] + [(str(node), "31") for node in range(1, 31)]

    drawing = layout(boxes, fan)

    assert drawing.direction is Direction.RIGHT
    assert drawing.crossings == 0


def test_edges_leave_a_box_in_the_order_of_what_they_lead_to() -> None:
    boxes = [Box(name, 100, 40) for name in "abcdpq"]
    # What p and q wait for keeps c in the middle, though its edge is given first.
    ladder = [("b", "p"), ("c", "p"), ("c", "q"), ("d", "q")]

    drawing = layout(boxes, [("a", "c"), ("a", "b"), ("a", "d"), *ladder])

    across = [(route.points[0][1], route.points[-1][1]) for route in drawing.routes[:3]]
    assert sorted(across) == sorted(across, key=lambda ends: ends[1])
    assert drawing.crossings == 0


def test_an_empty_graph_has_an_empty_drawing() -> None:
    drawing = layout([], [])

    assert (drawing.boxes, drawing.routes, drawing.width, drawing.height) == ((), (), 0.0, 0.0)


def test_an_edge_given_twice_is_one_edge() -> None:
    drawing = layout([Box("a", 50, 20), Box("b", 50, 20)], [("a", "b"), ("a", "b")])

    assert len(drawing.routes) == 1


@pytest.mark.parametrize(
    ("ids", "edges", "said"),
    [
        (["a", "a"], [], "same id"),
        (["a"], [("a", "b")], "'b' is no box"),
        (["a"], [("a", "a")], "circle"),
        (["a", "b"], [("a", "b"), ("b", "a")], "circle"),
    ],
)
def test_what_is_no_graph_without_circles_is_refused(ids: list[str], edges: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(BadValueError, match=said):
        layout([Box(name, 50, 20) for name in ids], edges)


def test_the_graph_of_the_benchmark_has_few_crossings_and_no_edge_through_a_box() -> None:
    drawing = layout(*seeded_graph())

    assert drawing.crossings <= 180
    assert edges_through_boxes(drawing) == 0
