"""What forbids a deletion is asked as it is decided, whatever somebody saw before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from nbpipe.errors import ConflictError
from nbpipe.records.operations import (
    CreateSchedule,
    CreateSnapshot,
    DeleteArtifacts,
    DeleteModel,
    DeletePipeline,
    DeleteRuns,
    DeleteSnapshot,
    Timing,
)
from nbpipe.records.refs import Kind
from nbpipe.records.tags import Tag
from tests.records.ledger import Ledger

LATEST = Tag(name="latest", exclusive=True)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def deletions(ledger: Ledger) -> set[tuple[str, str]]:
    return {(row["entity_kind"], row["entity_id"]) for row in ledger.rows.get("deletion", {}).values()}


def schedule(ledger: Ledger) -> None:
    told: dict[str, Any] = {"id": "i", "name": "every_night", "pipeline": "p", "snapshot_id": "s"}
    timing = Timing(cron_expression="0 2 * * *", timezone="UTC", catchup="last", overlap="skip")
    ledger.ask(CreateSchedule(**told, timing=timing, since=datetime(2026, 11, 21, tzinfo=UTC)))


@pytest.mark.parametrize("operation", [DeleteRuns(ids=("r",)), DeleteArtifacts(ids=("a",)), DeletePipeline(name="p")])
def test_what_belongs_to_a_version_that_came_into_use_stays(ledger: Ledger, operation: Any) -> None:
    version = ledger.version()["id"]
    looked_at = operation.model_copy(update={"versions": (version,)})
    ledger.promote("1", "staging")

    with pytest.raises(ConflictError, match="iris@1, was moved to staging meanwhile"):
        ledger.ask(looked_at)
    assert deletions(ledger) == set()

    ledger.promote("1", "archived")
    ledger.ask(looked_at)
    assert deletions(ledger)


@pytest.mark.parametrize("operation", [DeleteSnapshot(id="s"), DeletePipeline(name="p", runs=("r",))])
def test_what_came_to_be_scheduled_stays(ledger: Ledger, operation: Any) -> None:
    ledger.ask(CreateSnapshot(id="s", pipeline="p", name="nightly", digest="d"))
    schedule(ledger)

    with pytest.raises(ConflictError, match="schedule 'every_night' has come to use it"):
        ledger.ask(operation)

    assert deletions(ledger) == set()
    assert ledger.rows["snapshot"]


def test_a_pipeline_goes_in_one_operation_with_the_snapshots_that_there_are_by_then(ledger: Ledger) -> None:
    for name in ("one", "two"):
        ledger.ask(CreateSnapshot(id=name, pipeline="p", name=name, digest="d", tags=(LATEST,)))
    ledger.ask(CreateSnapshot(id="other", pipeline="q", name="other", digest="d"))

    ledger.ask(DeletePipeline(name="p", runs=("r",)))

    assert ledger.rows["snapshot"].keys() == {"other"}
    assert deletions(ledger) == {("snapshot", "one"), ("snapshot", "two"), ("run", "r"), ("pipeline", "p")}
    assert ledger.bearers("latest", Kind.SNAPSHOT) == set()


def test_a_model_goes_with_its_versions_and_nobody_else_loses_an_exclusive_tag(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.version()
    first = next(iter(ledger.rows["model_version"]))
    ledger.tag([LATEST], first, kind=Kind.MODEL_VERSION, scope="iris")
    ledger.tag([LATEST], first, kind=Kind.RUN, scope="iris")
    ledger.tag([LATEST], "a1", kind=Kind.ARTIFACT_VERSION, scope="iris")

    ledger.ask(DeleteModel(name="iris"))

    assert ledger.bearers("latest", Kind.MODEL_VERSION) == set()
    assert ledger.bearers("latest", Kind.RUN) == {first}
    assert ledger.bearers("latest", Kind.ARTIFACT_VERSION) == {"a1"}
    assert ("model", "iris") in deletions(ledger)
