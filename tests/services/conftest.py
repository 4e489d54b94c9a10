"""An opened workspace, for everything that services are asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.services.workspace import Workspace
from tests.services.building import opened


@pytest.fixture
def opened_workspace(workspace: WorkspacePaths) -> Iterator[Workspace]:
    """Give this test's workspace, opened, and close it afterwards."""
    with opened(workspace) as found:
        yield found
