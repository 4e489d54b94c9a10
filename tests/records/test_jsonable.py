"""Values as answers: whatever a step gives is JSON that every reader takes, or the name of its type."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import math
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_core import to_json

from nbpipe.records.jsonable import as_answer


class Colour(enum.Enum):
    RED = "red"


class City(BaseModel):
    name: str
    warmth: float = 20.0


@dataclass
class Pair:
    left: Any
    right: Any


class Opaque:
    pass


def itself() -> list[Any]:
    held: list[Any] = []
    held += [held, held]
    return held


def nested(levels: int) -> list[Any]:
    held: list[Any] = []
    for _ in range(levels):
        held = [held]
    return held


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        pytest.param(math.nan, None, id="nan"),
        pytest.param([math.inf, -math.inf, 1.5], [None, None, 1.5], id="infinite"),
        pytest.param({"a": {"b": math.nan}}, {"a": {"b": None}}, id="nan within"),
        pytest.param((1, {2}), [1, [2]], id="tuple and set"),
        pytest.param({1: "a", None: "b", (1, 2): "c"}, {"1": "a", "None": "b", "(1, 2)": "c"}, id="keys"),
        pytest.param("köln <script>", "köln <script>", id="text"),
        pytest.param("\ud800x", "\ufffdx", id="half of a pair"),
        pytest.param("\ud83d\ude00", "😀", id="both halves of a pair"),
        pytest.param({"\ud800": 1}, {"\ufffd": 1}, id="half of a pair as a key"),
        pytest.param(10**5000, {"type": "int"}, id="a number longer than readers take"),
        pytest.param(2**64, 2**64, id="a long number"),
        pytest.param(b"\xff\x00", {"type": "bytes"}, id="bytes"),
        pytest.param(City(name="Oslo", warmth=math.nan), {"name": "Oslo", "warmth": None}, id="pydantic"),
        pytest.param(Pair(Pair(1, "x"), None), {"left": {"left": 1, "right": "x"}, "right": None}, id="dataclass"),
        pytest.param(Colour.RED, "red", id="enum"),
        pytest.param(datetime.date(2026, 11, 22), "2026-11-22", id="date"),
        pytest.param(decimal.Decimal("1.50"), "1.50", id="decimal"),
        pytest.param(uuid.UUID(int=1), str(uuid.UUID(int=1)), id="uuid"),
        pytest.param(Path("a/b"), "a/b", id="path"),
        pytest.param(Opaque(), {"type": "Opaque"}, id="object"),
        pytest.param([1, Opaque()], [1, {"type": "Opaque"}], id="object within"),
        pytest.param(lambda: 1, {"type": "function"}, id="function"),
        pytest.param(np.float64("nan"), None, id="numpy nan"),
        pytest.param(np.int64(3), 3, id="numpy number"),
        pytest.param(np.array([[1.0, np.inf]]), [[1.0, None]], id="array"),
        pytest.param(np.array(["2026-11-22"], "datetime64[D]"), ["2026-11-22"], id="array of days"),
        pytest.param(np.array([Opaque()], object), [{"type": "Opaque"}], id="array of objects"),
        pytest.param(
            pd.DataFrame({"a": [1, 2], "b": [0.5, None]}), [{"a": 1, "b": 0.5}, {"a": 2, "b": None}], id="frame"
        ),
        pytest.param(pd.DataFrame(), [], id="empty frame"),
        pytest.param(pd.Series([pd.NaT, pd.Timestamp(0)]), [None, "1970-01-01T00:00:00"], id="series"),
        pytest.param([pd.NA], [None], id="missing"),
        pytest.param(pa.table({"a": [1]}), [{"a": 1}], id="arrow"),
        pytest.param(itself(), [{"type": "list"}, {"type": "list"}], id="what holds itself"),
    ],
)
def test_a_value_is_said_in_json(value: Any, meant: Any) -> None:
    said = as_answer(value)

    assert said == meant
    assert json.loads(to_json(said)) == meant


def test_what_stands_twice_beside_each_other_is_told_twice() -> None:
    row = {"a": 1}

    assert as_answer([row, row]) == [row, row]


def test_what_is_too_deep_ends_in_the_name_of_its_type() -> None:
    said = to_json(as_answer(nested(5000))).decode()

    assert said.count("[") == 64
    assert '{"type":"list"}' in said


def test_an_object_that_raises_when_it_is_read_is_told_by_its_type() -> None:
    class Thorny(dict):
        def items(self) -> Any:
            raise TypeError("not today")

    assert as_answer({"x": Thorny(a=1)}) == {"x": {"type": "Thorny"}}


@given(
    st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(),
            st.binary(),
            st.characters(categories=["Cs", "L"]),
        ),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner, inner)),
    )
)
def test_every_answer_is_json_by_the_standard(value: Any) -> None:
    def refuse(constant: str) -> Any:
        raise AssertionError(constant)

    json.loads(to_json(as_answer(value)), parse_constant=refuse)
