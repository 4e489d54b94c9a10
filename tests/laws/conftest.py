"""Executors in turn, and a project for what they run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nbpipe.base.workspace import WorkspacePaths
from tests.flows.project import Project, project_in

EVERYWHERE = ["in-process", "processes:2", pytest.param("dask", marks=pytest.mark.extras)]


@pytest.fixture(params=EVERYWHERE)
def executor(request: pytest.FixtureRequest) -> str:
    """Name each executor: whatever is asserted with it must hold of all."""
    return str(request.param)


@pytest.fixture(params=EVERYWHERE[1:])
def killable(request: pytest.FixtureRequest) -> str:
    """Name each executor whose steps run in processes of their own."""
    return str(request.param)


@pytest.fixture
def project(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Give an empty project with an empty workspace."""
    with project_in(workspace, monkeypatch) as found:
        yield found
