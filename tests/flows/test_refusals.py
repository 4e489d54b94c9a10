"""What is refused is refused before anything runs, with nothing written, in a line or two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nbpipe.errors import NbpipeError, ParameterError, WorkspaceError
from tests.flows.project import Project

FLOW = """
from pathlib import Path

@step
def load(n: int) -> list:
    Path("ran").touch()
    return list(range(n))

@step
def total(data: list, rate: float = 0.1) -> float:
    return sum(data) * rate

@step
def needs(value: int, data: Any = None) -> int:
    return value

@step
def reads_live() -> str:
    return nowhere.read()

@step(tags=[Tag(name="c", cascade=True)])
def cascading() -> int:
    return 1

@pipeline(tags=["plain"], model=Model(name="iris"))
def training(n: int, rate: float = 0.1):
    return total(load(n), rate)

@pipeline
def incomplete(n: int = 1):
    needs(data=load(n))

@pipeline
def leaning():
    reads_live()

@pipeline
def wrongly_tagged():
    cascading()

@pipeline
def deciding(n: int = 1):
    if load(n):
        total([])

@pipeline
def empty(): ...
"""


REFUSED = (
    ("training()", "n  needs a value"),
    ("training(n='many')", "n"),
    ("training(1, 2, 3)", "takes 2 values"),
    ("training(1, n=2)", "'n' twice"),
    ("training(n=1, rat=1)", "did you mean 'rate'"),
    ("training.with_options(steps={'totl': {'parameters': {'rate': 1}}})(n=1)", "Did you mean 'total'"),
    ("training.with_options(steps={'total': {'parameters': {'rat': 1}}})(n=1)", "did you mean 'rate'"),
    ("training.with_options(steps={'total': {'parameters': {'data': []}}})(n=1)", "comes from step 'load'"),
    ("training.with_options(steps={'total': {'parameters': {'rate': 'x'}}})(n=1)", "rate"),
    ("training.with_options(tags='v1')(n=1)", "takes a list"),
    ("training.with_options(tags=[Tag(name='plain', exclusive=True)])(n=1)", "plain"),
    ("training.with_options(run_name='')(n=1)", "cannot name a run"),
    ("training.with_options(config_path='none.yaml')(n=1)", "none.yaml"),
    ("incomplete()", "value  needs a value"),
    ("leaning()", "nowhere"),
    ("wrongly_tagged()", "cascades"),
    ("deciding()", "truth"),
)


def test_a_run_that_cannot_be_is_refused_before_anything_runs_or_is_written(project: Project) -> None:
    flow = project.load(FLOW)
    flow.training(n=1)
    (project.folder / "ran").unlink()
    before = project.logs_bytes()

    for call, said in REFUSED:
        with pytest.raises(NbpipeError) as refused:
            eval(call, vars(flow))

        assert said in str(refused.value), call
        assert len(str(refused.value).splitlines()) <= 3, call
        assert project.logs_bytes() == before, call
        assert not (project.folder / "ran").exists(), call


def test_what_a_required_value_of_a_step_lacks_can_be_given_for_one_run(project: Project) -> None:
    flow = project.load(FLOW)

    with pytest.raises(ParameterError):
        flow.incomplete()
    run = flow.incomplete.with_options(steps={"needs": {"parameters": {"value": "7"}}})()

    assert run.steps["needs"].output.load() == 7


def test_an_empty_pipeline_runs(project: Project) -> None:
    flow = project.load(FLOW)

    run = flow.empty()

    assert run.status.value == "completed"
    assert run.refresh().status.value == "completed"
    assert (run.steps, run.output) == ({}, None)


def test_a_file_says_how_a_run_differs_and_python_wins_over_it(project: Project) -> None:
    flow = project.load(FLOW)
    project.write(
        "prod.yaml",
        """
        run_name: from-file
        parameters: {n: 4, rate: 0.5}
        steps: {total: {parameters: {rate: 2.0}}}
        tags: [prod]
    """,
    )
    configured = flow.training.with_options(config_path="prod.yaml")

    from_file = configured()
    from_call = configured(n=3)

    assert (from_file.name, from_file.output, sorted(from_file.tags)) == ("from-file", 12.0, ["plain", "prod"])
    assert from_call.output == 6.0
    assert flow.training(n=3).output == pytest.approx(0.3)


def test_a_workspace_that_is_a_file_is_refused_and_stays_a_file(
    project: Project, monkeypatch: Any, tmp_path: Path
) -> None:
    flow = project.load(FLOW)
    place = tmp_path / "occupied"
    place.write_text("mine")
    monkeypatch.setenv("NBPIPE_HOME", str(place))

    with pytest.raises(WorkspaceError) as refused:
        flow.training(n=1)

    assert len(str(refused.value).splitlines()) <= 2
    assert place.read_text() == "mine"
    assert not (project.folder / "ran").exists()


# Root may write wherever it likes, until it has given that up for good; the next program is like anybody.
LIKE_ANYBODY = """
import ctypes, os, sys
if os.getuid() == 0:
    for capability in (1, 2):
        assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0
os.execv(sys.executable, [sys.executable, "-c", os.environ["THEN"]])
"""
READS_ONLY = """
import flow
from nbpipe.errors import WorkspaceError
try:
    flow.training(n=2)
except WorkspaceError as error:
    print("refused", len(str(error).splitlines()))
print(len(flow.Client().runs.list()), flow.Client().runs.list()[0].status.value)
"""


@pytest.mark.parametrize("is_published", [True, False], ids=["published", "only logged"])
def test_a_workspace_that_may_only_be_read_is_read_and_refuses_a_run_with_nothing_written(
    project: Project, monkeypatch: Any, is_published: bool
) -> None:
    flow = project.load(FLOW)
    flow.training(n=1)
    root = project.client.workspace.paths.root
    project.reopen()
    if not is_published:
        for file in (root / "catalog").iterdir():
            file.unlink()
    files = {path: path.stat().st_size for path in root.rglob("*")}
    for path in [root, *root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    monkeypatch.setenv("THEN", READS_ONLY)

    done = project.python(LIKE_ANYBODY)

    for path in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        path.chmod(0o755)
    assert done.stdout.splitlines() == ["refused 1", "1 completed"], done.stderr
    assert {path: path.stat().st_size for path in root.rglob("*")} == files
