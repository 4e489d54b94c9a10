"""Metadata through the service: on what it may be put, and how it is read back."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.metadata import encode
from nbpipe.records.refs import Kind
from nbpipe.services.artifacts import ArtifactService
from nbpipe.services.metadata import Logged, MetadataService, merged
from nbpipe.services.models import ModelService
from nbpipe.services.workspace import Workspace
from tests.services.building import create_snapshot, lines_written, open_version, record_run

START = datetime(2026, 11, 20, tzinfo=UTC)
LEAVES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5) | st.binary(max_size=5)
VALUES = st.recursive(LEAVES, lambda inner: st.dictionaries(st.text("ab", min_size=1), inner, max_size=3), max_leaves=6)
MAPPINGS = st.dictionaries(st.text("ab", min_size=1, max_size=2), VALUES, max_size=3)


@pytest.fixture
def metadata(opened_workspace: Workspace) -> MetadataService:
    return MetadataService(opened_workspace)


def deeply_merged(former: Any, later: Any) -> Any:
    if not isinstance(former, dict) or not isinstance(later, dict):
        return later
    return {**former, **{key: deeply_merged(former.get(key), value) for key, value in later.items()}}


@given(st.lists(MAPPINGS, max_size=4))
def test_what_is_logged_one_after_another_reads_as_one_deep_merge(logged: list[dict[str, Any]]) -> None:
    entries = [
        Logged(key, value, START + timedelta(seconds=n))
        for n, one in enumerate(logged)
        for key, value in encode(one).items()
    ]

    found = merged(entries)

    expected: dict[str, Any] = {}
    for one in logged:
        expected = deeply_merged(expected, one)
    assert found.values == expected
    assert {key: entry.value for key, entry in found.entries.items()} == expected


def test_every_kind_of_value_comes_back_from_the_catalog_as_itself(
    metadata: MetadataService, opened_workspace: Workspace
) -> None:
    run = record_run(opened_workspace)
    values = {
        "none": None,
        "flag": True,
        "text": "ü" * 100_000,
        "looks like json": '{"$type": "bytes"}',
        "number": 10**30,
        "ratio": 0.1,
        "endless": math.inf,
        "bytes": b"\x00\xff",
        "when": datetime(2026, 3, 29, 2, 30, tzinfo=UTC),
        "price": Decimal("1.10"),
        "items": [1, (2, {3}), "x"],
        "a.b c": {"$type": "dict of the user's"},
    }

    metadata.log(values, run=run.id)

    assert metadata.read(Kind.RUN, run.id).values == values


def test_scalars_replace_dicts_merge_and_what_was_there_is_history(
    metadata: MetadataService, opened_workspace: Workspace
) -> None:
    run = record_run(opened_workspace)
    metadata.log({"metrics": {"accuracy": 0.9}, "note": "first"}, run=run.id)
    metadata.log({"metrics": {"recall": 0.8}, "note": "second"}, run=run.id)

    found = metadata.read(Kind.RUN, run.id)

    assert found.values == {"metrics": {"accuracy": 0.9, "recall": 0.8}, "note": "second"}
    assert found.entries["note"] == "second"
    assert [value for _, value in found.entries["note"].history] == ["first"]
    assert [value for _, value in found.entries["metrics"].history] == [{"accuracy": 0.9}]
    assert found.entries["note"].history[0][0] < found.entries["note"].logged_at
    assert found.metrics == {"metrics.accuracy": 0.9, "metrics.recall": 0.8}


def test_what_is_logged_again_unchanged_makes_no_history(
    metadata: MetadataService, opened_workspace: Workspace
) -> None:
    run = record_run(opened_workspace)
    metadata.log({"accuracy": 1}, run=run.id)
    metadata.log({"accuracy": 1}, run=run.id)
    metadata.log({"accuracy": True}, run=run.id)

    entry = metadata.read(Kind.RUN, run.id).entries["accuracy"]

    assert entry.value is True
    assert [value for _, value in entry.history] == [1]


def test_several_targets_get_the_same(metadata: MetadataService, opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace, outputs={"raw": 1})
    open_version(opened_workspace, "iris", "1.2.3")
    snapshot = create_snapshot(opened_workspace)

    targets = metadata.log(
        {"rows": 3}, run=run.id, step=f"{run.id}@make", artifact="raw", model="iris@1.2.3", snapshot="nightly"
    )

    assert len(targets) == 5
    assert all(metadata.read(target.kind, target.id).values == {"rows": 3} for target in targets)
    assert ArtifactService(opened_workspace).get("raw").metadata == {"rows": 3}
    assert ModelService(opened_workspace).version("iris@1.2.3").run_metadata["rows"].value == 3
    assert metadata.read(Kind.SNAPSHOT, snapshot).values == {"rows": 3}


@pytest.mark.parametrize(
    ("values", "targets", "error"),
    [
        ({"rows": 3}, {"artifact": "rew"}, NotFoundError),
        ({"rows": 3, "frame": object()}, {}, BadValueError),
        ({"rows": 3, 4: 5}, {}, BadValueError),
        ("rows", {}, BadValueError),
    ],
    ids=["missing target", "value that cannot be kept", "key that is no text", "no dict"],
)
def test_what_cannot_be_done_for_all_is_done_for_none(
    metadata: MetadataService, opened_workspace: Workspace, values: Any, targets: dict[str, str], error: type[Exception]
) -> None:
    run = record_run(opened_workspace, outputs={"raw": 1})
    before = lines_written(opened_workspace)

    with pytest.raises(error):
        metadata.log(values, run=run.id, **targets)

    assert lines_written(opened_workspace) == before


def test_metadata_without_a_target_is_refused(metadata: MetadataService) -> None:
    with pytest.raises(BadValueError, match=r"run=.*artifact"):
        metadata.log({"rows": 3})


def test_a_target_named_twice_gets_it_once(metadata: MetadataService, opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace)

    targets = metadata.log({"rows": 3}, run=[run.id, run.name])

    assert [target.id for target in targets] == [run.id]


def test_no_values_are_no_record(metadata: MetadataService, opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace)
    before = lines_written(opened_workspace)

    metadata.log({}, run=run.id)

    assert lines_written(opened_workspace) == before
