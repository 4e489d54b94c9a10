"""Tags through the service: the rules of the words are tested with the records."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import Any

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError, ConflictError, NotFoundError
from nbpipe.records.refs import Kind
from nbpipe.records.tags import Tag
from nbpipe.services.artifacts import ArtifactService
from nbpipe.services.tags import TagService, tags_of
from nbpipe.services.workspace import Workspace
from tests.services.building import case, create_snapshot, lines_written, open_version, opened, record_run


@pytest.fixture
def tags(opened_workspace: Workspace) -> TagService:
    return TagService(opened_workspace)


def test_a_tag_reaches_every_kind_of_target_and_is_counted(tags: TagService, opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace, outputs={"raw": [1, 2]})
    version = open_version(opened_workspace, "iris")
    snapshot = create_snapshot(opened_workspace)

    answer = tags.add(
        ["seen"],
        run=run.name,
        artifact="raw",
        artifact_version="raw@1",
        model="iris",
        model_version="iris@1",
        pipeline="training",
        snapshot="nightly",
    )

    assert {(target.kind, target.id) for target in answer.targets} == {
        (Kind.RUN, run.id),
        (Kind.ARTIFACT, "raw"),
        (Kind.ARTIFACT_VERSION, run.artifacts["raw"]),
        (Kind.MODEL, "iris"),
        (Kind.MODEL_VERSION, version),
        (Kind.PIPELINE, "training"),
        (Kind.SNAPSHOT, snapshot),
    }
    assert tags.get("seen").count == 7
    assert {holder.id for holder in tags.holders("seen")} == {target.id for target in answer.targets}


def test_a_bare_artifact_name_tags_the_artifact_and_not_a_version(
    tags: TagService, opened_workspace: Workspace
) -> None:
    run = record_run(opened_workspace, outputs={"my_artifact": 1})

    tags.add(["v1"], artifact="my_artifact")

    assert tags_of(opened_workspace, Kind.ARTIFACT, "my_artifact") == ["v1"]
    assert tags_of(opened_workspace, Kind.ARTIFACT_VERSION, run.artifacts["my_artifact"]) == []


def test_an_exclusive_tag_moves_within_its_scope_and_says_who_lost_it(
    tags: TagService, opened_workspace: Workspace
) -> None:
    first, second = record_run(opened_workspace), record_run(opened_workspace)
    other = record_run(opened_workspace, "inference")
    tags.add([Tag(name="latest", exclusive=True)], run=first.id)
    tags.add(["latest"], run=other.id)

    answer = tags.add(["latest"], run=second.id)

    assert answer.lost == {"latest": first.id}
    assert {holder.id for holder in tags.holders("latest")} == {second.id, other.id}


@pytest.mark.parametrize("declared", [Tag(name="latest", exclusive=True), "latest"], ids=["declared", "by name"])
def test_an_exclusive_tag_for_two_runs_of_one_pipeline_is_refused_and_stays(
    tags: TagService, opened_workspace: Workspace, declared: Tag | str
) -> None:
    holder, first, second = (record_run(opened_workspace) for _ in range(3))
    tags.add([Tag(name="latest", exclusive=True)], run=holder.id)

    with pytest.raises(ConflictError, match="one run of 'training' can hold it"):
        tags.add(["plain", declared], run=[first.id, second.id])

    assert [found.id for found in tags.holders("latest")] == [holder.id]
    assert [tag.name for tag in tags.list()] == ["latest"]


REFUSED: list[dict[str, Any]] = [
    {"tags": [Tag(name="only", exclusive=True)], "pipeline": "training"},
    {"tags": [Tag(name="only", exclusive=True)], "artifact": "raw"},
    {"tags": [Tag(name="only", exclusive=True)], "model": "iris"},
    {"tags": [Tag(name="down", cascade=True)], "run": "RUN"},
    {"tags": ["fresh", Tag(name="known", exclusive=True)], "run": "RUN"},
]


def test_a_refused_attachment_leaves_nothing_behind(tags: TagService, opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace, outputs={"raw": 1})
    open_version(opened_workspace, "iris")
    tags.add(["known"], run=run.id)
    before = lines_written(opened_workspace)

    for refused in REFUSED:
        with case(refused):
            with pytest.raises(ConflictError):
                tags.add(**{**refused, **({"run": run.id} if "run" in refused else {})})

            assert lines_written(opened_workspace) == before
            assert [tag.name for tag in tags.list()] == ["known"]


def test_one_missing_target_among_several_leaves_the_others_untagged(
    tags: TagService, opened_workspace: Workspace
) -> None:
    run = record_run(opened_workspace)

    with pytest.raises(NotFoundError, match=r"No pipeline is named 'trainin'.*'training'"):
        tags.add(["v1"], run=run.id, pipeline="trainin")

    assert list(tags.list()) == []


BAD_TAGS: list[Any] = ["v1", [""], [7], ["1f3a9c22-0000-4000-8000-000000000000"], ["a" * 256], ["a\nb"]]


def test_a_bad_tag_is_refused_in_a_line_that_names_it(tags: TagService, opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace)

    for bad in BAD_TAGS:
        with case(bad):
            with pytest.raises(BadValueError) as refusal:
                tags.add(bad, run=run.id)

            assert "\n" not in str(refusal.value)
            assert list(tags.list()) == []


def test_no_target_is_refused_with_the_ways_to_name_one(tags: TagService) -> None:
    with pytest.raises(BadValueError, match=r"run=.*artifact=.*model=.*pipeline="):
        tags.add(["v1"])


def test_removing_tells_how_many_were_taken(tags: TagService, opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace)
    tags.add(["one", "two"], run=run.id, pipeline="training")

    assert tags.remove(["one", "never"], run=run.id, pipeline="training") == 2
    before = lines_written(opened_workspace)
    assert tags.remove(["one"], run=run.id) == 0
    assert lines_written(opened_workspace) == before
    assert tags_of(opened_workspace, Kind.RUN, run.id) == ["two"]


@pytest.mark.parametrize("takes", ["remove", "delete"])
def test_of_many_who_take_a_tag_at_once_one_has_taken_it(
    tags: TagService, opened_workspace: Workspace, takes: str
) -> None:
    run = record_run(opened_workspace)
    tags.add(["t", "other"], run=run.id)
    at_once = Barrier(8)

    def take(_: int) -> int:
        at_once.wait()
        with suppress(NotFoundError):
            return tags.delete("t") if takes == "delete" else tags.remove(["t"], run=run.id)
        return 0

    with ThreadPoolExecutor(8) as threads:
        counts = list(threads.map(take, range(8)))

    assert sorted(counts) == [0] * 7 + [1]


def test_removing_from_what_does_not_exist_is_refused(tags: TagService) -> None:
    with pytest.raises(NotFoundError, match="No pipeline is named 'my_pipeline'"):
        tags.remove(["old"], pipeline="my_pipeline")


def test_an_exclusive_tag_that_was_removed_can_be_given_again(tags: TagService, opened_workspace: Workspace) -> None:
    first, second = record_run(opened_workspace), record_run(opened_workspace)
    tags.add([Tag(name="latest", exclusive=True)], run=first.id)

    tags.remove(["latest"], run=first.id)

    assert tags.add(["latest"], run=second.id).lost == {}


def test_renaming_reaches_every_holder_and_deleting_tells_how_many_lost_it(
    tags: TagService, opened_workspace: Workspace
) -> None:
    runs = [record_run(opened_workspace) for _ in range(3)]
    tags.add(["old"], run=[run.id for run in runs])

    renamed = tags.rename("old", "new")

    assert (renamed.name, renamed.count) == ("new", 3)
    assert tags_of(opened_workspace, Kind.RUN, runs[0].id) == ["new"]
    assert tags.delete("new") == 3
    assert tags_of(opened_workspace, Kind.RUN, runs[0].id) == []
    with pytest.raises(NotFoundError):
        tags.get("new")


def test_a_tag_that_is_deleted_and_made_again_has_no_holders_from_before(
    tags: TagService, opened_workspace: Workspace
) -> None:
    first, second = record_run(opened_workspace), record_run(opened_workspace)
    tags.add([Tag(name="best", exclusive=True)], run=first.id)
    tags.delete("best")

    answer = tags.add(["best"], run=[second.id])

    assert answer.lost == {}
    assert [holder.id for holder in tags.holders("best")] == [second.id]
    assert not tags.get("best").exclusive


def test_renaming_to_a_name_that_is_taken_is_refused(tags: TagService, opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace)
    tags.add(["one", "two"], run=run.id)

    with pytest.raises(ConflictError, match="'two' exists already"):
        tags.rename("one", "two")


def test_a_mistyped_tag_is_answered_with_the_nearest(tags: TagService, opened_workspace: Workspace) -> None:
    tags.add(["production-ready"], run=record_run(opened_workspace).id)

    with pytest.raises(NotFoundError, match="'production-ready'"):
        tags.delete("producton-ready")


def test_tags_are_listed_by_the_beginning_or_a_part_of_their_names(
    tags: TagService, opened_workspace: Workspace
) -> None:
    tags.add(["exp-1", "exp-2", "best"], run=record_run(opened_workspace).id)

    assert {tag.name for tag in tags.list(prefix="exp-")} == {"exp-1", "exp-2"}
    assert [tag.name for tag in tags.list(contains="es")] == ["best"]
    assert set(tags.list().df()["name"]) == {"exp-1", "exp-2", "best"}


def test_a_record_or_a_listing_of_records_can_be_the_target(tags: TagService, opened_workspace: Workspace) -> None:
    for value in (1, 2):
        record_run(opened_workspace, outputs={"raw": value})
    artifacts = ArtifactService(opened_workspace)

    tags.add(["checked"], artifact=artifacts.list(name="raw"))
    tags.add(["newest"], to=artifacts.get("raw"))

    assert [artifact.tags for artifact in artifacts.list(name="raw")] == [["checked", "newest"], ["checked"]]


def test_tags_are_there_when_the_workspace_is_opened_again(workspace: WorkspacePaths) -> None:
    with opened(workspace) as first:
        run = record_run(first, tags=["training", Tag(name="latest", exclusive=True)])
        first.catalog.publish()

    with opened(workspace) as second:
        assert set(tags_of(second, Kind.RUN, run.id)) == {"training", "latest"}
        assert TagService(second).get("latest").exclusive
