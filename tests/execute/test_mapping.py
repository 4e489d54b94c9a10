"""Steps mapped over lists: each item an execution of its own, on every executor alike."""

from __future__ import annotations

from typing import Any

import pytest

from nbpipe.errors import ItemsFailedError, StepFailedError
from nbpipe.records.runs import Status
from tests.flows.project import Project

EXECUTORS = ("in-process", "processes:2")

SCORES = """
import os

@step
def parts(n: int) -> list[int]:
    return list(range(n))

@step
def score(part: int, weight: int = 1) -> int:
    if str(part) in os.environ.get("BAD", "").split():
        raise ValueError(f"{part} is bad")
    with open("ran.txt", "a") as file:
        file.write(f"{part} ")
    return part * weight

@step
def best(scores: list[int]) -> int:
    return max(scores, default=-1)

@pipeline
def training(n: int = 5):
    return best(score.map(parts(n), weight=10))
"""


def runs_of(project: Project, executor: str, text: str = SCORES) -> Any:
    flow = project.load(text)
    project.write("ran.txt", "")
    return flow.training.with_options(executor=executor)


def ran_items(project: Project) -> list[str]:
    """Give the items that ran since this was asked the last time."""
    found = (project.folder / "ran.txt").read_text().split()
    project.write("ran.txt", "")
    return sorted(found)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_mapped_step_gives_the_list_of_what_each_item_gave(project: Project, executor: str) -> None:
    training = runs_of(project, executor)

    run = training(n=4)

    assert run.output == 30
    assert run.steps["score"].output.load() == [0, 10, 20, 30]
    assert list(run.steps) == ["parts", "score", "best"]
    items = run.steps["score"].items
    assert [(item.node, item.parameters, item.output.load()) for item in items] == [
        ("score[0]", {"part": 0, "weight": 10}, 0),
        ("score[1]", {"part": 1, "weight": 10}, 10),
        ("score[2]", {"part": 2, "weight": 10}, 20),
        ("score[3]", {"part": 3, "weight": 10}, 30),
    ]
    assert items[-1].place == 3
    assert [artifact.name for artifact in project.client.artifacts.list()] == ["best", "score", "parts"]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_new_item_runs_alone(project: Project, executor: str) -> None:
    training = runs_of(project, executor)
    training(n=4)
    ran_items(project)

    run = training(n=5)

    assert ran_items(project) == ["4"]
    assert run.steps["score"].output.load() == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_items_that_failed_let_the_others_finish_and_run_alone_the_next_time(
    project: Project, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = runs_of(project, executor)
    monkeypatch.setenv("BAD", "3 7")

    with pytest.raises(StepFailedError) as failed:
        training(n=10)

    error = failed.value.__cause__
    assert isinstance(error, ItemsFailedError)
    assert (error.failed, error.total, error.step) == (2, 10, "score")
    assert sorted(error.first) == [(3, "ValueError", "3 is bad"), (7, "ValueError", "7 is bad")]
    assert "2 of 10 items failed: [3] ValueError: 3 is bad" in str(failed.value)
    assert len(ran_items(project)) == 8
    run = project.client.runs.newest()
    assert {node: step.status for node, step in run.steps.items()} == {
        "parts": Status.COMPLETED,
        "score": Status.FAILED,
        "best": Status.SKIPPED,
    }

    monkeypatch.delenv("BAD")
    again = training(n=10)

    assert ran_items(project) == ["3", "7"]
    assert again.output == 90


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_empty_list_gives_an_empty_list(project: Project, executor: str) -> None:
    training = runs_of(project, executor)

    run = training(n=0)

    assert (run.output, run.steps["score"].output.load()) == (-1, [])
