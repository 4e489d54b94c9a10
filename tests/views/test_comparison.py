"""Runs side by side as a card: what is shown, in which layout, and what is best."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.views.compared import ComparedRow, ComparedRunFacts, ComparisonFacts, best_places, cell_texts, pair_texts
from nbpipe.views.comparison import (
    best_of,
    charts,
    comparison_card,
    delta_text,
    is_transposed,
    reads_as_more_is_better,
)
from nbpipe.views.facts import StepFacts
from nbpipe.views.ink import PAGE, PAPER
from nbpipe.views.markup import render

Values = Sequence[object]


def compared(
    count: int,
    *,
    parameters: Mapping[str, Values] | None = None,
    metrics: Mapping[str, Values] | None = None,
    more_is_better: Mapping[str, bool] | None = None,
    rows: Sequence[ComparedRow] = (),
) -> ComparisonFacts:
    """Give runs with one value each; what a run does not have is `...`."""
    found = [
        ComparedRow(
            group,
            name,
            {n: value for n, value in enumerate(values) if value is not ...},
            len({repr(value) for value in values}) > 1,
        )
        for group, named in (("parameters", parameters or {}), ("metrics", metrics or {}))
        for name, values in named.items()
    ]
    runs = [ComparedRunFacts(f"{n:08d}-x", f"run-{n}", "training", "completed", 1.5) for n in range(count)]
    return ComparisonFacts(runs, [*found, *rows], more_is_better or {})


def lines_of(text: str) -> list[str]:
    return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines()]


def test_only_what_differs_is_shown_unless_all_is_asked_for() -> None:
    facts = compared(
        2,
        parameters={"rate": [0.1, 0.2], "n": [100, 100]},
        metrics={"accuracy": [0.9, 0.95], "same": [1.0, 1.0]},
    )

    some, everything = comparison_card(facts).text, comparison_card(facts, only_differences=False).text

    assert "· rate 0.1 0.2" in lines_of(some)
    assert "· accuracy ↑ 0.9 ★ 0.95 ▲ 0.05 (+5.6 %)" in lines_of(some)
    assert "same" not in some
    assert "100" not in some
    assert "· same 1.0 1.0 =" in lines_of(everything)
    assert "· n 100 100" in lines_of(everything)


def test_of_losses_the_lowest_is_marked_unless_the_caller_says_otherwise() -> None:
    values = {"val.loss": [0.5, 0.4, 0.6]}

    assert "★ 0.4" in comparison_card(compared(3, metrics=values)).text
    assert "★ 0.6" in comparison_card(compared(3, metrics=values, more_is_better={"val.loss": True})).text


def test_values_of_different_types_differ_even_if_they_look_alike() -> None:
    text = comparison_card(compared(2, parameters={"n": [1, "1"]})).text

    assert "· n 1 '1'" in lines_of(text)


def test_what_only_one_run_has_shows_as_a_dash_and_is_never_best() -> None:
    text = comparison_card(compared(2, metrics={"f1": [..., 0.9]}, parameters={"depth": [..., 3]})).text

    assert "· f1 – 0.9 –" in lines_of(text)
    assert "· depth – 3" in lines_of(text)
    assert "★" not in text


def test_steps_that_ended_otherwise_are_shown_and_only_what_ran_took_time() -> None:
    steps = {0: StepFacts("load", "completed", duration_s=2.0), 1: StepFacts("load", "reused", duration_s=0.0)}
    facts = compared(2, rows=[ComparedRow("steps", "load", steps, differs=True)])

    assert "· load ✓ completed 2.0 s ↺ reused" in lines_of(comparison_card(facts).text)
    assert "· load ✓ completed ↺ reused" in lines_of(comparison_card(facts, stable=True).text)


def test_runs_that_do_not_differ_say_so() -> None:
    assert "none in parameters, metrics, steps" in comparison_card(compared(2)).text


def test_two_numbers_that_differ_never_read_the_same() -> None:
    row = ComparedRow("metrics", "accuracy", {0: 0.912340001, 1: 0.912340002}, differs=True)

    assert cell_texts(row) == {0: "0.912340001", 1: "0.912340002"}


def test_of_several_numbers_that_differ_not_all_read_the_same() -> None:
    near = ComparedRow("metrics", "accuracy", {0: 1.00000001, 1: 1.00000002, 2: 1.0}, differs=True)
    far = ComparedRow("metrics", "accuracy", {0: 0.5, 1: 0.90000001, 2: 0.90000002}, differs=True)

    assert len(set(cell_texts(near).values())) > 1
    assert cell_texts(far) == {0: "0.5", 1: "0.9", 2: "0.9"}


def test_two_values_of_a_metric_are_written_with_the_digits_that_tell_them_apart() -> None:
    assert pair_texts("accuracy", 0.912340, 0.912341)[:2] == ("0.91234", "★ 0.912341")
    assert pair_texts("loss", 0.5, None) == ("0.5", "–", "–")
    assert pair_texts("loss", 0.5, 0.25) == ("0.5", "★ 0.25", "▼ 0.25 (-50.0 %)")


@pytest.mark.parametrize(("count", "transposed"), [(2, True), (6, True), (7, False), (50, False)])
def test_a_few_runs_have_a_column_each_and_many_a_row(count: int, transposed: bool) -> None:
    facts = compared(count, parameters={"rate": [n / 10 for n in range(count)]})

    card = comparison_card(facts)

    assert is_transposed(facts, None) is transposed
    assert ("· rate" in card.text) is transposed
    assert card.html.count('scope="row"') == (3 if transposed else count)


def test_the_layout_can_be_said() -> None:
    facts = compared(3, metrics={"accuracy": [0.1, 0.2, 0.3]})

    assert "00000002 ★ 0.3" in lines_of(comparison_card(facts, transposed=False).text)
    assert "· accuracy ↑ 0.1 0.2 ★ 0.3" in lines_of(comparison_card(facts, transposed=True).text)


@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("width", [60, 100])
def test_text_keeps_to_its_width_and_leaves_no_run_and_no_number_out(width: int, transposed: bool) -> None:
    metrics = {f"metric_{m}": [round(n + m / 10, 1) for n in range(30)] for m in range(8)}

    text = comparison_card(compared(30, metrics=metrics), transposed=transposed, width=width).text

    assert max(map(len, text.splitlines())) <= width
    for n in range(30):
        assert f"{n:08d}" in text
        assert f"{n}.7" in text


def test_a_hundred_thousand_metrics_are_cut_and_counted() -> None:
    metrics = {f"m{n}": [0.5, 1.5] for n in range(100_000)}

    card = comparison_card(compared(2, metrics=metrics))

    assert "99,880 more rows" in card.text
    assert len(card.html) < 400_000


def test_what_is_too_long_for_a_cell_is_cut_there_and_told_on_pointing() -> None:
    html = comparison_card(compared(2, parameters={"p" * 5000: ["x" * 5000, "y"]})).html

    assert "x" * 5000 not in html
    assert f'title="&#39;{"x" * 100}' in html
    assert len(html) < 40_000


# Charts -------------------------------------------------------------------------------------------

VARIED = {"rate": [0.001, 0.1, 1.0], "kind": ["forest", "svm", "forest"], "depth": [3, ..., 5]}
SCORES = {"accuracy": [0.9, 0.95, math.nan], "loss": [0.3, 0.2, 0.25]}


def pictures(html: str) -> list[ElementTree.Element]:
    found = re.findall(r"data:image/svg\+xml;base64,([\w+/]+=*)", html)
    return [ElementTree.fromstring(base64.b64decode(svg)) for svg in found]


def said_in(picture: ElementTree.Element) -> list[str]:
    return ["".join(part.itertext()) for part in picture.iter() if part.tag.endswith(("title", "text"))]


def test_a_card_carries_its_charts_as_images_that_say_in_words_what_they_show() -> None:
    html = comparison_card(compared(3, parameters=VARIED, metrics=SCORES)).html

    words = re.findall(r'alt="([^"]*)"', html)
    assert words == [
        "accuracy of 3 runs, from 0.9 to 0.95; best 00000001 with 0.95.",
        "loss of 3 runs, from 0.2 to 0.3; best 00000001 with 0.2.",
        "3 runs as lines across rate, kind, depth, accuracy, loss, coloured by loss.",
    ]
    assert [picture.tag for picture in pictures(html)] == ["{http://www.w3.org/2000/svg}svg"] * 3
    assert "<svg" not in html


def test_live_charts_stand_in_the_page_in_its_colours() -> None:
    facts = compared(3, parameters=VARIED, metrics=SCORES)

    html = render(charts(facts, facts.rows, PAGE))

    assert html.count("<svg") == 3
    assert "var(--jp-content-font-color1, currentColor)" in html
    assert "data:image" not in html


def test_a_line_says_its_values_a_missing_one_dashes_it_and_the_legend_says_what_colour_means() -> None:
    html = comparison_card(compared(3, parameters=VARIED, metrics=SCORES), color_by="accuracy").html

    across = pictures(html)[-1]
    said = said_in(across)
    dashes = [path.get("stroke-dasharray") for path in across.iter("{http://www.w3.org/2000/svg}path")]
    assert "00000001: rate 0.1, kind svm, depth –, loss 0.2, accuracy 0.95" in said
    assert "00000002: rate 1.0, kind forest, depth 5, loss 0.25, accuracy NaN" in said
    assert sum(dash is not None for dash in dashes) == 2
    assert {"no value", "no number", "a value is missing", "★ 00000001"} <= set(said)
    assert "rate (log scale)" in said


def test_a_metric_without_a_number_has_no_chart_and_one_thing_that_varies_no_lines() -> None:
    facts = compared(2, metrics={"accuracy": [math.nan, ...]})

    assert charts(facts, facts.rows, PAPER) is None


def test_of_many_things_that_vary_the_first_have_an_axis_and_the_rest_is_counted() -> None:
    parameters = {f"p{n}": [n, n + 1, n + 2] for n in range(30)}

    html = comparison_card(compared(3, parameters=parameters, metrics=SCORES)).html

    assert "20 more vary and have no axis." in html
    assert "accuracy" in re.findall(r'alt="([^"]*)"', html)[-1]


NUMBERS = st.one_of(st.floats(), st.integers(), st.just(...), st.none(), st.booleans(), st.text(max_size=8))


@given(st.lists(st.tuples(NUMBERS, NUMBERS, st.floats()), min_size=2, max_size=30))
def test_whatever_the_values_are_a_picture_can_be_drawn_and_stays_within_its_frame(
    values: list[tuple[object, object, float]],
) -> None:
    first, second, metric = ([value[n] for value in values] for n in range(3))
    facts = compared(len(values), parameters={"a": first, "b": second}, metrics={"m": metric})

    html = comparison_card(facts).html

    for picture in pictures(html):
        width, height = float(picture.get("width", "0")), float(picture.get("height", "0"))
        for path in picture.iter("{http://www.w3.org/2000/svg}path"):
            for x, y in (map(float, pair.split()) for pair in path.get("d", "")[1:].split("L")):
                assert 0 <= x <= width
                assert 0 <= y <= height
        for dot in picture.iter("{http://www.w3.org/2000/svg}circle"):
            assert 0 <= float(dot.get("cx", "nan")) <= width
            assert 0 <= float(dot.get("cy", "nan")) <= height


# What is best -------------------------------------------------------------------------------------


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
        (5e-324, 1.0, "▲ 1.0"),
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


@given(st.lists(st.floats(), max_size=12), st.booleans())
def test_none_is_better_than_the_best_and_what_is_no_number_is_never_best(values: list[float], more: bool) -> None:
    best = best_places(dict(enumerate(values)), more_is_better=more)

    for place in best:
        assert not math.isnan(values[place])
        assert all(not (other > values[place] if more else other < values[place]) for other in values)
