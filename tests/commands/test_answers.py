"""Answers: their facts are JSON that any reader takes, whatever a record holds."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nbpipe.commands.answers import as_plain, json_text, sentence
from nbpipe.records.runs import Status

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes() | st.binary()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_whatever_a_record_holds_is_written_as_strict_json(value):
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    json.loads(json_text(value), parse_constant=refuse)
    json_text(value).encode()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text("aé<"), st.lists, max_leaves=20))
def test_plain_values_come_back_as_they_were(value):
    assert json.loads(json_text(value)) == value


def test_what_json_does_not_know_is_written_as_people_write_it():
    facts = {
        "at": datetime(2026, 11, 20, 8, 15, tzinfo=UTC),
        "on": date(2026, 11, 20),
        "took": timedelta(seconds=1.5),
        "status": Status.COMPLETED,
        "where": Path("a/b"),
        "much": Decimal("1.10"),
        "several": {"b", "a"},
        "none": float("nan"),
    }

    assert as_plain(facts) == {
        "at": "2026-11-20T08:15:00+00:00",
        "on": "2026-11-20",
        "took": 1.5,
        "status": "completed",
        "where": "a/b",
        "much": "1.10",
        "several": ["a", "b"],
        "none": None,
    }


def test_a_value_that_holds_itself_is_cut_off():
    ring: list[object] = []
    ring.append(ring)

    assert "…" in json_text(ring)


def test_a_sentence_is_escaped_where_it_is_html_and_left_alone_where_it_is_text():
    answer = sentence("<script>alert(1)</script>")

    assert answer.text == "<script>alert(1)</script>"
    assert "<script>" not in answer.bundle.html


def test_in_a_notebook_json_is_shown_as_text_alone():
    shown = sentence("said", rows={"a": 1}, as_json=True)._repr_mimebundle_()

    assert list(shown) == ["text/plain"]
    assert json.loads(shown["text/plain"]) == {"a": 1}
