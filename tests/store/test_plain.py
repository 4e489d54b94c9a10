"""Plain data as JSON."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from datetime import datetime, timedelta, timezone, tzinfo
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.store.content import content_digest
from nbpipe.store.plain import NotPlain, from_plain, to_plain
from tests.store.trials import shown
from tests.store.values import PLAIN, Colour, Pair, Point


@given(value=PLAIN)
def test_plain_data_comes_back_as_it_was(value):
    try:
        text = json.dumps(to_plain(value), allow_nan=False)
    except NotPlain:
        assert has_one_thing_at_two_places(value)
        return

    again = from_plain(json.loads(text))

    assert type(again) is type(value)
    assert content_digest(again).digest == content_digest(value).digest


def has_one_thing_at_two_places(value: object) -> bool:
    """Tell whether a trial value happens to repeat a list: hypothesis may draw one twice."""
    met: list[int] = []

    def walk(part: object) -> None:
        if isinstance(part, (list, dict, set, bytearray)):
            met.append(id(part))
        if isinstance(part, dict):
            part = [*part, *part.values()]
        if isinstance(part, (list, tuple, set, frozenset)):
            for inner in part:
                walk(inner)

    walk(value)
    return len(met) != len(set(met))


@given(
    value=st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_text_that_looks_like_our_own_marks_is_text(value):
    marked = {"$tuple": value, "a": {"$set": [copy.deepcopy(value)]}, "$": {"$dict": []}}

    assert from_plain(json.loads(json.dumps(to_plain(marked)))) == marked


def test_equal_sets_are_written_alike():
    assert json.dumps(to_plain({"b", "a", "c"})) == json.dumps(to_plain({"c", "b", "a"}))


class Elsewhere(tzinfo):
    def utcoffset(self, moment):
        return timedelta(0)


class Number(IntEnum):
    ONE = 1


SHARED = [1]


@pytest.mark.parametrize(
    "value",
    [
        [SHARED, SHARED],
        {"a": SHARED, "b": (SHARED,)},
        OrderedDict(a=1),
        Pair(1, 2),
        Point(1.0),
        Colour.RED,
        Number.ONE,
        [Number.ONE],
        datetime(2026, 1, 1, tzinfo=Elsewhere()),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(0), "nowhere")),
        object(),
        len,
    ],
    ids=shown,
)
def test_what_would_come_back_as_something_else_is_declined(value):
    with pytest.raises(NotPlain):
        to_plain(value)


def test_a_list_inside_itself_is_declined():
    inside: list[object] = []
    inside.append(inside)

    with pytest.raises(NotPlain):
        to_plain(inside)
