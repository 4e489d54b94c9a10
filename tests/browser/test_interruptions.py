"""What goes wrong in a notebook in a real JupyterLab: a run is stopped or interrupted, a tab closed, a kernel gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook
    from tests.browser.lab import NotebookPage

pytestmark = pytest.mark.browser

WAITING = """%load_ext nbpipe
import time
import nbpipe
from nbpipe import pipeline, step
from nbpipe.services.client import Client

EVIL = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 2'>\\"</svg></style>"

@step(name=EVIL)
def load(rows: str = EVIL) -> str:
    print(rows)
    return rows

@step
def train(data: str, wait_s: float) -> float:
    for n in nbpipe.progress(range(400), note=data):
        end = time.monotonic() + wait_s / 400
        while time.monotonic() < end:
            pass
    return 0.5

@pipeline
def training(wait_s: float = 0.4):
    return train(load(), wait_s)

@pipeline
def planned(wait_s: float = 60.0):
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        pass
    return load()"""
PARAMS = "%%params\nn: int = Field(5, ge=1, le=50)"
BOARD = "from nbpipe.widgets import ScheduleBoard\nScheduleBoard()"
GOING = "[run.status.value for run in Client().runs.list() if run.kind == 'pipeline' and not run.status.is_over]"
VIEW = ".nbp-view"
PICTURE = "img[src^='data:image/svg+xml;base64,']"
FAR = "text=/[0-9]+ %, [0-9]+ of 400/"
ANSWERED = "() => window.answer"
CHOOSE = """number => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.deselectAll();
  notebook.activeCellIndex = number;
}"""
CLICK_OFTEN = "button => { for (let n = 0; n < 20; n += 1) setTimeout(() => button.click(), 50 * n); }"
BUSY = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'"
PWNED = "() => window.pwned ?? null"


def begin(notebook: NotebookPage, number: int) -> None:
    """Begin to run a cell."""
    notebook.page.evaluate(CHOOSE, number)
    notebook.start_command("notebook:run-cell")


def run(notebook: NotebookPage, number: int) -> str:
    """Run a cell and give what it shows."""
    begin(notebook, number)
    notebook.page.wait_for_function(ANSWERED)
    return notebook.cell(number).locator(".jp-Cell-outputArea").inner_text()


def test_whatever_is_stopped_or_interrupted_ends_and_the_next_run_works(open_notebook: OpenNotebook) -> None:
    stage = ["planned()", "%%step busy\ntime.sleep(60)", "%%params\nn: int = time.sleep(60) or 5"]
    notebook = open_notebook([WAITING, "training(wait_s=60)", "print('the next cell')", *stage, "training()", GOING])
    page = notebook.page

    # Run All, stopped by a hasty hand: one stop, and the cells after it are left alone.
    notebook.start_command("notebook:run-all-cells")
    view = notebook.cell(1).locator(VIEW)
    view.locator(FAR).first.wait_for()
    view.get_by_role("button", name="stop the run").evaluate(CLICK_OFTEN)
    notebook.cell(1).locator("text=the run was stopped").wait_for()
    notebook.cell(1).locator("img[alt*='1 completed, 1 interrupted']").wait_for()
    page.wait_for_function(ANSWERED)
    page.wait_for_timeout(1000)
    assert notebook.outputs(2) == []
    assert page.evaluate(PWNED) is None

    for number in (3, 4, 5):
        begin(notebook, number)
        page.wait_for_function(BUSY)
        page.wait_for_timeout(700)
        notebook.command("notebook:interrupt-kernel")
        notebook.cell(number).locator("text=KeyboardInterrupt").first.wait_for()
        page.wait_for_function(f"() => !({BUSY})()")

    assert "completed" in run(notebook, 6)
    assert "[]" in run(notebook, 7)
    assert notebook.page_errors == []


def test_what_was_live_is_readable_when_its_tab_was_closed_and_its_kernel_has_died(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([WAITING, PARAMS, BOARD, "training(wait_s=60)"])
    for number in (0, 1, 2):
        run(notebook, number)
    begin(notebook, 3)
    notebook.cell(3).locator(VIEW).locator(FAR).first.wait_for()
    notebook.cell(3).locator(PICTURE).wait_for(state="attached")
    assert notebook.cell(3).locator(PICTURE).is_hidden()
    assert notebook.cell(1).locator("table").is_hidden()

    for trusted in (True, False):
        notebook.reopen(trusted=trusted, in_new_page=trusted)
        notebook.cell(3).locator(PICTURE).wait_for()
        notebook.page.wait_for_timeout(500)
        texts = [notebook.cell(number).locator(".jp-Cell-outputArea").inner_text() for number in (1, 2, 3)]

        assert "int (≥ 1, ≤ 50)" in texts[0]
        assert "catch-up, overlap" in texts[1]
        assert "How it ended: %nbpipe runs show" in texts[2]
        assert "model not found" not in "".join(texts)
        assert "Loading widget" not in "".join(texts)
    assert notebook.page.evaluate(PWNED) is None
    assert notebook.page_errors == []
