from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.views.amounts import duration_text, items_text, number_text, size_text, time_text, value_text


@pytest.fixture
def paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Paris")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0004, "< 1 ms"),
        (0.0084, "8 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (1.24, "1.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (184.2, "3 min 4 s"),
        (3599.6, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (100_000, "1 d 4 h"),
        (-2, "−2.0 s"),
        (math.inf, "–"),
    ],
)
def test_a_duration_is_written_as_people_say_it(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (4_200_000, "4.2 MB"),
        (999_960, "1.0 MB"),
        (10**15, "1.0 PB"),
        (10**19, "10,000 PB"),
    ],
)
def test_a_size_is_written_as_people_say_it(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        (1234567, "1,234,567"),
        (0.92345, "0.9234"),
        (1e-7, "1e-07"),
        (12345.678, "12,346"),
        (100.0, "100.0"),
        (1e300, "1e+300"),
        (math.nan, "NaN"),
        (-math.inf, "−∞"),
        (True, "True"),
    ],
)
def test_a_number_is_written_short_enough_to_be_read(value: float, text: str) -> None:
    assert number_text(value) == text


def test_a_number_that_python_itself_refuses_to_write_is_told_by_its_size() -> None:
    assert number_text(10**5000) == "about 2^16609"


@pytest.mark.usefixtures("paris")
def test_an_instant_is_written_in_the_local_zone_to_the_minute() -> None:
    assert time_text("2026-11-20T08:15:30.123456+00:00") == "2026-11-20 09:15"
    assert time_text(datetime(2026, 7, 1, 8, 15, tzinfo=UTC)) == "2026-07-01 10:15"
    assert time_text(datetime(2026, 7, 1, 8, 15)) == "2026-07-01 08:15"


def test_what_is_no_instant_is_given_back_and_the_ends_of_time_do_not_fail() -> None:
    assert time_text("soon") == "soon"
    assert time_text(None) == ""
    assert time_text(datetime.max.replace(tzinfo=UTC)).endswith("59")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.timedeltas(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
)


@given(VALUES)
def test_any_plain_value_is_written_on_one_short_line(value: object) -> None:
    text = value_text(value, most=80)

    assert "\n" not in text
    assert len(text) <= 80


def test_a_value_that_cannot_write_itself_is_named_by_its_type() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    assert value_text(Broken()) == "<Broken>"
    assert value_text({"a": [1, 2.5, "x"], "b": timedelta(seconds=3)}) == "{a: [1, 2.5, x], b: 3.0 s}"


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({"total": 10_000, "completed": 9000, "reused": 997, "failed": 3}, "9,997 ok · 3 failed"),
        ({"total": 5, "completed": 1, "reused": 4}, "1 ran · 4 reused"),
        ({"total": 5, "completed": 2, "interrupted": 3}, "2 ok · 3 not run"),
        ({"total": 5, "completed": 5}, ""),
        ({}, ""),
    ],
)
def test_of_items_it_is_said_what_became_of_them_where_that_differs(counts: dict[str, int], text: str) -> None:
    assert items_text(counts) == text
