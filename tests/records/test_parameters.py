"""Parameters: types, bounds, defaults, and one line for each value that does not fit."""

from __future__ import annotations

from datetime import date
from enum import Enum
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from nbpipe.errors import DefinitionError, ParameterError
from nbpipe.records.parameters import (
    REQUIRED,
    Parameters,
    as_json,
    contradict,
    parameters_of,
    signature_fields,
    type_text,
)


def of(**fields: tuple[Any, Any]) -> Parameters:
    return parameters_of("training", fields)


TRAINING = of(
    epochs=(int, 10),
    rate=(Annotated[float, Field(gt=0, lt=1)], 0.1),
    kind=(Literal["forest", "logistic"], "forest"),
    name=(str, REQUIRED),
)


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({}, {"name": "needs a value"}),
        ({"name": "a", "epoch": 1}, {"epoch": "did you mean 'epochs'"}),
        ({"name": "a", "rate": 1}, {"rate": "less than 1 (got 1)"}),
        ({"name": "a", "rate": 0}, {"rate": "greater than 0"}),
        ({"name": "a", "epochs": 1.5}, {"epochs": "got 1.5"}),
        ({"name": "a", "epochs": "many"}, {"epochs": "got 'many'"}),
        ({"name": "a", "kind": "tree"}, {"kind": "'forest'"}),
        ({"name": 5, "rate": -1, "wrong": None}, {"name": "", "rate": "", "wrong": "not known"}),
        ({"name": "x" * 10_000_000, "rate": 2}, {"rate": ""}),
        ({"name": ["x" * 10_000]}, {"name": "…"}),
    ],
)
def test_each_value_that_does_not_fit_is_told_in_a_line(values: dict[str, Any], problems: dict[str, str]) -> None:
    with pytest.raises(ParameterError) as refused:
        TRAINING.check(values)

    assert refused.value.problems.keys() == problems.keys()
    for name, said in problems.items():
        assert said in refused.value.problems[name]
    assert len(str(refused.value)) < 500
    assert len(str(refused.value).splitlines()) == 1 + len(problems)


@pytest.mark.parametrize(("given_value", "taken"), [("3", 3), (3.0, 3), (True, 1)])
def test_a_value_is_of_its_declared_type_once_it_is_checked(given_value: object, taken: object) -> None:
    value = of(n=(int, 0)).check({"n": given_value})["n"]

    assert (value, type(value)) == (taken, int)


@given(
    value=st.one_of(
        st.integers(), st.booleans(), st.floats(allow_nan=False), st.text(), st.none(), st.lists(st.integers())
    )
)
def test_what_has_no_type_takes_anything_as_it_is(value: object) -> None:
    taken = of(anything=(REQUIRED, None)).check({"anything": value})["anything"]

    assert taken == value
    assert type(taken) is type(value)


def test_a_default_says_which_type_was_meant() -> None:
    fields = of(n=(REQUIRED, 5), flag=(REQUIRED, False), rate=(REQUIRED, 0.1), name=(REQUIRED, "a"))

    assert fields.check({"rate": 1, "n": "7"}) == {"n": 7, "flag": False, "rate": 1.0, "name": "a"}
    with pytest.raises(ParameterError):
        fields.check({"flag": 5})


def test_a_default_that_does_not_fit_its_own_type_is_refused() -> None:
    with pytest.raises(ParameterError):
        of(n=(int, "many")).check({})


def test_a_required_one_may_stand_open_where_that_is_asked_for() -> None:
    assert TRAINING.required == ("name",)
    assert TRAINING.check({"epochs": 3}, partial=True) == {"epochs": 3, "rate": 0.1, "kind": "forest"}
    with pytest.raises(ParameterError, match="rate"):
        TRAINING.check({"rate": 7}, partial=True)


def test_names_of_all_alphabets_and_names_of_methods_can_be_parameters() -> None:
    fields = of(größe=(int, 1), 数=(int, 2), copy=(str, "a"), json=(str, "b"), schema=(int, 3), validate=(bool, True))

    assert fields.check({"größe": 5, "schema": 4}) == {
        "größe": 5, "数": 2, "copy": "a", "json": "b", "schema": 4, "validate": True,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["_hidden", "__x", "model_config"])
def test_a_name_that_no_parameter_can_have_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match=name):
        of(**{name: (int, 1)})


def test_an_annotation_that_is_no_type_takes_anything() -> None:
    assert of(n=(5, 1)).check({"n": "a"}) == {"n": "a"}


class Colour(Enum):
    RED = "red"


@given(
    value=st.one_of(
        st.tuples(st.just(int), st.integers()),
        st.tuples(st.just(float), st.floats(allow_nan=False)),
        st.tuples(st.just(date), st.dates()),
        st.tuples(st.just(list[int]), st.lists(st.integers())),
        st.tuples(st.just(Colour), st.just(Colour.RED)),
        st.tuples(st.just(dict[str, float]), st.dictionaries(st.text(), st.floats(allow_nan=False))),
    )
)
def test_a_checked_value_written_as_json_reads_back_as_itself(value: tuple[Any, Any]) -> None:
    kind, given_value = value
    fields = of(value=(kind, REQUIRED))

    checked = fields.check({"value": given_value})

    assert fields.check(fields.as_json(checked)) == checked


def test_a_value_without_a_json_form_stands_as_its_text() -> None:
    assert as_json({"n": float("nan"), "c": Colour.RED, "kind": int}) == {"n": "nan", "c": "red", "kind": repr(int)}


def documented(n: int, *, rate: "Annotated[float, Field(gt=0)]" = 0.5, other: "Unknown" = None) -> None:  # noqa: F821, UP037
    """A function with annotations of all kinds."""


def test_the_fields_of_a_function_are_its_arguments_and_an_unknown_annotation_takes_anything() -> None:
    fields = signature_fields(documented)

    assert list(fields) == ["n", "rate", "other"]
    assert fields["n"][1] is REQUIRED
    assert parameters_of("documented", fields).check({"n": 1, "other": [1]})["other"] == [1]


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (None, "None"),
        (list[int], "list[int]"),
        (int | None, "int | None"),
        (Literal["a"], "Literal['a']"),
    ],
)
def test_a_type_is_said_as_a_user_would_write_it(annotation: Any, text: str) -> None:
    assert type_text(annotation) == text


@pytest.mark.parametrize(
    ("gives", "wanted", "expected"),
    [
        (int, str, True),
        (list, dict, True),
        (str, str, False),
        (bool, int, False),
        (int, float, False),
        (int, Any, False),
        (int, object, False),
        (list[int], str, False),
        (str, int | None, False),
        (Path, PurePath, False),
        (PurePath, Path, False),
        (REQUIRED, int, False),
    ],
)
def test_two_types_contradict_only_where_no_value_can_be_of_both(gives: Any, wanted: Any, expected: bool) -> None:
    assert contradict(gives, wanted) is expected
