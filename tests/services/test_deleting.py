"""Deleting: what is deleted is nowhere to be found, what depends on it is told, and nothing else goes with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nbpipe.errors import BadValueError, ConflictError, NotFoundError
from nbpipe.records.operations import AddTags, CreateSchedule, PointedAt, StartDeployment, Timing
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.records.tags import Tag
from nbpipe.services import deleting, upkeep
from nbpipe.services.artifacts import ArtifactService
from nbpipe.services.client import Client
from nbpipe.services.deleting import dependents_of_pipeline
from nbpipe.services.metadata import MetadataService
from nbpipe.services.models import ModelService
from nbpipe.services.pipelines import PipelineService
from nbpipe.services.runs import RunService
from nbpipe.services.snapshots import SnapshotService
from nbpipe.services.tags import TagService
from nbpipe.services.workspace import Workspace
from tests.flows.project import Project, ran
from tests.services.building import case, create_snapshot, lines_written, record_run

FLOW = """
@step
def make() -> list:
    return list(range(5000))

@step
def use(x: list) -> int:
    return len(x)

@pipeline
def training():
    return use(make())
"""


@pytest.fixture
def runs(opened_workspace: Workspace) -> RunService:
    return RunService(opened_workspace)


@pytest.fixture
def artifacts(opened_workspace: Workspace) -> ArtifactService:
    return ArtifactService(opened_workspace)


# Runs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_published", [False, True], ids=["in the logs", "published"])
def test_a_deleted_run_is_in_no_listing_and_its_artifacts_stay(
    runs: RunService, opened_workspace: Workspace, is_published: bool
) -> None:
    kept = record_run(opened_workspace, name="kept")
    gone = record_run(opened_workspace, outputs={"x": 1}, name="gone", tags=["v1"])
    if is_published:
        opened_workspace.catalog.publish()

    assert runs.delete("gone") == 1

    assert [run.id for run in runs.list()] == [kept.id]
    assert runs.list(tags=["v1"]) == []
    for ref in ("gone", gone.id, gone.id[:8]):
        with pytest.raises(NotFoundError):
            runs.get(ref)
    assert TagService(opened_workspace).get("v1").count == 0
    assert ArtifactService(opened_workspace).load(gone.artifacts["x"]) == 1
    assert opened_workspace.catalog.rows("SELECT count(*) AS n FROM steps WHERE run_id = $id", {"id": gone.id}) == [
        {"n": 0}
    ]


def test_several_runs_are_deleted_together_or_not_at_all(runs: RunService, opened_workspace: Workspace) -> None:
    made = [record_run(opened_workspace, name=f"run-{n}") for n in range(3)]

    with pytest.raises(NotFoundError):
        runs.delete([made[0].id, "nothing"])
    assert len(runs.list()) == 3

    assert runs.delete([made[0].id, "run-1", made[0].id]) == 2
    assert [run.name for run in runs.list()] == ["run-2"]
    assert runs.delete([]) == 0


def test_a_run_that_goes_on_is_not_deleted(runs: RunService, opened_workspace: Workspace) -> None:
    record_run(opened_workspace, status=None, name="busy")

    with pytest.raises(ConflictError, match="still goes on"):
        runs.delete("busy", force=True)


def test_a_run_whose_version_is_in_production_is_deleted_only_with_force(
    runs: RunService, opened_workspace: Workspace
) -> None:
    made = record_run(opened_workspace, name="made-it", model="iris", outputs={"model": 1})
    ModelService(opened_workspace).promote("iris@1", "production")

    (dependent,) = [one for one in runs.dependents("made-it") if one.hinders]
    assert dependent.said == "it belongs to model version iris@1, which is in production"
    with pytest.raises(ConflictError, match=r"in production\. Pass force"):
        runs.delete("made-it")

    assert runs.delete("made-it", force=True) == 1
    version = ModelService(opened_workspace).version("iris@production")
    assert version.runs == []
    assert made.id not in version.runs
    assert "model" in version.artifacts


def test_a_deleted_run_holds_no_exclusive_tag_and_the_next_can_take_it(
    runs: RunService, opened_workspace: Workspace
) -> None:
    record_run(opened_workspace, name="first", tags=[Tag(name="latest", exclusive=True)])
    assert [one.said for one in runs.dependents("first")] == ["nobody would hold the exclusive tag 'latest'"]

    runs.delete("first")
    assert TagService(opened_workspace).holders("latest") == []

    second = record_run(opened_workspace, tags=["latest"])
    assert [holder.id for holder in TagService(opened_workspace).holders("latest")] == [second.id]


def test_the_deletion_is_known_in_another_process_and_after_a_rebuild(
    runs: RunService, opened_workspace: Workspace
) -> None:
    record_run(opened_workspace, name="gone", outputs={"x": 1})
    runs.delete("gone")

    opened_workspace.catalog.rebuild()

    assert runs.list() == []
    (row,) = opened_workspace.catalog.rows("SELECT entity_kind, deleted_by FROM deletions")
    assert row["entity_kind"] == "run"
    assert row["deleted_by"]


def test_a_record_of_a_run_that_was_deleted_since_says_so(runs: RunService, opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace, name="gone")
    stale, pipeline = runs.get("gone"), PipelineService(opened_workspace).get("training")

    runs.delete("gone")

    with pytest.raises(NotFoundError, match=run.id):
        stale.refresh()
    assert pipeline.newest is None


def test_what_a_deleted_run_logged_is_in_no_filter_of_runs(runs: RunService, opened_workspace: Workspace) -> None:
    kept, gone = (record_run(opened_workspace, name=name) for name in ("kept", "gone"))
    for run in (kept, gone):
        MetadataService(opened_workspace).log({"accuracy": 0.9}, run=run.id)

    runs.delete("gone")

    assert [run.id for run in runs.list(where="accuracy > 0.5")] == [kept.id]


# Renaming ------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_published", [False, True], ids=["in the logs", "published"])
def test_a_run_is_found_under_its_new_name_and_no_longer_under_its_old(
    runs: RunService, opened_workspace: Workspace, is_published: bool
) -> None:
    made = record_run(opened_workspace, name="old")
    if is_published:
        opened_workspace.catalog.publish()

    renamed = runs.rename("old", "  <b>näu</b> 'x' ")

    assert (renamed.id, renamed.name) == (made.id, "<b>näu</b> 'x'")
    assert runs.get("<b>näu</b> 'x'").id == made.id
    with pytest.raises(NotFoundError):
        runs.get("old")
    opened_workspace.catalog.publish()
    assert runs.get(made.id).name == "<b>näu</b> 'x'"


NO_NAMES: list[Any] = ["", "   ", "x" * 5000, "a\nb", 7, None]


def test_what_cannot_be_a_name_is_refused_and_the_run_keeps_its_own(
    runs: RunService, opened_workspace: Workspace
) -> None:
    record_run(opened_workspace, name="old")

    for name in NO_NAMES:
        with case(name):
            with pytest.raises(BadValueError, match="cannot name a run"):
                runs.rename("old", name)

            assert runs.get("old").name == "old"


# Artifact versions ---------------------------------------------------------------------------


@pytest.mark.parametrize("is_published", [False, True], ids=["in the logs", "published"])
def test_a_deleted_version_is_not_found_and_its_number_is_not_given_again(
    artifacts: ArtifactService, opened_workspace: Workspace, is_published: bool
) -> None:
    record_run(opened_workspace, outputs={"x": 1})
    gone = record_run(opened_workspace, outputs={"x": 2})
    if is_published:
        opened_workspace.catalog.publish()

    assert artifacts.delete("x@2") == 1

    assert [one.version for one in artifacts.list(name="x")] == [1]
    for ref in ("x@2", gone.artifacts["x"]):
        with pytest.raises(NotFoundError):
            artifacts.load(ref)
    record_run(opened_workspace, outputs={"x": 3})
    assert [one.version for one in artifacts.list(name="x")] == [3, 1]


def test_a_name_alone_deletes_nothing(artifacts: ArtifactService, opened_workspace: Workspace) -> None:
    record_run(opened_workspace, outputs={"x": 1})

    with pytest.raises(BadValueError, match=r"say which version, as in 'x@3'"):
        artifacts.delete("x")

    assert len(artifacts.list()) == 1


def test_a_version_in_production_is_deleted_only_with_force(
    artifacts: ArtifactService, opened_workspace: Workspace
) -> None:
    record_run(opened_workspace, model="iris", outputs={"model": 1})
    ModelService(opened_workspace).promote("iris@1", "staging")

    with pytest.raises(ConflictError, match="which is in staging"):
        artifacts.delete("model@1")
    assert artifacts.delete("model@1", force=True) == 1

    assert ModelService(opened_workspace).version("iris@1").artifacts == {}


def test_who_read_a_version_is_told_before_it_is_deleted(
    artifacts: ArtifactService, opened_workspace: Workspace
) -> None:
    made = record_run(opened_workspace, outputs={"x": 1})
    record_run(opened_workspace, inputs={"x": made.artifacts["x"]})

    assert [one.said for one in artifacts.dependents("x@1")] == ["1 run that read it keep their record"]


def test_the_bytes_of_a_deleted_version_go_with_the_next_sweep_unless_another_has_the_same(
    artifacts: ArtifactService, opened_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_YOUNG_S", -3600)
    record_run(opened_workspace, outputs={"x": [1] * 5000})
    record_run(opened_workspace, outputs={"x": [2] * 5000})
    record_run(opened_workspace, outputs={"y": [2] * 5000})

    artifacts.delete(["x@1", "x@2"])
    swept = upkeep.UpkeepService(opened_workspace).gc()

    assert swept.blobs == 1
    assert artifacts.load("y@1") == [2] * 5000


def test_a_step_whose_output_was_deleted_runs_again(project: Project) -> None:
    flow = project.load(FLOW)
    flow.training()
    assert ran(flow.training()) == []

    (made,) = [one for one in project.client.artifacts.list() if one.step == "make"]
    project.client.artifacts.delete(made)

    assert "make" in ran(flow.training())
    assert ran(flow.training()) == []


def test_another_process_runs_it_again_too(project: Project) -> None:
    flow = project.load(FLOW)
    flow.training()
    (made,) = project.client.runs.list()
    project.client.artifacts.delete(made.steps["make"].output)

    project.python("import flow; flow.training()", check=True)

    newest = project.client.runs.newest()
    assert newest.steps["make"].status is Status.COMPLETED


# Pipelines and snapshots ---------------------------------------------------------------------


def test_a_pipeline_goes_with_its_runs_and_snapshots_if_that_is_insisted_on(opened_workspace: Workspace) -> None:
    pipelines = PipelineService(opened_workspace)
    record_run(opened_workspace, "doomed")
    create_snapshot(opened_workspace, "doomed", "nightly")
    record_run(opened_workspace, "other")

    assert [one.said for one in pipelines.dependents("doomed")] == [
        "1 run would go with it",
        "1 snapshot would go with it",
    ]
    with pytest.raises(ConflictError, match="Pass force"):
        pipelines.delete("doomed")

    assert pipelines.delete("doomed", force=True) == 1
    assert [one.name for one in pipelines.list()] == ["other"]
    assert dependents_of_pipeline(opened_workspace, "doomed") == []


@pytest.mark.parametrize("is_published", [False, True], ids=["in the logs", "published"])
def test_a_pipeline_that_comes_again_does_not_bear_the_tags_of_the_deleted_one(
    opened_workspace: Workspace, is_published: bool
) -> None:
    tags, pipelines = TagService(opened_workspace), PipelineService(opened_workspace)
    record_run(opened_workspace, "doomed")
    tags.add(["team-x"], pipeline="doomed")
    if is_published:
        opened_workspace.catalog.publish()
    assert "1 tag is taken from it" in [one.said for one in pipelines.dependents("doomed")]

    pipelines.delete("doomed", force=True)
    record_run(opened_workspace, "doomed")

    assert (pipelines.get("doomed").tags, tags.holders("team-x")) == ([], [])
    tags.add(["team-x"], pipeline="doomed")
    assert pipelines.get("doomed").tags == ["team-x"]
    opened_workspace.catalog.rebuild()
    assert pipelines.get("doomed").tags == ["team-x"]


def test_an_artifact_loses_its_own_tags_with_its_last_version(
    artifacts: ArtifactService, opened_workspace: Workspace
) -> None:
    tags = TagService(opened_workspace)
    first = record_run(opened_workspace, outputs={"x": 1, "y": 1})
    record_run(opened_workspace, outputs={"x": 2})
    tags.add(["ours"], artifact=["x", "y"])

    assert artifacts.dependents("x@1") == []
    artifacts.delete("x@1")
    assert len(tags.holders("ours")) == 2
    assert [one.said for one in artifacts.dependents("x@2")] == [
        "1 tag is taken from artifact 'x', of which no version is left"
    ]
    artifacts.delete(["x@2", first.artifacts["y"]])

    assert tags.holders("ours") == []
    record_run(opened_workspace, outputs={"x": 3})
    assert tags.remove(["ours"], artifact="x") == 0


def test_a_pipeline_with_a_version_in_use_goes_neither_whole_nor_in_part(opened_workspace: Workspace) -> None:
    record_run(opened_workspace, "doomed", model="iris")
    create_snapshot(opened_workspace, "doomed", "nightly")
    ModelService(opened_workspace).promote("iris@1", "production")
    before = lines_written(opened_workspace)

    with pytest.raises(ConflictError, match="in production"):
        PipelineService(opened_workspace).delete("doomed", force=True)

    assert lines_written(opened_workspace) == before


@pytest.mark.parametrize("what", ["run", "artifact", "pipeline"])
def test_what_came_into_use_between_the_look_and_the_deletion_is_not_deleted(
    opened_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    run = record_run(opened_workspace, "doomed", outputs={"x": 1}, model="iris")
    client, look = Client(opened_workspace.paths.root), deleting._versions_of

    def looks_and_is_late(*asked: Any) -> Any:
        found = look(*asked)
        client.models.promote("iris@1", "production")
        return found

    monkeypatch.setattr(deleting, "_versions_of", looks_and_is_late)
    deletes = {
        "run": lambda: client.runs.delete(run.id),
        "artifact": lambda: client.artifacts.delete("x@1"),
        "pipeline": lambda: client.pipelines.delete("doomed", force=True),
    }

    with pytest.raises(ConflictError, match="iris@1, was moved to production meanwhile; look again"):
        deletes[what]()

    assert client.runs.get(run.id).model_version == client.models.version("iris@production")


def test_a_tag_that_is_put_on_what_is_just_being_deleted_is_on_nothing(opened_workspace: Workspace) -> None:
    tags, models = TagService(opened_workspace), ModelService(opened_workspace)
    run = record_run(opened_workspace, model="iris")
    target = PointedAt(kind=Kind.MODEL_VERSION, id=run.model_version_id, scope="iris")
    tags.add(["early"], model_version="iris@1")

    models.delete("iris@1")
    opened_workspace.catalog.transact(AddTags(tags=(Tag(name="late"),), targets=(target,)))

    assert (tags.holders("early"), tags.holders("late")) == ([], [])
    opened_workspace.catalog.rebuild()
    assert (tags.holders("early"), tags.holders("late")) == ([], [])


def test_a_deleted_snapshot_holds_no_tag_and_the_next_can_take_it(opened_workspace: Workspace) -> None:
    tags = TagService(opened_workspace)
    create_snapshot(opened_workspace, "training", "first")
    tags.add([Tag(name="blessed", exclusive=True), "v1"], snapshot="first")

    SnapshotService(opened_workspace).delete("first")

    assert [tags.get(name).count for name in ("blessed", "v1")] == [0, 0]
    second = create_snapshot(opened_workspace, "training", "second")
    assert tags.add(["blessed"], snapshot="second").lost == {}
    assert [holder.id for holder in tags.holders("blessed")] == [second]


@pytest.mark.parametrize("what", ["schedule", "deployment"])
def test_what_is_scheduled_or_deployed_is_not_deleted(opened_workspace: Workspace, what: str) -> None:
    snapshot = create_snapshot(opened_workspace, "training", "nightly")
    told: dict[str, Any] = {"id": "i", "name": "every_night", "pipeline": "training", "snapshot_id": snapshot}
    if what == "schedule":
        at = datetime(2030, 1, 1, tzinfo=UTC)
        timing = Timing(run_at=at, timezone="UTC", catchup="last", overlap="skip")
        opened_workspace.catalog.transact(CreateSchedule(**told, timing=timing, since=at - timedelta(days=1)))
    else:
        opened_workspace.catalog.transact(StartDeployment(**told, url="http://127.0.0.1:1"))

    with pytest.raises(ConflictError, match=f"{what} 'every_night' uses it"):
        SnapshotService(opened_workspace).delete("nightly")
    with pytest.raises(ConflictError, match=f"{what} 'every_night' uses it"):
        PipelineService(opened_workspace).delete("training", force=True)

    assert SnapshotService(opened_workspace).get("nightly").id == snapshot
    assert Client(opened_workspace.paths.root).pipelines.get("training").name == "training"
