from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.views.comparison import best_of, comparison_card, delta_text, reads_as_more_is_better
from nbpipe.views.facts import RunFacts, StepFacts


def run(name: str, *, parameters: dict[str, object] | None = None, metrics: dict[str, float] | None = None) -> RunFacts:
    return RunFacts(name * 8, name, "training", "completed", parameters=parameters or {}, metrics=metrics or {})


def test_only_what_differs_is_shown() -> None:
    text = comparison_card(
        run("a", parameters={"rate": 0.1, "n": 100}, metrics={"accuracy": 0.9, "same": 1.0}),
        run("b", parameters={"rate": 0.2, "n": 100}, metrics={"accuracy": 0.95, "same": 1.0}),
    ).text

    assert "rate       0.1       0.2" in text
    assert "accuracy       0.9    ★ 0.95  ▲ 0.05 (+5.6 %)" in text
    assert "same" not in text
    assert "100" not in text


def test_of_two_losses_the_lower_is_marked_unless_the_caller_says_otherwise() -> None:
    left, right = run("a", metrics={"val.loss": 0.5}), run("b", metrics={"val.loss": 0.4})

    assert "★ 0.4" in comparison_card(left, right).text
    assert "★ 0.5" in comparison_card(left, right, more_is_better={"val.loss": True}).text


def test_values_of_different_types_differ_even_if_they_look_alike() -> None:
    text = comparison_card(run("a", parameters={"n": 1}), run("b", parameters={"n": "1"})).text

    assert "n          1         '1'" in text


def test_what_only_one_run_has_shows_as_a_dash_and_is_never_best() -> None:
    text = comparison_card(run("a"), run("b", metrics={"f1": 0.9}, parameters={"depth": 3})).text

    assert re.search(r"f1 +– +0\.9 +–", text)
    assert re.search(r"depth +– +3", text)
    assert "★" not in text


def test_steps_that_ended_otherwise_are_shown() -> None:
    left = RunFacts("a", "a", "training", "completed", steps=[StepFacts("load", "completed"), StepFacts("x", "reused")])
    right = RunFacts("b", "b", "training", "failed", steps=[StepFacts("load", "failed"), StepFacts("x", "reused")])

    text = comparison_card(left, right).text

    assert "load  ✓ completed  ✗ failed" in text
    assert "x " not in text.partition("steps")[2]


def test_runs_that_do_not_differ_say_so() -> None:
    assert "none in parameters, metrics and steps" in comparison_card(run("a"), run("b")).text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (0.9, 0.93, "▲ 0.03 (+3.3 %)"),
        (4.0, 2.0, "▼ 2.0 (-50.0 %)"),
        (-2.0, -1.0, "▲ 1.0 (+50.0 %)"),
        (0.0, 2.0, "▲ 2.0"),
        (1.0, 1.0, "="),
        (math.nan, math.nan, "="),
        (math.nan, 1.0, "–"),
        (1.0, math.inf, "▲ ∞"),
    ],
)
def test_a_change_is_written_with_its_direction_and_its_share(before: float, after: float, text: str) -> None:
    assert delta_text(before, after) == text


@pytest.mark.parametrize(
    ("metric", "more"),
    [
        ("accuracy", True),
        ("f1", True),
        ("loss", False),
        ("validation.RMSE", False),
        ("train_loss", False),
        ("closs", True),
        ("terror", True),
        ("fit time", False),
    ],
)
def test_whether_more_is_better_is_read_from_whole_words_of_the_name(metric: str, more: bool) -> None:
    assert reads_as_more_is_better(metric) is more


@given(st.floats(), st.floats(), st.booleans())
def test_the_best_is_the_same_whichever_run_stands_left(before: float, after: float, more: bool) -> None:
    turned = {"left": "right", "right": "left", None: None}

    assert best_of(before, after, more_is_better=more) == turned[best_of(after, before, more_is_better=more)]
