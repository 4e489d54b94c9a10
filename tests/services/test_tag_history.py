"""Tag history: who bore a tag from when to when, and by whom each got and lost it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest

from nbpipe.base.ids import new_id
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.operations import EndRun, NamedArtifact
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.records.tags import Tag
from nbpipe.services.client import Client
from nbpipe.services.tags import TagService, tags_of
from nbpipe.services.workspace import Workspace
from tests.services.building import create_snapshot, open_version, opened, record_run

LATEST = Tag(name="latest", exclusive=True)
History = Callable[[TagService, Workspace], Iterator[bool]]
Outcomes = dict[History, Exception | None]


@pytest.fixture
def tags(opened_workspace: Workspace) -> TagService:
    return TagService(opened_workspace)


def told(tags: TagService, name: str) -> list[tuple]:
    """Give the tenures of a tag, oldest first: (label, gave, took, taken to)."""
    return [(t.label, t.got_through, t.lost_through, t.lost_to) for t in reversed(tags.history(name))]


# Each of these is one history. It says with `yield False` where something may be published, with `yield True` where
# that may be done for the last time, and asks then. They share a workspace, in which each has tags of its own.


def history_keeps_who_held_an_exclusive_tag_when(tags: TagService, workspace: Workspace) -> Iterator[bool]:
    held = Tag(name="held", exclusive=True)
    first = record_run(workspace, tags=[held])
    yield False
    second = record_run(workspace, tags=[held])
    yield False
    third = record_run(workspace)
    tags.add(["held"], run=third.id)
    yield True

    now, before, oldest = tags.history("held")

    assert [one.id for one in (now, before, oldest)] == [third.id, second.id, first.id]
    assert (oldest.lost, oldest.lost_to, oldest.lost_run_id) == (before.got, second.name, second.id)
    assert (before.lost, before.lost_to, before.lost_run_id) == (now.got, third.name, "")
    assert (now.holds, now.lost, now.lost_to) == (True, None, "")
    assert [one.got_run_id for one in (now, before, oldest)] == ["", second.id, first.id]
    assert now.got_by == before.lost_by != ""
    assert told(tags, "held") == [
        (first.name, "end_run", "end_run", second.name),
        (second.name, "end_run", "add_tags", third.name),
        (third.name, "add_tags", "", ""),
    ]


def scopes_have_histories_of_their_own(tags: TagService, workspace: Workspace) -> Iterator[bool]:
    scoped = Tag(name="scoped", exclusive=True)
    first = record_run(workspace, tags=[scoped])
    record_run(workspace, "inference", tags=[scoped])
    yield True
    record_run(workspace, "inference", tags=[scoped])

    kept = {one.scope: one for one in tags.history("scoped") if not one.holds}

    assert kept.keys() == {"inference"}
    assert tags.history(of=f"run:{first.id}")[0].holds


def a_tag_that_was_removed_and_given_again_has_two_tenures(tags: TagService, workspace: Workspace) -> Iterator[bool]:
    run = record_run(workspace, outputs={"twice": 1})
    tags.add(["checked"], artifact="twice@1")
    yield False
    tags.remove(["checked"], artifact="twice@1")
    yield False
    tags.add(["checked"], artifact="twice@1")
    yield True

    assert told(tags, "checked") == [
        ("twice@1", "add_tags", "remove_tags", ""),
        ("twice@1", "add_tags", "", ""),
    ]
    assert {one.id for one in tags.history("checked")} == {run.artifacts["twice"]}


def a_holder_that_gets_its_exclusive_tag_once_more_holds_it_since_it_got_it(
    tags: TagService, workspace: Workspace
) -> Iterator[bool]:
    once_more = Tag(name="once-more", exclusive=True)
    run = record_run(workspace, tags=[once_more])
    since = tags.history("once-more")[0].got
    yield False

    tags.add(["once-more"], run=run.id)
    yield True

    (only,) = tags.history("once-more")
    assert (only.got, only.got_through) == (since, "end_run")


def what_gets_a_tag_once_more_bears_it_since_it_got_it_first(tags: TagService, workspace: Workspace) -> Iterator[bool]:
    run = record_run(workspace, outputs={"seen": 1}, tags=["plain"])
    tags.add(["seen"], run=run.id)
    before = tags.history(of=f"run:{run.id}")
    yield False

    tags.add(["seen", "plain"], run=run.id)
    tags.add(["plain", "seen"], run=run.id)
    yield True

    assert tags.history(of=f"run:{run.id}") == before
    assert tags_of(workspace, Kind.RUN, run.id) == ["plain", "seen"]
    assert tags.holders("plain")[0].since == before[-1].got


def a_cascading_tag_stays_since_when_it_was_on_what_a_later_run_reuses(
    tags: TagService, workspace: Workspace
) -> Iterator[bool]:
    team = Tag(name="team", cascade=True)
    run = record_run(workspace, outputs={"reused": 1}, tags=[team])
    before = tags.history("team")
    yield False

    made = (NamedArtifact(id=run.artifacts["reused"], name="reused"),)
    again = EndRun(run_id=new_id(), pipeline="training", status=Status.COMPLETED, tags=(team,), reached=made)
    workspace.catalog.transact(again)
    yield True

    assert [one for one in tags.history("team") if one.id != again.run_id] == before


def what_is_deleted_loses_its_tags_by_that_and_history_tells(tags: TagService, workspace: Workspace) -> Iterator[bool]:
    run = record_run(workspace, outputs={"raw": 1}, model="iris", tags=["v0"])
    version, snapshot = run.model_version_id, create_snapshot(workspace)
    tags.add(["doomed"], run=run.id, artifact=["raw", "raw@1"], model=["iris", "iris@1"], to="snapshot:nightly")
    yield False
    client = Client(workspace.paths.root)

    client.runs.delete(run.id)
    client.artifacts.delete(run.artifacts["raw"])
    yield False
    client.models.delete_model("iris")
    client.snapshots.delete(snapshot)
    yield True

    assert {(one.kind, one.id, one.lost_through) for one in tags.history("doomed")} == {
        (Kind.RUN, run.id, "delete_runs"),
        (Kind.ARTIFACT, "raw", "delete_artifacts"),
        (Kind.ARTIFACT_VERSION, run.artifacts["raw"], "delete_artifacts"),
        (Kind.MODEL, "iris", "delete_model"),
        (Kind.MODEL_VERSION, version, "delete_model"),
        (Kind.SNAPSHOT, snapshot, "delete_snapshot"),
    }
    assert tags.history("v0")[0].lost is not None
    assert tags.holders("doomed") == []


def a_deleted_tag_has_its_history_still(tags: TagService, workspace: Workspace) -> Iterator[bool]:
    struck = Tag(name="struck", exclusive=True)
    record_run(workspace, tags=[struck, "v1"])
    yield False
    record_run(workspace, tags=[struck, "v1"])
    yield False
    tags.delete("struck")
    yield True

    assert [through for _, _, through, _ in told(tags, "struck")] == ["end_run", "delete_tag"]
    assert not any(one.holds for one in tags.history("struck"))
    assert all(one.holds for one in tags.history("v1"))


def history_goes_by_the_name_that_a_tag_has_now(tags: TagService, workspace: Workspace) -> Iterator[bool]:
    former = Tag(name="former", exclusive=True)
    record_run(workspace, tags=[former])
    yield False
    record_run(workspace, tags=[former])
    tags.rename("former", "newest")
    yield True

    assert len(tags.history("newest")) == 2
    with pytest.raises(NotFoundError, match="'newest'"):
        tags.history("newes")


HISTORIES = [
    history_keeps_who_held_an_exclusive_tag_when,
    scopes_have_histories_of_their_own,
    a_tag_that_was_removed_and_given_again_has_two_tenures,
    a_holder_that_gets_its_exclusive_tag_once_more_holds_it_since_it_got_it,
    what_gets_a_tag_once_more_bears_it_since_it_got_it_first,
    a_cascading_tag_stays_since_when_it_was_on_what_a_later_run_reuses,
    what_is_deleted_loses_its_tags_by_that_and_history_tells,
    a_deleted_tag_has_its_history_still,
    history_goes_by_the_name_that_a_tag_has_now,
]


@pytest.fixture(scope="module", params=["in the tail", "published", "published each time"])
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Let all histories happen side by side, publish never, at last, or after everything, and tell what failed."""
    found: Outcomes = dict.fromkeys(HISTORIES)
    with opened(WorkspacePaths(tmp_path_factory.mktemp("histories") / ".nbpipe").ensure()) as workspace:
        going_on = {history: history(TagService(workspace), workspace) for history in HISTORIES}
        settled: dict[History, bool] = {}

        def go_on(history: History) -> None:
            try:
                settled[history] = next(going_on[history], True)
            except Exception as error:
                found[history], settled[history] = error, True

        while not all(settled.get(history) for history in HISTORIES):
            for history in HISTORIES:
                if not settled.get(history):
                    go_on(history)
            if request.param == "published each time":
                workspace.catalog.publish()
        if request.param == "published":
            workspace.catalog.publish()
        for history in HISTORIES:
            if found[history] is None:
                go_on(history)
    return found


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.__name__)
def test_history_says_the_same_whether_it_is_published_or_not(outcomes: Outcomes, history: History) -> None:
    failed = outcomes[history]
    if failed is not None:
        raise failed


def test_a_tag_that_is_taken_and_given_in_one_go_is_borne_since_then(
    tags: TagService, opened_workspace: Workspace
) -> None:
    run = record_run(opened_workspace)
    for _ in range(2):
        tags.add(["seen"], run=run.id)
    tags.remove(["seen"], run=run.id)
    for _ in range(2):
        tags.add(["seen"], run=run.id)
    now, before = tags.history("seen")

    assert before.got < before.lost < now.got
    opened_workspace.catalog.rebuild()
    assert tags.history("seen") == [now, before]


@pytest.mark.parametrize("status", [Status.FAILED, Status.INTERRUPTED])
def test_a_run_that_did_not_succeed_is_nowhere_in_the_history(
    tags: TagService, opened_workspace: Workspace, status: Status
) -> None:
    good = record_run(opened_workspace, tags=[LATEST])
    record_run(opened_workspace, tags=[LATEST], status=status)

    assert [(one.id, one.holds) for one in tags.history("latest")] == [(good.id, True)]


def test_a_tag_made_anew_under_the_name_of_a_deleted_one_goes_on_with_its_history(
    tags: TagService, opened_workspace: Workspace
) -> None:
    first, second = record_run(opened_workspace), record_run(opened_workspace)
    tags.add([LATEST], run=first.id)
    tags.delete("latest")
    tags.add(["latest"], run=second.id)

    assert [(one.id, one.holds) for one in tags.history("latest")] == [(second.id, True), (first.id, False)]


def test_of_two_versions_made_by_one_run_the_first_never_held_the_tag(
    tags: TagService, opened_workspace: Workspace
) -> None:
    both = Tag(name="now", exclusive=True, cascade=True)
    record_run(opened_workspace, outputs={"raw": 1}, tags=[both])
    second = record_run(opened_workspace, outputs={"raw": 2}, tags=[both])

    versions = [one for one in tags.history("now") if one.kind is Kind.ARTIFACT_VERSION]

    assert [(one.label, one.holds) for one in versions] == [("raw@2", True), ("raw@1", False)]
    assert versions[0].got_run_id == versions[1].lost_run_id == second.id


def test_a_thing_has_a_history_of_all_its_tags(tags: TagService, opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace, tags=["training", LATEST])
    record_run(opened_workspace, tags=["training", LATEST])
    tags.remove(["training"], run=run.id)

    history = tags.history(of=f"run:{run.id}")

    assert {(one.tag, one.lost_through) for one in history} == {("latest", "end_run"), ("training", "remove_tags")}
    assert [one.id for one in tags.history("latest", of=f"run:{run.id}")] == [run.id]


def test_everything_that_bears_tags_is_named_as_a_reader_knows_it(
    tags: TagService, opened_workspace: Workspace
) -> None:
    run = record_run(opened_workspace, outputs={"raw": 1}, name="monday")
    open_version(opened_workspace, "iris")
    create_snapshot(opened_workspace)
    tags.add(
        ["seen"],
        run=run.id,
        artifact=["raw", "raw@1"],
        model=["iris", "iris@1"],
        pipeline="training",
        to="snapshot:nightly",
    )

    assert {(one.kind, one.label) for one in tags.history("seen")} == {
        (Kind.RUN, "monday"),
        (Kind.ARTIFACT, "raw"),
        (Kind.ARTIFACT_VERSION, "raw@1"),
        (Kind.MODEL, "iris"),
        (Kind.MODEL_VERSION, "iris@1"),
        (Kind.PIPELINE, "training"),
        (Kind.SNAPSHOT, "nightly"),
    }


def test_a_history_can_be_cut_short_and_had_as_a_table(tags: TagService, opened_workspace: Workspace) -> None:
    runs = [record_run(opened_workspace, tags=[LATEST]) for _ in range(4)]

    newest = tags.history("latest", limit=2)

    assert list(newest.df()["id"]) == [runs[3].id, runs[2].id]
    assert len(tags.history("latest", limit=10**30)) == 4
    with pytest.raises(BadValueError, match="limit=0"):
        tags.history("latest", limit=0)


def test_whose_history_has_to_be_said(tags: TagService) -> None:
    with pytest.raises(BadValueError, match="of='run:"):
        tags.history()


def test_a_tag_that_nothing_bears_any_more_has_a_history_and_one_that_never_was_has_none(
    tags: TagService, opened_workspace: Workspace
) -> None:
    run = record_run(opened_workspace)
    tags.add(["brief"], run=run.id)
    tags.remove(["brief"], run=run.id)

    assert len(tags.history("brief")) == 1
    with pytest.raises(NotFoundError, match=r"No tag is named 'brie'.*'brief'"):
        tags.history("brie")


def test_history_is_read_anew_from_the_logs_alone(workspace: WorkspacePaths) -> None:
    with opened(workspace) as first:
        for _ in range(3):
            record_run(first, tags=[LATEST])
            first.catalog.publish()
        TagService(first).delete("latest")
        before = TagService(first).history("latest")
    shutil.rmtree(workspace.catalog)

    with opened(workspace) as again:
        assert TagService(again).history("latest") == before
        again.catalog.publish()
        assert TagService(again).history("latest") == before
