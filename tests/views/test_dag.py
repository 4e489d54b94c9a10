from __future__ import annotations

import base64
import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given

from nbpipe.errors import BadValueError
from nbpipe.views.dag import DagEdge, DagNode, dag_html, dag_layout, dag_sentence, dag_svg, dag_text
from tests.views.graphs import Graph, numbered_graphs

SVG = "{http://www.w3.org/2000/svg}"
NODES = [
    DagNode("load", status="reused", subtitle="0.2 s"),
    DagNode("clean", status="completed"),
    DagNode("train", status="failed", detail="rate 0.1 → 0.2"),
    DagNode("evaluate", status="skipped"),
]
EDGES = [
    DagEdge("load", "clean", "raw_data"),
    DagEdge("clean", "train", "frame"),
    DagEdge("train", "evaluate", "model"),
    DagEdge("clean", "evaluate", "frame"),
]


def texts(svg: str) -> list[str]:
    return [found.text or "" for found in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def steps(count: int) -> list[DagNode]:
    return [DagNode(f"step_{number}") for number in range(count)]


def test_every_box_tells_its_status_by_sign_by_word_and_by_colour() -> None:
    root = ElementTree.fromstring(dag_svg(NODES, EDGES))

    shown = texts(dag_svg(NODES, EDGES))
    fills = {rect.attrib["fill"] for rect in root.iter(f"{SVG}rect") if rect.attrib.get("rx") == "6"}
    assert {"↺", "✓", "✗", "–"} <= set(shown)
    assert {"reused · 0.2 s", "completed", "failed", "skipped"} <= set(shown)
    assert len(fills) == 4


def test_the_picture_names_what_flows_where_that_is_few() -> None:
    many = [DagEdge("a", f"b{number}", f"model_{number}") for number in range(30)]
    wide = [DagNode("a"), *(DagNode(f"b{number}") for number in range(30))]

    assert {"raw_data", "frame", "model"} <= set(texts(dag_svg(NODES, EDGES)))
    assert not [text for text in texts(dag_svg(wide, many)) if text.startswith("model_")]


def label_places(svg: str) -> list[tuple[float, float, float, float]]:
    grounds = (rect.attrib for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect") if rect.attrib["rx"] == "4")
    return [(float(at["x"]), float(at["y"]), float(at["width"]), float(at["height"])) for at in grounds]


def overlap(one: tuple[float, float, float, float], two: tuple[float, float, float, float]) -> bool:
    across = one[0] < two[0] + two[2] and two[0] < one[0] + one[2]
    return across and one[1] < two[1] + two[3] and two[1] < one[1] + one[3]


def test_labels_of_a_fan_all_find_room() -> None:
    fan = [DagNode("a"), *(DagNode(f"b{number}") for number in range(6)), DagNode("z")]
    edges = [DagEdge("a", f"b{number}", "frame") for number in range(6)]
    edges += [DagEdge(f"b{number}", "z", f"model_{number}") for number in range(6)]

    places = label_places(dag_svg(fan, edges))

    assert len(places) == 12
    assert not any(overlap(one, two) for one, two in combinations(places, 2))


def test_a_label_without_room_is_left_out_rather_than_laid_on_another() -> None:
    chain = [DagEdge(f"step_{number}", f"step_{number + 1}") for number in range(19)]
    fan = [DagEdge("step_0", f"leaf_{number}", "a_rather_long_name") for number in range(12)]
    leaves = [DagNode(f"leaf_{number}") for number in range(12)]

    places = label_places(dag_svg([*steps(20), *leaves], [*chain, *fan]))

    assert 0 < len(places) < 12
    assert not any(overlap(one, two) for one, two in combinations(places, 2))


def test_the_html_is_one_image_that_carries_the_picture_and_says_what_it_shows() -> None:
    root = ElementTree.fromstring(dag_html(NODES, EDGES, name="training"))

    kind, _, data = root.attrib["src"].partition(",")
    assert (root.tag, kind, len(root)) == ("img", "data:image/svg+xml;base64", 0)
    assert base64.b64decode(data).decode() == dag_svg(NODES, EDGES, name="training")
    assert root.attrib["alt"] == (
        "training: 4 steps, 4 connections; 1 completed, 1 failed, 1 reused, 1 skipped. "
        "Steps: load, clean, train, evaluate."
    )


def test_the_text_is_a_tree_with_signs_and_names_all_that_a_step_waits_for() -> None:
    assert dag_text(NODES, EDGES, name="training").splitlines() == [
        "training: 4 steps, 4 connections; 1 completed, 1 failed, 1 reused, 1 skipped.",
        "↺ load            reused  0.2 s",
        "  ✓ clean         completed  ← load",
        "    ✗ train       failed  ← clean",
        "      – evaluate  skipped  ← train, clean",
    ]


def test_a_pipeline_that_has_not_run_has_no_statuses() -> None:
    nodes = [DagNode("load"), DagNode("train")]

    assert dag_text(nodes, [DagEdge("load", "train")]).splitlines() == [
        "Pipeline: 2 steps, 1 connection.",
        "· load",
        "  · train  ← load",
    ]


def test_sixty_steps_are_drawn_each_and_more_are_folded_with_a_word_about_it() -> None:
    fan = [DagEdge("step_0", f"step_{number}") for number in range(1, 100)]

    assert "fold" not in dag_svg(steps(60), fan[:59])
    assert texts(dag_svg(steps(100), fan))[-1] == "99 steps are folded into 1 box"
    assert dag_sentence(steps(100), fan).endswith("99 steps are folded into 1 box.")


def test_a_folded_box_counts_what_became_of_its_steps_and_shows_the_worst() -> None:
    nodes = [DagNode("start"), *(DagNode(f"s{n}", status="failed" if n < 3 else "completed") for n in range(80))]

    svg = dag_svg(nodes, [DagEdge("start", f"s{number}") for number in range(80)])

    assert "failed · 77 ✓ 3 ✗" in texts(svg)


def test_the_text_is_never_folded_but_says_what_it_leaves_out() -> None:
    lines = dag_text(steps(500), []).splitlines()

    assert len(lines) == 402
    assert lines[-1] == "… and 100 more steps"


@given(numbered_graphs(most=30))
def test_a_graph_is_always_drawn_the_same_and_each_step_follows_what_it_waits_for(graph: Graph) -> None:
    count, pairs = graph
    edges = [DagEdge(f"step_{tail}", f"step_{head}") for tail, head in pairs]

    svg, text = dag_svg(steps(count), edges), dag_text(steps(count), edges)

    assert (svg, text) == (dag_svg(steps(count), edges), dag_text(steps(count), edges))
    order = re.findall(r"^ *· (step_\d+)", text, re.MULTILINE)
    assert sorted(order) == sorted(f"step_{number}" for number in range(count))
    assert all(order.index(edge.source) < order.index(edge.target) for edge in edges)


def test_the_live_view_is_given_a_place_for_every_step() -> None:
    drawing = dag_layout(steps(100), [])

    assert [box.id for box in drawing.boxes] == [f"step_{number}" for number in range(100)]


def test_long_names_are_cut_by_an_ellipsis_and_not_by_the_box() -> None:
    svg = dag_svg([DagNode("a" * 300)], [])

    box = next(ElementTree.fromstring(svg).iter(f"{SVG}rect"))
    assert float(box.attrib["width"]) <= 240
    assert texts(svg)[0].endswith("…")


def test_no_steps_are_said_to_be_none() -> None:
    assert dag_html([], []) == "<em>no steps</em>"
    assert dag_text([], []) == "Pipeline: 0 steps, 0 connections."
    ElementTree.fromstring(dag_svg([], []))


@pytest.mark.parametrize("draw", [dag_svg, dag_html, dag_text, dag_layout])
@pytest.mark.parametrize(
    ("nodes", "edges"),
    [
        (steps(2), [DagEdge("step_0", "nowhere")]),
        (steps(2), [DagEdge("step_0", "step_1"), DagEdge("step_1", "step_0")]),
        ([DagNode("a"), DagNode("a")], []),
    ],
    ids=["loose end", "circle", "same id"],
)
def test_what_is_no_pipeline_is_refused_by_every_form(draw: object, nodes: list[DagNode], edges: list[DagEdge]) -> None:
    assert callable(draw)

    with pytest.raises(BadValueError):
        draw(nodes, edges)


MAPPED = [
    DagNode("parts"),
    DagNode("score", status="failed", subtitle="9,997 ok · 3 failed", times="×10,000"),
    DagNode("check"),
    DagNode("deploy", status="not taken"),
]
DECIDED = [
    DagEdge("parts", "score"),
    DagEdge("score", "check"),
    DagEdge("score", "deploy"),
    DagEdge("check", "deploy", "if", decides=True),
]


def test_a_mapped_step_is_one_box_that_says_how_often_it_is_executed() -> None:
    svg = dag_svg(MAPPED, DECIDED)

    assert "score ×10,000" in texts(svg)
    assert "failed · 9,997 ok · 3 failed" in texts(svg)
    # Two cards peep out behind it.
    assert svg.count("<rect") - dag_svg([*MAPPED[:1], DagNode("score"), *MAPPED[2:]], DECIDED).count("<rect") == 2


def test_what_decides_is_told_from_what_flows_by_dots_and_by_words() -> None:
    root = ElementTree.fromstring(dag_svg(MAPPED, DECIDED))

    dots = [path.get("stroke-dasharray") for path in root.iter(f"{SVG}path") if path.get("marker-end")]

    assert sorted(filter(None, dots)) == ["2 3"]
    assert "if" in texts(dag_svg(MAPPED, DECIDED))
    assert dag_text(MAPPED, DECIDED).splitlines()[1:] == [
        "· parts",
        "  ✗ score ×10,000  failed  9,997 ok · 3 failed  ← parts",
        "    · check        ← score",
        "      ⊘ deploy     not taken  ← score, if check",
    ]
