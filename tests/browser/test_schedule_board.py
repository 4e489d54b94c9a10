"""The board of schedules in a real JupyterLab: made, mistyped, mended, paused, and fired by a scheduler of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.services.scheduler_process import schedulers, stop_schedulers
from tests.browser.test_notebook import LOAD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Locator

    from tests.browser.conftest import OpenNotebook
    from tests.browser.lab import NotebookPage

pytestmark = pytest.mark.browser

DEFINE = f"""{LOAD}
from nbpipe import Client, Schedule, pipeline, step
from nbpipe.widgets import ScheduleBoard

@step(cache=False)
def learn(rate: float) -> float:
    return rate * 2

@pipeline
def training(rate: float = 0.1):
    return learn(rate)

training.create_snapshot(name="nightly")
Client().schedules.create("every <b>Sunday</b>", "nightly", cron_expression="0 3 * * sun", timezone="Asia/Tokyo")
board = ScheduleBoard()
board"""
BOARD = 0
QUICK_MS = 12_000


@pytest.fixture
def notebook(open_notebook: OpenNotebook) -> Iterator[NotebookPage]:
    """Give a notebook that shows a board; a scheduler that was started there is ended, whatever the test did."""
    opened = open_notebook([DEFINE, "board.is_watching", "del board"])
    try:
        yield opened
    finally:
        stop_schedulers(paths_of(opened))


def paths_of(notebook: NotebookPage) -> WorkspacePaths:
    return WorkspacePaths(notebook.path.parent / ".nbpipe")


def press(board: Locator, name: str) -> None:
    # Not exactly: a button's name begins with its icon, which is a letter of a font.
    board.get_by_role("button", name=name).click()


def test_a_schedule_is_made_mistyped_mended_paused_and_fires(notebook: NotebookPage, tmp_path: Path) -> None:
    notebook.run_cell(BOARD)
    board = notebook.cell(BOARD).locator(".nbpipe-schedules")
    board.locator("text=No scheduler runs").wait_for()

    press(board, "New")
    board.get_by_label("name", exact=True).fill("every other second")
    board.get_by_label("snapshot", exact=True).select_option("training: nightly")
    cron = board.get_by_label("cron expression", exact=True)
    cron.press_sequentially("0 2 * *")
    board.locator("text=/✗ '0 2 \\* \\*' is no cron expression \\(4 fields\\)/").wait_for()
    expect(board.get_by_role("button", name="Save")).to_be_disabled()
    press(board, "Cron help")
    notebook.look(notebook.cell(BOARD), tmp_path, "wrong")
    board.locator("button", has_text="At 02:00").click()
    board.locator("text=/At 02:00 \\(/").first.wait_for()
    # Shortly before two in the night the first is minutes or seconds away.
    expect(board.locator("text=/^in \\d+ (s|min|h|days)/")).to_have_count(5)
    press(board, "Cron help")
    notebook.look(notebook.cell(BOARD), tmp_path, "right")
    board.locator("button", has_text="every …").click()
    board.get_by_label("every", exact=True).fill("2")
    board.locator("text=/^Every 2 seconds/").wait_for()
    press(board, "Save")
    board.locator("text=✓ every other second is made.").wait_for()

    press(board, "Pause")
    board.locator("text=✓ every other second is paused.").wait_for()
    board.locator("td", has_text="paused").first.wait_for()
    press(board, "Resume")
    board.locator("text=✓ every other second fires again.").wait_for()

    press(board, "Start scheduler")
    board.locator("text=/A scheduler runs since/").wait_for()
    # Nothing was pressed since: the board looks by itself.
    board.locator("text=/✓ run [0-9a-f]{8} completed/").first.wait_for(timeout=QUICK_MS)
    notebook.look(notebook.cell(BOARD), tmp_path, "fired")
    board.locator(".nbp-open", has_text="every <b>Sunday</b>").click()
    board.locator("text=Asia/Tokyo").first.wait_for()
    press(board, "Stop scheduler")
    board.locator("text=✓ The scheduler has ended.").wait_for()
    assert schedulers(paths_of(notebook)) == []

    notebook.run_cell(1)
    assert "True" in str(notebook.outputs(1))
    notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets[0].model.clearExecution()")
    notebook.page.wait_for_timeout(300)
    notebook.run_cell(1)
    assert "False" in str(notebook.outputs(1))
    assert notebook.page_errors == []
