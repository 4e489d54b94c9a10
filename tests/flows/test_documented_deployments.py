"""The documented ways of deploying a pipeline: each Python, shell and curl block, from a file and from a notebook.

The blocks stand as in the document nbpipe starts from, with imports and the address changed: it writes port 8000, which
somebody else may have here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nbpipe.records.runs import Status
from tests.notebook.kernels import LiveKernel
from tests.serving import PATIENCE_S, Serving, ask, served_folder

# The document names `process_weather`, and leaves it to the reader.
WEATHER = """
@step
def process_weather(city: str, temperature: float) -> str:
    return f"{city}: {temperature:g} degrees"

@pipeline
def weather_agent(city: str = "Paris", temperature: float = 20) -> str:
    return process_weather(city=city, temperature=temperature)
"""
DEPLOY = """
# Deploy as an HTTP service
deployment = weather_agent.deploy(deployment_name="weather_service")
print(f"URL: {deployment.url}")
"""
VIA_PYTHON = """
# HTTP via Python (fallback when curl is unavailable)
import requests

response = requests.post(
    "http://localhost:8000/invoke",
    json={"parameters": {"city": "London", "temperature": 20}},
    timeout=30,
)
response.raise_for_status()
print(response.json())
"""
SHELL = """
# CLI (portable, recommended)
nbpipe deployment invoke weather_service --city="London" --temperature=20
"""
CURL = """
# HTTP with curl (if curl is available)
curl -X POST http://localhost:8000/invoke \\
  -H "Content-Type: application/json" \\
  -d '{"parameters": {"city": "London", "temperature": 20}}'
"""


# A route and a middleware that are functions of a notebook.
ROUTED = (
    "UNIT = 'degrees'",
    "def about():\n    return {'unit': UNIT}",
    "async def stamp(request, call_next):\n    answer = await call_next(request)\n"
    "    answer.headers['x-unit'] = UNIT\n    return answer",
    "weather_agent.deploy('w', settings={'routes': {'GET /about': about}, 'middleware': [stamp]})",
)


def from_file(serving: Serving) -> str:
    flow = serving.project.load(WEATHER + DEPLOY)
    return flow.deployment.url


def from_notebook(serving: Serving) -> str:
    """Deploy the document's block, and then what a notebook has beside it, as `w`."""
    kernel = LiveKernel(str(serving.project.folder))
    try:
        kernel.ok("%load_ext nbpipe", "from nbpipe import pipeline, step", WEATHER)
        printed = kernel.ok(DEPLOY).text
        kernel.ok(*ROUTED)
    finally:
        # A deployment outlives the kernel that started it.
        kernel.kill()
    return printed.partition("URL: ")[2].split()[0]


def from_cells(serving: Serving) -> str:
    """Deploy what the cells of a notebook make up, without a function around them."""
    kernel = LiveKernel(str(serving.project.folder))
    try:
        kernel.ok(
            "%load_ext nbpipe",
            "%%params --name weather_agent\ncity: str = 'Paris'\ntemperature: float = 20",
            "%%step process_weather\nsaid = f'{city}: {temperature:g} degrees'",
            "%nbpipe deploy --name weather_service",
        )
    finally:
        kernel.close()
    return serving.client.deployments.get("weather_service").url


@pytest.fixture(scope="module", params=[from_file, from_notebook, from_cells], ids=lambda way: way.__name__)
def serving(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with served_folder(tmp_path_factory.mktemp("documented")) as serving:
        serving.url = request.param(serving)
        yield serving


@pytest.fixture
def shell(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Give what runs a block of the document in a shell."""
    monkeypatch.setenv("NBPIPE_HOME", str(serving.paths.root))
    commands = serving.project.folder / "commands"
    commands.mkdir(exist_ok=True)
    command = commands / "nbpipe"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nbpipe "$@"\n', encoding="utf-8")
    command.chmod(0o700)

    def run(block: str) -> str:
        done = subprocess.run(
            ["sh", "-ec", at(serving.url, block)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            cwd=serving.project.folder,
            env={**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def at(url: str, block: str) -> str:
    """Give a block with the deployment's own port."""
    return block.replace("localhost:8000", f"localhost:{url.rpartition(':')[2]}")


def only_output(said: Any) -> Any:
    (output,) = said["outputs"].values()
    return output


def test_the_deployment_answers_at_the_address_it_prints(serving: Serving) -> None:
    said = ask(serving.url, "POST", "/invoke", {})

    assert said.status == 200
    assert only_output(said.json) == "Paris: 20 degrees"


def test_the_python_block_is_answered(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}

    exec(compile(at(serving.url, VIA_PYTHON), "block", "exec"), names)

    said = names["response"].json()
    assert only_output(said) == "London: 20 degrees"
    assert str(said) in capsys.readouterr().out


def test_the_shell_block_is_answered(shell: Callable[[str], str]) -> None:
    assert "London: 20 degrees" in shell(SHELL)


def test_the_curl_block_is_answered_and_recorded(serving: Serving, shell: Callable[[str], str]) -> None:
    said = json.loads(shell(CURL))

    assert only_output(said) == "London: 20 degrees"
    run = serving.client.runs.get(said["run_id"])
    assert run.status is Status.COMPLETED
    assert run.parameters == {"city": "London", "temperature": 20.0}


@pytest.mark.parametrize("serving", [from_notebook], ids=["from_notebook"], indirect=True)
def test_a_route_of_a_notebook_cell_answers(serving: Serving) -> None:
    said = ask(serving.client.deployments.get("w").url, "GET", "/about")

    assert (said.json, said.headers["x-unit"]) == ({"unit": "degrees"}, "degrees")
