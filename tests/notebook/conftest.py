"""A shell with nbpipe loaded, in a fresh workspace and folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.notebook.shells import KeepingShell, Notebook, end_shell, make_shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbpipe.base.workspace import WorkspacePaths


@pytest.fixture
def shell(tmp_path: Path, workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeepingShell]:
    """Give a shell without nbpipe."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    made = make_shell(str(tmp_path / "ipython"))
    yield made
    end_shell(made)


@pytest.fixture
def notebook(shell: KeepingShell) -> Notebook:
    """Give a notebook that has loaded nbpipe."""
    opened = Notebook(shell)
    opened.ok("%load_ext nbpipe")
    return opened
