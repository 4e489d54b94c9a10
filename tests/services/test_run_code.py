"""The code that a run leaves behind: what a snapshot is made of that is made of a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nbpipe.errors import (
    ArtifactDamagedError,
    BadValueError,
    CatalogDamagedError,
    ConflictError,
    NotFoundError,
    ParameterError,
)
from nbpipe.records.runs import Status
from nbpipe.services import run_code, upkeep
from tests.flows.project import Project

FLOW = """
FACTOR = 3

def scaled(x):
    return x * FACTOR

@step
def load(n: int = 5) -> Annotated[list, "raw"]:
    return list(range(n))

@step(tags=["kept"])
def total(data: list, rate: float = 0.1) -> Annotated[float, "total"]:
    return scaled(sum(data)) * rate

@pipeline(tags=["t"], model=Model(name="iris"))
def training(n: int = 5, rate: float = 0.1):
    return total(load(n), rate)
"""


def test_a_snapshot_of_a_run_has_the_runs_values_and_reuses_all_that_it_made(flow: Any, project: Project) -> None:
    run = flow.training.with_options(steps={"total": {"parameters": {"rate": 2.0}}})(n=7, rate=0.5)

    made = project.client.snapshots.create(run=run, name="as it was", tags=["good"])
    again = made.run()

    assert (made.run_id, made.name, made.tags) == (run.id, "as it was", ["good"])
    assert again.parameters == run.parameters == {"n": 7, "rate": 0.5}
    assert again.steps["total"].parameters == {"rate": 2.0}
    assert {step.status for step in again.steps.values()} == {Status.REUSED}
    assert again.snapshot == made.id


def test_values_that_are_given_win_over_the_runs(flow: Any, project: Project) -> None:
    run = flow.training(n=7, rate=0.5)

    made = project.client.snapshots.create(run=run.name, configuration={"parameters": {"rate": 0.25}})

    assert made.config_template.parameters == {"n": 7, "rate": 0.25}
    with pytest.raises(ParameterError, match="n"):
        project.client.snapshots.create(run=run, configuration={"parameters": {"n": "many"}})


def test_what_single_steps_were_told_is_kept(flow: Any, project: Project) -> None:
    run = flow.training.with_options(steps={"load": {"parameters": {"n": 2}}})()

    made = project.client.snapshots.create(run=run)

    assert made.config_template.steps["load"].parameters == {"n": 2}


def test_the_code_is_that_of_the_run_whatever_has_become_of_the_file(flow: Any, project: Project) -> None:
    run = flow.training()
    changed = project.load(FLOW.replace("FACTOR = 3", "FACTOR = 4"))
    newer = changed.training()

    made = project.client.snapshots.create(run=run)
    of_newer = project.client.snapshots.create(run=newer)

    assert "FACTOR = 3" in made.code
    assert "FACTOR = 4" in of_newer.code
    assert made.run().steps["total"].outputs["total"].load() == run.steps["total"].outputs["total"].load()


def test_runs_with_other_values_share_their_code(flow: Any, project: Project) -> None:
    for n in range(2):
        flow.training(n=n)

    rows = project.client.workspace.catalog.rows("SELECT DISTINCT code FROM runs")

    assert len(rows) == 1


def test_a_failed_run_leaves_its_code_too(project: Project) -> None:
    flow = project.load(FLOW.replace("return scaled(sum(data)) * rate", "return 1 / (rate - rate)"))
    with pytest.raises(Exception, match="division"):
        flow.training(n=3)
    (run,) = project.client.runs.list()

    made = project.client.snapshots.create(run=run)

    assert made.config_template.parameters["n"] == 3


def test_a_pipeline_whose_body_leans_on_no_text_runs_and_cannot_be_frozen_from_its_run(project: Project) -> None:
    flow = project.load(
        FLOW.replace("FACTOR = 3", "FACTOR = 3\nglobals()['ROWS'] = 1").replace(
            "load(n), rate)", "load(n if ROWS else 1), rate)"
        )
    )
    run = flow.training()

    with pytest.raises(BadValueError, match="no text"):
        project.client.snapshots.create(run=run)


def test_a_run_that_is_not_there_is_told(flow: Any, project: Project) -> None:
    flow.training()

    with pytest.raises(NotFoundError, match="No run"):
        project.client.snapshots.create(run="nothing")


def test_a_snapshot_is_of_a_pipeline_or_of_a_run(flow: Any, project: Project) -> None:
    run = flow.training()

    for given in ({}, {"definition": flow.training.definition, "run": run}):
        with pytest.raises(BadValueError, match="either a pipeline or a run"):
            project.client.snapshots.create(**given)


def test_a_name_that_is_taken_is_refused_for_a_run_as_for_a_pipeline(flow: Any, project: Project) -> None:
    flow.training.create_snapshot("nightly", parameters={"n": 1})
    run = flow.training()

    with pytest.raises(ConflictError, match="named 'nightly'"):
        project.client.snapshots.create(run=run, name="nightly")
    assert project.client.snapshots.create(run=run, name="nightly", replace=True).name == "nightly"


def test_code_that_is_gone_is_told(flow: Any, project: Project) -> None:
    run = flow.training()
    (row,) = project.client.workspace.catalog.rows("SELECT code FROM runs")
    for path in project.client.workspace.paths.blobs.rglob("*"):
        if path.is_file() and row["code"].endswith(path.name[-40:]):
            path.unlink()

    with pytest.raises(CatalogDamagedError, match="the code of run"):
        project.client.snapshots.create(run=run)


def test_sweeping_keeps_the_code_of_runs(flow: Any, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run = flow.training()

    monkeypatch.setattr(upkeep, "_YOUNG_S", -3600)
    unmentioned = project.client.workspace.store.blobs.write((b"nobody names it",))
    project.client.upkeep.gc()

    with pytest.raises(ArtifactDamagedError):
        project.client.workspace.store.blobs.open(unmentioned)
    assert "FACTOR = 3" in project.client.snapshots.create(run=run).code


def test_a_run_from_a_folder_that_was_deleted_goes_on(
    flow: Any, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    run = flow.training(n=3)

    assert run.status is Status.COMPLETED
    assert project.client.snapshots.create(run=run).content.folder == ""


def test_two_threads_may_make_room_at_once(flow: Any, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hurried(dict[Any, bytes]):
        """A memory from which another thread takes what this one has just looked at."""

        def __iter__(self) -> Iterator[Any]:
            seen = list(super().__iter__())
            other = threading.Thread(target=self.clear)
            other.start()
            other.join()
            return iter(seen)

        def __len__(self) -> int:
            return max(super().__len__(), run_code._MOST) if self.keys() else 0

    monkeypatch.setattr(run_code, "_written", Hurried(dict.fromkeys(range(run_code._MOST), b"")))

    assert flow.training(n=3).status is Status.COMPLETED
