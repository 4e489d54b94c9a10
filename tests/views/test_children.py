"""Triggered runs in a graph: one box each, or one for many, beside the step that asked."""

from __future__ import annotations

from nbpipe.views.cards import run_card
from nbpipe.views.children import with_children
from nbpipe.views.dag import dag_sentence, dag_svg, dag_text
from nbpipe.views.facts import ChildFacts, RunFacts, StepFacts
from nbpipe.views.steps_graph import DagEdge, DagNode

STEPS = [DagNode("load", status="completed"), DagNode("ask", status="completed")]
EDGES = [DagEdge("load", "ask")]


def child(n: int, status: str = "completed", parent: str = "r", step: str = "ask", **facts: object) -> ChildFacts:
    return ChildFacts(f"c{n}", "training", step, parent, status, **facts)  # type: ignore[arg-type]


def test_a_run_stands_beside_the_step_that_asked_for_it_and_its_own_beside_it() -> None:
    children = [child(1), child(2, "failed", parent="c1", step="deeper")]

    nodes, edges = with_children("r", STEPS, EDGES, children, stable=True)

    text = dag_text(nodes, edges, name="p").splitlines()
    assert text[0] == "p: 2 steps, 1 connection, 2 triggered runs; 2 completed."
    assert text[3].split() == ["↳", "✓", "training", "completed", "triggered", "by", "ask"]
    assert "↳ ✗ training" in text[4]
    assert "Triggered: training (completed), training (failed)" in dag_sentence(nodes, edges)
    assert "stroke-dasharray" in dag_svg(nodes, edges)


def test_many_runs_of_one_pipeline_are_one_box_with_their_tally() -> None:
    children = [child(n, "failed" if n < 3 else "completed") for n in range(200)]

    nodes, edges = with_children("r", STEPS, EDGES, [*children, child(200, parent="c7", step="x")], stable=False)

    assert [(node.title, node.subtitle, node.status) for node in nodes[2:]] == [
        ("200 runs of training", "197 ✓ 3 ✗", "failed"),
        ("training", "c200", "completed"),
    ]
    assert len(edges) == 3


def test_what_was_not_triggered_again_is_drawn_as_reused_and_what_is_gone_says_so() -> None:
    former = child(1, "completed", note="not triggered again", is_former=True)

    nodes, _ = with_children("r", STEPS, EDGES, [former, child(2, "deleted"), child(3, parent="nobody")], stable=True)

    assert [node.status for node in nodes[2:]] == ["reused", "deleted"]
    assert nodes[2].detail == "completed; not triggered again"


def test_a_card_names_children_and_parent_whatever_they_are_called() -> None:
    evil = ChildFacts("c1", "<script>alert(1)</script>", "ask", "r", "completed", 1.0)
    facts = RunFacts(
        "r", "r-1", "p", "completed", steps=[StepFacts("ask", "completed")], asked_by=("9b" * 16, "up"), children=[evil]
    )

    shown = run_card(facts)

    assert "<script>" not in shown.html
    assert "up of run 9b9b9b9b" in shown.text
    assert "c1" in shown.text
    assert "c1" not in run_card(facts, stable=True).text
