"""A run on processes, in a real JupyterLab: seen while it goes on, stopped where no Python is executed, run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import OpenNotebook

pytestmark = pytest.mark.browser

# The step says how far it is and is then in C: none of its own threads could say anything more, or hear of a Stop.
STEPS = """%load_ext nbpipe
import time
from nbpipe import pipeline, progress, step

@step
def load() -> list:
    return [1, 2]

@step
def add_up(data: list, until: int) -> int:
    print("adding up")
    progress(1, 4, "part of the way")
    time.sleep(0.5)
    return sum(range(until)) + len(data)

@pipeline
def adding(until: int = 10**12):
    return add_up(load(), until)

apart = adding.with_options(executor="processes:2")"""
STOPPED, NEXT = 1, 2
CELLS = [STEPS, "apart()", "apart(until=5).output"]
STOP = "[data-jp-item-name='interrupt'] jp-button"


def test_a_step_on_processes_shows_how_far_it_is_is_stopped_in_c_code_and_the_next_run_works(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook(CELLS)
    cell = notebook.cell(STOPPED)
    notebook.start_command("notebook:run-all-cells")

    cell.locator("text=/25 %, 1 of 4/").wait_for()
    during = cell.inner_text()
    notebook.picture(tmp_path / "going.png")
    # Long enough that the step is in C by now, however slow the machine: what it slept is over when this is.
    notebook.page.wait_for_timeout(700)
    notebook.locator(STOP).click()
    cell.locator("text=the run was stopped").wait_for()
    cell.locator("img[alt*='1 completed, 1 interrupted']").wait_for()
    notebook.picture(tmp_path / "stopped.png")
    notebook.command("notebook:move-cursor-down")
    notebook.command("notebook:run-cell")

    assert "adding up" in during
    assert "part of the way" in during
    assert "1 of 4" not in cell.inner_text()
    assert notebook.outputs(NEXT)[-1]["data"]["text/plain"] == "12"
    assert notebook.page_errors == []
