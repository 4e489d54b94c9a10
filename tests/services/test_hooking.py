"""Functions that are called when a run or a step has ended."""

from __future__ import annotations

from typing import Any

import pytest

from nbpipe.errors import DefinitionError, HookWarning, StepFailedError, UncapturedNameError
from nbpipe.records.runs import Status
from nbpipe.snapshot.module_text import module_text
from tests.flows.project import Project

FLOW = """
from pathlib import Path

PLACE = "told.txt"

def write(*said):
    with open(PLACE, "a") as file:
        file.write(" ".join(map(str, said)) + "|")

def step_good(step):
    recorded = Client().workspace.catalog.rows("SELECT status FROM steps WHERE id = $id", {"id": step.id})
    write("step", step.node, step.status, recorded[0]["status"], sorted(step.outputs))

def step_bad(step, error):
    write("failed", step.node, step.status, type(error).__name__, error)

def run_good(run):
    write("run", run.pipeline, run.status, Client().runs.get(run.id).status, run.output)

def run_bad(run):
    write("run", run.pipeline, run.status, Client().runs.get(run.id).status, run.error)

def nothing():
    write("nothing")

@step(on_success=step_good)
def load(n: int = 5) -> Annotated[list, "raw"]:
    return list(range(n))

@step(retries=1, on_failure=step_bad, on_success=nothing)
def train(raw: list) -> float:
    if Path("broken").exists():
        raise ValueError("no data")
    return float(len(raw))

@step(on_failure=step_bad)
def after(model: float) -> float:
    return model

@pipeline(on_success=run_good, on_failure=run_bad)
def training(n: int = 5):
    return after(train(load(n)))
"""


@pytest.fixture
def flow(project: Project) -> Any:
    return project.load(FLOW)


def told(project: Project) -> list[str]:
    """Give what hooks have said since this was asked last."""
    place = project.folder / "told.txt"
    said = place.read_text().split("|")[:-1] if place.exists() else []
    place.unlink(missing_ok=True)
    return said


def test_what_succeeded_is_told_once_it_is_recorded_and_what_was_reused_is_not(flow: Any, project: Project) -> None:
    flow.training()

    assert told(project) == [
        "step load completed completed ['raw']",
        "nothing",
        "run training completed completed 5.0",
    ]
    flow.training()
    assert told(project) == ["run training completed completed 5.0"]


def test_a_failure_is_told_once_after_the_last_attempt_with_the_exception(flow: Any, project: Project) -> None:
    (project.folder / "broken").touch()

    with pytest.raises(StepFailedError):
        flow.training()

    assert told(project)[1:] == [
        "failed train failed ValueError no data",
        "run training failed failed ValueError: no data",
    ]


@pytest.mark.parametrize("raised", ["ValueError('<oh>')", "SystemExit(3)", "AssertionError"])
def test_a_failing_hook_is_warned_about_and_changes_nothing(project: Project, raised: str) -> None:
    flow = project.load(FLOW.replace('    write("nothing")', f"    raise {raised}").replace("run.output", "1 / 0"))

    with pytest.warns(HookWarning) as warned:
        run = flow.training()

    assert [str(one.message).partition(";")[0] for one in warned] == [
        "nothing, on_success of step train, failed",
        "run_good, on_success of pipeline training, failed",
    ]
    assert run.refresh().status is Status.COMPLETED


@pytest.mark.filterwarnings("error")
def test_where_warnings_are_errors_a_failing_hook_still_changes_nothing(project: Project) -> None:
    flow = project.load(FLOW.replace('    write("nothing")', "    raise ValueError"))

    assert flow.training().status is Status.COMPLETED


def test_hooks_travel_in_snapshots_and_with_the_code_of_runs(flow: Any, project: Project) -> None:
    (project.folder / "broken").touch()
    with pytest.raises(StepFailedError):
        flow.training()
    failed = project.client.runs.newest()
    made = flow.training.create_snapshot("nightly")
    (project.folder / "broken").unlink()
    project.write("flow.py", "")
    told(project)

    made.run()
    by_snapshot = told(project)
    failed.resume()

    assert by_snapshot == ["nothing", "run training completed completed 5.0"]
    assert told(project) == ["run training completed completed 5.0"]
    assert made.code.count("def step_bad") == 2
    assert "# on_failure of pipeline training: called where a run is recorded." in made.code
    assert project.client.snapshots.create(run=failed).content.hooks == made.content.hooks
    exec(compile(module_text(made.content), "module", "exec"), {"__name__": "frozen"})


def test_a_step_with_other_options_keeps_its_hooks_or_has_others(project: Project) -> None:
    text = FLOW.replace(
        "@pipeline(", "quiet = train.with_options(name='quiet', on_success=None, retries=0)\n\n@pipeline("
    )
    flow = project.load(text.replace("after(train(load(n)))", "after(quiet(load(n)))"))

    flow.training()

    assert "nothing" not in told(project)
    assert [hook.when for hook in flow.quiet.hooks] == ["on_failure"]


def test_another_hook_is_another_code_and_no_other_key(flow: Any, project: Project) -> None:
    first = flow.training()
    other = project.load(FLOW.replace('write("nothing")', 'write("something")'))

    second = other.training()

    rows = project.client.workspace.catalog.rows("SELECT DISTINCT code FROM runs")
    assert len(rows) == 2
    assert {step.status for step in second.steps.values()} == {Status.REUSED}
    assert first.output == second.output


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("3", "give a function"),
        ("print", "give a function"),
        ("lambda step: None", "is a lambda"),
        ("slow", "is a coroutine"),
        ("greedy", "needs more"),
        ("inside()", "is defined inside"),
    ],
)
def test_what_is_no_hook_is_refused_at_the_definition(project: Project, hook: str, said: str) -> None:
    more = """
async def slow(step): ...
def greedy(a, b, c): ...
def inside():
    def hook(step): ...
    return hook
"""
    for decorator in ("@step(on_success=step_good)", "@pipeline(on_success=run_good, on_failure=run_bad)"):
        kind = decorator[1:].partition("(")[0]
        text = FLOW.replace(decorator, f"{more}\n@{kind}(on_failure={hook})", 1)
        with pytest.raises(DefinitionError, match=said) as refused:
            project.load(text)
        assert len(str(refused.value).splitlines()) == 1


def test_a_hook_that_leans_on_no_text_runs_and_is_named_when_it_is_frozen(project: Project) -> None:
    flow = project.load(
        FLOW.replace(
            "def nothing():\n",
            "LIVE = [object()]\nglobals()['MORE'] = LIVE\n\ndef nothing():\n    MORE\n",
        )
    )

    assert flow.training().status is Status.COMPLETED
    with pytest.raises(UncapturedNameError, match="on_success of step train reads 'MORE'"):
        flow.training.create_snapshot("nightly")
