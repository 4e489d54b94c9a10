"""Processes that asked for runs are killed: what they waited for ends with them, what they did not goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.records.runs import Status
from tests.flows.project import Project, project_in

FLOW = """
import time

@step
def wait(until: str) -> None:
    print("waiting", flush=True)
    for _ in range(6000):
        if Path(until).exists():
            return
        print("." * 2000, flush=True)
        time.sleep(0.01)

@pipeline(enable_cache=False)
def slow(until: str):
    wait(until)

@step
def ask(until: str) -> None:
    values = {"parameters": {"until": until}}
    Client().trigger_pipeline("slow", run_configuration={"parameters": {"until": f"{until}-left"}})
    Client().trigger_pipeline("slow", run_configuration=values, synchronous=True)

@pipeline(enable_cache=False)
def asking(until: str):
    ask(until)
"""
PATIENCE_S = 60.0
ALONE = "from pathlib import Path\n"


@pytest.fixture
def project(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with project_in(workspace, monkeypatch) as found:
        yield found


def until(is_so: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=lambda sent: sent.name)
def test_a_child_that_is_waited_for_ends_with_its_parent_and_the_other_goes_on(
    project: Project, how: signal.Signals
) -> None:
    project.load(ALONE + FLOW).slow.create_snapshot("slow")
    mark = project.folder / "done"
    said = [sys.executable, "-c", f"import flow; flow.asking({str(mark)!r})"]
    parent = subprocess.Popen(said, cwd=project.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    runs = project.client.runs
    until(lambda: len(runs.list(pipeline="slow")) == 2)
    pids = {
        row["id"]: row["pid"] for row in project.client.workspace.catalog.rows("SELECT id, pid FROM runs WHERE pid > 0")
    }
    bound, left = runs.list(pipeline="slow")
    until(lambda: bound.refresh().steps)

    parent.send_signal(how)
    parent.wait(PATIENCE_S)

    until(lambda: runs.get(bound.id).status is Status.INTERRUPTED)
    until(lambda: not is_running(pids[bound.id]))
    # It prints more than a pipe holds, with nobody left to read it.
    assert runs.get(left.id).status is Status.RUNNING
    (project.folder / "done-left").touch()
    until(lambda: runs.get(left.id).status is Status.COMPLETED)
    until(lambda: not is_running(pids[left.id]))
    (asked,) = runs.list(pipeline="asking")
    assert asked.status is Status.INTERRUPTED
    assert {child.run: child.status for child in asked.children} == {
        bound.id: Status.INTERRUPTED,
        left.id: Status.COMPLETED,
    }
