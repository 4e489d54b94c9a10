"""`nbpipe new`: a notebook that is valid and runs as it stands, and never one written over by mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from nbpipe.commands.answers import Answer
from nbpipe.errors import BadValueError, ConflictError

Ask = Callable[[str], Answer]


@pytest.mark.parametrize("name", ["analysis", "analysis.ipynb", "Étude 1.ipynb", "'; rm -rf.ipynb"])
def test_a_new_notebook_is_valid_and_named_after_its_file(ask: Ask, project: Path, name: str) -> None:
    told = ask(f'new "{name}"').text

    (written,) = project.glob("*.ipynb")
    notebook = nbformat.read(written, as_version=4)
    nbformat.validate(notebook)
    assert written.name in told
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_a_file_that_is_there_is_not_written_over(ask: Ask, project: Path) -> None:
    (project / "mine.ipynb").write_text("mine")

    with pytest.raises(ConflictError, match="--overwrite"):
        ask("new mine.ipynb")
    assert (project / "mine.ipynb").read_text() == "mine"
    ask("new mine.ipynb --overwrite")
    assert "%load_ext nbpipe" in (project / "mine.ipynb").read_text()


@pytest.mark.parametrize("name", ["notes.txt", "nowhere/mine.ipynb", ".ipynb.py", "x" * 300 + ".ipynb"])
def test_what_is_no_place_for_a_notebook_is_refused(ask: Ask, project: Path, name: str) -> None:
    before = sorted(project.iterdir())

    with pytest.raises(BadValueError):
        ask(f"new {name}")
    assert sorted(project.iterdir()) == before
