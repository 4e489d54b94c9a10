"""A graph as data for a view: every step and edge is in it, and in its overview once."""

from __future__ import annotations

import json
import re
from importlib.resources import files

from hypothesis import given, settings

from nbpipe.views.dag_scene import MOST_UNFOLDED, dag_scene
from nbpipe.views.steps_graph import DagEdge, DagNode
from nbpipe.views.theme import DEFINED, LOOKS, Look
from tests.views.graphs import Graph, numbered_graphs


@settings(deadline=None)
@given(numbered_graphs(most=30))
def test_every_step_and_every_edge_is_in_the_scene_by_its_number(graph: Graph) -> None:
    count, edges = graph

    scene = dag_scene([DagNode(f"n{n}") for n in range(count)], [DagEdge(f"n{a}", f"n{b}") for a, b in edges])

    assert [node["name"] for node in scene["nodes"]] == [f"n{n}" for n in range(count)]
    assert {tuple(edge["ends"]) for edge in scene["edges"]} == set(edges)
    assert all(node["x"] >= 0 and node["x"] + node["w"] <= scene["width"] for node in scene["nodes"])
    assert json.loads(json.dumps(scene, allow_nan=False)) == scene


def test_a_large_graph_has_an_overview_that_holds_each_step_once() -> None:
    count = MOST_UNFOLDED + 100

    scene = dag_scene(
        [DagNode(f"n{n}") for n in range(count)], [DagEdge(f"n{n // 3}", f"n{n}") for n in range(1, count)]
    )

    overview = scene["overview"]
    assert sorted(member for node in overview["nodes"] for member in node["members"]) == list(range(count))
    assert all(len(edge["points"]) >= 8 for edge in overview["edges"])


def test_a_graph_of_thousands_of_steps_is_placed_without_two_boxes_in_one_place() -> None:
    count = 3_000

    scene = dag_scene(
        [DagNode(f"n{n}") for n in range(count)], [DagEdge(f"n{n // 2}", f"n{n}") for n in range(1, count)]
    )

    assert len({(node["x"], node["y"]) for node in scene["nodes"]}) == count
    assert len(scene["edges"]) == count - 1


def test_triggered_runs_and_decisions_are_told_from_what_flows() -> None:
    nodes = [DagNode("a"), DagNode("b"), DagNode("r", is_run=True), DagNode("m", times="×3")]
    edges = [DagEdge("a", "b", "if", decides=True), DagEdge("a", "r", "triggers"), DagEdge("a", "m", "data")]

    scene = dag_scene(nodes, edges)

    assert [edge.get("kind") for edge in scene["edges"]] == ["decides", "asks", None]
    assert [edge["label"] for edge in scene["edges"]] == ["if", "triggers", "data"]
    assert scene["nodes"][2]["run"] is True
    assert scene["nodes"][3]["times"] == "×3"


def test_the_light_colours_of_the_live_view_are_those_of_the_picture() -> None:
    css = (files("nbpipe") / "static" / "pipeline_view" / "view.css").read_text(encoding="utf-8")
    of_runs = ("pending", "running", "completed", "reused", "failed", "skipped", "not taken", "interrupted", "stale")
    looks: dict[str, Look] = {"none": DEFINED, **{status: LOOKS[status] for status in of_runs}}

    for status, look in looks.items():
        said = rf"\.nbp-is-{status.replace(' ', '-')}\b[^{{]*{{ --fill: (\S+); --stroke: (\S+); --ink: (\S+); }}"
        # The first rule is that of a light page.
        assert re.findall(said, css)[0] == (look.fill, look.line, look.text), status
