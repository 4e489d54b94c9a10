"""A project of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nbpipe.base.workspace import WorkspacePaths
from tests.flows.project import Project, project_in


@pytest.fixture
def project(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Give an empty project with an empty workspace."""
    with project_in(workspace, monkeypatch) as found:
        yield found
