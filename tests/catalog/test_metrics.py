"""Metrics: the numbers that are in the metadata now, however it came to be what it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbpipe.base.clock import clock_set_to
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
from nbpipe.records.metadata import encode, merge, metrics_in
from tests.catalog.histories import Recording, everything

NOW = """
    SELECT key, arg_max_null(value, logged_at) AS value FROM metrics WHERE entity_id = $id GROUP BY key
    HAVING arg_max_null(value, logged_at) IS NOT NULL
"""


def metrics_of(catalog: Catalog, run: Recording) -> dict[str, str]:
    return {row["key"]: repr(row["value"]) for row in catalog.rows(NOW, {"id": run.id})}


REPLACED: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    ({"acc": 0.9, "loss": 1}, {"acc": "n/a"}, {"loss": "1.0"}),
    ({"acc": 0.9}, {"acc": {"mean": 0.8}}, {"acc.mean": "0.8"}),
    ({"acc": 0.9}, {"acc": None}, {}),
    ({"acc": 0.9}, {"acc": [0.9]}, {}),
    ({"ev": {"acc": 0.9, "f1": 0.8}}, {"ev": "skipped"}, {}),
    ({"ev": {"acc": 0.9, "f1": 0.8}}, {"ev": 2}, {"ev": "2.0"}),
    ({"ev": {"acc": 0.9, "f1": 0.8}}, {"ev": {"acc": True}}, {"ev.f1": "0.8"}),
    ({"ev": {"acc": 0.9, "f1": 0.8}}, {"ev": {"f2": 0.7}}, {"ev.acc": "0.9", "ev.f1": "0.8", "ev.f2": "0.7"}),
    ({"ev": {"acc": 0.9}}, {"ev": {"$type": "x", "acc": "y", "n": 1}}, {"ev.n": "1.0"}),
    ({"a": {"$type": "x", "b": {"c": 1}}}, {"a": {"b": ()}}, {}),
    ({"a": float("nan")}, {"a": "gone"}, {}),
    ({"a.b": 1, "a": {"c": 2}}, {"a": "gone"}, {"a.b": "1.0"}),
]


@pytest.mark.parametrize("is_published", [False, True], ids=["in the logs", "published between"])
def test_a_number_that_something_else_replaced_is_no_metric_any_more(catalog: Catalog, is_published: bool) -> None:
    runs = [(Recording(catalog).start(), Recording(catalog).start()) for _ in REPLACED]
    for pair, (first, _, _) in zip(runs, REPLACED, strict=True):
        for one in pair:
            one.log(encode(first))
    before = [metrics_of(catalog, other) for _, other in runs]
    if is_published:
        catalog.publish()

    for (run, _), (_, later, _) in zip(runs, REPLACED, strict=True):
        run.log(encode(later))

    for (run, other), was, (first, later, left) in zip(runs, before, REPLACED, strict=True):
        assert metrics_of(catalog, run) == left, later
        assert metrics_of(catalog, other) == was, later
        run.log(encode(first))
        assert metrics_of(catalog, run).items() >= was.items(), later


def test_a_number_that_is_read_after_what_replaced_it_is_no_metric_either(catalog: Catalog) -> None:
    run = Recording(catalog).start()

    for hour, value in ((9, "n/a"), (8, 0.9), (7, 0.8)):
        with clock_set_to(lambda hour=hour: datetime(2026, 11, 20, hour, tzinfo=UTC)):
            run.log({"acc": value})
        assert metrics_of(catalog, run) == {}

    found = everything(catalog)
    catalog.rebuild()
    assert everything(catalog) == found


KEYS = st.sampled_from("ab")
LEAVES = st.one_of(st.integers(-3, 3), st.floats(width=16), st.booleans(), st.none(), st.just("x"), st.just((1, 2)))
NESTED = st.recursive(
    LEAVES, lambda inner: st.dictionaries(KEYS | st.just("$type"), inner, min_size=1, max_size=2), max_leaves=4
)


# Each example has a catalog of its own.
@settings(max_examples=settings().max_examples // 3)
@given(lines=st.lists(st.tuples(st.dictionaries(KEYS, NESTED, min_size=1, max_size=2), st.booleans()), max_size=5))
def test_the_newest_metrics_are_the_numbers_of_the_merged_metadata(tmp_path_factory, lines) -> None:
    catalog = Catalog(WorkspacePaths(tmp_path_factory.mktemp("workspace") / ".nbpipe").ensure())
    run = Recording(catalog).start()
    merged: dict[str, Any] = {}
    for values, looks in lines:
        run.log(encode(values))
        merged = merge(merged, encode(values))
        if looks:
            catalog.rows("SELECT count(*) AS n FROM metrics")

    found, views = metrics_of(catalog, run), everything(catalog)
    catalog.publish()

    assert found == {key: repr(value) for key, value in metrics_in(merged)}
    assert everything(catalog) == views
    catalog.close()
