"""The promotion board in a real JupyterLab: promote by force and with a note, see what gates say, undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.test_notebook import LOAD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import OpenNotebook

pytestmark = pytest.mark.browser

TRAIN = """%%step
def train(rate: float) -> float:
    return rate

def evaluate(score: float) -> float:
    log_metadata({"evaluation": {"accuracy": score, "loss": 1 - score}}, infer_model=True)
    if score < 0:
        raise ValueError("no model")
    return score"""
PIPELINE = "%%pipeline training(rate: float = 0.5) --model iris\nevaluate(train(rate))"
RUNS = """for rate in (0.91, 0.95, -1.0):
    try:
        training(rate=rate)
    except StepFailedError:
        print("failed", rate)"""
SHOW = "%nbpipe model promote iris"
CELLS = [
    f"{LOAD}\nfrom nbpipe import log_metadata\nfrom nbpipe.errors import StepFailedError",
    TRAIN,
    PIPELINE,
    RUNS,
    '%nbpipe model promote iris@1 production --note "the first"',
    SHOW,
]
BOARD = 5


def test_a_version_is_promoted_by_force_with_a_note_past_a_gate_taken_back_and_promoted_by_keys_alone(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook(CELLS)
    notebook.run_all()
    notebook.command("notebook:move-cursor-down")
    board = notebook.cell(BOARD)
    promote = board.get_by_role("button", name="Promote")
    notebook.look(notebook.cell(BOARD), tmp_path, "board")

    board.locator("textarea").fill("accuracy >= production.accuracy\nloss < 0.01")
    board.locator("textarea").blur()
    board.locator("text=✗ failed").last.wait_for()
    expect(board.locator("text=✓ passed")).to_have_count(1)
    expect(promote).to_be_disabled()
    board.locator("input[placeholder*='why']").fill("better on rare classes")
    board.locator("input[type=checkbox]").check()
    notebook.look(notebook.cell(BOARD), tmp_path, "gates")
    # Twice: what the second press of a double click finds must not confirm.
    board.locator("button:has-text('Promote'):not([disabled])").dblclick()
    confirm = board.locator("button", has_text="Confirm: archive 1, promote 2, past 1 gate")
    confirm.wait_for()
    notebook.look(notebook.cell(BOARD), tmp_path, "announced")
    confirm.click()
    board.locator("text=iris@2 is in production, and iris@1 is archived.").wait_for()
    notebook.look(notebook.cell(BOARD), tmp_path, "promoted")
    board.locator("button", has_text="Undo").click()
    board.locator("text=iris@1 is back in production, and iris@2 in no stage.").wait_for()
    board.locator("summary", has_text="History").click()
    notebook.look(notebook.cell(BOARD), tmp_path, "undone")

    expect(board).to_contain_text("better on rare classes (forced past")
    notebook.run_cell(BOARD)
    expect(board).not_to_contain_text("is back in production")
    keys = notebook.page.keyboard

    board.locator("select").focus()
    passed = []
    while "checkbox" not in passed:
        keys.press("Tab")
        passed.append(notebook.page.evaluate("() => document.activeElement.type ?? document.activeElement.tagName"))
        assert len(passed) < 12, passed
    # Enter belongs to JupyterLab wherever nobody writes; a button is pressed with the space bar.
    keys.press("Space")
    board.locator("button:has-text('Promote'):not([disabled])").wait_for()
    keys.press("Tab")
    keys.press("Space")
    board.locator("button", has_text="Confirm: archive 1, promote 2").wait_for()
    keys.press("Tab")
    keys.press("Space")

    board.locator("text=iris@2 is in production, and iris@1 is archived.").wait_for()
    assert {"button", "text", "textarea", "checkbox"} <= set(passed)
    assert notebook.page_errors == []
