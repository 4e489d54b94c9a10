"""A folder with a small pipeline in a file, a workspace beside it, and a stand-in for a notebook."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.commands.answers import Answer
from nbpipe.commands.calling import Runnable
from nbpipe.commands.dispatch import answer
from nbpipe.services.workspace import open_workspace
from tests.conftest import Copied

FLOW = '''
from typing import Annotated

from nbpipe import Model, Tag, log_metadata, pipeline, step


@step
def load(n: int = 5) -> Annotated[list[int], "numbers"]:
    print("loading", n)
    return list(range(n))


@step
def total(numbers: list[int], rate: float = 0.1) -> Annotated[float, "total"]:
    value = sum(numbers) * rate
    log_metadata({"evaluation": {"total": value}}, infer_model=True)
    log_metadata({"total": value})
    return value


@pipeline(tags=["t", Tag(name="latest", exclusive=True)], model=Model(name="m"))
def training(n: int = 5, rate: float = 0.1):
    """Sum some numbers."""
    return total(load(n), rate)
'''
TROUBLE = """
from nbpipe import Client, pipeline, step


@step
def load(n: int = 5) -> int:
    return n


@step
def boom(x: int) -> int:
    raise ValueError("no <b>good</b>")


@step
def after(x: int) -> int:
    return x


@step
def ask() -> str:
    return Client().runs.get("nothing-of-that-name").id


@pipeline
def bad(n: int = 5):
    return after(boom(load(n)))


@pipeline
def lost():
    return ask()
"""


@contextmanager
def project_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a folder with `flow.py`, `trouble.py` and a workspace; nothing is left of their import afterwards."""
    (folder / "flow.py").write_text(FLOW, encoding="utf-8")
    (folder / "trouble.py").write_text(TROUBLE, encoding="utf-8")
    monkeypatch.chdir(folder)
    path, modules = list(sys.path), set(sys.modules)
    yield folder
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
    open_workspace(WorkspacePaths(folder / ".nbpipe")).close()


@pytest.fixture
def project(workspace: WorkspacePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the folder with `flow.py` and `trouble.py`, entered."""
    with project_in(tmp_path, monkeypatch) as folder:
        yield folder


class Notebook:
    """Stands in for a notebook session: some pipelines, one of which may be the notebook itself."""

    def __init__(self, pipelines: dict[str, Runnable], own: Runnable | None = None) -> None:
        self._pipelines = pipelines
        self._own = own

    def pipelines(self) -> dict[str, Runnable]:
        return self._pipelines

    def own(self) -> Runnable | None:
        return self._own


@pytest.fixture
def notebook() -> Callable[..., Notebook]:
    """Give the maker of notebooks."""
    return Notebook


@pytest.fixture
def ask(project: Path) -> Callable[[str], Answer]:
    """Give the asker of lines, in the project, as a terminal would be asked."""
    return answer


def _record_two_runs(paths: WorkspacePaths) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("NBPIPE_HOME", str(paths.root))
        with project_in(paths.root.parent, monkeypatch):
            first = answer("run flow.py").record
            second = answer("run flow.py --set rate=0.5 --tag second").record
            answer("snapshot create flow.py --name nightly")
    return {"first": first.id[:8], "second": second.id[:8]}


@pytest.fixture
def two_runs(copied: Copied, workspace: WorkspacePaths, ask: object) -> dict[str, str]:
    """Two runs with different rates, and a snapshot; give the beginnings of their ids."""
    return copied(workspace, _record_two_runs)
