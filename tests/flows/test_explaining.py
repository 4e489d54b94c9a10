"""Why a step ran: what changed, against which earlier run, and which edit is behind it."""

from __future__ import annotations

import os

import pytest

from nbpipe import Client
from nbpipe.errors import NotFoundError
from tests.flows.project import Project

FLOW = """
import helpers

FACTOR = 3

class Rules:
    limit = 10

def deep(x):
    return x * FACTOR

def scale(x):
    return deep(x)

@step
def load() -> list:
    with open("data.csv") as f:
        return [int(line) for line in f]

@step
def total(data: list, rate: float = 0.1) -> float:
    return sum(scale(x) for x in data) * rate

@step
def check(data: list) -> bool:
    return max(data) < Rules.limit + helpers.EXTRA

@step
def report(value: float) -> str:
    return f"{value:.1f}"

@pipeline
def training(rate: float = 0.1):
    data = load()
    check(data)
    return report(total(data, rate))
"""


@pytest.fixture
def flow(project: Project) -> Project:
    """Give a project in which the flow ran once, some time ago."""
    project.write("helpers.py", "EXTRA = 1")
    write_data(project, "1\n2\n")
    project.load(FLOW).training()
    return project


def write_data(project: Project, text: str) -> None:
    """Write the file that the first step reads."""
    path = project.write("data.csv", text)
    os.utime(path, (10**9, 10**9))


def said(project: Project, text: str, **parameters: object) -> dict[str, list[str]]:
    """Run the flow as it is now and give what is said of each step that ran."""
    run = project.load(text).training(**parameters)
    return {
        one.node: [change.said for change in one.changes]
        for one in Client().runs.explain(run)
        if one.status.value == "completed"
    }


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("FACTOR = 3", "FACTOR = 4", {"total": ["source of FACTOR changed"], "report": ["input value changed"]}),
        ("return x * FACTOR", "return x - FACTOR", {"total": ["source of deep changed"], "report": None}),
        ("limit = 10", "limit = 11", {"check": ["source of Rules changed"]}),
        ("max(data)", "min(data)", {"check": ["its source changed"]}),
        ("FACTOR = 3", "FACTOR = 3  # three", {}),
    ],
    ids=["constant", "two calls deep", "class attribute", "own text", "comment"],
)
def test_an_edit_runs_exactly_its_dependants_and_is_named(
    flow: Project, old: str, new: str, expected: dict[str, list[str] | None]
) -> None:
    found = said(flow, FLOW.replace(old, new))

    assert found.keys() == expected.keys()
    assert {node: why for node, why in found.items() if expected[node] is not None} == {
        node: why for node, why in expected.items() if why is not None
    }


def test_an_edited_module_a_changed_file_and_a_parameter_are_named(flow: Project) -> None:
    flow.write("helpers.py", "EXTRA = 2")
    assert said(flow, FLOW) == {"check": ["module helpers changed"]}

    write_data(flow, "1\n2\n3\n")
    by_file = said(flow, FLOW)
    assert by_file["load"] == ["data.csv changed (4 → 6 bytes)"]
    assert by_file["total"] == by_file["check"] == ["input data changed"]

    assert said(flow, FLOW, rate=0.2)["total"] == ["rate 0.1 → 0.2"]


def test_an_input_leads_to_the_step_that_made_it_and_to_the_run_it_was_compared_with(flow: Project) -> None:
    first = Client().runs.list()[0]
    flow.load(FLOW.replace("FACTOR = 3", "FACTOR = 4")).training()

    explained = {one.node: one for one in Client().runs.explain(Client().runs.newest())}

    assert explained["report"].changes[0].made_by == "total"
    assert explained["total"].against.id == explained["load"].against.id == first.id
    assert explained["load"].changes == ()
    assert explained["total"].changes[0].diff == ("-FACTOR = 3", "+FACTOR = 4")


def test_one_step_is_explained_alone_and_another_is_not_found(flow: Project) -> None:
    (one,) = Client().runs.explain(Client().runs.newest(), "total")

    assert (one.node, one.why, one.against) == ("total", "no result so far", None)
    with pytest.raises(NotFoundError, match="'totl'"):
        Client().runs.explain(Client().runs.newest(), "totl")
