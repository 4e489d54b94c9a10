"""Stopping a run from outside, and what its steps printed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from nbpipe.errors import BadValueError, ConflictError, NotFoundError, RunInterruptedError, StepFailedError
from nbpipe.records.runs import Status
from tests.flows.project import Project

FLOW = """
import time
from pathlib import Path

@step
def load(n: int = 5) -> int:
    print("loading", n)
    return n

@step(retries=1)
def wait(n: int) -> int:
    print("<b>waiting</b>")
    if Path("fail").exists():
        raise ValueError("no")
    Path("begun").touch()
    while not Path("go").exists():
        time.sleep(0.01)
    return n

@step
def after(n: int) -> int:
    print("after")
    return n

@pipeline
def training(n: int = 5):
    return after(wait(load(n)))
"""


@pytest.fixture
def flow(project: Project) -> Any:
    return project.load(FLOW)


def until(is_so: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_a_run_of_another_process_is_stopped_and_can_be_resumed(flow: Any, project: Project) -> None:
    other = project.process("import flow; flow.training()")
    until((project.folder / "begun").exists)
    run = project.client.runs.newest()

    stopped = project.client.runs.stop(run.id[:8], timeout_s=60)

    assert stopped.status is Status.INTERRUPTED
    assert {node: step.status for node, step in stopped.steps.items()} == {
        "load": Status.COMPLETED,
        "wait": Status.INTERRUPTED,
        "after": Status.INTERRUPTED,
    }
    other.communicate(timeout=60)
    assert other.returncode == 1
    assert list(project.client.workspace.paths.stops.iterdir()) == []
    (project.folder / "go").touch()
    assert stopped.resume().output == 5


def test_a_run_behind_this_very_process_is_stopped_and_no_other(flow: Any, project: Project) -> None:
    first, second = flow.training.start(n=1), flow.training.start(n=2)
    until((project.folder / "begun").exists)

    assert project.client.runs.stop(first.id, timeout_s=60).status is Status.INTERRUPTED
    (project.folder / "go").touch()

    with pytest.raises(RunInterruptedError):
        first.wait()
    assert second.wait().output == 2


def test_a_run_of_a_snapshot_in_a_process_of_its_own_is_stopped(flow: Any, project: Project) -> None:
    flow.training.create_snapshot("nightly")
    apart = project.client.trigger_pipeline(snapshot_name_or_id="nightly")
    until((project.folder / "begun").exists)

    project.client.runs.stop(apart.id, timeout_s=60)

    with pytest.raises(RunInterruptedError):
        apart.wait()


def test_what_is_over_or_is_no_run_is_not_stopped(flow: Any, project: Project) -> None:
    (project.folder / "go").touch()
    run = flow.training()
    catalog = project.client.workspace.catalog
    catalog.append(
        "run_started", id="a" * 32, run="a" * 32, body={"name": "cells", "pipeline": "nb", "kind": "interactive"}
    )

    with pytest.raises(ConflictError, match="is over: it is completed"):
        run.stop()
    with pytest.raises(NotFoundError, match="No run"):
        project.client.runs.stop("../../etc/passwd")
    with pytest.raises(BadValueError, match="interrupt its kernel"):
        project.client.runs.stop("cells")
    assert not project.client.workspace.paths.stops.exists()


def test_a_run_whose_process_was_killed_is_over(flow: Any, project: Project) -> None:
    other = project.process("import flow; flow.training()")
    until((project.folder / "begun").exists)
    other.kill()
    other.communicate()

    with pytest.raises(ConflictError, match="is over: it is interrupted"):
        project.client.runs.stop(project.client.runs.newest())


def test_what_steps_printed_is_told_in_their_order_each_attempt_for_itself(flow: Any, project: Project) -> None:
    (project.folder / "fail").touch()
    with pytest.raises(StepFailedError):
        flow.training(n=3)
    run = project.client.runs.newest()

    assert [(log.node, log.attempt, log.status, log.text) for log in run.logs()] == [
        ("load", 1, Status.COMPLETED, "loading 3\n"),
        ("wait", 1, Status.FAILED, "<b>waiting</b>\n"),
        ("wait", 2, Status.FAILED, "<b>waiting</b>\n"),
        ("after", 1, Status.SKIPPED, ""),
    ]
    assert [log.text for log in project.client.runs.logs(run.id, "load")] == ["loading 3\n"]
    with pytest.raises(NotFoundError, match="Did you mean 'load'"):
        run.logs("laod")


def test_a_step_that_was_not_reached_yet_has_printed_nothing(flow: Any, project: Project) -> None:
    handle = flow.training.start()
    until((project.folder / "begun").exists)
    run = project.client.runs.get(handle.id)

    assert [(log.node, log.status) for log in run.logs()] == [("load", Status.COMPLETED), ("wait", Status.RUNNING)]
    assert run.logs("after") == []
    handle.stop()
    with pytest.raises(RunInterruptedError):
        handle.wait()
