"""Metadata: every type it takes comes back as itself, all others refuse the call, dicts merge deeply."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nbpipe.base.digest import canonical_json
from nbpipe.errors import BadValueError
from nbpipe.records.metadata import DType, MetadataEntry, StorageSize, Uri, decode, encode, merge, metrics_in

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = TEXTS.filter(bool) | st.just("$type")
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**18, 10**40),
    st.floats(allow_nan=False),
    TEXTS,
    st.binary(),
    st.datetimes(timezones=st.none() | ZONES),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
    TEXTS.map(Uri),
    st.integers(0).map(StorageSize),
    TEXTS.map(DType),
    st.sampled_from([Path("a/b"), Path("/")]),
)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS, inner)
        | st.frozensets(HASHABLE)
        | st.sets(HASHABLE)
    ),
    max_leaves=12,
)
TREES = st.dictionaries(KEYS, VALUES, max_size=5)


def kept(value: Any) -> Any:
    """Write a value as a record would hold it, and read it back."""
    return decode(json.loads(canonical_json(encode({"key": value}))))["key"]


def types_in(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: types_in(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [types_in(item) for item in value]
    if isinstance(value, set | frozenset):
        return type(value), {(item, type(item)) for item in value}
    return type(value)


@given(values=TREES)
def test_every_value_comes_back_equal_and_of_its_own_type(values: dict[str, Any]) -> None:
    back = kept(values)

    assert back == values
    assert types_in(back) == types_in(values)


class Colour(str, Enum):  # noqa: UP042 — as people write it; it prints itself as Colour.RED
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "comes_back"),
    [
        (math.inf, math.inf),
        (-math.inf, -math.inf),
        (True, True),
        (2**63, 2**63),
        (-(10**5000), -(10**5000)),
        (np.int64(7), 7),
        (np.float32(0.5), 0.5),
        (np.longdouble(0.25), 0.25),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.bytes_(b"a"), b"a"),
        (np.datetime64("2026-11-20T08:15:30.5", "ns"), datetime(2026, 11, 20, 8, 15, 30, 500000)),
        (np.datetime64("NaT"), None),
        (np.timedelta64(1500, "ms"), timedelta(seconds=1.5)),
        (pd.Timestamp("2026-11-20T08:15", tz="UTC"), datetime(2026, 11, 20, 8, 15, tzinfo=UTC)),
        (pd.NaT, None),
        (pd.Timedelta("1min"), timedelta(minutes=1)),
        (np.dtype("float32"), DType("float32")),
        (pd.CategoricalDtype(["a"]), DType("category")),
        (bytearray(b"ab"), b"ab"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (timedelta(seconds=-1.5), timedelta(seconds=-1.5)),
        (Decimal("0.10"), Decimal("0.10")),
        (date(2026, 1, 2), date(2026, 1, 2)),
        (time(1, 2, 3), time(1, 2, 3)),
        (UUID(int=5), UUID(int=5)),
        ("a" * 1_000_000, "a" * 1_000_000),
        ("\ud800", "?"),
        ({"$type": "dict", "value": 1}, {"$type": "dict", "value": 1}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_comes_back_as_the_documented_type(value: object, comes_back: object) -> None:
    back = kept(value)

    assert back == comes_back
    assert type(back) is type(comes_back)


def test_not_a_number_comes_back() -> None:
    assert math.isnan(kept(float("nan")))
    assert math.isnan(kept(np.float64("nan")))


def test_a_key_that_cannot_be_written_in_utf_8_is_mended_like_a_text() -> None:
    assert kept({"\ud800": 1}) == {"?": 1}


@dataclass
class Account:
    owner: str


@pytest.mark.parametrize(
    ("value", "type_name"),
    [
        (Account("Ada"), "Account"),
        (1j, "complex"),
        (object(), "object"),
        (pd.DataFrame(), "DataFrame"),
        (np.zeros(2), "ndarray"),
        (np.complex64(1), "complex64"),
        (print, "builtin_function_or_method"),
        (pd.NA, "NAType"),
    ],
)
def test_a_value_of_another_type_refuses_the_whole_call_with_its_key_and_type(value: object, type_name: str) -> None:
    with pytest.raises(BadValueError) as refused:
        encode({"fine": 1, "outer": {"inner": [value]}})

    assert "outer.inner.0" in str(refused.value)
    assert type_name in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 2


@pytest.mark.parametrize("values", [[("a", 1)], "a", None, 5, {1: 2}, {"a": {None: 1}}, {"": 1}, {"a": {"": 1}}])
def test_what_is_no_dict_with_text_keys_is_refused(values: Any) -> None:
    with pytest.raises(BadValueError):
        encode(values)


def test_data_that_holds_itself_is_refused() -> None:
    ring: dict[str, Any] = {}
    ring["again"] = ring

    with pytest.raises(BadValueError, match="deeper"):
        encode(ring)


def agree(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Tell whether no key has a dict in the one and something else in the other."""
    return all(
        agree(one[key], two[key])
        if isinstance(one[key], dict) and isinstance(two[key], dict)
        else not isinstance(one[key], dict) and not isinstance(two[key], dict)
        for key in one.keys() & two.keys()
    )


@given(one=TREES, two=TREES, three=TREES)
def test_merging_does_not_depend_on_grouping_and_the_later_value_wins(one: Any, two: Any, three: Any) -> None:
    # What replaces a dict in between lets it be forgotten, and then it does matter.
    assume(agree(one, two) and agree(two, three) and agree(one, three))
    a, b, c = encode(one), encode(two), encode(three)

    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, a) == a
    assert merge({}, a) == merge(a, {}) == a


def test_dicts_merge_deeply_and_anything_else_is_replaced() -> None:
    former = encode({"a": {"x": 1, "y": [1]}, "b": 1, "c": {"k": 1}, "d": 2})

    merged = decode(merge(former, encode({"a": {"y": [2], "z": 3}, "b": {"new": 1}, "c": 5})))

    assert merged == {"a": {"x": 1, "y": [2], "z": 3}, "b": {"new": 1}, "c": 5, "d": 2}


def test_numbers_are_metrics_by_their_dotted_path() -> None:
    values = encode(
        {"eval": {"acc": 0.9, "n": 3, "ok": True, "inf": math.inf}, "size": StorageSize(5), "list": [1], "t": "1"}
    )

    assert dict(metrics_in(values)) == {"eval.acc": 0.9, "eval.n": 3.0, "eval.inf": math.inf, "size": 5.0}


def test_an_entry_can_be_used_like_its_value() -> None:
    entry = MetadataEntry({"accuracy": 0.9}, datetime(2026, 1, 1, tzinfo=UTC))
    number = MetadataEntry(0.9, datetime(2026, 1, 1, tzinfo=UTC))

    assert entry["accuracy"] == entry.value["accuracy"] == 0.9
    assert "accuracy" in entry
    assert list(entry) == ["accuracy"]
    assert number > 0.8
    assert number <= 0.9
    assert number == MetadataEntry(0.9, datetime(2026, 1, 2, tzinfo=UTC))
    assert (float(number), int(number), str(number), bool(number), number.type) == (0.9, 0, "0.9", True, "float")
