"""A notebook in a real JupyterLab: steps, live runs, forms, promotion, and what is left of them later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import OpenNotebook

pytestmark = pytest.mark.browser

LOAD = "%load_ext nbpipe"
PARAMS = '%%params\nn: int = Field(5, ge=1, le=50, description="how many rows")\nkind: Literal["sum", "mean"] = "sum"'
TRAIN = """%%step
def train(n: int) -> float:
    time.sleep(0.4)
    return n / 10

def check(score: float) -> float:
    time.sleep(0.4)
    return score"""
CELLS = [
    LOAD,
    "import pandas as pd\nimport time",
    PARAMS,
    "%%step load\nprint('loading')\ndf = pd.DataFrame({'x': range(n)})\ndf.tail(1)",
    "%%step clean\ngood = df[df.x > 0]\nlen(good)",
    "%%step total\nvalue = float(getattr(good.x, kind)())\nvalue",
    TRAIN,
    "%%pipeline training(n: int = 8) --model iris --tag nightly\nscore = train(n)\ncheck(score)",
    "training()",
    "%nbpipe run",
]
PICTURE = "img[src^='data:image/svg+xml;base64,']"


def test_a_notebook_is_run_and_its_pictures_outlive_the_kernel_and_the_trust(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook(CELLS)

    notebook.run_all()
    notebook.run_all()

    for place in (7, 8, 9):
        assert notebook.cell(place).locator(PICTURE).count() == 1, f"cell {place} shows one graph"
    assert "reused" in notebook.cell(4).inner_text()
    notebook.cell(8).scroll_into_view_if_needed()
    notebook.picture(tmp_path / "run.png")
    notebook.cell(3).scroll_into_view_if_needed()
    notebook.picture(tmp_path / "steps.png")
    notebook.reopen(trusted=False)
    for place in (7, 8, 9):
        assert notebook.cell(place).locator(PICTURE).evaluate("image => image.complete && image.naturalWidth > 0")
    notebook.cell(8).scroll_into_view_if_needed()
    notebook.picture(tmp_path / "reopened.png")
    saved = nbformat.read(notebook.path, as_version=4)
    assert "training: 2 steps, 1 connection" in saved.cells[8].outputs[0].data["text/plain"]
    assert notebook.page_errors == []


def test_a_live_run_is_drawn_while_it_goes_on_and_its_version_is_promoted_from_the_next_cell(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook([f"{LOAD}\nimport time", *CELLS[6:8], "training()", "%nbpipe model promote iris"])
    notebook.start_command("notebook:run-all-cells")

    notebook.cell(3).locator(".nbp-view .nbp-is-running").first.wait_for()
    notebook.cell(3).locator("img[alt*='2 completed']").wait_for()
    notebook.cell(3).locator("text=completed").first.wait_for()

    shown = notebook.outputs(3)
    assert [output["output_type"] for output in shown] == ["display_data", "display_data", "execute_result"]
    assert ["data:image" in "".join(output["data"]["text/html"]) for output in shown] == [True, False, False]

    board = notebook.cell(4)
    board.locator("button", has_text="Promote").first.wait_for()
    notebook.picture(tmp_path / "promote.png")
    board.locator("button", has_text="Promote").first.click()
    board.locator("text=production").first.wait_for()
    notebook.picture(tmp_path / "promoted.png")
    assert notebook.page_errors == []


def test_a_dark_notebook_is_readable_and_its_form_runs_it_with_another_value(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook([*CELLS[:6], "%nbpipe run", "%%step totl\n"], theme="dark")

    notebook.run_all(may_fail=True)

    notebook.cell(6).scroll_into_view_if_needed()
    notebook.picture(tmp_path / "dark.png")
    notebook.cell(2).scroll_into_view_if_needed()
    notebook.picture(tmp_path / "dark_form.png")
    assert notebook.cell(6).locator(PICTURE).count() == 1
    assert "Did you mean 'total'?" in notebook.cell(7).inner_text()

    form = notebook.cell(2)
    form.locator("button", has_text="mean").click()
    form.locator("text=--set kind=mean").wait_for()
    form.locator("button", has_text="Run").click()
    form.locator("text=completed").first.wait_for()
    notebook.picture(tmp_path / "form.png")
    assert form.locator(PICTURE).count() == 1
    assert notebook.page_errors == []
