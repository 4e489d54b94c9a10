"""The interactive run: each cell recorded as it is executed, one run for a session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nbpipe import get_step_context
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.define.cells import CellStep
from nbpipe.errors import ConflictError
from nbpipe.execute.prepared import Inputs, Prepared
from nbpipe.records.runs import Status
from nbpipe.records.steps import StepOptions
from nbpipe.services.client import Client
from nbpipe.services.interactive import Execution, InteractiveRun
from nbpipe.services.workspace import Workspace
from tests.services.building import opened


@pytest.fixture
def workspace_open(workspace: WorkspacePaths) -> Iterator[Workspace]:
    with opened(workspace) as found:
        yield found


@pytest.fixture
def session(workspace_open: Workspace) -> Iterator[InteractiveRun]:
    run = InteractiveRun(workspace_open, "notebook")
    yield run
    run.end()


def planned(
    session: InteractiveRun, text: str, name: str = "cell", inputs: Inputs | None = None, **options: Any
) -> Execution:
    prepared = Prepared.of(CellStep(name=name, text=text, options=StepOptions(**options)))
    return session.plan(prepared, inputs or Inputs(), name, {})


IMPORTS = "from nbpipe import Tag, add_tags, log_metadata\n"


def executed(session: InteractiveRun, text: str, name: str = "cell", **options: Any) -> Execution:
    """Do with a cell what the notebook does."""
    text = IMPORTS + text
    execution = planned(session, text, name, **options)
    if execution.record is not None:
        session.reuse(execution)
        return execution
    session.begin(execution)
    namespace: dict[str, Any] = {}
    try:
        exec(text, namespace)
    except BaseException as error:
        session.leave(execution)
        session.fail(execution, error)
        raise
    session.leave(execution)
    values = {name: namespace[name] for name in execution.prepared.names}
    session.commit(execution, values, {}, 0.5)
    return execution


def the_run() -> Any:
    (run,) = Client().runs.list()
    return run


def test_nothing_is_written_before_the_first_cell_runs(session: InteractiveRun, workspace_open: Workspace) -> None:
    execution = planned(session, "x = 1")

    assert (execution.record, execution.why) == (None, "no result so far")
    assert list(workspace_open.paths.logs.glob("*.log")) == []


def test_cells_are_steps_of_one_run_that_goes_on_until_the_session_ends(session: InteractiveRun) -> None:
    executed(session, "x = 1\nlog_metadata({'n': 1})", "first")
    executed(session, "y = [2]", "second")

    run = the_run()
    assert (run.kind, run.pipeline, run.status) == ("interactive", "notebook", Status.RUNNING)
    assert {node: step.status for node, step in run.steps.items()} == dict.fromkeys(
        ["first", "second"], Status.COMPLETED
    )
    assert run.steps["first"].output.version == 1
    assert run.metadata == {"n": 1}
    assert run.steps["second"].duration_s is not None

    session.end()
    session.end()
    assert the_run().status is Status.COMPLETED


def test_an_unchanged_cell_is_reused_with_all_that_it_said(session: InteractiveRun, workspace_open: Workspace) -> None:
    of_the_run = "log_metadata({'n': 1})\nadd_tags(['mine'])"
    of_the_output = "log_metadata({'rows': 1}, infer_artifact=True)\nadd_tags(['on-x'], infer_artifact=True)"
    text = f"x = [1]\n{of_the_run}\n{of_the_output}"
    first = executed(session, text)
    session.end()
    other = InteractiveRun(workspace_open, "notebook")

    again = executed(other, "# once more\n" + text)
    other.end()

    assert again.settled.status is Status.REUSED
    assert again.settled.artifacts["x"].id == first.settled.artifacts["x"].id
    assert len(Client().runs.list()) == 2
    for run in Client().runs.list():
        assert run.metadata == {"n": 1}
        assert run.tags == ["mine"]
        assert run.steps["cell"].output.version == 1
        assert run.steps["cell"].output.tags == ["on-x"]


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        ("x = 2", {}, "its source changed"),
        ("x = 1", {"cache": False}, "caching is off"),
        ("x = 1", {"expiry_s": 1e-9}, "its result has expired"),
    ],
)
def test_a_cell_says_why_it_runs_again(session: InteractiveRun, text: str, options: Any, why: str) -> None:
    executed(session, "x = 1")

    execution = planned(session, IMPORTS + text, **options)

    assert execution.record is None
    assert execution.why == why


def test_a_failing_cell_is_recorded_with_its_error_and_the_session_goes_on(session: InteractiveRun) -> None:
    with pytest.raises(ZeroDivisionError):
        executed(session, "add_tags(['tried'])\nx = 1 / 0", "bad")
    with pytest.raises(KeyboardInterrupt):
        executed(session, "raise KeyboardInterrupt", "stopped")
    executed(session, "y = 1", "good")

    run = the_run()
    assert {node: step.status.value for node, step in run.steps.items()} == {
        "bad": "failed", "stopped": "interrupted", "good": "completed",
    }  # fmt: skip
    assert run.steps["bad"].error == "ZeroDivisionError: division by zero"
    assert run.tags == ["tried"]


def test_an_interactive_run_takes_no_exclusive_tag(session: InteractiveRun) -> None:
    of_the_run = "add_tags(['plain', Tag(name='latest', exclusive=True)])"
    of_the_output = "add_tags([Tag(name='best', exclusive=True), 'ok'], infer_artifact=True)"

    executed(session, f"x = 1\n{of_the_run}\n{of_the_output}")
    session.end()

    assert the_run().tags == ["plain"]
    assert the_run().steps["cell"].output.tags == ["ok"]


def test_each_execution_that_ran_makes_a_new_version_even_of_equal_content(session: InteractiveRun) -> None:
    versions = [executed(session, "x = 5", cache=False).settled.artifacts["x"].id for _ in range(3)]

    numbers = Client().query("select id, number from artifacts order by number")
    assert numbers.id.tolist() == versions
    assert numbers.number.tolist() == [1, 2, 3]


def test_outside_of_a_cell_there_is_no_step(session: InteractiveRun) -> None:
    executed(session, "x = 1")

    with pytest.raises(ConflictError):
        get_step_context()


@pytest.mark.parametrize("size", [1, 200_000], ids=["small", "large"])
def test_what_a_cell_showed_is_shown_again(session: InteractiveRun, workspace_open: Workspace, size: int) -> None:
    shown = [{"output_type": "stream", "name": "stdout", "text": "a" * size}]
    session.show(executed(session, "x = 1"), shown)

    assert session.shown(planned(session, IMPORTS + "x = 1")) == shown
    workspace_open.close()

    with opened(workspace_open.paths) as again:
        other = InteractiveRun(again, "notebook")
        assert other.shown(planned(other, IMPORTS + "x = 1")) == shown


def test_a_cell_whose_stored_value_is_gone_runs_again(session: InteractiveRun, workspace_open: Workspace) -> None:
    executed(session, "x = list(range(5000))")
    for path in workspace_open.paths.blobs.rglob("*"):
        if path.is_file():
            path.unlink()

    assert planned(session, IMPORTS + "x = list(range(5000))").record is None
