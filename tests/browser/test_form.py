"""The form of a snapshot in a real JupyterLab: filled wrongly, rightly, run by a key, stopped, reopened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import OpenNotebook
    from tests.browser.lab import NotebookPage

pytestmark = pytest.mark.browser

DEFINE = """%load_ext nbpipe
import time
from typing import Annotated, Literal
from pydantic import BaseModel, Field, SecretStr
from nbpipe import pipeline, step

class Forest(BaseModel):
    trees: int = Field(100, ge=1, description="how many")

class Logistic(BaseModel):
    penalty: float = 1.0

@step
def load(rows: int = 5) -> list:
    return list(range(rows))

@step
def train(data: list, rate: float, depth: Annotated[int, Field(ge=1, le=9)] = 3, slow_s: float = 0.0) -> float:
    for _ in range(int(slow_s * 20)):
        time.sleep(0.05)
    return rate * depth * len(data)

@pipeline
def training(
    rate: float = Field(0.1, gt=0, lt=1, description="how fast it learns"),
    method: Forest | Logistic = Forest(),
    kind: Literal["quick", "thorough"] = "quick",
    token: SecretStr = SecretStr("former"),
    note: str | None = None,
):
    return train(load(), rate)

snapshot = training.create_snapshot(name="nightly")"""
FORM = 1
CELLS = [DEFINE, "%nbpipe snapshot form nightly"]


def look(notebook: NotebookPage, folder: Path, name: str) -> None:
    """Take a picture of the form in each theme."""
    for theme in ("light", "dark"):
        notebook.set_theme(theme)  # type: ignore[arg-type]
        notebook.cell(FORM).locator(".widget-button").first.scroll_into_view_if_needed()
        notebook.screenshot(folder / f"{name}_{theme}.png")


def test_a_run_of_a_form_is_watched_and_stopped(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    notebook = open_notebook(CELLS)
    notebook.run_all()
    form = notebook.cell(FORM).locator(".nbpipe-form")

    form.locator("text=train: 3 parameters").click()
    slow = form.get_by_label("train.slow_s")
    slow.fill("60")
    slow.press("Enter")
    form.locator("text=train: 3 parameters, ● 1 changed").wait_for()
    form.locator("button", has_text="Run").click()
    form.locator(".jp-RenderedHTMLCommon span", has_text="running").first.wait_for()
    look(notebook, tmp_path, "going")
    form.locator("button", has_text="Stop").click()
    form.locator("text=/was stopped|stopped|interrupted/i").first.wait_for()

    form.locator("button", has_text="Run", has_not_text="Running").wait_for()
    notebook.screenshot(tmp_path / "stopped.png")
    assert notebook.page_errors == []
