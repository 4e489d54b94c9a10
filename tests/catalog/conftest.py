"""A catalog on a fresh workspace, a second one as another process would have it, and what two have logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbpipe.catalog.catalog import Catalog
from nbpipe.records.models import ModelConfig
from nbpipe.records.operations import OpenModelVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbpipe.base.workspace import WorkspacePaths


@pytest.fixture
def open_catalog(workspace: WorkspacePaths) -> Iterator[Callable[[], Catalog]]:
    """Open catalogs on one workspace; all are closed at the end."""
    opened: list[Catalog] = []

    def open_one() -> Catalog:
        opened.append(Catalog(workspace))
        return opened[-1]

    yield open_one
    for catalog in opened:
        catalog.close()


@pytest.fixture
def catalog(open_catalog: Callable[[], Catalog]) -> Catalog:
    """A catalog on a fresh workspace."""
    return open_catalog()


@pytest.fixture
def logs(workspace: WorkspacePaths) -> WorkspacePaths:
    """Write some facts from two processes, and some operations."""
    for who in range(2):
        catalog = Catalog(workspace)
        for n in range(4):
            catalog.append("run_started", id=f"run-{who}-{n}", run=f"run-{who}-{n}", body={"name": "ü" * n, "pid": n})
            catalog.transact(OpenModelVersion(model=ModelConfig(name=f"model {who} {n}"), version=None, run_id="r"))
        catalog.close()
    return workspace
