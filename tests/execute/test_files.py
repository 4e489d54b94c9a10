"""The working directory: all threads of a process share it, and a step that goes elsewhere is followed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nbpipe.records.runs import Status
from tests.flows.project import Project
from tests.serving import until

if TYPE_CHECKING:
    import pytest

WAITING = """
import time
from pathlib import Path

@step
def waiting(flag: str) -> int:
    Path(flag + ".begun").touch()
    while not Path(flag).exists():
        time.sleep(0.005)
    return 1

@pipeline
def training(flag: str):
    return waiting(flag)
"""


def test_where_another_thread_has_gone_during_a_run_is_its_own_affair(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    elsewhere = project.folder / "elsewhere"
    elsewhere.mkdir()
    flow, flag = project.load(WAITING), project.folder / "go on"
    handle = flow.training.start(flag=str(flag))
    until(flag.with_name("go on.begun").exists)

    monkeypatch.chdir(elsewhere)
    flag.touch()
    handle.wait(30)

    assert Path.cwd() == elsewhere
    monkeypatch.chdir(project.folder)
    elsewhere.rmdir()
    again = flow.training(flag=str(flag))
    assert again.steps["waiting"].status is Status.REUSED, "the step went nowhere"
