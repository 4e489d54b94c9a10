"""Calling a recorded step again, with its own code and inputs."""

from __future__ import annotations

import json
import pdb
import sys
import threading
import traceback
from typing import Any

import pytest

from nbpipe.commands.calling import Call, calling
from nbpipe.commands.sources import load_source
from nbpipe.errors import ArtifactError, BadValueError, CatalogDamagedError, ParameterError, StepFailedError
from nbpipe.records.runs import Status
from tests.flows.project import Project

FLOW = """
import threading
from pydantic import SecretStr

class Point:
    def __init__(self, x):
        self.x = x

@step
def load(n: int = 5) -> Annotated[list, "raw"]:
    return [Point(i) for i in range(n)]

@step
def divide(raw: list, by: int = 0) -> tuple[Annotated[float, "first"], Annotated[str, "thread"]]:
    log_metadata({"seen": len(raw)})
    part = raw[1].x / by
    return part, threading.current_thread().name

@step
def after(first: float) -> float:
    return first

@step
def pointed(raw: UnmaterializedArtifact) -> str:
    return raw.name

@step
async def slow(n: int) -> int:
    return n

@step
def ask(token: SecretStr = SecretStr("none")) -> str:
    return token.get_secret_value()

@pipeline(model=Model(name="iris"))
def training(n: int = 5, by: int = 0):
    raw = load(n)
    pointed(raw)
    slow(n)
    first, _ = divide(raw, by)
    return after(first)

@pipeline
def secretive(token: SecretStr):
    return ask(token)
"""


@pytest.fixture
def flow(project: Project) -> Any:
    return project.load(FLOW)


@pytest.fixture
def failed(flow: Any, project: Project) -> Any:
    with pytest.raises(StepFailedError):
        flow.training(n=3)
    return project.client.runs.newest()


def test_a_failed_call_fails_again_in_this_thread_with_its_own_line(failed: Any, project: Project) -> None:
    before = project.logs_bytes()

    with pytest.raises(ZeroDivisionError) as raised:
        failed.steps["divide"].reproduce()

    assert "part = raw[1].x / by" in traceback.format_exception(raised.value)[-2]
    assert project.logs_bytes() == before


def test_changed_arguments_are_tried_and_nothing_is_recorded(failed: Any, project: Project) -> None:
    before = project.logs_bytes()

    first, thread = failed.steps["divide"].reproduce(by=2)

    assert (first, thread) == (0.5, threading.current_thread().name)
    assert failed.steps["divide"].reproduce(raw=[None, failed.steps["load"].reproduce()[2]], by=4)[0] == 0.5
    assert project.logs_bytes() == before
    assert failed.refresh().metadata == failed.metadata


def test_a_step_that_completed_or_was_reused_gives_what_it_gave(flow: Any) -> None:
    flow.training(by=2)

    run = flow.training(by=2)

    assert {step.status for step in run.steps.values()} == {Status.REUSED}
    assert run.steps["after"].reproduce() == 0.5
    assert run.steps["pointed"].reproduce() == "raw"
    assert run.steps["slow"].reproduce() == 5


def test_a_run_that_this_process_saw_reproduces_its_steps_too(flow: Any) -> None:
    run = flow.training(by=2)

    assert run.steps["divide"].reproduce(by=4)[0] == 0.25


def test_the_code_is_that_of_the_run(failed: Any, project: Project) -> None:
    project.load(FLOW.replace("raw[1].x / by", "17"))

    with pytest.raises(ZeroDivisionError):
        failed.steps["divide"].reproduce()


def test_a_breakpoint_stops_in_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = project.load(FLOW.replace("    part = raw", "    breakpoint()\n    part = raw"))
    stopped: list[str] = []
    monkeypatch.setattr(sys, "breakpointhook", lambda: stopped.append(sys._getframe(1).f_code.co_name))
    run = flow.training(by=1)

    run.steps["divide"].reproduce()

    assert stopped == ["divide", "divide"]


def test_a_debugger_finds_the_frame_afterwards(failed: Any) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        failed.steps["divide"].reproduce()

    stack, place = pdb.Pdb().get_stack(None, raised.value.__traceback__)
    assert stack[place][0].f_locals["by"] == 0


def test_a_cell_gives_what_it_binds(project: Project) -> None:
    texts = ("rows = [1, 2]", "rows.append(3)", "m = len(rows)")
    cells = [
        {
            "cell_type": "code",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": f"%%step {name}\n{text}",
        }
        for name, text in zip(("load", "grow", "end"), texts, strict=True)
    ]
    page = {"cells": cells, "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}
    project.write("count.ipynb", json.dumps(page))
    with calling(Call()):
        run = project.client.runs.start(load_source("count.ipynb").request({})).wait()

    assert run.steps["grow"].reproduce() == {}
    assert run.steps["end"].reproduce() == {"m": 3}
    assert run.steps["end"].reproduce(rows=[1]) == {"m": 1}


def test_secrets_have_to_be_given(flow: Any) -> None:
    run = flow.secretive(token="hunter2")

    with pytest.raises(ParameterError, match=r"token  was not kept"):
        run.steps["ask"].reproduce()
    with pytest.raises(ParameterError, match=r"token  was not kept"):
        run.refresh().steps["ask"].reproduce()


def test_what_cannot_be_called_is_refused(failed: Any, project: Project) -> None:
    with pytest.raises(BadValueError, match="was skipped"):
        failed.steps["after"].reproduce()
    with pytest.raises(BadValueError, match=r"takes no 'bye'\. Did you mean 'by'"):
        failed.steps["divide"].reproduce(bye=1)
    for path in project.client.workspace.paths.blobs.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises((ArtifactError, CatalogDamagedError)):
        failed.steps["divide"].reproduce(by=1)
