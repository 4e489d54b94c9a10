"""What every test stands on: no settings from outside, a workspace of its own, repeatable trials."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.services.workspace import _opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A rule must hold however slow the machine is, and a red build must be red again when it is looked at.
settings.register_profile("here", deadline=None)
settings.register_profile("build", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("build" if os.environ.get("CI") else "here")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Forget every `NBPIPE_*` variable of the shell that started the tests, and keep out of the user's cache."""
    for name in list(os.environ):
        if name.startswith("NBPIPE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NBPIPE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def _workspaces_end_with_their_test() -> Iterator[None]:
    """Close what this process opened: thousands of open catalogs would meet the limit on open files."""
    yield
    for opened in list(_opened.values()):
        opened.close()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkspacePaths:
    """Give an empty workspace, made, and named by `NBPIPE_HOME` for this test and its processes."""
    root = tmp_path / ".nbpipe"
    monkeypatch.setenv("NBPIPE_HOME", str(root))
    return WorkspacePaths(root).ensure()
