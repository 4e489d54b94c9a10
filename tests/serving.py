"""Deployments as tests meet them: real processes, asked over HTTP, and none left afterwards.

A test that deploys takes the fixture `serving` or, for one deployment that all tests of a file ask, makes the context
of `served_folder` last as long as that file. Whatever happens in between, each deployment of the workspace is deleted,
and what would not go is killed.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import NbpipeError
from nbpipe.services.client import Client
from nbpipe.services.workspace import open_workspace
from tests.flows.project import Project, project_in

PATIENCE_S = 60.0
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Said:
    """One answer.

    Attributes:
        status: Its status.
        headers: Its headers, their names in lower case.
        text: Its body.
    """

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body, read as JSON that holds no number that JSON does not know."""

        def refuse(constant: str) -> Any:
            raise AssertionError(f"{constant} is no JSON")

        return json.loads(self.text, parse_constant=refuse)

    @property
    def outputs(self) -> Any:
        """What the pipeline returned."""
        assert self.status == 200, self.text
        return self.json["outputs"]

    @property
    def problems(self) -> dict[str, str]:
        """What does not fit, by place."""
        assert self.status == 422, self.text
        return {".".join(map(str, problem["loc"])): problem["msg"] for problem in self.json["detail"]}


def ask(
    url: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, limit_s: float = 60.0
) -> Said:
    """Send one request on a connection of its own; a body that is no bytes is sent as JSON."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=limit_s)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(method, path, data, {**(JSON if body is not None else {}), **(headers or {})})
        answer = connection.getresponse()
        return Said(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode())
    finally:
        connection.close()


def invoke(url: str, /, headers: Mapping[str, str] | None = None, **parameters: Any) -> Said:
    """Invoke a deployment with values of its parameters."""
    return ask(url, "POST", "/invoke", {"parameters": parameters}, headers)


def until(is_so: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Wait until something is so, and give it."""
    deadline_s = time.monotonic() + patience_s
    while not (found := is_so()):
        assert time.monotonic() < deadline_s, f"it did not come to be within {patience_s:g} s"
        # To ask the catalog more often takes as much of a processor as what is waited for.
        time.sleep(0.05)
    return found


def answers(url: str) -> bool:
    """Tell whether an invocation is answered there."""
    with suppress(OSError, http.client.HTTPException):
        return ask(url, "GET", "/ready", limit_s=5).status == 200
    return False


def free_port() -> int:
    """Give a port that is free, and that nobody takes who takes the first one that is free."""
    while not is_free(f"http://127.0.0.1:{(port := random.randrange(12_000, 30_000))}"):
        pass
    return port


def is_free(url: str) -> bool:
    """Tell whether nobody listens at an address."""
    place = urlsplit(url)
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((place.hostname, place.port))
        except OSError:
            return False
    return True


def processes_of(deployment_id: str) -> list[psutil.Process]:
    """Give the processes that were started for a deployment, and their children."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if deployment_id in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                for one in (process, *process.children(recursive=True)):
                    found[one.pid] = one
    return list(found.values())


@dataclass
class Serving:
    """A project whose pipelines are deployed.

    Attributes:
        project: The project.
        paths: Its workspace.
        url: Where the deployment of a whole file answers, if there is one.
        told: What else a file's tests want to know of it.
    """

    project: Project
    paths: WorkspacePaths
    url: str = ""
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def client(self) -> Client:
        """What may be asked of the workspace."""
        return Client(self.paths.root)

    def invoke(self, /, headers: Mapping[str, str] | None = None, **parameters: Any) -> Said:
        """Invoke the deployment."""
        return invoke(self.url, headers, **parameters)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Said:
        """Ask the deployment; `_` in a header's name is `-`."""
        return ask(self.url, method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})


@contextmanager
def served_folder(folder: Path) -> Iterator[Serving]:
    """Work in a folder with a workspace; nothing is served from it any more afterwards."""
    paths = WorkspacePaths(folder / ".nbpipe").ensure()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("NBPIPE_HOME", str(paths.root))
        try:
            with project_in(paths, monkeypatch) as project:
                yield Serving(project, paths)
        finally:
            end_all(paths)


def end_all(paths: WorkspacePaths) -> None:
    """Delete each deployment of a workspace, and kill what would not go."""
    left = [deployment.id for deployment in Client(paths.root).deployments.list()]
    for deployment_id in left:
        with suppress(NbpipeError):
            Client(paths.root).deployments.delete(deployment_id)
    open_workspace(paths).close()
    folders = [place.name for place in paths.deployments.glob("*-*")] if paths.deployments.is_dir() else []
    for deployment_id in {*left, *folders}:
        for process in processes_of(deployment_id):
            with suppress(psutil.Error, OSError):
                os.kill(process.pid, 9)
