"""What may be handed on inside one process."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from nbpipe.store.handover import LARGE_BYTES, handed_over, mutables_of_large, stand_in
from tests.store.trials import shown
from tests.store.values import Colour, Order, Point


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "a",
        b"a",
        (1, ("a", None)),
        frozenset({1}),
        Path("a"),
        Colour.RED,
        Decimal(1),
        UUID(int=1),
        re.compile("a"),
        range(3),
        np.float64(1),
        datetime(2026, 1, 1, tzinfo=UTC),
    ],
    ids=shown,
)
def test_what_nobody_can_change_is_handed_on_as_it_is(value):
    assert handed_over(value) is value


@pytest.mark.parametrize(
    "value",
    [[1], {}, {1}, bytearray(b"a"), ([],), Point(1.0), Order(number=1), np.array([[]], object), pd.Series([[1]]), len],
    ids=shown,
)
def test_what_could_be_changed_inside_is_loaded_from_its_stored_form(value):
    assert handed_over(value) is None


@pytest.mark.parametrize("change", ["producer", "consumer"])
def test_a_frame_and_what_was_handed_on_never_see_each_other_change(change):
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    handed = handed_over(frame)
    one, other = (frame, handed) if change == "producer" else (handed, frame)

    one.iloc[0, 0] = 99
    one.loc[1, "b"] = "z"
    one["c"] = 1

    pd.testing.assert_frame_equal(other, pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}))


def test_a_frame_is_handed_on_without_a_copy_of_its_numbers():
    frame = pd.DataFrame({"a": np.zeros(1000)})

    assert np.shares_memory(handed_over(frame)["a"].to_numpy(), frame["a"].to_numpy())


def test_object_columns_of_plain_values_are_handed_on():
    frame = pd.DataFrame({"a": pd.Series(["x", None, 1], dtype=object)})

    pd.testing.assert_frame_equal(handed_over(frame), frame)


def test_an_array_is_copied():
    array = np.zeros(3)

    handed = handed_over(array)
    handed[0] = 1

    assert array[0] == 0


def test_a_copy_of_an_array_lies_as_it_did_and_is_read_only_if_it_was():
    array = np.asfortranarray(np.zeros((3, 4)))
    array.flags.writeable = False

    for copy in (handed_over(array), stand_in(array)):
        assert copy.strides == array.strides
        assert not copy.flags.writeable


def test_an_array_that_shows_its_memory_twice_is_never_spread_out():
    wide = np.broadcast_to(np.zeros(10), (10**12, 10))

    assert handed_over(wide) is None
    assert mutables_of_large(wide) is None


@pytest.mark.parametrize(
    "value",
    [
        b"x" * (LARGE_BYTES + 1),
        "x" * (LARGE_BYTES + 1),
        np.zeros(LARGE_BYTES),
        pd.DataFrame({"a": np.zeros(LARGE_BYTES)}),
        pd.Series(np.zeros(LARGE_BYTES)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_large_values_can_be_written_later_from_a_stand_in(value):
    assert mutables_of_large(value) is not None
    assert type(stand_in(value)) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        b"x",
        "x",
        1,
        np.zeros(3),
        pd.DataFrame({"a": [1]}),
        [0] * LARGE_BYTES,
        np.array([[]] * 2 + [None] * LARGE_BYTES, object),
        pd.Series([None] * LARGE_BYTES, dtype=object),
    ],
    ids=lambda value: type(value).__name__,
)
def test_small_values_and_those_that_can_be_changed_inside_are_written_at_once(value):
    assert mutables_of_large(value) is None
