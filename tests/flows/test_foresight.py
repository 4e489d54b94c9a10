"""Which steps are stale, told before anything runs."""

from __future__ import annotations

import os

import pytest

from nbpipe.services.foreseeing import foresee
from tests.flows.project import Project

FLOW = """
RATE = 2

@step
def load(n: int = 3) -> list:
    with open("data.csv") as f:
        return [int(line) for line in f][:n]

@step
def scale(data: list) -> list:
    return [x * RATE for x in data]

@step
def apart() -> int:
    return 1

@step
def total(scaled: list, one: int) -> int:
    return sum(scaled) + one

@pipeline
def training(n: int = 3):
    return total(scale(load(n)), apart())
"""


def standing(project: Project, text: str = FLOW, **parameters: object) -> dict[str, str]:
    """Say how each step stands, and count what was recorded meanwhile: nothing."""
    workspace = project.client.workspace
    before = len(project.client.query("select * from steps"))
    request = project.load(text).training.request(parameters)
    found = {node: one.standing for node, one in foresee(workspace, request).items()}
    assert len(project.client.query("select * from steps")) == before
    return found


def written(project: Project, text: str) -> None:
    """Write the file that the first step reads, long ago."""
    os.utime(project.write("data.csv", text), (10**9, 10**9))


def test_what_never_ran_is_pending_and_what_ran_is_reused(project: Project) -> None:
    written(project, "1\n2\n3\n")

    assert set(standing(project).values()) == {"pending"}
    project.load(FLOW).training()

    assert set(standing(project).values()) == {"reused"}


def test_to_look_ahead_moves_nobody_though_a_step_did(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    (project.folder / "sub").mkdir()
    moving = """
import os

@step
def go() -> int:
    os.chdir("sub")
    return 1

@pipeline
def training():
    return go()
"""
    project.load(moving).training()
    moves: list[object] = []

    monkeypatch.setattr(os, "chdir", moves.append)
    found = standing(project, moving)

    assert (found, moves) == ({"go": "reused"}, [])


def test_an_edit_a_parameter_and_a_file_make_stale_what_depends_on_them(project: Project) -> None:
    written(project, "1\n2\n3\n")
    project.load(FLOW).training()
    by_edit = standing(project, FLOW.replace("RATE = 2", "RATE = 3"))
    by_parameter = standing(project, n=2)
    written(project, "1\n2\n4\n5\n")
    by_file = standing(project)

    assert by_edit == {"load": "reused", "scale": "stale", "apart": "reused", "total": "stale"}
    assert by_parameter == by_file == {"load": "stale", "scale": "stale", "apart": "reused", "total": "stale"}


def test_why_a_step_is_stale_is_what_a_run_then_says(project: Project) -> None:
    written(project, "1\n2\n3\n")
    project.load(FLOW).training()
    edited = project.load(FLOW.replace("RATE = 2", "RATE = 3"))

    foreseen = foresee(project.client.workspace, edited.training.request({}))
    run = edited.training()

    assert foreseen["scale"].why == run.steps["scale"].why == "source of RATE changed"
    assert foreseen["total"].why == "scale is stale"


def test_nothing_is_foreseen_of_a_run_that_would_be_refused(project: Project) -> None:
    flow = "@step\ndef load(n: int) -> int:\n    return n\n\n@pipeline\ndef training(n: int):\n    return load(n)\n"

    assert standing(project, flow) == {}
