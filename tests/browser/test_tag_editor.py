"""The tag editor in a real JupyterLab: typed into, pressed, and read when its kernel is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import OpenNotebook

pytestmark = pytest.mark.browser

SETUP = """%load_ext nbpipe
from nbpipe import Client, Tag, pipeline, step

@step
def load(n: int) -> list:
    return list(range(n))

@pipeline(tags=[Tag(name="latest", exclusive=True), "training", Tag(name="season", cascade=True)])
def training(n: int = 3):
    return load(n)

runs = [training.with_options(run_name=f"run {n}")(n=n) for n in (1, 2)]"""
SHOW = "%nbpipe tag show --to 'run:run 1'"
TAGS = "Client().runs.get('run 1').tags"


def test_a_tag_is_typed_told_what_it_moves_moved_and_taken_off(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    notebook = open_notebook([SETUP, SHOW, TAGS])
    notebook.run_all()
    editor = notebook.cell(1)

    editor.locator("input[type=text]").press_sequentially("latest", delay=30)
    editor.locator("text=latest (exclusive) moves from run run 2 to run run 1.").wait_for()
    notebook.picture(tmp_path / "typed.png")
    editor.locator("button", has_text="Add and move").click()
    editor.locator("text=Done:").wait_for()
    editor.locator("button", has_text="latest · exclusive").wait_for()
    notebook.picture(tmp_path / "added.png")
    editor.locator("button", has_text="training").click()
    editor.locator("text=training is taken off run run 1.").wait_for()

    notebook.look(editor, tmp_path, "taken_off")
    notebook.run_cell(2)
    assert notebook.outputs(2)[0]["data"]["text/plain"] == "['latest', 'season']"
    assert notebook.page_errors == []
    notebook.reopen(trusted=False)
    assert "exclusive" not in notebook.cell(1).inner_text()
    assert "training" in notebook.cell(1).inner_text()
