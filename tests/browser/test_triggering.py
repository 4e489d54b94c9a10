"""A pipeline that triggers another, in a real JupyterLab: the child is drawn as it runs and stays in the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import OpenNotebook

pytestmark = pytest.mark.browser

CELLS = [
    "%load_ext nbpipe\nfrom nbpipe import Client, pipeline, step",
    """@step
def work(n: int = 1) -> int:
    print("at work on", n)
    return n

@pipeline
def training_pipeline(n: int = 1):
    return work(n)""",
    "training_pipeline.create_snapshot('nightly')",
    """@step
def load() -> int:
    return 3

@step
def ask(n: int) -> int:
    run = Client().trigger_pipeline("training_pipeline", run_configuration={"parameters": {"n": n}}, synchronous=True)
    return run.output

@step
def report(n: int) -> str:
    return f"told {n}"

@pipeline
def asking():
    return report(ask(load()))""",
    "run = asking()\nrun",
]
PICTURE = "img[src^='data:image/svg+xml;base64,'][alt*='1 triggered run']"


def test_a_child_is_drawn_beside_the_step_that_asked_for_it_and_outlives_the_kernel(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook(CELLS)
    notebook.run_all()
    cell = notebook.cell(4)

    cell.locator(PICTURE).first.wait_for()
    cell.locator("text=at work on 3").first.wait_for()
    notebook.page.set_viewport_size({"width": 1280, "height": 1100})
    cell.scroll_into_view_if_needed()
    notebook.look(cell, tmp_path, "child")
    notebook.reopen(trusted=False)

    picture = notebook.cell(4).locator(PICTURE).first
    assert "training_pipeline (completed)" in str(picture.get_attribute("alt"))
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
