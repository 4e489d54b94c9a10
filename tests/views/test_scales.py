"""Scales: every number has its place, and the marks are round."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.views.scales import even_places, natural_order, number_scale


@pytest.mark.parametrize(
    ("values", "marks"),
    [
        ([0, 1], ["0", "0.5", "1"]),
        ([0.803, 0.949], ["0.8", "0.85", "0.9", "0.95"]),
        ([3, 9], ["2", "4", "6", "8", "10"]),
        ([1e-4, 0.1], ["0.0001", "0.001", "0.01", "0.1"]),
        ([5], ["5"]),
        ([-1e308, 1e308], ["-1e+308", "1e+308"]),
        ([1.0, 1.0000000000000002], ["1.0", "1.0000000000000002"]),
    ],
)
def test_a_scale_is_lettered_with_round_numbers_or_its_ends(values: list[float], marks: list[str]) -> None:
    assert [mark.text for mark in number_scale(values).marks] == marks


def test_what_spans_powers_of_ten_stands_on_a_logarithmic_scale() -> None:
    scale = number_scale([1e-4, 1e-2, 1.0])

    assert scale.is_log
    assert [round(scale.place(value), 6) for value in (1e-4, 1e-2, 1.0)] == [0, 0.5, 1]
    assert not number_scale([0.0, 1.0, 1e6]).is_log


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_every_number_has_its_place_in_order_and_so_has_every_mark(values: list[float]) -> None:
    scale = number_scale(values)

    places = [scale.place(value) for value in sorted(values)]
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)
    assert all(one <= other or math.isclose(one, other) for one, other in pairwise(places))
    assert 1 <= len(scale.marks) <= 12
    assert all(-1e-9 <= mark.place <= 1 + 1e-9 for mark in scale.marks)


def test_words_stand_evenly_and_numbers_among_them_by_size() -> None:
    assert natural_order(["b", "10", "9", "a", "9"]) == ["9", "10", "a", "b"]
    assert even_places(["a", "b", "c"]) == {"a": 0.0, "b": 0.5, "c": 1.0}
    assert even_places(["a"]) == {"a": 0.5}


def test_the_smallest_number_there_is_has_its_place() -> None:
    scale = number_scale([5e-324, 1e-300, 1.0])

    places = [scale.place(value) for value in (5e-324, 1e-300, 1.0)]
    assert places == sorted(places)
    assert places[0] == 0
    assert all(0 <= mark.place <= 1 for mark in scale.marks)
