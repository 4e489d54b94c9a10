"""Steps that run, in small: a bar, a few words, and whatever a step says of itself as text."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from nbpipe.views.markup import render
from nbpipe.views.running import RunningFacts, amount_text, bar_text, elapsed_text, shown_running

HOSTILE = "<script>alert('1')</script>\x1b[2J\n" * 200


@pytest.mark.parametrize(
    ("elapsed_s", "text"),
    [(0.0, "0 s"), (0.99, "0 s"), (59.9, "59 s"), (60.0, "1 min 0 s"), (3661.0, "1 h 1 min")],
)
def test_elapsed_time_is_told_in_whole_seconds(elapsed_s: float, text: str) -> None:
    assert elapsed_text(RunningFacts("train", elapsed_s)) == text


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (None, None, ""),
        (1204, None, "1,204 done"),
        (3, 7, "42 %, 3 of 7"),
        (3.0, 7.0, "42 %, 3 of 7"),
        (999, 1000, "99 %, 999 of 1,000"),
        (12, 10, "100 %, 12 of 10"),
        (0, 0, "100 %, 0 of 0"),
    ],
)
def test_how_far_it_is_never_says_all_before_it_is_all(done: float | None, total: float | None, text: str) -> None:
    assert amount_text(RunningFacts("train", done=done, total=total)) == text


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999, 1.0])
def test_a_bar_has_the_same_length_at_every_time(share: float) -> None:
    full, rest = bar_text(share, 20)

    assert len(full + rest) == 20
    assert (len(full) == 20) == (share == 1.0)


def test_both_forms_say_the_same() -> None:
    shown = shown_running([RunningFacts("train", 12.0, 3, 7, "fold 3", "loss 0.2"), RunningFacts("test")])

    html = render(shown.element)
    assert shown.text.splitlines() == [
        "◐ train  12 s  ━━━━━━━━────────────  42 %, 3 of 7  fold 3",
        "  loss 0.2",
        "◐ test  0 s",
    ]
    assert all(said in html for said in ("train", "12 s", "width:42.9%", "42 %, 3 of 7", "fold 3", "loss 0.2", "test"))


def test_whatever_a_step_says_is_text() -> None:
    shown = shown_running([RunningFacts(HOSTILE, 1.0, 1, 2, HOSTILE, HOSTILE)])

    html = render(shown.element)
    ElementTree.fromstring(html)
    assert "<script" not in html
    assert "\x1b" not in html + shown.text
    assert len(html) < 4000


def test_of_very_many_steps_that_run_a_few_are_shown() -> None:
    shown = shown_running([RunningFacts(f"step_{n}") for n in range(1000)])

    assert shown.text.endswith("… and 988 more that run")
    assert "and 988 more that run" in render(shown.element)
