"""`nbpipe server` as a process: the documented calls with curl, and what a kill leaves."""

from __future__ import annotations

import json
import socket
import subprocess

import pytest

from nbpipe.cli import main
from tests.flows.project import Project
from tests.server.running import RunningServer, running, until

FLOW = """
@step
def model_trainer(model_type: str = "svm", seconds: float = 0.0) -> Annotated[str, "trained"]:
    import time

    print("training", model_type, flush=True)
    for _ in range(int(seconds * 20)):
        time.sleep(0.05)
    return model_type

@pipeline
def training_pipeline(seconds: float = 0.0):
    return model_trainer(seconds=seconds)
"""
# As the documents write them; what stands in <…> is filled in.
FIRST = """curl -X 'GET' \\
  '<YOUR_SERVER_URL>/api/v1/pipelines?hydrate=false&name=<PIPELINE-NAME>' \\
  -H 'accept: application/json' \\
  -H 'Authorization: Bearer <YOUR-TOKEN>'"""
SNAPSHOTS = "pipeline_snapshots?hydrate=false&logical_operator=and&page=1&size=20&pipeline_id=<PIPELINE-ID>"
SECOND = f"""curl -X 'GET' \\
  '<YOUR_SERVER_URL>/api/v1/{SNAPSHOTS}' \\
  -H 'accept: application/json' \\
  -H 'Authorization: Bearer <YOUR-TOKEN>'"""
THIRD = """curl -X 'POST' \\
  '<YOUR_SERVER_URL>/api/v1/pipeline_snapshots/<SNAPSHOT-ID>/runs' \\
  -H 'accept: application/json' \\
  -H 'Content-Type: application/json' \\
  -H 'Authorization: Bearer <YOUR-TOKEN>' \\
  -d '{
  "run_configuration": { "steps": {"model_trainer": {"parameters": {"model_type": "rf"}}}}
}'"""
SHORT = """curl -X POST '<YOUR_SERVER_URL>/api/v1/pipeline_snapshots/<SNAPSHOT-ID>/runs' \\
  -H 'Authorization: Bearer <YOUR-TOKEN>' -d '{"run_configuration": {"enable_cache": false}}'"""


@pytest.fixture
def snapshot(project: Project):
    return project.load(FLOW).training_pipeline.create_snapshot("nightly")


@pytest.fixture
def token(project: Project) -> str:
    return project.client.tokens.create("ci", scope="invoke").token


def curl(block: str, **filled: str) -> dict:
    for name, value in filled.items():
        block = block.replace(f"<{name.replace('_', '-')}>", value).replace(f"<{name}>", value)
    line = f"{block} -sS --max-time 60"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, timeout=90)
    return json.loads(done.stdout)


def status_of(server: RunningServer, run_id: str, token: str) -> str:
    return server.ask(f"/api/v1/runs/{run_id}", token)[1]["status"]


def test_the_documented_calls_lead_from_a_name_to_a_run(project, snapshot, token):
    with running(project.folder) as server:
        known = {"YOUR_SERVER_URL": server.url, "YOUR_TOKEN": token}

        pipelines = curl(FIRST, **known, PIPELINE_NAME="training_pipeline")
        snapshots = curl(SECOND, **known, PIPELINE_ID=pipelines["items"][0]["id"])
        run = curl(THIRD, **known, SNAPSHOT_ID=snapshots["items"][0]["id"])
        again = curl(SHORT, **known, SNAPSHOT_ID=snapshot.id)
        until(lambda: {status_of(server, one["id"], token) for one in (run, again)} == {"completed"})

    assert snapshots["items"][0]["id"] == snapshot.id
    done = project.client.runs.get(run["id"])
    assert done.steps["model_trainer"].parameters["model_type"] == "rf"
    assert done.snapshot == snapshot.id
    assert project.client.runs.get(again["id"]).status == "completed"


def test_runs_that_were_promised_survive_a_kill_of_the_server_and_start_once(project, snapshot, token):
    wanted = {"run_configuration": {"parameters": {"seconds": 1.0}, "enable_cache": False}}
    with running(project.folder, "--workers", "1") as server:
        address = f"/api/v1/pipeline_snapshots/{snapshot.id}/runs"
        promised = [server.ask(address, token, wanted)[1]["id"] for _ in range(3)]
        until(lambda: status_of(server, promised[0], token) == "running")
        server.kill()

    with running(project.folder, "--workers", "2") as server:
        until(lambda: [status_of(server, one, token) for one in promised] == ["completed"] * 3)
        assert server.end() == 0

    runs = project.client.runs.list()
    assert sorted(run.id for run in runs) == sorted(promised)
    assert [path for path in project.client.workspace.paths.queue.iterdir() if path.suffix == ".json"] == []


def test_a_server_that_cannot_serve_says_why_in_a_line_or_two(project, capsys):
    def told(*options: str) -> tuple[int, str]:
        return main(("server", *options)), capsys.readouterr().err

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        code, said = told("--port", port)
    assert code == 4
    assert said == f"Port {port} of 127.0.0.1 is in use. Take another with --port; 0 is any that is free.\n"
    code, said = told("--host", "0.0.0.0")
    assert code == 2
    assert "there is no token that opens it" in said
    assert "nbpipe token create" in said


def test_a_server_that_is_asked_to_end_ends_well_and_its_port_is_free_again_for_one_that_warns_beyond_this_machine(
    project, token
):
    with running(project.folder) as server:
        port = server.url.rpartition(":")[2]
        assert server.ask("/api/v1/pipelines", token)[0] == 200

        assert server.end() == 0

    assert "The server has ended." in server.said
    with running(project.folder, "--host", "0.0.0.0", "--port", port) as again:
        assert again.url.endswith(f":{port}")
        assert "WARNING: other machines reach it, and without TLS" in again.said
        assert curl(f"curl http://127.0.0.1:{port}/health") == {"status": "ok"}
        refused = curl(f"curl -H 'Host: evil.example' http://127.0.0.1:{port}/health")
        assert refused == {"detail": "The Host header does not name this server."}


def test_a_run_is_stopped_by_who_may_and_the_next_one_takes_its_turn(project, snapshot, token):
    admin = project.client.tokens.create("me", scope="admin").token
    address = f"/api/v1/pipeline_snapshots/{snapshot.id}/runs"
    with running(project.folder, "--workers", "1") as server:
        long, short = (
            server.ask(address, token, {"run_configuration": {"parameters": {"seconds": seconds}}})[1]["id"]
            for seconds in (600.0, 0.0)
        )
        until(lambda: status_of(server, long, token) == "running")
        assert status_of(server, short, token) == "queued"

        assert server.ask(f"/api/v1/runs/{long}/stop", token, method="POST")[0] == 403
        assert server.ask(f"/api/v1/runs/{long}/stop", admin, method="POST")[0] == 200

        until(lambda: status_of(server, short, token) == "completed")
        assert status_of(server, long, token) == "interrupted"
        assert server.ask(f"/api/v1/runs/{long}/stop", admin, method="POST")[0] == 409
