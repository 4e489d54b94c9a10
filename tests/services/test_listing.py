"""Listings as frames, and everything that can be got, by whatever names it: laws over all services."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any
from uuid import UUID

import pandas as pd
import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.questions import DTYPES
from nbpipe.errors import AmbiguousNameError, BadValueError, NotFoundError
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.services.client import Client
from nbpipe.services.comparison import compared
from nbpipe.services.listing import Listing
from nbpipe.services.workspace import Workspace
from tests.services.building import create_snapshot, opened, record_run

ODD = ["<script>", "'; DROP TABLE runs; --", "é" * 5000, "\N{SNOWMAN}", "", " ", "null", "0", "%", "a@b", "\\x00"]

LISTINGS: dict[str, Callable[[Client], Listing[Any]]] = {
    "runs": lambda client: client.runs.list(),
    "artifacts": lambda client: client.artifacts.list(),
    "artifacts of a run": lambda client: client.artifacts.list(run=client.runs.newest()),
    "pipelines": lambda client: client.pipelines.list(),
    "snapshots": lambda client: client.snapshots.list(),
    "models": lambda client: client.models.list(),
    "versions": lambda client: client.models.versions("iris"),
    "stage history": lambda client: client.models.history("iris"),
    "metrics compared": lambda client: compared({"a": 1.0}, {"a": 2.0, "b": float("nan")}),
    "tags": lambda client: client.tags.list(),
    "tag holders": lambda client: client.tags.holders("v1"),
    "explanations": lambda client: client.runs.explain(client.runs.newest()),
}


def record_all(paths: WorkspacePaths) -> None:
    """Record a bit of everything."""
    with opened(paths) as workspace:
        record_run(workspace, outputs={"raw": [1]}, tags=["v1"], model="iris")
        create_snapshot(workspace)
        Client(paths.root).models.promote("iris@1", "staging")


@pytest.fixture
def client(workspace: WorkspacePaths) -> Client:
    """Give what may be asked of a workspace of one's own that holds a bit of everything."""
    record_all(workspace)
    return Client(workspace.root)


@pytest.mark.parametrize("what", sorted(LISTINGS))
def test_a_frame_has_its_columns_and_types_whatever_is_in_it(what: str, asked: Client) -> None:
    listing = LISTINGS[what](asked)

    frame, empty = listing.df(), listing[:0].df()

    assert len(frame) == len(listing) > 0
    assert len(empty) == 0
    assert tuple(frame.columns) == tuple(empty.columns) == listing.columns
    assert dict(frame.dtypes) == dict(empty.dtypes)
    assert list(listing[0].as_row()) == list(listing.columns)
    assert {str(kind) for kind in frame.dtypes} <= set(DTYPES.values())


@pytest.mark.parametrize("what", sorted(set(LISTINGS) - {"metrics compared"}))
def test_a_frame_says_what_its_records_say(what: str, asked: Client) -> None:
    listing = LISTINGS[what](asked)

    for record, (_, row) in zip(listing, listing.df().iterrows(), strict=True):
        for name, value in record.as_row().items():
            if value is None:
                assert pd.isna(row[name])
            elif isinstance(row[name], pd.Timestamp):
                assert row[name].to_pydatetime() == value
                assert row[name].tzinfo is not None
                assert value.tzinfo is UTC
            else:
                assert row[name] == value


def test_listings_of_nothing_have_their_columns(opened_workspace: Workspace) -> None:
    client = Client(opened_workspace.paths.root)

    for service in ("runs", "artifacts", "pipelines", "snapshots", "models", "tags"):
        found = getattr(client, service).list()
        assert len(found) == 0
        assert len(found.df().columns) == len(found.columns) > 3
    assert compared({}, {}).columns == ("metric", "left", "right", "delta")
    assert list(Listing[Any]().df().columns) == []


def test_a_frame_of_names_without_end_holds_them(opened_workspace: Workspace) -> None:
    name = "é<script>\n" * 500
    record_run(opened_workspace, name=name, outputs={name: 1})
    client = Client(opened_workspace.paths.root)

    assert list(client.runs.list().df()["name"]) == [name]
    assert list(client.artifacts.list().df()["name"]) == [name]


# Getting -------------------------------------------------------------------------------------


def _made(client: Client) -> dict[str, tuple[Callable[[Any], Any], Kind, Any, list[Any]]]:
    """For each noun: how it is got, its kind, one record, and the names that mean it besides its id."""
    run, artifact = client.runs.newest(), client.artifacts.get("raw")
    snapshot, version = client.snapshots.get("nightly"), client.models.version("iris")
    return {
        "run": (client.runs.get, Kind.RUN, run, [run.name]),
        "artifact": (client.artifacts.get, Kind.ARTIFACT_VERSION, artifact, ["raw", "raw@1", ("raw", 1), "raw@latest"]),
        "snapshot": (client.snapshots.get, Kind.SNAPSHOT, snapshot, ["nightly", "training/nightly"]),
        "model version": (client.models.version, Kind.MODEL_VERSION, version, ["iris", ("iris", 1), "iris@staging"]),
    }  # fmt: skip


NOUNS = ["artifact", "model version", "run", "snapshot"]


@pytest.mark.parametrize("noun", NOUNS)
def test_everything_is_got_by_name_by_id_by_its_beginning_by_record_and_by_reference(noun: str, asked: Client) -> None:
    get, kind, record, names = _made(asked)[noun]
    ref = EntityRef(kind, record.id)

    for way in (
        *names, record, record.id, record.id.upper(), record.id[:8], record.id[:4].upper(), UUID(record.id),
        ref, str(ref), record.ref, f" {record.id} ",
    ):  # fmt: skip
        assert get(way).id == record.id, way


@pytest.mark.parametrize("noun", NOUNS)
def test_what_is_not_there_is_refused_in_two_lines_at_most(noun: str, asked: Client) -> None:
    get, kind, record, _ = _made(asked)[noun]
    other = Kind.PIPELINE if kind is not Kind.PIPELINE else Kind.RUN

    for bad in (*ODD, "ffffffff", record.id[:3], EntityRef(other, record.id), 7, None, object(), b"x", 3.5, []):
        with pytest.raises((NotFoundError, BadValueError, AmbiguousNameError)) as refused:
            get(bad)
        assert len(str(refused.value).splitlines()) <= 2
        assert len(str(refused.value)) < 6000


def test_pipelines_models_and_tags_are_got_by_name_by_record_and_by_reference(asked: Client) -> None:
    for get, name, kind in (
        (asked.pipelines.get, "training", Kind.PIPELINE),
        (asked.models.get, "iris", Kind.MODEL),
    ):
        record = get(name)
        for way in (name, record, record.ref, EntityRef(kind, name), f"{kind.value}:{name}"):
            assert get(way).name == name
        with pytest.raises(NotFoundError, match=f"Did you mean '{name}'"):
            get(f"{name}s")
    assert asked.tags.get("v1").name == "v1"


def test_a_name_that_two_snapshots_have_is_refused_with_both(client: Client) -> None:
    create_snapshot(client.workspace, "other")

    with pytest.raises(AmbiguousNameError) as refused:
        client.snapshots.get("nightly")

    assert {"training/nightly", "other/nightly"} == set(refused.value.matches)
    assert client.snapshots.get("nightly", "other").pipeline == "other"


def test_a_step_tells_what_it_logged(opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace)
    values = {"evaluation": {"accuracy": 0.9, "labels": {"$type": "tuple", "value": ["a", "b"]}}, "note": "fine"}
    fact = {"kind": "run", "values": values, "step_id": run.step_id}
    opened_workspace.catalog.append_lines([("metadata", run.id, run.id, fact)])

    step = Client(opened_workspace.paths.root).runs.get(run.id).steps["make"]

    assert step.metadata == {"evaluation": {"accuracy": 0.9, "labels": ("a", "b")}, "note": "fine"}
    assert step.metrics == {"evaluation.accuracy": 0.9}
