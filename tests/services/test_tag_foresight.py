"""What putting tags on things would do is told before it is done, and is what then happens."""

from __future__ import annotations

from typing import Any

import pytest

from nbpipe.errors import BadValueError, NbpipeError, NotFoundError
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.records.tags import Tag
from nbpipe.services.tags import TagService
from nbpipe.services.workspace import Workspace
from tests.services.building import case, lines_written, open_version, record_run

LATEST = Tag(name="latest", exclusive=True)


@pytest.fixture
def tags(opened_workspace: Workspace) -> TagService:
    return TagService(opened_workspace)


def test_who_would_lose_an_exclusive_tag_is_named(tags: TagService, opened_workspace: Workspace) -> None:
    record_run(opened_workspace, tags=[LATEST], name="monday")
    second = record_run(opened_workspace, name="tuesday")
    before = lines_written(opened_workspace)

    (effect,) = tags.foresee(["latest"], f"run:{second.id}")

    assert effect.losers == ((Kind.RUN, "monday"),)
    assert (effect.is_new, effect.exclusive, effect.problem) == (False, True, "")
    assert effect.said == "latest (exclusive) moves from run monday to run tuesday."
    assert lines_written(opened_workspace) == before


def test_how_far_a_cascading_tag_would_go_is_counted(tags: TagService, opened_workspace: Workspace) -> None:
    record_run(opened_workspace, tags=[Tag(name="exp", cascade=True)])
    other = record_run(opened_workspace, outputs={"a": 1, "b": 2}, name="tuesday")

    (effect,) = tags.foresee(["exp"], f"run:{other.id}")

    assert effect.reached == 2
    assert effect.said == "exp (cascade) goes to run tuesday, and reaches 2 artifact versions."
    assert tags.add(["exp"], run=other.id).reached == {"exp": 2}
    assert tags.foresee(["exp"], f"run:{other.id}")[0].said == "exp (cascade) is there already."


def test_both_flags_tell_both(tags: TagService, opened_workspace: Workspace) -> None:
    both = Tag(name="now", exclusive=True, cascade=True)
    record_run(opened_workspace, outputs={"a": 1}, tags=[both], name="monday")
    second = record_run(opened_workspace, outputs={"a": 2, "b": 1}, name="tuesday")

    (effect,) = tags.foresee(["now"], f"run:{second.id}")

    assert effect.losers == ((Kind.RUN, "monday"), (Kind.ARTIFACT_VERSION, "a@1"))
    assert effect.reached == 2


RAISED: list[Any] = [
    (Tag(name="latest", exclusive=False), ["run:good"]),
    ("latest", ["pipeline:training"]),
    ("latest", ["run:bad"]),
    ("latest", ["run:good", "run:other"]),
    (Tag(name="new", cascade=True), ["run:good"]),
    (Tag(name="new", exclusive=True), ["artifact:raw"]),
    (Tag(name="new", exclusive=True), ["run:going"]),
]


def test_what_would_be_raised_is_told_in_the_same_words(tags: TagService, opened_workspace: Workspace) -> None:
    record_run(opened_workspace, name="good", outputs={"raw": 1}, tags=[LATEST])
    record_run(opened_workspace, name="other")
    record_run(opened_workspace, name="bad", status=Status.FAILED)
    record_run(opened_workspace, name="going", status=None)
    before = lines_written(opened_workspace)

    for tag, targets in RAISED:
        with case(tag, targets):
            (effect,) = tags.foresee([tag], targets)

            with pytest.raises(NbpipeError) as raised:
                tags.add([tag], to=targets)
            assert effect.problem == effect.said == str(raised.value)
            assert lines_written(opened_workspace) == before


def test_each_tag_is_told_by_itself(tags: TagService, opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace, tags=["there"], name="monday")
    open_version(opened_workspace, "iris")

    effects = tags.foresee(["there", "new", Tag(name="there")], [f"run:{run.id}", "model:iris@1"])

    assert [effect.said for effect in effects] == [
        "there goes to iris@1.",
        "new (new) goes to run monday and iris@1.",
    ]
    assert list(effects.df()["name"]) == ["there", "new"]


def test_what_is_no_tag_or_no_target_is_refused(tags: TagService, opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace)
    with pytest.raises(BadValueError):
        tags.foresee("v1", f"run:{run.id}")
    with pytest.raises(NotFoundError):
        tags.foresee(["v1"], "run:nothing")
    with pytest.raises(BadValueError):
        tags.foresee(["v1"], [])
    assert tags.foresee([], f"run:{run.id}") == []
