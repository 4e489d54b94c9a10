"""An opened workspace, for everything that services are asked, and what backups are made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.services.workspace import Workspace
from tests.services.building import opened, record_run


@pytest.fixture
def opened_workspace(workspace: WorkspacePaths) -> Iterator[Workspace]:
    """Give this test's workspace, opened, and close it afterwards."""
    with opened(workspace) as found:
        yield found


@pytest.fixture
def full(opened_workspace: Workspace) -> Workspace:
    """Give this test's workspace with six runs, of which five are published, and with stored values."""
    for n in range(5):
        record_run(opened_workspace, outputs={"large": [n] * 5000, "small": n})
    opened_workspace.catalog.publish()
    record_run(opened_workspace, outputs={"other": "x" * 9000})
    return opened_workspace


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Say where a backup is to be written."""
    return tmp_path / "kept.tar.gz"


@pytest.fixture
def elsewhere(tmp_path: Path) -> WorkspacePaths:
    """Give another workspace, which is not there yet."""
    return WorkspacePaths(tmp_path / "elsewhere" / ".nbpipe")
