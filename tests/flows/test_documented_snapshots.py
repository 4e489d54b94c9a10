"""The documented ways of working with snapshots: each Python and shell block, placeholders filled in, imports changed.

The blocks stand as in the document nbpipe starts from. What its paid edition keeps for itself, running them, is what
is tried here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from nbpipe import Client
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.cli import main
from nbpipe.errors import NotFoundError
from nbpipe.records.runs import Status
from tests.flows.project import Project, project_in

PIPELINE = """
@step
def data_loader(data_path: str = "here") -> str:
    return data_path

@step
def model_trainer(data: str, learning_rate: float = 0.1, model_type: str = "svm") -> str:
    return f"{model_type} of {data} at {learning_rate}"

@pipeline
def my_pipeline():
    model_trainer(data_loader())
"""
TRIGGERING = """
import pandas as pd

@step
def trainer(data_artifact_id: str) -> int:
    df = load_artifact(data_artifact_id)
    return len(df)

@pipeline
def training_pipeline():
    trainer()

@step
def load_data() -> pd.DataFrame:
    # Your data loading logic here
    return pd.DataFrame({"x": [1, 2, 3]})

@step
def trigger_pipeline(df: UnmaterializedArtifact):
    # By using UnmaterializedArtifact we can get the ID of the artifact
    run_config = PipelineRunConfiguration(
        steps={"trainer": {"parameters": {"data_artifact_id": df.id}}}
    )

    # This triggers the LATEST runnable snapshot for the "training_pipeline" pipeline
    Client().trigger_pipeline(pipeline_name_or_id="training_pipeline", run_configuration=run_config)

@pipeline
def loads_data_and_triggers_training():
    df = load_data()
    trigger_pipeline(df)  # Will trigger the other pipeline

@step
def trigger_specific_snapshot(df: UnmaterializedArtifact):
    run_config = PipelineRunConfiguration(
        steps={"trainer": {"parameters": {"data_artifact_id": df.id}}}
    )

    Client().trigger_pipeline(snapshot_name_or_id="older", run_configuration=run_config)

@pipeline
def loads_data_and_triggers_a_snapshot():
    trigger_specific_snapshot(load_data())
"""
PATIENCE_S = 120.0


@pytest.fixture
def project(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with project_in(workspace, monkeypatch) as found:
        yield found


def ended(run_id: str) -> Any:
    """Wait for a run that goes on in another process."""
    until_s = time.monotonic() + PATIENCE_S
    while not (run := Client().runs.get(run_id)).status.is_over:
        assert time.monotonic() < until_s, "the run ends"
        time.sleep(0.1)
    return run


def test_a_snapshot_is_made_and_run_with_its_template_edited(project: Project) -> None:
    my_pipeline = project.load(PIPELINE).my_pipeline

    snapshot = my_pipeline.create_snapshot(name="nightly")

    snapshot = Client().get_snapshot("nightly")
    config = snapshot.config_template

    # [OPTIONAL] Modify the configuration if needed
    config.steps["model_trainer"].parameters["learning_rate"] = 0.5

    started = Client().trigger_pipeline(
        snapshot_name_or_id=snapshot.id,
        run_configuration=config,
    )

    run = started.wait()
    assert run.steps["model_trainer"].output.load() == "svm of here at 0.5"
    assert run.differences == {"model_trainer.learning_rate": 0.5}


def test_a_snapshot_is_triggered_with_a_dict_and_deleted(project: Project) -> None:
    project.load(PIPELINE).my_pipeline.create_snapshot(name="nightly")

    started = Client().trigger_pipeline(
        snapshot_name_or_id="nightly",
        run_configuration={
            "steps": {
                "data_loader": {"parameters": {"data_path": "s3://new-data/"}},
                "model_trainer": {"parameters": {"learning_rate": 0.01}},
            }
        },
    )
    run = started.wait()
    Client().delete_snapshot(name_id_or_prefix="nightly")

    assert run.steps["model_trainer"].output.load() == "svm of s3://new-data/ at 0.01"
    with pytest.raises(NotFoundError):
        Client().get_snapshot("nightly")
    assert Client().runs.get(run.id).status is Status.COMPLETED


def test_the_shell_makes_runs_and_deletes_a_snapshot(project: Project) -> None:
    project.write("run.py", "from nbpipe import pipeline, step\n" + PIPELINE)
    project.write("config.yaml", "steps: {model_trainer: {parameters: {model_type: rf}}}")

    def nbpipe(words: str) -> None:
        assert main(words.split()) == 0, words

    nbpipe("pipeline snapshot create run.my_pipeline --name=nightly")
    # One in a shell's own process; the others are the same program in this one.
    project.python("from nbpipe.cli import main\nassert main('pipeline snapshot run nightly'.split()) == 0", check=True)
    nbpipe("pipeline snapshot run nightly --config=config.yaml")
    nbpipe("pipeline snapshot delete nightly")

    given = {run.steps["model_trainer"].output.load() for run in Client().runs.list()}
    assert given == {"svm of here at 0.1", "rf of here at 0.1"}
    assert list(Client().snapshots.list()) == []


def test_a_pipeline_triggers_the_newest_snapshot_of_another(project: Project) -> None:
    block = project.load(TRIGGERING)
    block.training_pipeline.create_snapshot(name="older")
    newest = block.training_pipeline.create_snapshot(name="newest", description="the newest")

    parent = block.loads_data_and_triggers_training()

    (triggered,) = parent.steps["trigger_pipeline"].triggered
    child = ended(triggered.run)
    assert child.steps["trainer"].output.load() == 3
    assert (child.parent_run_id, child.parent_step) == (parent.id, "trigger_pipeline")
    assert child.snapshot == newest.id


def test_a_pipeline_triggers_the_snapshot_that_it_names(project: Project) -> None:
    block = project.load(TRIGGERING)
    older = block.training_pipeline.create_snapshot(name="older")
    block.training_pipeline.create_snapshot(name="newest")

    parent = block.loads_data_and_triggers_a_snapshot()

    (triggered,) = parent.steps["trigger_specific_snapshot"].triggered
    assert ended(triggered.run).snapshot == older.id
    (child,) = Client().runs.list(snapshot="older")
    assert child.steps["trainer"].output.load() == 3
