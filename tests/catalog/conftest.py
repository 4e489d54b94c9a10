"""A catalog on a fresh workspace, and a second one as another process would have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbpipe.catalog.catalog import Catalog

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
