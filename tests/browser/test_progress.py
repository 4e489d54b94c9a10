"""How far a step is, in a real JupyterLab: seen in the view while the run goes on, and gone with its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import OpenNotebook

pytestmark = pytest.mark.browser

STEPS = """%%step
def load() -> int:
    print("reading rows.csv")
    return 1

def train(x: int) -> int:
    for n in nbpipe.progress(range(40), note="fold <b>2</b> of 5"):
        print("epoch", n, "loss", round(1 / (n + 1), 3))
        time.sleep(0.1)
    return x

def check(x: int) -> int:
    return x"""
CELLS = [
    "%load_ext nbpipe",
    "import time\nimport nbpipe",
    STEPS,
    "%%pipeline training\ncheck(train(load()))",
    "training()",
]
PICTURE = "img[src^='data:image/svg+xml;base64,']"
# The heights that the view had, at any frame, since it first said what runs.
WATCH_HEIGHT = """() => {
  window.heights = [];
  window.hasBegun = false;
  const look = () => {
    const view = document.querySelectorAll('.jp-Cell')[4]?.querySelector('.nbp-view');
    window.hasBegun ||= Boolean(view?.querySelector('.nbp-now:not([hidden])'));
    if (view && window.hasBegun) { window.heights.push(view.getBoundingClientRect().height); }
    requestAnimationFrame(look);
  };
  look();
}"""


def test_a_run_shows_how_far_it_is_without_a_jump_and_ends_as_a_picture(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook(CELLS)
    cell = notebook.cell(4)

    notebook.start_command("notebook:run-all-cells")
    # In its first frames it finds its width.
    cell.locator("text=/\\d+ of 40/").first.wait_for()
    notebook.page.evaluate(WATCH_HEIGHT)
    cell.locator("text=/[2-5]\\d %, \\d+ of 40/").wait_for()
    cell.scroll_into_view_if_needed()
    notebook.picture(tmp_path / "progress.png")
    during = cell.inner_text()
    cell.locator("text=step by step").wait_for()

    assert "◐ train" in during
    assert "fold <b>2</b> of 5" in during
    assert "of 40" not in cell.inner_text()
    assert cell.locator(PICTURE).count() == 1
    heights = notebook.page.evaluate("() => window.heights")
    assert len(heights) > 20
    assert len(set(heights)) == 1, list(dict.fromkeys(heights))
    # The picture, and where the view was, which is empty.
    shown = [output for output in notebook.outputs(4) if output["output_type"] == "display_data"]
    assert [bool(output["data"]["text/plain"]) for output in shown] == [True, False]
