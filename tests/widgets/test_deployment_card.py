"""The card of a deployment, driven without a front end against deployments that really serve."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from nbpipe import Client, Model, get_pipeline_context, pipeline, step
from nbpipe.commands.answers import Answer as CommandAnswer
from nbpipe.errors import BadValueError, DeploymentError, NotFoundError, ParameterError, StepFailedError, UserError
from nbpipe.services.deployment_records import Deployment
from nbpipe.widgets import CatalogBrowser, DeploymentCard
from nbpipe.widgets.opening import widget_for
from tests.serving import free_port
from tests.widgets.test_form import all_html

PATIENCE_S = 60
KEY = "key-of-a-test-0123456789"
SECRET = "typed-and-told-nobody"
EVIL = "<script>alert(1)</script> & \"quotes'"


class Bird(BaseModel):
    length: float = Field(40.0, gt=0, description="in mm")


@step
def say(
    bird: Bird, rate: float, how: str, token: SecretStr, nap_s: float
) -> tuple[Annotated[str, "said"], Annotated[int, "letters"]]:
    import time

    time.sleep(nap_s)
    if rate > 0.9:
        raise ValueError("too <b>fast</b>")
    return f"<i>{how}</i> {rate} {bird.length}", len(token.get_secret_value())


@pipeline
def talking(
    rate: float = Field(0.5, gt=0, lt=1, description="how fast"),
    how: Literal["loud", "soft"] = "soft",
    bird: Bird = Bird(),  # noqa: B008
    token: SecretStr = SecretStr("four"),  # noqa: B008
    nap_s: float = 0.0,
) -> Any:
    return say(bird, rate, how, token, nap_s)


@pipeline(name="talking")
def talking_slowly(rate: float = Field(0.1, gt=0, lt=0.3), timeout_s: float = 0.0) -> Any:
    # The second goes by the name of an argument of `Deployment.invoke`.
    return say(Bird(), rate, "soft", SecretStr("four"), timeout_s)


@step
def learn(bias: int) -> Annotated[int, "bias"]:
    return bias


@pipeline(model=Model(name="biased"))
def learning(bias: int = 1) -> int:
    return learn(bias)


@step
def add(bias: int, x: int) -> Annotated[int, "sum"]:
    return bias + x


@pipeline(model=Model(name="biased", version="production"))
def adding(x: int = 1) -> int:
    return add(get_pipeline_context().model.get_model_artifact("bias"), x)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a workspace for all tests here, since each process that serves takes a second to start."""
    found = tmp_path_factory.mktemp("serving") / ".nbpipe"
    yield found
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBPIPE_HOME", str(found))
        for deployment in Client().deployments.list():
            deployment.delete()


@pytest.fixture(autouse=True)
def _workspace(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBPIPE_HOME", str(home))


@pytest.fixture
def deployment() -> Deployment:
    """Give a deployment that is there, whatever other tests did with it."""
    deployments = Client().deployments
    if any(found.name == "talker" and found.status == "running" for found in deployments.list()):
        return deployments.get("talker")
    made: Deployment = talking.deploy("talker", port=free_port())
    return made


@pytest.fixture
def locked() -> Deployment:
    """Give one that is behind a key, and whose name would be an element."""
    deployments = Client().deployments
    found = [one for one in deployments.list() if one.name == EVIL]
    made: Deployment = found[0] if found else talking.deploy(EVIL, api_key=KEY)
    return made


def shown(card: DeploymentCard | CatalogBrowser) -> str:
    """Give all text that the live card shows."""
    return html.unescape(re.sub("<[^>]*>", " ", all_html(card)))  # type: ignore[arg-type]


def ask(card: DeploymentCard, **values: Any) -> Any:
    for name, value in values.items():
        card.set(name, value)
    card.invoke_button.click()
    return card.wait(PATIENCE_S)


def test_a_deployment_is_tried_with_the_form_and_its_answer_run_and_requests_are_shown(deployment: Deployment) -> None:
    card = DeploymentCard("talker")
    card.widget  # noqa: B018 — made before it is read
    before = shown(card)

    answer = ask(card, rate=0.25, how="loud", bird={"length": 39.5}, token=SECRET)

    assert answer.outputs == {"said": "<i>loud</i> 0.25 39.5", "letters": len(SECRET)}
    assert answer == card.answer
    assert "◐ running since" in before
    assert deployment.url in before
    assert "pipeline" in before
    after = shown(card)
    assert "<i>loud</i> 0.25 39.5" in after
    assert "Recent requests: " in after
    assert "✓ 200" in after
    newest = card.requests[0]
    assert (newest["path"], newest["status"], newest["run_id"]) == ("/invoke", 200, answer.run_id)
    card.show_run_button.click()
    assert "say" in shown(card).partition("Recent requests")[0].rpartition("took")[2]
    assert SECRET not in all_html(card)  # type: ignore[arg-type]


def test_the_same_is_said_for_a_shell_and_for_python_with_the_values_of_the_form(deployment: Deployment) -> None:
    card = DeploymentCard(deployment)
    card.widget  # noqa: B018 — made before it is read

    card.set("rate", 0.25)
    card.set("token", SECRET)

    said = shown(card)
    call = "Client().deployments.invoke('talker', rate=0.25, how='soft', bird={'length': 40.0}, nap_s=0.0)"
    body = {"parameters": {"rate": 0.25, "how": "soft", "bird": {"length": 40.0}, "nap_s": 0.0}}
    assert call in said
    assert f"curl -X POST {deployment.url}/invoke -H 'Content-Type: application/json' -d '{json.dumps(body)}'" in said
    assert "Not written down, being secret: token" in said


def test_a_wrong_value_is_told_at_its_field_and_nothing_is_asked(deployment: Deployment) -> None:
    card = DeploymentCard(deployment)
    before = deployment.requests()

    card.set("bird.length", -1.0)

    assert card.problems == {"bird.length": "should be greater than 0 (got -1.0)"}
    assert card.invoke_button.disabled
    card.invoke_button.click()
    with pytest.raises(UserError, match="nothing to wait for"):
        card.wait(PATIENCE_S)
    assert deployment.requests() == before


def test_a_value_that_only_the_deployment_refuses_is_told_at_its_field_until_it_is_changed() -> None:
    card = DeploymentCard(talking.deploy("changeling"))
    talking_slowly.deploy("changeling")

    with pytest.raises(ParameterError):
        ask(card, rate=0.7)

    told = "should be less than 0.3 (got 0.7)"
    cells = {field.path: field.cell for field in card.form._fields}
    assert told in cells["rate"].children[1].value
    assert "is not known here" in cells["how"].children[1].value
    assert not card.invoke_button.disabled
    card.set("rate", 0.2)
    assert told not in cells["rate"].children[1].value
    assert "press Refresh" in card.message
    card.refresh_button.click()
    assert [field.name for field in card.form._fields] == ["rate", "timeout_s"]
    assert ask(card, rate=0.2, timeout_s=0.01).parameters == {"rate": 0.2, "timeout_s": 0.01}


def test_a_step_that_fails_is_told_with_its_type_and_message_and_its_run_can_be_opened(deployment: Deployment) -> None:
    card = DeploymentCard(deployment)
    card.widget  # noqa: B018 — made before it is read

    with pytest.raises(StepFailedError):
        ask(card, rate=0.95)

    assert "✗ Step 'say' failed: ValueError: too <b>fast</b>" in shown(card)
    assert card.answer is None
    assert card.show_run_button.description == f"Open run {card.requests[0]['run_id'][:8]}"


def test_a_long_answer_can_be_seen_as_a_whole(deployment: Deployment) -> None:
    card = DeploymentCard(deployment)
    card.widget  # noqa: B018 — made before it is read

    ask(card, bird={"length": 1e200 / 3})
    short = shown(card)
    card.set("how", "loud")
    card._end(replace(ask(card), outputs={"said": "<b>" + "x" * 5000 + " the end"}), "")

    assert "All outputs" not in short
    assert "the end" in shown(card)
    assert "<b>" not in all_html(card)  # type: ignore[arg-type]


def test_whoever_asks_goes_on_at_once(deployment: Deployment) -> None:
    card = DeploymentCard(deployment)
    card.set("nap_s", 1.0)

    card.invoke_button.click()
    was_waiting = card.invoke_button.disabled, card.invoke_button.description, card.answer
    card.wait(PATIENCE_S)

    assert was_waiting == (True, "Running…", None)
    assert (card.invoke_button.disabled, card.invoke_button.description) == (False, "Invoke")


def test_it_is_stopped_and_started_by_buttons_that_say_what_happened(deployment: Deployment) -> None:
    card = DeploymentCard(deployment)

    card.stop_button.click()
    while_stopping = card.stop_button.disabled, card.restart_button.disabled
    stopped = card.wait_until_done(PATIENCE_S), card.status, card.restart_button.description
    with pytest.raises(DeploymentError):
        ask(card)
    card.restart_button.click()
    started = card.wait_until_done(PATIENCE_S), card.status, card.restart_button.description

    assert while_stopping == (True, True)
    assert stopped == ("talker is stopped.", "stopped", "Start")
    assert started == (f"talker answers at {deployment.url}.", "running", "Restart")
    assert ask(card).outputs["letters"] == 4


def test_one_that_was_deleted_meanwhile_says_so() -> None:
    deployment = talking.deploy("mayfly")
    card = DeploymentCard(deployment)
    card.widget  # noqa: B018 — made before it is read
    deployment.delete()

    card.refresh_button.click()

    assert card.status == "deleted"
    assert "deleted" in shown(card)
    assert card.stop_button.disabled
    assert card.restart_button.disabled
    assert "mayfly" in card.static().text


def test_the_next_answer_comes_from_the_version_that_was_promoted_meanwhile() -> None:
    learning(bias=10)
    learning(bias=20)
    models = Client().models
    models.promote("biased@1", "production")
    card = DeploymentCard(adding.deploy("adder"))
    first = card.model, ask(card, x=5).output

    models.promote("biased@2", "production", force=True)
    second = ask(card).output, card.model

    assert first == ("biased@1, production", 15)
    assert second == (25, "biased@2, production")


def test_a_key_is_asked_for_sent_and_shown_nowhere(locked: Deployment) -> None:
    card = DeploymentCard(locked.name)
    card.widget  # noqa: B018 — made before it is read

    with pytest.raises(BadValueError, match="has its key"):
        ask(card)
    at_once = shown(card)
    card.api_key = "key-of-another-0123456789"
    with pytest.raises(DeploymentError, match="not the api key"):
        ask(card)
    card._controls.key.widget.value = KEY
    answer = ask(card)

    assert "✗ needs a value" in at_once
    assert '-H "Authorization: Bearer $NBPIPE_API_KEY"' in at_once
    assert answer.outputs["letters"] == 4
    assert card._controls.key.widget.value == ""
    assert KEY not in all_html(card) + repr(card.trait_values()["message"]) + card.static().html  # type: ignore[arg-type]
    with pytest.raises(BadValueError) as told:
        card.api_key = f"{KEY}\n"
    assert KEY not in str(told.value)


def test_names_are_text_and_controls_have_names(locked: Deployment) -> None:
    card = DeploymentCard(locked.name)
    card.widget  # noqa: B018 — made before it is read
    card.api_key = KEY

    ask(card)

    everything = all_html(card) + card.static().html  # type: ignore[arg-type]
    assert "<script" not in everything
    assert "&lt;script&gt;" in everything
    assert "<i>" not in everything
    assert card._controls.key.widget.description == "api key"
    assert [field.control.widget.description for field in card.form._fields if field.name == "rate"] == ["rate"]


def test_commands_answer_with_it_and_without_a_front_end_with_a_card_of_what_stays(deployment: Deployment) -> None:
    answer = CommandAnswer(
        DeploymentCard(deployment).static(), deployment, deployment.as_row(), widget="DeploymentCard"
    )

    card = widget_for(answer, static=False)
    face = widget_for(answer, static=True)._repr_mimebundle_()

    assert isinstance(card, DeploymentCard)
    assert set(face) == {"text/plain", "text/html"}
    assert "talker: running" in face["text/plain"]
    assert deployment.url not in face["text/plain"]


def test_the_browser_of_the_catalog_opens_it(deployment: Deployment) -> None:
    browser = CatalogBrowser(Client(), "deployments")
    browser.widget  # noqa: B018 — made before it is read

    browser.table.press({"do": "open", "id": deployment.id})

    assert browser.card is not None
    card = browser.card.live
    assert isinstance(card, DeploymentCard)
    assert ask(card, rate=0.25).outputs["letters"] == 4
    assert "<i>soft</i> 0.25 40.0" in shown(browser)
    assert browser.card.links[0].group == "serves"
    browser.close_card()
    assert "Deployment talker" not in shown(browser)


def test_what_cannot_be_is_refused(deployment: Deployment) -> None:
    card = DeploymentCard(deployment)

    for name, value in (("size", -1), ("size", True), ("size", "5"), ("api_key", None), ("api_key", "two words")):
        with pytest.raises(BadValueError):
            setattr(card, name, value)
    with pytest.raises(NotFoundError, match="talker"):
        DeploymentCard("talkr")
    with pytest.raises(ParameterError, match="did you mean 'rate'"):
        card.set("rat", 0.2)


def test_nothing_is_looked_at_while_nobody_asks(deployment: Deployment) -> None:
    card = DeploymentCard(deployment)
    card.size = 100
    before = len(card.requests)
    deployment.invoke()

    time.sleep(0.5)

    assert len(card.requests) == before
    card.refresh_button.click()
    assert len(card.requests) == before + 1
