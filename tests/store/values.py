"""Values for trials, and a class for each way in which a class keeps its state."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from pydantic import BaseModel

Pair = namedtuple("Pair", "left right")


class Colour(Enum):
    RED = 1
    BLUE = 2


@dataclass
class Point:
    x: float
    names: list[str] = field(default_factory=list)

    @cached_property
    def length(self) -> float:
        return abs(self.x)


class Slotted:
    __slots__ = ("inner",)

    def __init__(self, inner: Any) -> None:
        self.inner = inner


class Bag(set):
    pass


class Order(BaseModel):
    number: int
    when: datetime | None = None
    lines: tuple[str, ...] = ()
    anything: Any = None


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(codec=None, categories=None)),
    st.binary(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.sampled_from([UTC, ZoneInfo("Europe/Paris"), timezone(timedelta(hours=-3))])),
    st.times(),
    st.timedeltas(),
    # A signalling NaN has no hash.
    st.decimals().filter(lambda value: not value.is_snan()),
    st.uuids(),
)
HASHABLE = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3), max_leaves=6
)
PLAIN = st.recursive(
    SCALARS | st.binary().map(bytearray) | st.sets(HASHABLE, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=20)
        | st.lists(inner, max_size=20).map(tuple)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
        | st.dictionaries(HASHABLE, inner, max_size=4)
    ),
    max_leaves=25,
)


def one_of_each() -> dict[str, Any]:
    """Make a new value of every kind that has a canonical form in Python itself, by a name for it."""
    return {
        "none": None,
        "true": True,
        "int": 1,
        "float": 1.0,
        "text": "1",
        "bytes": b"1",
        "bytearray": bytearray(b"1"),
        "complex": 1 + 0j,
        "ellipsis": ...,
        "tuple": (1,),
        "list": [1],
        "set": {1, "a", None},
        "frozenset": frozenset({1, "a", None}),
        "dict": {"a": [1], 2: {"b"}},
        "ordered": OrderedDict([("a", 1)]),
        "default": defaultdict(list, {"a": [1]}),
        "deque": deque([1, 2], maxlen=3),
        "bag": Bag({"x", "y", "z"}),
        "pair": Pair(1, 2),
        "date": date(2026, 11, 20),
        "datetime": datetime(2026, 11, 20, 8, 15),
        "aware": datetime(2026, 11, 20, 8, 15, tzinfo=UTC),
        "zoned": datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Paris")),
        "time": time(8, 15),
        "timedelta": timedelta(seconds=1),
        "decimal": Decimal("1"),
        "uuid": UUID(int=1),
        "path": Path("a/b"),
        "enum": Colour.RED,
        "range": range(3),
        "slice": slice(1, None),
        "dataclass": Point(1.0, ["a"]),
        "slotted": Slotted([1]),
        "model": Order(number=1, lines=("a",)),
        "class": Point,
        "error": ValueError("no"),
    }
