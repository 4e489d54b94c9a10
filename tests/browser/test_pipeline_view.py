"""The view of a pipeline and of a run in a real JupyterLab: walked through, stopped, left behind, and read aloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.axe import grave_findings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import OpenNotebook

pytestmark = pytest.mark.browser

MANY = """%load_ext nbpipe
from nbpipe import pipeline, step

@step
def make(n: int = 0, one: int = 0, two: int = 0) -> int:
    return n

@pipeline
def many():
    made = [make()]
    for n in range(1, 200):
        made.append(make(n, made[n // 2], made[max(n - 3, 0)]))
    return made[-1]"""
WAITING = """%load_ext nbpipe
import time
import nbpipe
from nbpipe import pipeline, step

@step
def load(rows: int = 3) -> list:
    return list(range(rows))

@step
def train(data: list, wait_s: float) -> float:
    for n in nbpipe.progress(range(400), note="fold <b>2</b> of 5"):
        print("epoch", n)
        time.sleep(wait_s / 400)
    return 0.5

@step
def check(score: float) -> float:
    return score

@pipeline
def training(wait_s: float = 0.4):
    return check(train(load(), wait_s))"""
VIEW = ".nbp-view"
PICTURE = "img[src^='data:image/svg+xml;base64,']"
FOCUSED = "() => document.activeElement?.getAttribute('aria-label') ?? ''"
NODE = "[data-node='{}']"


def test_a_graph_of_two_hundred_steps_is_walked_through_by_pointer_and_by_keys(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook([MANY, "many"])
    notebook.run_all()
    cell, page = notebook.cell(1), notebook.page
    view, card = cell.locator(VIEW), cell.locator(".nbp-card")
    view.locator(NODE.format(0)).wait_for()
    cell.scroll_into_view_if_needed()

    view.locator(NODE.format(1)).click()
    card.locator("text=the parameter").or_(card.locator("text=make")).first.wait_for()
    card.locator("summary", has_text="source").first.click()
    card.locator("text=def make(n: int = 0").wait_for()
    notebook.picture(tmp_path / "card.png")
    assert grave_findings(page, {"graph": view.element_handle()}) == []
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    assert page.evaluate(FOCUSED).startswith("make_2")

    page.keyboard.press("ArrowDown")
    below = page.evaluate(FOCUSED)
    assert below.startswith("make_")
    assert below != "make_2"
    page.keyboard.press("Enter")
    card.locator("b", has_text=below).wait_for()
    page.keyboard.press("Escape")

    page.keyboard.press("/")
    page.keyboard.type("make_20")
    view.locator(".nbp-matches", has_text="2 found").wait_for()
    page.keyboard.press("Enter")
    card.locator("b", has_text="make_20").first.wait_for()
    view.get_by_label("show only what belongs to the chosen step").select_option("ancestors")
    view.locator(".nbp-node.nbp-dim").first.wait_for(state="attached")
    assert "nbp-dim" not in (view.locator(".nbp-selected").get_attribute("class") or "")

    notebook.set_theme("dark")
    notebook.picture(tmp_path / "dark.png")
    assert grave_findings(page, {"graph": view.element_handle()}) == []
    view.get_by_role("button", name="fit the graph into the view").click()
    view.locator("svg.nbp-far").wait_for()
    assert view.locator("svg.nbp-canvas *").count() < 60
    notebook.picture(tmp_path / "fitted.png")
    assert notebook.page_errors == []

    notebook.reopen(trusted=True)
    cell.locator(PICTURE).wait_for()
    page.wait_for_timeout(500)
    assert "model not found" not in cell.locator(".jp-Cell-outputArea").inner_text()


def test_a_run_is_watched_asked_and_stopped_and_leaves_a_picture(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    notebook = open_notebook([WAITING, "%nbpipe run training --set wait_s=60", "training(wait_s=61)", "training()"])
    notebook.command("notebook:run-cell")
    notebook.command("notebook:move-cursor-down")
    page = notebook.page

    # While a cell awaits its run, the kernel hears what is pressed.
    notebook.start_command("notebook:run-cell")
    cell = notebook.cell(1)
    view = cell.locator(VIEW)
    view.locator("text=/[0-9]+ %, [0-9]+ of 400/").first.wait_for()
    view.locator(NODE.format(0)).click()
    cell.locator(".nbp-card", has_text="no result so far").wait_for()
    notebook.picture(tmp_path / "live.png")
    during = view.inner_text()
    assert grave_findings(page, {"graph": view.element_handle()}) == []
    view.get_by_role("button", name="stop the run").click()
    cell.locator("text=the run was stopped").wait_for()
    cell.locator("img[alt*='1 completed, 2 interrupted']").wait_for()

    # While it waits for one, the kernel hears nothing; its interrupt reaches it.
    notebook.command("notebook:move-cursor-down")
    notebook.start_command("notebook:run-cell")
    cell = notebook.cell(2)
    cell.locator(VIEW).locator("text=/[0-9]+ %, [0-9]+ of 400/").first.wait_for()
    cell.locator(VIEW).get_by_role("button", name="stop the run").click()
    cell.locator("text=the run was stopped").wait_for()
    cell.locator("img[alt*='1 reused, 2 interrupted'], img[alt*='2 interrupted, 1 reused']").wait_for()

    # The next run works, and is a picture in the end.
    notebook.command("notebook:move-cursor-down")
    notebook.command("notebook:run-cell")
    cell = notebook.cell(3)
    cell.locator("text=step by step").wait_for()

    assert "◐ train" in during
    assert "fold <b>2</b> of 5" in during
    assert "epoch" in during
    assert page.locator(VIEW).count() == 0
    assert cell.locator(PICTURE).count() == 1
    notebook.save()
    saved = nbformat.read(notebook.path, as_version=4)
    for number in (1, 2, 3):
        shown = [output.data for output in saved.cells[number].outputs if output.output_type == "display_data"]
        assert [set(data) for data in shown] == [{"text/html", "text/plain"}] * 2
        assert ["data:image" in data["text/html"] for data in shown] == [True, False]
    assert notebook.page_errors == []


def test_a_view_says_when_its_kernel_is_gone_and_a_cleared_output_stays_clear(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([WAITING, "training(wait_s=1.5)", "training(wait_s=60)"])
    notebook.start_command("notebook:run-all-cells")
    notebook.cell(1).locator(VIEW).wait_for()

    notebook.page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.widgets[1].model.outputs.clear(); }")
    going = notebook.cell(2).locator(VIEW)
    going.locator("text=/[0-9]+ %, [0-9]+ of 400/").first.wait_for()
    assert notebook.cell(1).locator(VIEW).count() == 0
    notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    going.locator("text=The kernel has ended or was restarted").wait_for()

    assert going.get_by_role("button", name="stop the run").count() == 0
    going.locator(NODE.format(1)).click()
    going.locator("text=There is no kernel to ask").wait_for()
    assert notebook.page_errors == []
