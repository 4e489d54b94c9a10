"""The composer in a real JupyterLab: steps picked, wired wrongly and rightly, the cell written below and run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import OpenNotebook

pytestmark = pytest.mark.browser

STEPS = """%load_ext nbpipe
from typing import Annotated
from nbpipe import step

@step
def load(n: int = 3) -> tuple[Annotated[list, "numbers"], Annotated[list, "names"]]:
    return list(range(n)), [str(one) for one in range(n)]

@step
def total(numbers: list, factor: float = 2.0) -> Annotated[float, "sum"]:
    return sum(numbers) * factor"""
SHOW = "%nbpipe pipeline compose"
AFTER = "# what stood below stays below"
SOURCES = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.source)"
WRITTEN = (
    "%%pipeline training(n: int = 3, factor: float = 2.0)\nnumbers, names = load(n=n)\ntotal(numbers, factor=factor)"
)


def test_two_steps_are_picked_wired_and_written_as_a_cell_that_runs(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook([STEPS, SHOW, AFTER])
    notebook.run_all()
    composer = notebook.cell(1)

    composer.locator("button", has_text="+ load").focus()
    notebook.page.keyboard.press("Enter")
    composer.locator("button", has_text="+ total").click()
    name = composer.get_by_label("name", exact=True)
    name.fill("class")
    name.press("Tab")
    composer.locator("text=is a word of Python's own").first.wait_for()
    composer.get_by_label("total: numbers comes from").select_option(label="load → names: list")
    composer.get_by_label("parameter n: default").fill("many")
    composer.get_by_label("parameter n: default").press("Tab")
    composer.locator("text='many' means nothing here").first.wait_for()
    notebook.picture(tmp_path / "wrong.png")

    name.fill("training")
    name.press("Tab")
    composer.get_by_label("parameter n: default").fill("3")
    composer.get_by_label("parameter n: default").press("Tab")
    composer.get_by_label("total: numbers comes from").select_option(label="load → numbers: list")
    composer.locator("pre", has_text="total(numbers, factor=factor)").wait_for()
    composer.locator("button", has_text="Write the cell below").click()
    composer.locator("text=Written below").wait_for()
    assert notebook.page.evaluate(SOURCES) == [STEPS, SHOW, WRITTEN, AFTER]
    notebook.look(notebook.cell(1), tmp_path, "written")

    notebook.run_cell(2)
    assert "2 steps, 1 connection" in notebook.outputs(2)[0]["data"]["text/plain"]
    composer.get_by_label("tags").fill("v1")
    composer.get_by_label("tags").press("Tab")
    composer.locator("button", has_text="Write the cell below").click()
    composer.locator("text=is brought up to date").wait_for()
    assert notebook.page.evaluate(SOURCES)[2].startswith(WRITTEN.partition("\n")[0] + " --tag v1\n")
    assert notebook.page_errors == []
