"""The law of the operation log: what is replayed is what was decided, and what is refused never was."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nbpipe.base.digest import canonical_json
from nbpipe.errors import UserError
from nbpipe.records.models import ModelConfig, ModelStages
from nbpipe.records.operations import (
    ActivateSchedule,
    AddTags,
    ArtifactTags,
    ChangeSchedule,
    ChangeSnapshot,
    ClaimFirings,
    CreateSchedule,
    CreateSnapshot,
    DeleteArtifacts,
    DeleteDeployment,
    DeleteModelVersion,
    DeleteRuns,
    DeleteSchedule,
    DeleteSnapshot,
    DeleteTag,
    DescribeModel,
    EndRun,
    KeepPromise,
    NamedArtifact,
    NumberArtifacts,
    OpenModelVersion,
    PointedAt,
    Promise,
    RemoveTags,
    RenameModelVersion,
    RenameRun,
    RenameTag,
    RestartDeployment,
    SetStage,
    StartDeployment,
    StopDeployment,
    Timing,
)
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.records.state import OperationState
from nbpipe.records.tags import Tag, as_tags
from tests.records.ledger import Ledger

TAG_NAMES = st.sampled_from(["latest", "best", "v1"])
MODELS = st.sampled_from(["iris", "rose"])
VERSIONS = st.sampled_from([None, "1", "2", "one", "two", "production", "latest"])
NAMES = st.sampled_from(["", "nightly", "weekly"])
IDS = st.sampled_from(["id-1", "id-2", "id-3"])
FLAGS = st.fixed_dictionaries({}, optional={"exclusive": st.booleans(), "cascade": st.booleans()})
TAGS = st.lists(
    st.builds(lambda name, flags: Tag(name=name, **flags), TAG_NAMES, FLAGS), max_size=2, unique_by=lambda t: t.name
).map(as_tags)
TARGETS = st.builds(
    PointedAt, kind=st.sampled_from([Kind.RUN, Kind.ARTIFACT_VERSION, Kind.PIPELINE]), id=IDS, scope=NAMES
).map(lambda one: (one,))
ARTIFACTS = st.lists(st.builds(NamedArtifact, id=IDS, name=st.sampled_from(["a", "b"])), max_size=2).map(tuple)
TAGGED = st.lists(st.builds(ArtifactTags, id=IDS, name=st.sampled_from(["a", "b"]), tags=TAGS), max_size=2).map(tuple)
DUE = st.integers(0, 5).map(lambda hour: datetime(2026, 11, 21, hour, tzinfo=UTC))
TIMINGS = st.builds(
    Timing,
    cron_expression=st.just("0 2 * * *"),
    timezone=st.just("UTC"),
    catchup=st.just("last"),
    overlap=st.just("skip"),
)
PROMISES = st.lists(st.builds(Promise, run_id=IDS, due=DUE, alone=st.booleans()), max_size=2).map(tuple)
OPERATIONS = st.one_of(
    st.builds(
        CreateSchedule,
        id=IDS,
        name=st.sampled_from(["a", "b"]),
        pipeline=st.just("p"),
        snapshot_id=IDS,
        timing=TIMINGS,
        since=DUE,
    ),
    st.builds(ChangeSchedule, id=IDS, name=st.sampled_from(["a", "b"]), since=DUE),
    st.builds(ActivateSchedule, id=IDS, active=st.booleans(), since=DUE),
    st.builds(DeleteSchedule, id=IDS, for_good=st.booleans()),
    st.builds(ClaimFirings, id=IDS, since=DUE, until=DUE, promises=PROMISES, skipped=st.none() | DUE),
    st.builds(KeepPromise, id=IDS, due=DUE, run_id=IDS, error=st.sampled_from(["", "gone"])),
    st.builds(
        StartDeployment,
        id=IDS,
        name=st.sampled_from(["a", "b"]),
        pipeline=st.just("p"),
        snapshot_id=IDS,
        url=st.just("http://127.0.0.1:8000"),
        settings=st.sampled_from([{}, {"timeout_s": 30}]),
        replace=st.booleans(),
    ),
    st.builds(RestartDeployment, id=IDS, url=st.just("http://127.0.0.1:8001")),
    st.builds(StopDeployment, id=IDS),
    st.builds(DeleteDeployment, id=IDS),
    st.builds(AddTags, tags=TAGS, targets=TARGETS),
    st.builds(RemoveTags, names=TAG_NAMES.map(lambda name: (name,)), targets=TARGETS),
    st.builds(RenameTag, name=TAG_NAMES, to=TAG_NAMES),
    st.builds(DeleteTag, name=TAG_NAMES),
    st.builds(OpenModelVersion, model=st.builds(ModelConfig, name=MODELS, tags=TAGS), version=VERSIONS, run_id=IDS),
    st.builds(
        SetStage, model=MODELS, version=VERSIONS, stage=st.sampled_from(list(ModelStages)[:4]), force=st.booleans()
    ),
    st.builds(RenameModelVersion, model=MODELS, version=VERSIONS.map(str), to=st.sampled_from(["one", "two", "three"])),
    st.builds(DeleteModelVersion, model=MODELS, version=VERSIONS.map(str), force=st.booleans()),
    st.builds(DescribeModel, name=MODELS, description=NAMES),
    st.builds(
        CreateSnapshot,
        id=IDS,
        pipeline=st.sampled_from(["p", "q"]),
        name=NAMES,
        digest=st.just("d"),
        replace=st.booleans(),
        tags=TAGS,
    ),
    st.builds(ChangeSnapshot, id=IDS, name=st.none() | NAMES),
    st.builds(DeleteSnapshot, id=IDS),
    st.builds(RenameRun, id=IDS, to=st.sampled_from(["one", "two"])),
    st.builds(DeleteRuns, ids=st.lists(IDS, max_size=2).map(tuple)),
    st.builds(DeleteArtifacts, ids=st.lists(IDS, max_size=2).map(tuple)),
    st.builds(NumberArtifacts, run_id=IDS, made=ARTIFACTS, tagged=TAGGED, tags=TAGS),
    st.builds(
        EndRun,
        run_id=IDS,
        pipeline=st.sampled_from(["p", "q"]),
        status=st.sampled_from(Status),
        tags=TAGS,
        made=ARTIFACTS,
        reached=ARTIFACTS,
        tagged=TAGGED,
        model_version_id=st.sampled_from(["", "FIRST"]),
        model_tags=TAGS,
    ),
)


def asked(ledger: Ledger, operation: Any) -> bool:
    """Ask an operation, with the id of a version that is there where it wants one; tell whether it was decided."""
    if getattr(operation, "model_version_id", "") == "FIRST":
        first = next(iter(ledger.rows.get("model_version", {})), "")
        operation = operation.model_copy(update={"model_version_id": first})
    try:
        ledger.ask(operation)
    except UserError:
        return False
    return True


def text_of(state: OperationState) -> str:
    return canonical_json(state.to_json()).decode()


@given(operations=st.lists(OPERATIONS, max_size=25))
def test_replaying_the_changes_gives_the_state_that_was_decided_on(operations: list[Any]) -> None:
    ledger = Ledger()
    for operation in operations:
        asked(ledger, operation)

    replayed = OperationState()
    for change in ledger.changes:
        replayed.apply(change)

    assert text_of(replayed) == text_of(ledger.state)


@given(operations=st.lists(OPERATIONS, min_size=1, max_size=15))
def test_a_decision_leaves_the_state_alone_until_it_is_applied(operations: list[Any]) -> None:
    ledger = Ledger()
    for operation in operations[:-1]:
        asked(ledger, operation)
    before = text_of(ledger.state)

    for _ in range(2):
        with suppress(UserError):
            operations[-1].decide(ledger.state, 99, "2026-11-20T08:15:30+00:00", "ada")

        assert text_of(ledger.state) == before


@given(operations=st.lists(OPERATIONS, max_size=20), place=st.integers(0, 20))
def test_a_state_that_was_written_down_goes_on_like_the_one_that_was_not(operations: list[Any], place: int) -> None:
    straight, saved = Ledger(), Ledger()

    for n, operation in enumerate(operations):
        if n == place:
            saved.state = OperationState.from_json(json.loads(text_of(saved.state)))
        assert asked(straight, operation) == asked(saved, operation)

    parts = ("holders", "stages", "version_names", "snapshot_names", "schedule_names", "deployment_names", "tag_ids")
    for part in parts:
        alive = {key: value is not None for key, value in getattr(straight.state, part).items() if value is not None}
        again = {key: value is not None for key, value in getattr(saved.state, part).items() if value is not None}
        # Ids are made anew by each decision; the names they stand for are the same.
        assert sorted(key.split("\0")[-1] for key in alive) == sorted(key.split("\0")[-1] for key in again)
    assert straight.state.model_numbers == saved.state.model_numbers
    assert straight.state.artifact_numbers == saved.state.artifact_numbers


@given(operations=st.lists(OPERATIONS, max_size=25))
def test_the_state_says_what_the_rows_say(operations: list[Any]) -> None:
    ledger = Ledger()
    for operation in operations:
        asked(ledger, operation)
    state, rows = ledger.state, ledger.rows

    assert {key for key, held in state.tag_ids.items() if held} == {row["name"] for row in rows.get("tag", {}).values()}
    for row in rows.get("tag", {}).values():
        if not row["exclusive"]:
            continue
        held = [tagging for tagging in rows.get("tagging", {}).values() if tagging["tag_id"] == row["id"]]
        places = [(tagging["entity_kind"], tagging["scope"]) for tagging in held]
        assert len(places) == len(set(places))
        for tagging in held:
            assert (
                state.holders["\0".join((row["id"], tagging["entity_kind"], tagging["scope"]))] == tagging["entity_id"]
            )
    for version in rows.get("model_version", {}).values():
        assert state.versions[version["id"]] == version
        if version["stage"] in ("staging", "production"):
            assert state.stages[f"{version['model']}\0{version['stage']}"] == version["id"]
    names = [(row["pipeline"], row["name"]) for row in rows.get("snapshot", {}).values() if row["name"]]
    assert len(names) == len(set(names))
