"""Runs that steps, cells and scripts ask for: which snapshot, whose child, and what becomes of both."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from nbpipe import Client, PipelineRunConfiguration
from nbpipe.base.digest import canonical_json
from nbpipe.base.ids import new_id
from nbpipe.commands.showing import run_bundle
from nbpipe.errors import (
    BadValueError,
    ConflictError,
    NotFoundError,
    ParameterError,
    RunInterruptedError,
    StepFailedError,
)
from nbpipe.records.operations import CreateSnapshot
from nbpipe.records.runs import Status
from nbpipe.records.snapshots import digest_of
from nbpipe.services import child_process
from nbpipe.services.ancestry import ANCESTRY, DEEPEST
from nbpipe.services.children import Child
from nbpipe.services.snapshots import SnapshotService
from nbpipe.services.triggering import chosen
from tests.flows.project import Project, ran

TRIGGERING = """
@step
def load_data() -> Annotated[list, "data"]:
    return [1, 2, 3]

@step
def trigger_pipeline(rows: UnmaterializedArtifact) -> Annotated[float, "answer"]:
    run_config = PipelineRunConfiguration(steps={"trainer": {"parameters": {"data_artifact_id": rows.id}}})
    run = Client().trigger_pipeline("training_pipeline", run_configuration=run_config, synchronous=True)
    return run.output

@pipeline
def loads_data_and_triggers_training():
    return trigger_pipeline(load_data())
"""
TRAINER = """
@step
def trainer(data_artifact_id: str) -> float:
    rows = load_artifact(data_artifact_id)
    print(f"trained on {len(rows)} rows")
    return float(sum(rows))

@pipeline
def training_pipeline():
    return trainer()
"""
SLOW = """
@step
def wait() -> None:
    for _ in range(6000):
        time.sleep(0.02)

@pipeline(enable_cache=False)
def slow():
    wait()
"""
PATIENCE_S = 60.0


def until(is_so: Any) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline_s
        # Whoever asks a catalog all the time takes the time from those who run.
        time.sleep(0.1)


# Which snapshot, and whose child -----------------------------------------------------------------


def test_a_step_triggers_the_newest_snapshot_of_a_pipeline_with_a_pointer_to_its_input(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = project.load(TRAINER, "trainer")
    trainer.training_pipeline.create_snapshot("older")
    newest = trainer.training_pipeline.create_snapshot("newer", parameters={}, description="x")
    trainer.training_pipeline.with_options(tags=["unnamed"]).create_snapshot()

    flow = project.load(TRIGGERING)
    parent = flow.loads_data_and_triggers_training()

    assert parent.output == 6.0
    (child,) = project.client.runs.list(parent=parent.id)
    assert (child.parent_run_id, child.parent_step) == (parent.id, "trigger_pipeline")
    assert child.snapshot == newest.id
    assert child.differences == {"trainer.data_artifact_id": parent.steps["load_data"].output.id}
    # What it printed is in its own logs, and stands here marked by its run; the step that asked did not print it.
    assert child.steps["trainer"].logs == "trained on 3 rows\n"
    assert f"[training_pipeline {child.id[:8]}] trained on 3 rows\n" in capsys.readouterr().out
    assert parent.steps["trigger_pipeline"].logs == ""
    assert [(one.run, one.pipeline, one.workspace) for one in parent.steps["trigger_pipeline"].triggered] == [
        (child.id, "training_pipeline", "")
    ]

    # A step that is reused triggers nothing again, and says so.
    again = flow.loads_data_and_triggers_training()

    assert ran(again) == []
    assert list(project.client.runs.list(parent=again.id)) == []
    assert again.steps["trigger_pipeline"].why.endswith("training_pipeline was not triggered again")
    assert again.steps["trigger_pipeline"].triggered == parent.steps["trigger_pipeline"].triggered
    former = Child(child.id, "training_pipeline", again.id, "trigger_pipeline", Status.COMPLETED, is_former=True)
    assert [replace(one, duration_s=None) for one in again.children] == [former]
    assert [replace(one, duration_s=None) for one in parent.refresh().children] == [
        replace(former, parent=parent.id, is_former=False)
    ]

    project.client.runs.delete(child)

    assert [(one.run, one.status) for one in parent.children] == [(child.id, None)]


def test_the_failure_of_a_triggered_run_is_passed_on_to_the_step_that_waits(project: Project) -> None:
    failing = TRAINER.replace("float(sum(rows))", "rows.nothing")
    project.load(failing, "trainer").training_pipeline.create_snapshot("only")

    with pytest.raises(StepFailedError) as failed:
        project.load(TRIGGERING).loads_data_and_triggers_training()

    cause = failed.value.__cause__
    assert failed.value.step == "trigger_pipeline"
    assert isinstance(cause, StepFailedError)
    assert (cause.step, cause.type_name, cause.pipeline) == ("trainer", "AttributeError", "training_pipeline")
    (child,) = project.client.runs.list(pipeline="training_pipeline")
    assert f"(run {child.id[:8]})" in str(failed.value)
    assert {run.status for run in project.client.runs.list()} == {Status.FAILED}
    assert [one.run for one in project.client.runs.get(failed.value.run_id).steps["trigger_pipeline"].triggered] == [
        child.id
    ]


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"pipeline_name_or_id": "training_pipeline", "snapshot_name_or_id": "nightly"},
        {"pipeline_name_or_id": "training_pipeline", "snapshot_id": "x"},
        {"snapshot_name_or_id": "nightly", "snapshot_id": "x"},
        {"snapshot_name_or_id": ""},
        {"pipeline_name_or_id": " "},
        {"snapshot_id": 5},
    ],
    ids=["nothing", "pipeline-and-name", "pipeline-and-id", "name-and-id", "empty", "blank", "number"],
)
def test_a_trigger_names_one_pipeline_or_one_snapshot(snapshots: SnapshotService, choice: Any) -> None:
    with pytest.raises(BadValueError) as refused:
        snapshots.trigger(**choice)
    assert len(str(refused.value).splitlines()) <= 2


@pytest.mark.parametrize("name", ["<script>alert('x')</script>", "'; DROP TABLE runs; --", "ü" * 5000])
def test_a_trigger_of_what_is_not_there_is_refused(project: Project, snapshots: SnapshotService, name: str) -> None:
    project.load(TRAINER).training_pipeline.create_snapshot()

    for choice in ("pipeline_name_or_id", "snapshot_name_or_id", "snapshot_id"):
        with pytest.raises((NotFoundError, BadValueError)) as refused:
            snapshots.trigger(**{choice: name})
        assert len(str(refused.value)) < 500
    with pytest.raises(NotFoundError):
        snapshots.trigger("training_pipeline")


def test_values_that_do_not_fit_are_refused_before_a_process_starts(
    project: Project, snapshots: SnapshotService
) -> None:
    project.load(TRAINER).training_pipeline.create_snapshot("nightly")

    with pytest.raises(ParameterError, match=r"did you mean .data_artifact_id"):
        snapshots.trigger(
            "training_pipeline", run_configuration={"steps": {"trainer": {"parameters": {"data_artifact": "x"}}}}
        )
    with pytest.raises(ParameterError, match="trainer"):
        snapshots.trigger("training_pipeline")
    assert list(project.client.runs.list()) == []


def test_a_child_in_another_workspace_is_found_there_and_named_when_that_is_gone(project: Project) -> None:
    elsewhere = project.folder / "elsewhere" / ".nbpipe"
    elsewhere.mkdir(parents=True)
    flow = project.load(f"""
    @step
    def one() -> int:
        return 1

    @pipeline
    def small():
        return one()

    @step
    def ask() -> None:
        Client({str(elsewhere)!r}).trigger_pipeline("small", synchronous=True)

    @pipeline
    def asking():
        ask()
    """)
    there = Client(elsewhere)
    there.snapshots.create(flow.small.definition, name="small")

    parent = flow.asking()

    (found,) = there.runs.list()
    assert (found.parent_run_id, found.parent_step) == (parent.id, "ask")
    assert [(one.run, one.status, one.workspace) for one in parent.children] == [
        (found.id, Status.COMPLETED, str(elsewhere))
    ]
    there.close()
    shutil.rmtree(elsewhere)
    assert [(one.run, one.status) for one in parent.refresh().children] == [(found.id, None)]
    assert "gone" in run_bundle(parent).text
    assert not elsewhere.exists()


# What cannot be run ------------------------------------------------------------------------------


def test_a_snapshot_that_cannot_be_run_is_passed_over_and_told(
    project: Project, snapshots: SnapshotService, capsys: pytest.CaptureFixture[str]
) -> None:
    flow = project.load(TRAINER)
    older = flow.training_pipeline.create_snapshot("older")
    newer = flow.training_pipeline.create_snapshot("newer", parameters={}, description="x")
    broken = json.loads(canonical_json(newer.content.model_dump(mode="json")))
    broken["modules"] = [{"name": "nowhere", "distribution": "nowhere-at-all", "version": "1.0"}]
    data = canonical_json(broken)
    stored = project.client.workspace.store.blobs.write((data,))
    project.client.workspace.catalog.transact(
        CreateSnapshot(id=new_id(), pipeline="training_pipeline", name="newest", digest=f"{digest_of(data)}:{stored}")
    )

    choice = {"pipeline_name_or_id": "training_pipeline", "snapshot_name_or_id": None, "snapshot_id": None}
    assert chosen(snapshots, choice).id == newer.id != older.id
    assert "runs its snapshot 'newer', an older one: " in capsys.readouterr().err


# Rings -------------------------------------------------------------------------------------------


def test_pipelines_that_trigger_each_other_in_a_ring_are_refused_and_the_ring_is_named(project: Project) -> None:
    flow = project.load("""
    @step
    def on() -> None:
        Client().trigger_pipeline("pong", synchronous=True)

    @pipeline(enable_cache=False)
    def ping():
        on()

    @step
    def back() -> None:
        Client().trigger_pipeline("ping", synchronous=True)

    @pipeline(enable_cache=False)
    def pong():
        back()
    """)
    flow.ping.create_snapshot("ping")
    flow.pong.create_snapshot("pong")

    with pytest.raises(StepFailedError, match="ring: pong → ping → pong, each time with the same values"):
        flow.ping()

    assert [run.pipeline for run in project.client.runs.list()] == ["ping", "pong", "ping"]


def test_the_limit_stops_what_goes_on_with_other_values_each_time(
    project: Project, snapshots: SnapshotService, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.load(TRAINER).training_pipeline.create_snapshot("nightly")
    monkeypatch.setenv(ANCESTRY, json.dumps([[f"p{n}", str(n)] for n in range(DEEPEST)]))

    with pytest.raises(ConflictError, match=r"8 levels deep, which is the limit: p0 → .* → p7 → training_pipeline"):
        snapshots.trigger(
            "training_pipeline", run_configuration={"steps": {"trainer": {"parameters": {"data_artifact_id": "x"}}}}
        )
    assert list(project.client.runs.list()) == []


# Waited for or not -------------------------------------------------------------------------------


def test_a_trigger_that_does_not_wait_gives_the_run_on_its_way(project: Project, snapshots: SnapshotService) -> None:
    flow = project.load("""
    @step
    def total(n: int = 5, rate: float = 0.1) -> float:
        return n * rate

    @pipeline
    def training(rate: float = 0.1):
        return total(rate=rate)
    """)
    flow.training.create_snapshot("nightly")

    started = snapshots.trigger("training", run_configuration=PipelineRunConfiguration(parameters={"rate": 0.5}))
    run = started.wait()

    assert run.id == started.id
    assert run.output == 2.5
    assert started.wait().id == run.id
    assert started.status is Status.COMPLETED


def test_a_child_that_is_stopped_alone_is_told_to_the_step_that_waits_for_it(project: Project) -> None:
    project.load(SLOW.replace("@step", "import time\n\n@step"), "slow").slow.create_snapshot("slow")
    flow = project.load("""
    @step
    def ask() -> None:
        Client().trigger_pipeline("slow", synchronous=True)

    @pipeline
    def asking():
        ask()
    """)
    parent = flow.asking.start()
    until(lambda: list(project.client.runs.list(pipeline="slow")))
    (child,) = project.client.runs.list(pipeline="slow")

    os.kill(pid_of(project, child.id), 15)

    with pytest.raises(StepFailedError, match=f"The run {child.id[:8]} of slow was stopped") as failed:
        parent.wait()
    assert isinstance(failed.value.__cause__, RunInterruptedError)
    assert [run.status for run in project.client.runs.list()] == [Status.INTERRUPTED, Status.FAILED]


def test_a_parent_that_is_stopped_stops_the_child_it_waits_for_and_leaves_the_other(project: Project) -> None:
    project.load(SLOW.replace("@step", "import time\n\n@step"), "slow").slow.create_snapshot("slow")
    flow = project.load("""
    @step
    def ask() -> None:
        Client().trigger_pipeline("slow")
        Client().trigger_pipeline("slow", synchronous=True)

    @pipeline
    def asking():
        ask()
    """)
    parent = flow.asking.start()
    until(lambda: len(project.client.runs.list(pipeline="slow")) == 2)

    parent.stop()

    with pytest.raises(RunInterruptedError):
        parent.wait()
    waited_for, left = project.client.runs.list(pipeline="slow")
    assert (waited_for.status, left.status) == (Status.INTERRUPTED, Status.RUNNING)
    assert project.client.runs.get(parent.id).status is Status.INTERRUPTED
    os.kill(pid_of(project, left.id), 15)
    until(lambda: project.client.runs.get(left.id).status is Status.INTERRUPTED)
    until(lambda: not [one for one in threading.enumerate() if one.name.startswith("nbpipe-apart")])


def pid_of(project: Project, run_id: str) -> int:
    (row,) = project.client.workspace.catalog.rows("select pid from runs where id = $id", {"id": run_id})
    return int(row["pid"])


def test_children_beyond_what_the_machine_bears_wait_for_their_turn_and_none_is_lost(
    project: Project, snapshots: SnapshotService, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = project.load("""
    @step
    def total(n: int) -> int:
        return n

    @pipeline
    def training(n: int):
        return total(n)
    """)
    flow.training.create_snapshot("nightly")
    monkeypatch.setattr(child_process, "AT_ONCE", 1)
    child_process._turns.anew()
    most, before = 0, len(os.listdir("/proc/self/fd"))

    handles = []
    for n in range(2):
        handles.append(snapshots.trigger("training", run_configuration={"parameters": {"n": n}}))
        most = max(most, sum(one._child._process.poll() is None for one in handles))

    assert sorted(handle.wait().output for handle in handles) == [0, 1]
    assert most == 1
    assert len(project.client.runs.list(pipeline="training")) == 2
    # Neither processes nor threads nor pipes are left.
    until(lambda: not [one for one in threading.enumerate() if one.name.startswith("nbpipe-apart")])
    assert [one._child._process.returncode for one in handles] == [0, 0]
    assert len(os.listdir("/proc/self/fd")) <= before + 4
