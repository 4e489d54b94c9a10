"""Artifacts through the service: found, filtered, loaded, followed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import AmbiguousNameError, BadValueError, NotFoundError, UntrustedArtifactError
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.runs import Status
from nbpipe.records.steps import UnmaterializedArtifact
from nbpipe.services.artifacts import ArtifactService
from nbpipe.services.tags import TagService
from nbpipe.services.workspace import Workspace
from tests.services.building import case, opened, record_run


class Account:
    """Something that only a pickle can hold."""

    def __init__(self, owner: str) -> None:
        self.owner = owner

    def __reduce__(self) -> tuple[Any, ...]:
        return Account, (self.owner,)


def from_elsewhere(workspace: Workspace, value: object) -> ArtifactVersion:
    """Store a value of which no log knows."""
    return workspace.store.keep({"account": value}, made_by="elsewhere").settled().versions["account"]


@pytest.fixture
def artifacts(opened_workspace: Workspace) -> ArtifactService:
    return ArtifactService(opened_workspace)


def test_a_version_is_found_by_name_number_id_prefix_and_record(
    artifacts: ArtifactService, opened_workspace: Workspace
) -> None:
    first = record_run(opened_workspace, outputs={"raw": "one"}).artifacts["raw"]
    second = record_run(opened_workspace, outputs={"raw": "two"}).artifacts["raw"]
    record = artifacts.get(first)

    pointer = UnmaterializedArtifact(first, "raw", 1, "str", "")
    ways: list[object] = ["raw@1", "artifact:raw@1", first, first[:13], first.upper(), record, ("raw", 1), pointer]

    assert [artifacts.get(way).id for way in ways] == [first] * len(ways)
    assert artifacts.get("raw", 1) == record
    assert artifacts.get("raw").id == artifacts.get("raw@latest").id == second
    assert (record.name, record.version, record.type, record.step) == ("raw", 1, "str", "make")


NOT_THERE: list[Any] = [
    ("raw@9", r"'raw@9'.* The newest is raw@1\."),
    ("row", r"No artifact is named 'row'.* Did you mean 'raw'\?"),
    ("row@1", r"No artifact is named 'row'.* Did you mean 'raw'\?"),
    ("ffffffff", "No artifact is named 'ffffffff'"),
    ("raw@" + "9" * 40, "No artifact version"),
]


def test_what_does_not_exist_is_answered_with_what_is_near(
    artifacts: ArtifactService, opened_workspace: Workspace
) -> None:
    record_run(opened_workspace, outputs={"raw": 1})

    for asked, said in NOT_THERE:
        with case(asked, said), pytest.raises(NotFoundError, match=said):
            artifacts.get(asked)


def test_a_name_may_hold_an_at_sign(artifacts: ArtifactService, opened_workspace: Workspace) -> None:
    record_run(opened_workspace, outputs={"me@home": 1})

    assert artifacts.get("me@home").name == "me@home"
    assert artifacts.get("me@home@1").version == 1


def test_a_version_has_no_number_while_its_run_goes_on_and_can_be_had_all_the_same(
    artifacts: ArtifactService, opened_workspace: Workspace
) -> None:
    record_run(opened_workspace, outputs={"raw": "old"})
    going_on = record_run(opened_workspace, outputs={"raw": "new"}, status=None)

    newest = artifacts.get("raw")

    assert (newest.id, newest.version) == (going_on.artifacts["raw"], None)
    assert newest.load() == "new"


VALUES: list[Any] = [7, "x" * 10_000, {"a": (1, {2})}, None, b"\x00" * 5000]


def test_a_value_is_loaded_as_it_was(artifacts: ArtifactService, opened_workspace: Workspace) -> None:
    for value in VALUES:
        with case(value):
            record_run(opened_workspace, outputs={"value": value})

            assert artifacts.load("value") == value
            assert artifacts.get("value").load() == value


def test_outputs_of_one_bundle_are_loaded_each_as_itself(
    artifacts: ArtifactService, opened_workspace: Workspace
) -> None:
    shared = [1, 2, 3]
    record_run(opened_workspace, outputs={"one": {"inner": shared}, "other": shared})

    assert artifacts.load("one") == {"inner": [1, 2, 3]}
    assert artifacts.load("other") == [1, 2, 3]


def test_a_pickle_that_this_workspace_recorded_is_loaded_without_asking(
    artifacts: ArtifactService, opened_workspace: Workspace
) -> None:
    record_run(opened_workspace, outputs={"account": Account("Ada")})

    assert artifacts.get("account").pickled
    assert artifacts.load("account").owner == "Ada"


def test_a_pickle_from_elsewhere_is_loaded_only_with_trust(
    artifacts: ArtifactService, opened_workspace: Workspace
) -> None:
    foreign = from_elsewhere(opened_workspace, Account("Eve"))

    with pytest.raises(UntrustedArtifactError):
        artifacts.load(foreign)

    assert artifacts.load(foreign, trust=True).owner == "Eve"


def test_a_record_that_borrows_the_id_of_one_of_ours_is_not_trusted(
    artifacts: ArtifactService, opened_workspace: Workspace
) -> None:
    own = record_run(opened_workspace, outputs={"account": Account("Ada")}).artifacts["account"]
    foreign = from_elsewhere(opened_workspace, Account("Eve"))

    with pytest.raises(UntrustedArtifactError):
        artifacts.load(replace(foreign, id=own))


def test_the_stored_record_is_the_one_that_the_store_gave(
    artifacts: ArtifactService, opened_workspace: Workspace
) -> None:
    run = record_run(opened_workspace, outputs={"small": [1], "large": "x" * 9000})

    stored = artifacts.stored("large")

    assert isinstance(stored, ArtifactVersion)
    assert (stored.made_by, stored.number, stored.inline) == (run.step_id, 1, None)
    assert opened_workspace.store.exists(stored)
    assert artifacts.get("small").preview == artifacts.stored("small").preview != {}


def test_lineage_is_followed_both_ways(artifacts: ArtifactService, opened_workspace: Workspace) -> None:
    raw = record_run(opened_workspace, outputs={"raw": 1}, node="load")
    clean = record_run(opened_workspace, outputs={"clean": 2}, inputs={"df": raw.artifacts["raw"]}, node="clean")

    raw_lineage = artifacts.lineage("raw")
    made_by, used_by = raw_lineage.made_by, raw_lineage.used_by
    later = artifacts.get("clean").lineage()

    assert made_by is not None
    assert (made_by.node, made_by.outputs) == ("load", {"raw": raw.artifacts["raw"]})
    assert [(use.node, use.run_id, use.outputs) for use in used_by] == [("clean", clean.id, clean.artifacts)]
    assert later.made_by is not None
    assert later.made_by.inputs == {"df": raw.artifacts["raw"]}
    assert later.used_by == ()


def test_versions_are_listed_newest_first_and_narrowed_down(
    artifacts: ArtifactService, opened_workspace: Workspace
) -> None:
    first = record_run(opened_workspace, outputs={"raw": 1})
    second = record_run(opened_workspace, outputs={"raw": "two", "model": [1.5]})

    assert [artifact.version for artifact in artifacts.list(name="raw")] == [2, 1]
    assert {artifact.name for artifact in artifacts.list(run=second.id)} == {"raw", "model"}
    assert [artifact.id for artifact in artifacts.list(type="int")] == [first.artifacts["raw"]]
    assert len(artifacts.list(limit=2)) == 2
    assert list(artifacts.list(name="'; DROP TABLE runs; --")) == []


def test_several_tags_mean_all_and_any_of_a_beginning_or_a_part_can_be_asked_for(
    artifacts: ArtifactService, opened_workspace: Workspace
) -> None:
    tags = TagService(opened_workspace)
    for name, given in {"both": ["exp-1", "best"], "one": ["exp-2"], "none": []}.items():
        record_run(opened_workspace, outputs={name: 1})
        tags.add(given, artifact_version=name)

    def names(**filters: Any) -> set[str]:
        return {artifact.name for artifact in artifacts.list(**filters)}

    assert names(tags=["exp-1", "best"]) == {"both"}
    assert names(tags=["exp-1", "exp-2"]) == set()
    assert names(tags=["best", "best"]) == {"both"}
    assert names(any_tags=["exp-2", "best", "never"]) == {"both", "one"}
    assert names(tag_prefix="exp") == {"both", "one"}
    assert names(tag_contains="es") == {"both"}
    assert names(tags=["best"], tag_prefix="exp", any_tags=["exp-1"]) == {"both"}
    assert names(tags=["never"]) == set()
    assert names(tags=[], any_tags=[], tag_prefix="") == {"both", "one", "none"}
    assert names(tag_contains="%") == set()


@pytest.mark.parametrize(
    "bad", [{"tags": "best"}, {"any_tags": [7]}, {"limit": 0}, {"limit": True}, {"name": 7}, {"tag_prefix": 7}]
)
def test_a_filter_of_the_wrong_form_is_refused(artifacts: ArtifactService, bad: dict[str, Any]) -> None:
    with pytest.raises(BadValueError):
        artifacts.list(**bad)


def test_a_listing_can_be_had_as_a_frame(artifacts: ArtifactService, opened_workspace: Workspace) -> None:
    record_run(opened_workspace, outputs={"raw": 1})

    frame = artifacts.list().df()

    assert list(frame["name"]) == ["raw"]
    assert list(frame["version"]) == [1]
    assert artifacts.list(name="none").df().empty


def test_an_id_that_begins_like_another_is_refused_with_both(
    artifacts: ArtifactService, opened_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = iter(["abcd0000-0000-4000-8000-000000000001", "abcd0000-0000-4000-8000-000000000002"])
    monkeypatch.setattr("nbpipe.store.keeping.new_id", lambda: next(ids))
    for value in (1, 2):
        record_run(opened_workspace, outputs={"raw": value})

    with pytest.raises(AmbiguousNameError) as refusal:
        artifacts.get("abcd")

    assert len(refusal.value.matches) == 2


def test_failed_runs_keep_what_they_made(workspace: WorkspacePaths) -> None:
    with opened(workspace) as first:
        record_run(first, outputs={"raw": "kept"}, status=Status.FAILED)

    with opened(workspace) as second:
        assert ArtifactService(second).load("raw@1") == "kept"
