"""The form of a snapshot in a real JupyterLab: filled wrongly, rightly, run by a key, stopped, reopened."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.browser.conftest import OpenNotebook

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


KEYS_BEFORE_FORM = """async (source) => {
  const url = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
  const {default: view} = await import(url);
  const sent = [];
  const model = {send: message => sent.push(message.do), on() {}, off() {}};
  const el = document.createElement("div");
  const end = view.render({model, el});
  const frame = () => new Promise(requestAnimationFrame);
  const press = () => form.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", ctrlKey: true}));
  await frame();
  const form = document.createElement("div");
  form.className = "nbpipe-form";
  form.append(el);
  document.body.append(form);
  await frame();
  await frame();
  press();
  const heard = [...sent];
  end();
  press();
  return [heard, sent];
}"""


def test_a_form_hears_its_keys_also_when_it_was_built_around_them_later(browser: Browser) -> None:
    page = browser.new_page()
    source = (files("nbpipe") / "static" / "form.js").read_text(encoding="utf-8")

    assert page.evaluate(KEYS_BEFORE_FORM, source) == [["ask"], ["ask"]]
    page.close()


def test_a_form_is_filled_wrongly_then_rightly_and_run_by_a_key(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    notebook = open_notebook(CELLS)
    notebook.run_all()
    form = notebook.cell(FORM).locator(".nbpipe-form")
    run = form.locator("button", has_text="Run")
    rate = form.get_by_label("rate", exact=True)

    rate.fill("3")
    rate.press("Enter")
    form.locator("text=✗ should be less than 1").wait_for()
    expect(run).to_be_disabled()
    notebook.look(notebook.cell(FORM).locator(".widget-button").first, tmp_path, "wrong")
    form.get_by_label("token").fill("typed-secret")
    form.get_by_label("token").press("Enter")
    form.locator("text=was ••••••").wait_for()
    rate.fill("0.5")
    rate.press("Control+Enter")
    form.locator("text=compared with its snapshot").wait_for()

    expect(form.get_by_label("token")).to_have_value("")
    differences = form.locator("table", has_text="this run").inner_text()
    assert "0.5" in differences
    expect(form).to_contain_text("nbpipe snapshot run nightly --set rate=0.5")
    notebook.look(notebook.cell(FORM).locator(".widget-button").first, tmp_path, "run")
    notebook.command("application:toggle-left-area")
    notebook.page.set_viewport_size({"width": 480, "height": 1000})
    form.locator("button", has_text="Reset").scroll_into_view_if_needed()
    notebook.picture(tmp_path / "narrow.png")
    notebook.page.set_viewport_size({"width": 1280, "height": 1000})
    form.locator("button", has_text="Copy").first.click()
    form.locator("text=/Copied|is selected/").wait_for()
    assert notebook.page_errors == []
    notebook.reopen(trusted=False)
    assert "how fast it learns" in notebook.cell(FORM).inner_text()
    assert "typed-secret" not in json.dumps(json.loads(notebook.path.read_text(encoding="utf-8")))


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
    notebook.look(notebook.cell(FORM).locator(".widget-button").first, tmp_path, "going")
    form.locator("button", has_text="Stop").click()
    form.locator("text=/was stopped|stopped|interrupted/i").first.wait_for()

    form.locator("button", has_text="Run", has_not_text="Running").wait_for()
    notebook.picture(tmp_path / "stopped.png")
    assert notebook.page_errors == []
