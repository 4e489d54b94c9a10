"""Serving from a notebook in a real JupyterLab: deploy, try, promote another version, the next answer, stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.test_notebook import LOAD
from tests.serving import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser.conftest import OpenNotebook
    from tests.browser.lab import NotebookPage

pytestmark = pytest.mark.browser

DEFINE = f"""{LOAD}
from typing import Annotated, Literal
from pydantic import Field
from nbpipe import Client, Model, get_pipeline_context, pipeline, step

@step
def learn(limit: float) -> Annotated[float, "limit"]:
    return limit

@pipeline(model=Model(name="sizes"))
def learning(limit: float = 200.0):
    return learn(limit)

@step
def judge(limit: float, flipper_mm: float, sex: str) -> Annotated[str, "size"]:
    if flipper_mm > 290:
        raise ValueError("that is <b>no</b> penguin")
    return f"{{'large' if flipper_mm > limit else 'small'}} {{sex}} (limit {{limit:g}})"

@pipeline(model=Model(name="sizes", version="production"))
def judging(
    flipper_mm: float = Field(190.0, gt=100, lt=300, description="length of a flipper"),
    sex: Literal["male", "female"] = "male",
):
    return judge(get_pipeline_context().model.get_model_artifact("limit"), flipper_mm, sex)

for limit in (200.0, 180.0):
    learning(limit=limit)
Client().models.promote("sizes@1", "production")"""
DEPLOY = '%nbpipe deploy judging --name "sizes of penguins" --port {port}'
PROMOTE = 'Client().models.promote("sizes@2", "production", force=True).version.label'
CLEAR = "for one in Client().deployments.list():\n    one.delete()"
RECORD = 'Client().deployments.get("sizes of penguins")'
CARD, OTHER, AGAIN, LAST = 1, 2, 3, 4


@pytest.fixture
def serving(open_notebook: OpenNotebook) -> Iterator[NotebookPage]:
    """Give a notebook that has deployed; what it deployed is gone afterwards, whatever the test did."""
    notebook = open_notebook([DEFINE, DEPLOY.format(port=free_port()), PROMOTE, RECORD, CLEAR])
    try:
        yield notebook
    finally:
        notebook.run_cell(LAST)


def test_a_deployment_is_tried_from_a_notebook_and_follows_a_promotion(serving: NotebookPage, tmp_path: Path) -> None:
    notebook = serving
    notebook.run_cell(0)
    notebook.run_cell(CARD)
    card = notebook.cell(CARD).locator(".nbpipe-deployment")
    card.locator("text=/◐ running since/").wait_for()
    invoke = card.get_by_role("button", name="Invoke")
    flipper = card.get_by_label("flipper_mm", exact=True)

    flipper.fill("500")
    flipper.press("Enter")
    card.locator("text=✗ should be less than 300").wait_for()
    expect(invoke).to_be_disabled()
    notebook.look(notebook.cell(CARD), tmp_path, "wrong")
    flipper.fill("190")
    flipper.press("Enter")
    card.locator("button", has_text="female").click()
    card.locator('text=/"sex": "female"/').wait_for()
    flipper.fill("191")
    flipper.press("Control+Enter")
    card.locator("text=small female (limit 200)").wait_for()

    notebook.run_cell(OTHER)
    invoke.click()
    card.locator("text=large female (limit 180)").wait_for()
    card.locator("text=sizes@2, production").wait_for()
    card.locator("button", has_text="Open run").click()
    card.locator("text=step by step").wait_for()
    notebook.look(notebook.cell(CARD), tmp_path, "promoted")
    card.locator("button", has_text="Close run").click()
    flipper.fill("295")
    flipper.press("Control+Enter")
    card.locator("text=Step 'judge' failed: ValueError: that is <b>no</b> penguin").wait_for()

    card.get_by_role("button", name="Stop").click()
    card.locator("text=sizes of penguins is stopped.").wait_for()
    card.locator("text=/□ stopped since/").wait_for()
    notebook.look(notebook.cell(CARD), tmp_path, "stopped")
    notebook.run_cell(AGAIN)
    again = notebook.cell(AGAIN).locator(".nbpipe-deployment")
    again.get_by_role("button", name="Start").click()
    again.locator("text=/◐ running since/").wait_for()
    assert notebook.page_errors == []
