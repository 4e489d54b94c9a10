"""The client: one workspace a process, and the calls that people know from elsewhere."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.runs import Status
from nbpipe.services.client import Client
from nbpipe.services.workspace import open_workspace
from tests.services.building import create_snapshot, record_run


@pytest.fixture
def client(workspace: WorkspacePaths) -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


def test_making_a_client_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBPIPE_HOME", str(tmp_path / "home"))

    Client(tmp_path / "other")
    Client()

    assert list(tmp_path.iterdir()) == []


def test_all_clients_of_a_workspace_share_it_until_it_is_closed(client: Client, workspace: WorkspacePaths) -> None:
    opened = client.workspace

    assert opened is Client().workspace is Client(workspace.root).workspace is Client(workspace.root.parent).workspace
    client.close()
    assert client.workspace is not opened
    assert client.workspace is Client().workspace


def test_a_forked_child_opens_the_workspace_for_itself(client: Client, workspace: WorkspacePaths) -> None:
    parents = open_workspace(workspace)
    record_run(parents)

    with warnings.catch_warnings():
        # Later Pythons warn of a fork beside the engine's threads; the child uses none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        is_own = open_workspace(workspace) is not parents
        os._exit(0 if is_own and len(Client().pipelines.list()) == 1 else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0


def test_the_calls_of_the_documents_answer(client: Client) -> None:
    run = record_run(client.workspace, outputs={"trained_model": 1}, model="iris_classifier", version="1.2.3")
    client.metadata.log({"evaluation_metrics": {"accuracy": 0.97}}, model="iris_classifier@1.2.3")
    snapshot = create_snapshot(client.workspace)

    version = client.get_model_version("iris_classifier", "1.2.3")

    assert version.run_metadata["evaluation_metrics"].value["accuracy"] == 0.97
    assert version.run_metadata["evaluation_metrics"]["accuracy"] == 0.97
    assert client.get_model_version("iris_classifier", 1).id == client.get_model_version("iris_classifier").id
    assert client.get_model("iris_classifier").count == 1
    assert client.get_artifact_version("trained_model", 1).id == run.artifacts["trained_model"]
    assert client.get_pipeline_run(run.id[:13]).name == run.name
    assert [found.id for found in client.list_pipeline_runs(pipeline="training")] == [run.id]
    assert client.get_snapshot(snapshot[:13]).id == snapshot
    client.delete_snapshot(name_id_or_prefix="nightly")
    with pytest.raises(NotFoundError):
        client.get_snapshot("nightly")
    assert client.get_pipeline_run(run.id).id == run.id


def test_a_query_is_answered_as_a_frame_and_cannot_write(client: Client) -> None:
    record_run(client.workspace)

    frame = client.query("SELECT pipeline, count(*) AS runs FROM runs GROUP BY pipeline")

    assert frame.to_dict("records") == [{"pipeline": "training", "runs": 1}]
    with pytest.raises(BadValueError):
        client.query("DROP VIEW runs")


def test_pipelines_are_listed_by_their_last_run_with_what_became_of_it(client: Client) -> None:
    record_run(client.workspace, "training")
    record_run(client.workspace, "inference", status=Status.FAILED)
    last = record_run(client.workspace, "training", status=None)
    create_snapshot(client.workspace, "serving")
    client.tags.add(["mine"], pipeline="training")

    found = client.pipelines.list()

    assert [(one.name, one.runs, one.last_status, one.snapshots) for one in found] == [
        ("training", 2, "running", 0),
        ("inference", 1, "failed", 0),
        ("serving", 0, "", 1),
    ]
    assert client.pipelines.get("training").last_run == last.id
    assert [one.name for one in client.pipelines.list(tags=["mine"])] == ["training"]
    assert client.pipelines.get("training").tags == ["mine"]
