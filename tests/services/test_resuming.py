"""Going on from a run that failed, was stopped or was killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog import retiring
from nbpipe.errors import (
    AmbiguousNameError,
    BadValueError,
    CatalogDamagedError,
    ConflictError,
    NotFoundError,
    ParameterError,
    StepFailedError,
)
from nbpipe.records.runs import Status
from nbpipe.services.resuming import continued, resumed_request
from tests.flows.project import Project, project_in, why

FLOW = """
from pathlib import Path

def told(name):
    with open("calls.txt", "a") as file:
        file.write(name + " ")

@step(cache=False)
def load(n: int = 5) -> Annotated[list, "raw"]:
    told("load")
    return list(range(n))

@step
def clean(raw: list) -> Annotated[list, "cleaned"]:
    told("clean")
    return raw[1:]

@step
def train(cleaned: list, rate: float = 0.1) -> Annotated[float, "model"]:
    told("train")
    if not Path("mended").exists():
        raise ValueError("no data")
    return sum(cleaned) * rate

@step(cache=False)
def report(raw: list, model: float) -> str:
    told("report")
    return f"{len(raw)} {model:.1f}"

@step
def aside(raw: list) -> int:
    told("aside")
    return len(raw)

@pipeline(tags=["t", Tag(name="newest", exclusive=True)], model=Model(name="iris"))
def training(n: int = 5, rate: float = 0.1):
    raw = load(n)
    model = train(clean(raw), rate)
    aside(raw)
    return report(raw, model)
"""


@pytest.fixture
def flow(project: Project) -> Any:
    return project.load(FLOW)


def failed(project: Project, pipeline: Any, **parameters: Any) -> Any:
    """Run a pipeline that fails, give the run and forget what was called."""
    with pytest.raises(StepFailedError):
        pipeline(**parameters)
    calls(project)
    return project.client.runs.newest()


def calls(project: Project) -> list[str]:
    """Name the steps whose bodies ran since this was asked last."""
    place = project.folder / "calls.txt"
    words = place.read_text().split() if place.exists() else []
    place.unlink(missing_ok=True)
    return words


def mend(project: Project) -> None:
    (project.folder / "mended").touch()


@dataclass
class Resumed:
    """A run with values, tags and a value of a step of its own that failed and was resumed by its id.

    Attributes:
        run: The run that failed.
        tags: The tags that it had.
        again: The run that went on from it.
        known: What is written of that one.
        calls: The steps whose bodies ran in it.
        folders: Where this process was before and afterwards.
        model: The artifacts of its model version.
        made_by: The run that made what its first step gives.
    """

    run: Any
    tags: list[str]
    again: Any
    known: Any
    calls: list[str]
    folders: list[str]
    model: set[str]
    made_by: str


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resumed]:
    """Resume once for all who look at what comes of it."""
    paths = WorkspacePaths(tmp_path_factory.mktemp("resumed") / ".nbpipe").ensure()
    with pytest.MonkeyPatch.context() as here:
        here.setenv("NBPIPE_HOME", str(paths.root))
        with project_in(paths, here) as project:
            flow = project.load(FLOW)
            own = flow.training.with_options(tags=["mine"], steps={"train": {"parameters": {"rate": 2.0}}})
            run = failed(project, own, n=7, rate=0.5)
            mend(project)
            tags, folders = list(run.tags), [os.getcwd()]
            again = project.client.runs.resume(run.id[:8])
            folders.append(os.getcwd())
            called, model = calls(project), set(again.model_version.artifacts.keys())
            made_by = again.steps["load"].outputs["raw"].run_id
            known = project.client.runs.get(again.id)
            yield Resumed(run, tags, again, known, called, folders, model, made_by)


def test_what_was_done_is_taken_also_without_caching_and_the_rest_runs(resumed: Resumed) -> None:
    run, again = resumed.run, resumed.again

    assert resumed.calls == ["train", "report"]
    assert again.status is Status.COMPLETED
    assert again.resumed_from == run.id == resumed.known.resumed_from
    assert again.parameters == run.parameters == {"n": 7, "rate": 0.5}
    assert again.output == "7 42.0"
    said = why(resumed.known)
    assert said["load"] == f"reused: done in run {run.id[:8]}"
    assert {node.partition(":")[0] for node in (said["clean"], said["aside"])} == {"reused"}
    assert resumed.made_by == run.id


def test_a_record_and_the_pipeline_can_resume_too(flow: Any, project: Project) -> None:
    run = failed(project, flow.training)
    with pytest.raises(StepFailedError):
        run.resume()
    assert calls(project) == ["train"]
    mend(project)

    assert flow.training.resume(run).output == run.resume().output == "5 1.0"
    assert calls(project) == ["train", "report", "report"]


def test_the_code_is_that_of_the_run_whatever_has_become_of_the_file(flow: Any, project: Project) -> None:
    run = failed(project, flow.training)
    mend(project)
    project.load(FLOW.replace("sum(cleaned)", "1000 * sum(cleaned)"))

    assert project.client.runs.resume(run).output == "5 1.0"


def test_a_pipeline_goes_on_with_its_mended_code_and_runs_what_changed(flow: Any, project: Project) -> None:
    run = failed(project, flow.training, n=7)
    mended = project.load(FLOW.replace('raise ValueError("no data")', "pass").replace("return len(raw)", "return 0"))

    again = mended.training.resume(run)

    assert calls(project) == ["train", "aside", "report"]
    assert again.parameters == {"n": 7, "rate": 0.1}
    assert again.resumed_from == run.id


def test_a_pipeline_goes_on_with_another_value_and_runs_what_that_reaches(flow: Any, project: Project) -> None:
    run = failed(project, flow.training, n=7)
    mend(project)

    flow.training.resume(run, rate=1.0)
    assert calls(project) == ["train", "report"]
    flow.training.resume(run, n=3)

    assert calls(project) == ["load", "clean", "train", "aside", "report"]


def test_what_a_changed_step_gives_equally_reaches_nobody(project: Project) -> None:
    run = failed(project, project.load(FLOW).training)
    mend(project)
    changed = project.load(FLOW.replace("return list(range(n))", "return [*range(n)]"))

    changed.training.resume(run)

    assert calls(project) == ["load", "train", "report"]


def test_a_run_that_was_resumed_and_failed_again_is_resumed_in_turn(flow: Any, project: Project) -> None:
    first = failed(project, flow.training)
    with pytest.raises(StepFailedError):
        first.resume()
    second = project.client.runs.newest()
    mend(project)
    calls(project)

    third = second.resume()

    assert (second.resumed_from, third.resumed_from) == (first.id, second.id)
    assert calls(project) == ["train", "report"]


def test_exclusive_tags_and_the_model_move_when_the_resumed_run_completes(resumed: Resumed) -> None:
    assert "newest" not in resumed.tags
    assert {"t", "newest"} <= set(resumed.again.tags)
    assert resumed.model == {"raw", "cleaned", "model", "report", "aside"}


def test_tags_and_step_values_of_the_run_are_those_of_the_new_one(resumed: Resumed) -> None:
    assert "mine" in resumed.again.tags
    assert resumed.again.steps["train"].parameters == {"rate": 2.0}


def test_a_killed_run_is_resumed_from_the_log_of_its_process(project: Project) -> None:
    project.load(FLOW.replace('raise ValueError("no data")', "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    died = project.python("import flow; flow.training(n=6)")
    assert died.returncode == -signal.SIGKILL
    calls(project)
    run = project.client.runs.newest()
    mend(project)

    again = project.client.runs.resume(run)

    assert run.status is Status.INTERRUPTED
    assert calls(project) == ["train", "aside", "report"]
    assert again.output == "6 1.5"


def test_a_run_whose_log_was_archived_is_resumed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.load(FLOW)
    project.python("import flow; flow.training(n=6)")
    monkeypatch.setattr(retiring, "_ENOUGH_LOGS", 1)
    for _ in range(2):
        failed(project, project.load(FLOW).training)
        project.client.workspace.catalog.publish()
        project.reopen()
    run = project.client.runs.list()[-1]
    logs = {path.stem for path in project.client.workspace.paths.logs.glob("*.log")}
    (row,) = project.client.workspace.catalog.rows("SELECT log FROM keyed.runs WHERE id = $id", {"id": run.id})
    assert row["log"] not in logs, "its log lies in the archive"
    mend(project)

    again = run.resume()

    assert calls(project) == ["train", "report"]
    assert again.output == "6 1.5"


def test_a_stopped_run_is_resumed(project: Project) -> None:
    flow = project.load(FLOW.replace('raise ValueError("no data")', "raise KeyboardInterrupt"))
    handle = flow.training.start()
    with pytest.raises(Exception, match="stopped"):
        handle.wait()
    calls(project)
    mend(project)

    again = project.client.runs.resume(handle.id)

    assert calls(project) == ["train", "aside", "report"]
    assert again.status is Status.COMPLETED


def test_a_result_that_is_gone_is_made_again_and_that_is_said(project: Project) -> None:
    flow = project.load(FLOW.replace("list(range(n))", "list(range(n)) * 9000").replace("sum(cleaned)", "0"))
    run = failed(project, flow.training)
    mend(project)
    for path in project.client.workspace.paths.blobs.rglob("*"):
        if path.is_file() and path.stat().st_size > 20_000:
            path.unlink()

    again = run.resume()

    assert calls(project) == ["load", "clean", "train", "report"]
    assert why(again)["load"] == "completed: its stored result is gone"


SECRET = """
from pydantic import SecretStr
from pathlib import Path

@step(cache=False)
def ask(key: SecretStr, place: str = "x") -> str:
    return place

@step
def use(place: str, key: SecretStr = SecretStr("none")) -> str:
    if not Path("mended").exists():
        raise ValueError("no")
    return place + key.get_secret_value()

@pipeline
def secretive(token: SecretStr, place: str = "x"):
    return use(ask(token, place))
"""


def test_secrets_have_to_be_given_again_and_are_named(project: Project) -> None:
    flow = project.load(SECRET)
    told = flow.secretive.with_options(steps={"use": {"parameters": {"key": "deep"}}})
    run = failed(project, told, token="hunter2")
    mend(project)

    with pytest.raises(ParameterError, match=r"token, use.key") as refused:
        project.client.runs.resume(run)
    with pytest.raises(ParameterError, match=r"use.key"):
        project.client.runs.resume(run, token="hunter2")
    again = project.client.runs.resume(run, token="hunter2", **{"use.key": "deep"})

    assert "--set token=… --set use.key=…" in str(refused.value)
    assert again.output == "xdeep"
    assert again.steps["ask"].status is Status.REUSED
    with pytest.raises(ParameterError, match="secrets"):
        flow.secretive.resume(run)


def test_only_secrets_can_be_given(flow: Any, project: Project) -> None:
    run = failed(project, flow.training)

    for name in ("rate", "nothing", "load.n"):
        with pytest.raises(BadValueError, match=f"{name} cannot be set"):
            project.client.runs.resume(run, **{name: 3})


def test_what_cannot_be_resumed_is_refused_and_nothing_is_written(flow: Any, project: Project) -> None:
    mend(project)
    completed = flow.training()
    other = project.load(FLOW.replace("def training", "def other"), "other").other
    (project.folder / "mended").unlink()
    run = failed(project, flow.training, rate=9.0)
    before = project.logs_bytes()

    with pytest.raises(ConflictError, match="has completed"):
        completed.resume()
    with pytest.raises(NotFoundError, match="No run"):
        project.client.runs.resume("nothing")
    with pytest.raises(NotFoundError, match="No run"):
        flow.training.resume("'; drop table runs; --")
    with pytest.raises(BadValueError, match="other cannot go on"):
        other.resume(run)
    with pytest.raises(ParameterError, match="rate"):
        flow.training.resume(run, rate="fast")
    assert project.logs_bytes() == before


def test_a_name_that_two_runs_have_is_refused_with_both(flow: Any, project: Project) -> None:
    for rate in (1.0, 2.0):
        failed(project, flow.training.with_options(run_name="same"), rate=rate)

    with pytest.raises(AmbiguousNameError):
        project.client.runs.resume("same")


def test_a_run_that_goes_on_is_not_resumed_and_no_run_twice_at_once(project: Project) -> None:
    flow = project.load(
        FLOW.replace(
            'raise ValueError("no data")', "import time\n        while not Path('go').exists(): time.sleep(0.01)"
        ).replace(
            "def report(raw: list, model: float) -> str:",
            'def report(raw: list, model: float) -> str:\n    1 / Path("done").exists()',
        )
    )
    handle = flow.training.start()
    with pytest.raises(ConflictError, match="still goes on"):
        project.client.runs.resume(handle.id)
    (project.folder / "go").touch()
    with pytest.raises(StepFailedError):
        handle.wait()
    waiting = project.load(
        FLOW.replace(
            "def report(raw: list, model: float) -> str:",
            "def report(raw: list, model: float) -> str:\n    while not Path('done').exists(): pass",
        )
    )
    mend(project)
    second = project.client.runs.start(continued(project.client.workspace, handle.id, waiting.training.request({})))
    with pytest.raises(ConflictError, match="goes on from run"):
        project.client.runs.resume(handle.id)
    (project.folder / "done").touch()
    assert second.wait().status is Status.COMPLETED


def test_of_several_who_go_on_from_a_run_at_once_one_does(project: Project) -> None:
    flow = project.load(
        FLOW.replace(
            "def report(raw: list, model: float) -> str:",
            "def report(raw: list, model: float) -> str:\n    while not Path('done').exists(): pass",
        )
    )
    with pytest.raises(StepFailedError):
        flow.training()
    run = project.client.runs.newest()
    mend(project)
    runs = project.client.runs
    # All of them have looked before any of them begins.
    requests = [resumed_request(project.client.workspace, run.id) for _ in range(3)]

    first = runs.start(requests[0])
    for late in requests[1:]:
        with pytest.raises(ConflictError, match=f"Run {first.id[:8]} goes on from run {run.id[:8]}"):
            runs.start(late)
    (project.folder / "done").touch()

    assert first.wait().status is Status.COMPLETED
    assert len(runs.list()) == 2


def test_a_run_of_a_deleted_snapshot_is_resumed(flow: Any, project: Project) -> None:
    made = flow.training.create_snapshot("nightly")
    with pytest.raises(StepFailedError):
        made.run()
    run = project.client.runs.newest()
    project.client.snapshots.delete("nightly")
    calls(project)
    mend(project)

    again = run.resume()

    assert again.snapshot == made.id
    assert calls(project) == ["train", "report"]


def test_a_run_without_its_code_says_how_to_go_on(project: Project) -> None:
    flow = project.load(
        FLOW.replace("def told(name):", "globals()['ROWS'] = 1\n\ndef told(name):", 1).replace(
            "load(n)\n", "load(n if ROWS else 1)\n"
        )
    )
    run = failed(project, flow.training)
    mend(project)

    with pytest.raises(BadValueError, match=r"pipeline.resume\(run\)"):
        run.resume()
    assert flow.training.resume(run).output == "5 1.0"


def test_code_that_is_gone_is_told(flow: Any, project: Project) -> None:
    run = failed(project, flow.training)
    (row,) = project.client.workspace.catalog.rows("SELECT code FROM runs")
    for path in project.client.workspace.paths.blobs.rglob("*"):
        if path.is_file() and row["code"].endswith(path.name[-40:]):
            path.unlink()

    with pytest.raises(CatalogDamagedError, match="the code of run"):
        run.resume()


def test_a_session_of_a_notebook_is_not_resumed(project: Project) -> None:
    project.client.workspace.catalog.append(
        "run_started", id="a" * 32, run="a" * 32, body={"name": "cells", "pipeline": "nb", "kind": "interactive"}
    )

    with pytest.raises(BadValueError, match="run its cells again"):
        project.client.runs.resume("cells")


def test_the_folder_of_the_run_is_where_it_stays_for_python(resumed: Resumed) -> None:
    before, after = resumed.folders
    assert after == before
