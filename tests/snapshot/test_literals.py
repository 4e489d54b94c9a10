"""Values as Python expressions: evaluated, they are the values again."""

from __future__ import annotations

import datetime
import decimal
import math
import pathlib
import uuid
import zoneinfo
from dataclasses import dataclass, field
from enum import Enum, Flag
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from nbpipe.snapshot.literals import expression_of, imports_for


class Kind(Enum):
    A = "a"
    B = 2


class Bits(Flag):
    X = 1
    Y = 2


class Settings(BaseModel):
    depth: int = 3
    kinds: list[Kind] = [Kind.A]


class Renamed(BaseModel):
    depth: int = Field(3, alias="how-deep")


@dataclass
class Point:
    x: float
    made: str = field(default="", init=False)


def evaluated(expression: str) -> Any:
    names: dict[str, Any] = {one.__name__: one for one in (Kind, Bits, Settings, Point)}
    exec("\n".join(imports_for([expression])), names)
    return eval(expression, names)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.datetimes(timezones=st.just(datetime.UTC))
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.sampled_from(Kind)
)
HASHABLE = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(HASHABLE, inner)
        | st.frozensets(HASHABLE)
        | st.sets(HASHABLE)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_an_expression_gives_back_the_value_and_its_type(value: Any) -> None:
    expression = expression_of(value)

    assert expression is not None
    again = evaluated(expression)
    assert (again, type(again)) == (value, type(value))


@pytest.mark.parametrize(
    "value",
    [
        Settings(depth=4, kinds=[Kind.B]),
        Point(1.5),
        pathlib.PurePosixPath("a/b c.csv"),
        Bits.X,
        datetime.datetime(2024, 1, 2, tzinfo=zoneinfo.ZoneInfo("UTC")),
        (1,),
        float("inf"),
        set(),
    ],
    ids=["model", "dataclass", "path", "flag", "zone", "tuple of one", "infinity", "empty set"],
)
def test_values_of_classes_are_written_by_their_names(value: Any) -> None:
    again = evaluated(expression_of(value) or "")

    assert again == (pathlib.Path(value) if isinstance(value, pathlib.PurePath) else value)


def test_nan_is_written_as_a_float() -> None:
    assert math.isnan(evaluated(expression_of(float("nan")) or ""))


def unwritable() -> list[Any]:
    holds_itself: list[Any] = []
    holds_itself.append(holds_itself)
    local = type("Local", (), {})
    return [SecretStr("hush"), object(), Renamed(**{"how-deep": 1}), holds_itself, local(), lambda: 1]


@pytest.mark.parametrize("place", range(6))
def test_what_has_no_expression_is_not_written(place: int) -> None:
    assert expression_of(unwritable()[place]) is None


def test_only_the_modules_that_are_named_are_imported() -> None:
    assert imports_for(["1", None, expression_of(decimal.Decimal("1.5"))]) == ["import decimal as _decimal"]
    assert imports_for([expression_of(uuid.UUID(int=1)), expression_of(datetime.date(2024, 1, 1))]) == [
        "import datetime as _datetime",
        "import uuid as _uuid",
    ]
