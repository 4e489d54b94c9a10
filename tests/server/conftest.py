"""A workspace with a run, a snapshot, a model and tags, and the server before it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.server.app import make_server
from nbpipe.server.guard import Guard
from nbpipe.server.house import House
from nbpipe.services.client import Client
from nbpipe.services.queueing import RunQueue
from tests.conftest import Copied
from tests.flows.project import Project, project_in
from tests.server.asking import Answered, ask, json_body

FLOW = """
@step
def load(n: int = 3) -> Annotated[list[int], "numbers"]:
    print("loading", n)
    return list(range(n))

@step
def total(numbers: list[int], rate: float = 0.5) -> Annotated[float, "total"]:
    log_metadata({"accuracy": 0.5 + rate / 10}, infer_model=True)
    log_metadata({"score": rate})
    return sum(numbers) * rate

@pipeline(model=Model(name="iris"), tags=["trial"])
def training(n: int = 3, rate: float = 0.5):
    return total(load(n), rate=rate)
"""
EVIL = "<script>alert(1)</script>"


@dataclass
class Served:
    """The server's application, and how to ask it."""

    guard: Guard
    house: House
    tokens: dict[str, str]
    facts: dict[str, str]
    project: Project

    def ask(self, path: str, *, token: str | None = "admin", method: str = "GET", json_: Any = None) -> Answered:
        address, _, query = path.partition("?")
        bearer = [(b"authorization", f"Bearer {self.tokens.get(token, token)}".encode())] if token else []
        if json_ is None:
            return ask(
                self.guard, address, method=method, headers=[(b"host", b"localhost:80"), *bearer], query=query.encode()
            )
        return ask(self.guard, address, **{**json_body(json.dumps(json_).encode(), *bearer), "method": method})

    def get(self, path: str, token: str | None = "admin") -> Any:
        answer = self.ask(path, token=token)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)


def _build(paths: WorkspacePaths) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("NBPIPE_HOME", str(paths.root))
        with project_in(paths, monkeypatch) as project:
            flow = project.load(FLOW)
            run = flow.training(rate=0.25)
            flow.training.with_options(run_name=EVIL)()
            made = flow.training.create_snapshot("nightly", parameters={"rate": 0.2}, description=EVIL)
            evil = flow.training.create_snapshot(EVIL)
            project.client.tags.add([EVIL], run=run.id)
            return {"run": run.id, "snapshot": made.id, "evil": evil.id}


@pytest.fixture
def served(workspace: WorkspacePaths, copied: Copied, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Give a server over a workspace in which something has happened; nothing that is asked for is started."""
    facts = copied(workspace, _build)
    with project_in(workspace, monkeypatch) as project:
        client = Client(workspace.root)
        house = House(client, RunQueue(client.workspace, most=3))
        tokens = {scope: client.tokens.create(scope, scope=scope).token for scope in ("invoke", "read", "admin")}
        yield Served(make_server(house), house, tokens, facts, project)
