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
RUN = "training().output"


def test_two_steps_are_picked_wired_and_written_as_a_cell_that_runs(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook([STEPS, SHOW, RUN])
    notebook.run_all(may_fail=True)
    composer = notebook.cell(1)

    composer.locator("button", has_text="+ load").click()
    composer.locator("button", has_text="+ total").click()
    notebook.screenshot(tmp_path / "picked.png")
    composer.get_by_label("total: numbers comes from").select_option(label="load → names: list")
    name = composer.get_by_label("name", exact=True)
    name.fill("class")
    name.press("Tab")
    composer.locator("text=is a word of Python's own").first.wait_for()
    notebook.screenshot(tmp_path / "wrong.png")
    name.fill("training")
    name.press("Tab")
    composer.get_by_label("total: numbers comes from").select_option(label="load → numbers: list")
    composer.locator("pre", has_text="total(numbers, factor=factor)").wait_for()
    composer.locator("button", has_text="Write the cell below").click()
    composer.locator("text=Written below").wait_for()
    notebook.screenshot(tmp_path / "written.png")
    notebook.set_theme("dark")
    notebook.screenshot(tmp_path / "dark.png")

    notebook.run_all()
    assert notebook.page_errors == []
    assert notebook.outputs(3)[-1]["data"]["text/plain"] == "6.0"
