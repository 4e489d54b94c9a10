"""The forms of pipelines and snapshots, driven without a front end; snapshots run in processes of their own."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from nbpipe import Client, pipeline, step
from nbpipe.errors import BadValueError, NotFoundError, RunInterruptedError
from nbpipe.records.runs import Status
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.widgets import ParameterForm, form_of
from tests.widgets.test_form import all_html

PATIENCE_S = 120
SECRET = "typed-and-told-nobody"


class Colour(Enum):
    RED = "r"
    GREEN = "g"


class Forest(BaseModel):
    trees: int = Field(100, ge=1)


class Logistic(BaseModel):
    penalty: float = 1.0


@step
def load(rows: int = 5) -> list[int]:
    return list(range(rows))


@step
def train(data: list[int], rate: float, twice: float, depth: Annotated[int, Field(ge=1, le=9)] = 3) -> float:
    return rate * depth * len(data) + twice


@pipeline
def painted(
    rate: float = Field(0.1, gt=0, lt=1),
    colour: Colour = Colour.RED,
    method: Forest | Logistic = Forest(),  # noqa: B008
    span: timedelta = timedelta(hours=1),
    token: SecretStr = SecretStr("former"),  # noqa: B008
    mixed: Literal[1, "1", True] = 1,
) -> Any:
    return train(load(), rate, rate * 2)


@step
def halved(rate: float) -> float:
    return rate / 2


@pipeline
def branching(rate: float) -> float:
    return halved(rate) if rate < 1 else halved(1.0)


@pipeline
def dividing(rate: float = 0.0) -> float:
    return halved(1 / rate)


@step
def nap(seconds: float) -> float:
    import time

    from nbpipe import progress

    for _ in progress(range(int(seconds * 20)), note="<asleep>"):
        time.sleep(0.05)
    return seconds


@pipeline
def resting(seconds: float = 0.0) -> float:
    return nap(seconds)


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NBPIPE_HOME", str(tmp_path / ".nbpipe"))
    yield


def texts(form: ParameterForm) -> str:
    return re.sub("<[^>]*>", "", all_html(form)).replace("&#39;", "'").replace("&quot;", '"')


@pytest.fixture
def snapshot() -> Snapshot:
    made: Snapshot = painted.create_snapshot(name="nightly")
    return made


def test_a_snapshot_is_run_with_values_of_classes_that_live_in_it_and_shows_its_differences(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    form = form_of(snapshot)
    form.set("rate", 0.2)
    form.set("colour", "g")
    form.set("method", {"penalty": 2.0})
    form.set("span", timedelta(hours=2))
    form.set("token", SECRET)
    form.set("mixed", True)
    form.set("train.depth", 4)

    form.run_button.click()
    run = form.wait(PATIENCE_S).record

    assert run.differences == {
        "rate": 0.2,
        "colour": "g",
        "method": {"penalty": 2.0},
        "span": "PT2H",
        "token": "**********",
        "mixed": True,
        "train.depth": 4,
    }
    assert run.steps["train"].output.load() == pytest.approx(0.2 * 4 * 5 + 0.4)
    assert "differences" in texts(form)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert SECRET.encode() not in kept
    assert SECRET not in all_html(form)


def test_a_steps_argument_follows_the_pipeline_until_it_is_set_itself(snapshot: Snapshot) -> None:
    form = form_of(snapshot)
    rows = {field.name: field for field in form._rows_of_steps.built("train")}

    form.set("rate", 0.3)
    followed = rows["rate"].read(), rows["twice"].read()
    changed = list(form.changed)
    form.set("train.rate", 0.5)
    form.set("rate", 0.4)

    assert followed == (0.3, 0.6)
    assert changed == ["rate"]
    assert form.changed == {"rate": 0.4, "train.rate": 0.5}
    form.reset()
    assert form.changed == {}


def test_a_steps_value_that_will_not_do_is_told_at_its_row_and_nothing_runs(snapshot: Snapshot) -> None:
    form = form_of(snapshot)

    form.set("train.depth", 40)

    assert form.problems == {"train.depth": "should be less than or equal to 9 (got 40)"}
    assert form.run_button.disabled
    assert "train.depth" in form.run_button.tooltip
    assert "1 to mend" in form._rows_of_steps.widget.titles[1]
    with pytest.raises(BadValueError, match=r"did you mean 'train\.depth'"):
        form.set("train.dept", 4)


def test_the_same_is_said_as_a_call_a_command_and_a_file(snapshot: Snapshot) -> None:
    form = form_of(snapshot)
    form.widget  # noqa: B018 — made before it is read

    form.set("rate", 0.2)
    form.set("train.depth", 4)

    said = texts(form)
    assert "Client().get_snapshot('nightly').run({'steps': {'train': {'parameters': {'depth': 4}}}}, rate=0.2)" in said
    assert "nbpipe snapshot run nightly --set rate=0.2 --set train.depth=4" in said
    assert "steps:\n  train:\n    parameters:\n      depth: 4" in said


def test_a_snapshot_that_was_deleted_meanwhile_is_told_and_nothing_runs(snapshot: Snapshot) -> None:
    form = form_of(snapshot)
    Client().delete_snapshot("nightly")

    form.run_button.click()
    with pytest.raises(NotFoundError, match=r"nightly.* was deleted meanwhile, and nothing ran"):
        form.wait(PATIENCE_S)

    assert list(Client().runs.list()) == []


def test_a_run_is_stopped_and_the_form_runs_again() -> None:
    form = form_of(resting.create_snapshot(name="nap"))
    form.set("seconds", 60)

    form.run_button.click()
    form.stop_button.click()
    with pytest.raises(RunInterruptedError):
        form.wait(PATIENCE_S)
    form.set("seconds", 0.01)
    form.run_button.click()

    assert form.wait(PATIENCE_S).record.differences == {"seconds": 0.01}
    assert form.stop_button.disabled


@pytest.mark.parametrize("is_snapshot", [False, True], ids=["here", "apart"])
def test_a_form_shows_how_far_the_steps_of_its_run_are(is_snapshot: bool) -> None:
    form = form_of(resting.create_snapshot(name="rest") if is_snapshot else resting)
    form.set("seconds", 60.0)
    form.run_button.click()
    deadline_s = time.monotonic() + PATIENCE_S

    while not (said := re.search(r"\d+ %, \d+ of 1,200 · <asleep>", html.unescape(texts(form)))):
        assert time.monotonic() < deadline_s, texts(form)
        time.sleep(0.05)
    form.stop_button.click()
    with pytest.raises(RunInterruptedError):
        form.wait(PATIENCE_S)

    assert said
    assert "of 1,200" not in texts(form)
    assert "■ interrupted" in texts(form)
    assert "◐ running" not in texts(form)


def test_a_pipeline_of_this_process_is_run_with_other_values_for_one_step() -> None:
    form = form_of(painted)
    form.set("rate", 0.5)
    form.set("train.depth", 5)

    form.run_button.click()
    run = form.wait(PATIENCE_S).record

    assert run.steps["train"].parameters["depth"] == 5
    assert "painted.with_options(steps={'train': {'parameters': {'depth': 5}}})(rate=0.5)" in texts(form)


def test_what_has_no_form_is_refused_by_name() -> None:
    with pytest.raises(BadValueError, match="7 has no form; give a pipeline or a snapshot"):
        form_of(7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "said"), [(branching, "compares the parameter 'rate'"), (dividing, "ZeroDivisionError")]
)
def test_a_form_whose_body_cannot_be_drawn_yet_says_why_no_steps_are_shown_and_runs(body: Any, said: str) -> None:
    form = form_of(body)
    shown = texts(form)

    form.set("rate", 0.5)
    form.run_button.click()
    run = form.wait(PATIENCE_S).record

    assert "Parameters of single steps are not shown: " in shown
    assert said in shown
    assert run.status is Status.COMPLETED
    assert said not in texts(form)
