"""Two looks at a notebook's variables, compared."""

from __future__ import annotations

import pytest

from nbpipe.adoption.comparing import Compared, compare, unstable_names
from nbpipe.adoption.looking import Look

ONE, TWO = Look("int", "1", ""), Look("int", "2", "")
NOTHING_TOLD = Look("tuple", "", "")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"x": ONE}, Compared(equal=("x",))),
        ({"x": TWO}, Compared(different={"x": "holds another value"})),
        ({"x": Look("float", "1", "")}, Compared(different={"x": "is a float, not a int"})),
        ({"x": Look("int", "", "")}, Compared(different={"x": "holds another value"})),
        ({}, Compared(different={"x": "is not there"})),
    ],
    ids=["equal", "another value", "another type", "untold on one side", "missing"],
)
def test_a_variable_is_equal_different_or_missing(found: dict[str, Look], expected: Compared) -> None:
    assert compare({"x": ONE}, found, only=["x"]) == expected


def test_what_cannot_be_stored_or_told_is_neither_equal_nor_different() -> None:
    plain = {"f": Look("file", "", "no"), "t": NOTHING_TOLD, "now": ONE, "apart": ONE}

    compared = compare(plain, {"t": NOTHING_TOLD, "now": TWO}, only=["f", "t", "now"], unstable={"now"})

    assert compared == Compared(untold=("t", "now"), not_carried={"f": "file: no"})


def test_what_differs_from_one_plain_run_to_the_next_is_unstable() -> None:
    assert unstable_names({"a": ONE, "b": ONE, "c": ONE}, {"a": ONE, "b": TWO}) == {"b", "c"}
