"""Runs compared in a real JupyterLab: the page is used, then saved and read by somebody with no kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import OpenNotebook

pytestmark = pytest.mark.browser

CELLS = [
    "%load_ext nbpipe\nfrom nbpipe import Client, log_metadata",
    """%%step
def fit(rate: float, kind: str) -> float:
    score = 0.7 + rate * (2 if kind == "forest" else 1)
    log_metadata({"evaluation": {"accuracy": score, "loss": 1 - score}, "epochs": 5})
    return score""",
    "%%pipeline training(rate: float = 0.05, kind: str = 'forest')\nfit(rate, kind)",
    "runs = [training(rate=rate, kind=kind) for rate, kind in ((0.05, 'forest'), (0.12, 'forest'), (0.1, 'svm'))]",
    "ids = ' '.join(run.id[:8] for run in runs)",
    "get_ipython().run_line_magic('nbpipe', f'runs compare {ids}')",
]
PICTURE = "img[src^='data:image/svg+xml;base64,']"


def test_three_runs_are_compared_on_a_page_whose_charts_outlive_the_kernel_and_the_trust(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook(CELLS, theme="dark")
    notebook.run_all()
    page = notebook.cell(5)

    # What outlives the page is there beside it, and not seen.
    page.locator("svg:visible").nth(2).wait_for()
    page.get_by_text("★ 0.94").filter(visible=True).first.wait_for()
    notebook.page.set_viewport_size({"width": 1280, "height": 1700})
    page.scroll_into_view_if_needed()
    notebook.picture(tmp_path / "comparison.png")
    page.get_by_label("only what differs").press("Space")
    page.locator("th:visible", has_text="epochs").wait_for()
    page.get_by_role("button", name="accuracy").press("Enter")
    page.get_by_text("★ 0.8").filter(visible=True).first.wait_for()
    page.get_by_role("button", name="a row", exact=True).click()
    page.locator("th:visible", has_text="parameters").wait_for()
    page.get_by_label("colour by").select_option("evaluation.loss")
    page.locator("svg title", has_text="coloured by evaluation.loss").first.wait_for(state="attached")
    notebook.picture(tmp_path / "comparison-toggled.png")
    notebook.reopen(trusted=False)

    pictures = notebook.cell(5).locator(PICTURE)
    expect(pictures).to_have_count(3)
    for number in range(3):
        assert pictures.nth(number).evaluate("image => image.complete && image.naturalWidth > 0")
    notebook.page.set_viewport_size({"width": 1280, "height": 1700})
    notebook.cell(5).scroll_into_view_if_needed()
    notebook.picture(tmp_path / "comparison-reopened.png")
    saved = nbformat.read(notebook.path, as_version=4)
    assert "★ 0.94" in saved.cells[5].outputs[0].data["text/plain"]
    assert notebook.page_errors == []
