"""Heads: the SQL and the Python give the same number, and ids that begin alike lie together."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.catalog.heads import CREATE_HEAD_OF, head_of, heads_from

TEXTS = st.uuids().map(str) | st.uuids().map(lambda id: id.hex) | st.text(st.characters(exclude_categories=("Cs",)))


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect(":memory:") as engine:
        engine.execute("CREATE SCHEMA rows")
        engine.execute(CREATE_HEAD_OF)
        yield engine


@given(texts=st.lists(TEXTS, min_size=1, max_size=20))
def test_the_engine_finds_the_same_head(engine, texts):
    # A text in which the engine takes a line's end for more than the pattern does would differ here.
    found = engine.execute("SELECT list(rows.head_of(t)) FROM (SELECT unnest($texts) AS t)", {"texts": texts})

    assert found.fetchone()[0] == [head_of(text) for text in texts]


def test_no_text_has_no_head(engine):
    assert engine.execute("SELECT rows.head_of(NULL)").fetchone() == (None,)


@given(id=st.uuids().map(str), length=st.integers(4, 36))
def test_an_id_lies_in_the_range_of_each_of_its_beginnings(id, length):
    low, high = heads_from(id[:length])

    assert low <= head_of(id) <= high
    assert (low == high) == (len(id[:length].replace("-", "")) >= 15)


@given(id=st.uuids().map(str), other=st.uuids().map(str))
def test_an_id_that_begins_otherwise_lies_outside(id, other):
    low, high = heads_from(id[:8])

    assert (low <= head_of(other) <= high) == (other[:8] == id[:8])
