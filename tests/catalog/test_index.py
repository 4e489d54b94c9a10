"""The index of executions: what it has read holds until somebody changes the file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.execute.plan import full_key
from nbpipe.execute.prepared import Prepared
from tests.flows.project import Project, project_in, ran

FLOW = """
@step
def load() -> int:
    return 2

@step
def twice(x: int, n: int = 2) -> int:
    return n * x

@pipeline
def training(n: int = 2):
    return twice(load(), n)
"""


@pytest.fixture
def project(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Give an empty project with an empty workspace."""
    with project_in(workspace, monkeypatch) as found:
        yield found


def test_what_another_process_executed_is_known_after_the_next_catching_up(project: Project) -> None:
    half = Prepared.of(project.load(FLOW).load).half
    key = full_key(half, {})
    index = project.client.workspace.executions
    index.catch_up()
    assert not index.may_know(half)
    assert index.find(key, half) is None
    assert index.last("training", "load") is None

    project.python("import flow; flow.training()", check=True)
    index.catch_up()

    assert index.may_know(half)
    found = index.find(key, half)
    assert found is not None
    assert index.last("training", "load") == found


def test_a_third_process_that_takes_the_executions_in_first_hides_none_from_us(project: Project) -> None:
    flow = project.load(FLOW)
    half = Prepared.of(flow.load).half
    index = project.client.workspace.executions
    index.catch_up()
    assert not index.may_know(half)

    project.python("import flow; flow.training(n=3)", check=True)
    project.python("from nbpipe import Client; Client().workspace.executions.catch_up()", check=True)

    assert ran(flow.training(n=3)) == []


def test_the_newest_execution_of_a_node_is_told_though_an_older_one_was_asked_for_before(project: Project) -> None:
    project.load(FLOW).training(n=3)
    project.reopen()  # as another process finds it
    index = project.client.workspace.executions
    index.catch_up()
    before = index.last("training", "twice")

    project.python("import flow; flow.training(n=4)", check=True)
    index.catch_up()

    after = index.last("training", "twice")
    assert before is not None
    assert after is not None
    assert (before["parameters"], after["parameters"]) == ({"n": 3}, {"n": 4})


def test_an_execution_that_was_forgotten_is_not_found_again(project: Project) -> None:
    flow = project.load(FLOW)
    half = Prepared.of(flow.load).half
    key = full_key(half, {})
    flow.training()
    project.reopen()  # as another process finds it
    index = project.client.workspace.executions
    index.catch_up()
    assert index.find(key, half) is not None

    index.forget(key)

    assert index.find(key, half) is None
