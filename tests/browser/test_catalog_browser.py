"""The catalog's browser in a real JupyterLab, over thousands of runs: filtered, sorted, paged, tagged and compared."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbpipe.services.client import Client

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook
    from tests.browser.lab import NotebookPage

pytestmark = pytest.mark.browser

# The rows of the benchmarks have a hundred thousand.
RUNS = 20_000
FIRST = "%load_ext nbpipe\nfrom nbpipe import Client\nfrom nbpipe.widgets import CatalogBrowser"
TABLE = ".nbp-catalog tbody tr"


@pytest.fixture(scope="module")
def many_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a published workspace of many runs, made once."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    try:
        from material import fill
    finally:
        del sys.path[0]
    folder = tmp_path_factory.mktemp("many")
    fill(folder, RUNS)
    client = Client(folder)
    client.workspace.catalog.publish()
    client.close()
    return folder


def over(notebook: NotebookPage, workspace: Path) -> NotebookPage:
    """Give a notebook, before it runs, a copy of a workspace."""
    shutil.copytree(workspace, notebook.path.parent / ".nbpipe", dirs_exist_ok=True)
    return notebook


def test_thousands_of_runs_are_filtered_sorted_paged_tagged_and_compared(
    open_notebook: OpenNotebook, many_runs: Path, tmp_path: Path
) -> None:
    notebook = over(
        open_notebook([FIRST, "browser = CatalogBrowser(Client())\nbrowser", "browser.selected"]), many_runs
    )
    notebook.run_all()
    browser = notebook.cell(1)

    browser.locator("text=1–20 of 20,000 runs · page 1 of 1,000").wait_for()
    browser.locator("button[title='next page']").click()
    browser.locator("text=21–40 of 20,000 runs").wait_for()
    browser.locator(".nbp-chip", has_text="good").first.click()
    browser.locator("text=1–20 of 2,000 runs").wait_for()
    browser.locator(".nbp-sort", has_text="m1").click()
    browser.locator("th[aria-sort='descending']", has_text="m1").wait_for()
    browser.locator(TABLE).first.locator("text=0.998").wait_for()
    search = browser.locator("input[placeholder^='search']")
    search.fill("other-a")
    search.press("Enter")
    browser.locator("text=/of [0-9]{2,3} runs/").wait_for()
    notebook.picture(tmp_path / "filtered.png")

    for row in range(3):
        browser.locator(TABLE).nth(row).locator("input").click()
    browser.locator("text=3 selected").wait_for()
    browser.locator("button", has_text="Tag").first.click()
    browser.locator("input[placeholder^='a tag, or several']").fill("🌱 best")
    browser.locator("button.widget-button", has_text="Add").click()
    browser.locator(".nbp-chip", has_text="🌱 best").nth(2).wait_for()
    notebook.picture(tmp_path / "tagged.png")

    browser.locator("button", has_text="Compare").click()
    compared = browser.locator("text=/Only differences|only what differs/i").first
    compared.wait_for()
    compared.scroll_into_view_if_needed()
    notebook.picture(tmp_path / "compared.png")
    assert notebook.page_errors == []


def test_rows_are_reached_selected_and_opened_by_keys_alone(
    open_notebook: OpenNotebook, many_runs: Path, tmp_path: Path
) -> None:
    notebook = over(open_notebook([FIRST, "CatalogBrowser(Client(), size=10)"], theme="dark"), many_runs)
    notebook.run_all()
    browser, keys = notebook.cell(1), notebook.page.keyboard
    browser.locator(TABLE).first.wait_for()
    cells = notebook.page.locator(".jp-Notebook .jp-Cell").count()

    browser.locator(TABLE).first.focus()
    for key in ("ArrowDown", "Space", "ArrowDown", "Shift+Space", "b", "d", "d"):
        keys.press(key)
    browser.locator("text=2 selected").wait_for()
    keys.press("PageDown")
    browser.locator("text=page 2 of 2,000").wait_for()
    keys.press("Enter")
    browser.locator("button", has_text="Close").last.wait_for()

    chosen = browser.locator("tr[aria-selected='true']").count()
    browser.locator("button[title='page before']").click()
    browser.locator("tr[aria-selected='true']").nth(1).wait_for()
    notebook.picture(tmp_path / "keys.png")
    assert chosen == 0
    assert notebook.page.locator(".jp-Notebook .jp-Cell").count() == cells, "no key was taken for the notebook's own"
    assert notebook.page_errors == []


def test_the_command_opens_the_browser_with_its_filters_and_a_narrow_page_keeps_every_control_in_reach(
    open_notebook: OpenNotebook, many_runs: Path, tmp_path: Path
) -> None:
    asked = "%nbpipe runs list --tag good --where 'm1 > 0.5'"
    notebook = over(open_notebook([FIRST, asked, "%nbpipe catalog", "%nbpipe runs list --json --limit 1"]), many_runs)

    notebook.run_all()

    notebook.cell(1).locator("text=1–20 of 1,000 runs · page 1 of 50").wait_for()
    assert notebook.cell(1).locator("input[placeholder='metric > 0.8']").input_value() == "m1 > 0.5"
    browser = notebook.cell(2)
    browser.locator("text=1–20 of 20,000 runs · page 1 of 1,000").wait_for()
    assert "application/vnd.jupyter.widget-view+json" not in notebook.outputs(3)[0]["data"]

    notebook.page.set_viewport_size({"width": 560, "height": 1000})
    browser.locator("button[title='next page']").click()
    browser.locator("text=page 2 of").wait_for()

    notebook.picture(tmp_path / "narrow.png")
    assert notebook.page_errors == []
