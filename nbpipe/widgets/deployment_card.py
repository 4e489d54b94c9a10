"""The card of a deployment: where it answers, how it stands, a form to try it, what it answered, its last requests.

The form is made of what the deployment's snapshot takes; a wrong value is told at its field, before
anything is sent and also where only the deployment knows it to be wrong. Asking, stopping and
starting go on beside the kernel. Nothing is looked at again unless somebody presses or asks.

A card can be driven without a front end: `card.set("city", "Oslo")`, `card.invoke_button.click()`,
`card.wait()`; `stop_button`, `restart_button`, `refresh_button` and `show_run_button` likewise.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from threading import RLock
from typing import Any

from traitlets import HasTraits, Unicode, observe, validate

from nbpipe.commands.showing import run_bundle
from nbpipe.commands.showing_deployments import deployment_bundle
from nbpipe.errors import BadValueError, NbpipeError, NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.services.client import Client
from nbpipe.services.deployment_records import Deployment
from nbpipe.services.deployments import DeploymentService
from nbpipe.services.invoking import Answer
from nbpipe.services.runs import RunService
from nbpipe.views.frames import Bundle
from nbpipe.widgets.deployment_controls import DeploymentControls
from nbpipe.widgets.deployment_seen import SeenDeployment, seen
from nbpipe.widgets.deployment_trying import Trial
from nbpipe.widgets.form import ParameterForm
from nbpipe.widgets.given import Given
from nbpipe.widgets.kinds import UNSET
from nbpipe.widgets.running import Finished, Runner, error_text
from nbpipe.widgets.showing import Shown, has_front_end

_KEY_VARIABLE = "NBPIPE_API_KEY"
_MOST_REQUESTS = 100


class DeploymentCard(Shown, HasTraits):
    """A card of one deployment.

    Args:
        deployment: The deployment, or its name.
        static: Show a card that needs no front end instead.

    Attributes:
        api_key: The key that requests are sent with; that of the record, else of `NBPIPE_API_KEY`, if none is given.
            It is shown nowhere.
        size: How many of the last requests are shown.
        message: What the last press did.

    Raises:
        NotFoundError: There is no such deployment.
    """

    api_key = Given("")
    size = Given(10)
    message = Unicode("")

    def __init__(self, deployment: Deployment | str, *, static: bool = False) -> None:
        HasTraits.__init__(self)
        Shown.__init__(self, static=static)
        record = deployment if isinstance(deployment, Deployment) else Client().deployments.get(deployment)
        self._service = DeploymentService(record.workspace)
        self._runs = RunService(record.workspace)
        self._lock = RLock()
        self._actions = Runner(self._act, self._acted)
        self._doing = ""
        self._message_status = ""
        self._key_problem = ""
        self._run_id = ""
        self._run_html = ""
        self.answer: Answer | None = None
        self._seen = seen(record, self.size)

    @property
    def deployment(self) -> Deployment:
        """The deployment, as it was when it was last looked at."""
        return self._seen.deployment

    @property
    def status(self) -> str:
        """How it stood then: a deployment's status, or `deleted`."""
        return self._seen.status

    @property
    def model(self) -> str:
        """The model version that the next answer was to come from then; `""` if the pipeline is bound to none."""
        return self._seen.model

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Its last requests then, the newest first."""
        return [dict(one) for one in self._seen.requests]

    @property
    def form(self) -> ParameterForm:
        """The form that it is tried with.

        Raises:
            NbpipeError: What it serves cannot be read here.
        """
        if self._trial.form is None:
            raise NotFoundError("form", self.deployment.name, hint=self._trial.obstacle)
        return self._trial.form

    @property
    def problems(self) -> dict[str, str]:
        """A sentence for each value in the form that will not do, by dotted name."""
        return self.form.problems

    @property
    def invoke_button(self) -> Any:
        """The Invoke button: `.click()` does what a press does."""
        return self.form.run_button

    @property
    def stop_button(self) -> Any:
        """The Stop button: `.click()` does what a press does."""
        return self._controls.stop

    @property
    def restart_button(self) -> Any:
        """The Restart button, which is named Start while it does not answer."""
        return self._controls.restart

    @property
    def refresh_button(self) -> Any:
        """The Refresh button: `.click()` does what a press does."""
        return self._controls.refresh

    @property
    def show_run_button(self) -> Any:
        """The button that opens the card of the last answer's run, and closes it."""
        return self._controls.show_run

    @property
    def widget(self) -> Any:
        """The live card."""
        return self._controls.page

    def set(self, name: str, value: Any) -> None:
        """Put a value into the form, as if it were typed; see `ParameterForm.set`."""
        self.form.set(name, value)

    def wait(self, timeout_s: float | None = None) -> Answer:
        """Wait for the answer that the Invoke button asked for.

        Raises:
            UserError: The button was not pressed.
            BadValueError: It needs a key, and none is known.
            ParameterError: Values that the deployment does not take.
            StepFailedError: A step failed.
            DeploymentError: It does not answer, or does not let us.
            TimeoutError: There is none after `timeout_s` seconds, or the deployment took too long.
        """
        answer: Answer = self.form.wait(timeout_s)
        return answer

    def wait_until_done(self, timeout_s: float | None = None) -> str:
        """Wait until it is stopped or started as a button asked for, and give what is said of that.

        Raises:
            UserError: No button was pressed.
            TimeoutError: It goes on after `timeout_s` seconds.
            NbpipeError: It could not be done.
        """
        self._actions.wait(timeout_s)
        return self.message

    def refresh(self) -> None:
        """Look again how it stands."""
        self._look()
        if "_trial" in vars(self) and self._trial.snapshot_id != self.deployment.snapshot_id:
            self._renew_form()
        self._draw()

    def _look(self) -> None:
        former = self._seen.deployment
        try:
            self._seen = seen(self._service.get(former), self.size)
        except NotFoundError:
            self._seen = SeenDeployment(former, "deleted", requests=self._seen.requests)

    def static(self) -> Bundle:
        """Give the card as it is without controls; without a front end without what differs from run to run."""
        return deployment_bundle(self.deployment, stable=self.is_static or not has_front_end())

    # What can be set -------------------------------------------------------------------------

    @validate("api_key")
    def _valid_key(self, proposal: Any) -> str:
        key = proposal["value"]
        # The key is never part of what is said.
        if not isinstance(key, str) or not key.isascii() or not key.isprintable() or " " in key:
            raise BadValueError("An api key is a text of ASCII letters without blanks; this one is not.")
        return key

    @validate("size")
    def _valid_size(self, proposal: Any) -> int:
        size = proposal["value"]
        if type(size) is not int or not 0 <= size <= _MOST_REQUESTS:
            raise BadValueError(f"size={shorten(size)} should be a number from 0 to {_MOST_REQUESTS}.")
        return size

    @observe("size")
    def _sized(self, _change: Any) -> None:
        self.refresh()

    @observe("api_key")
    def _keyed(self, _change: Any) -> None:
        self._key_problem = ""
        self._draw()

    # Asking ----------------------------------------------------------------------------------

    @cached_property
    def _trial(self) -> Trial:
        return Trial(lambda: self.deployment, self._key, self._begin, self._end)

    def _begin(self) -> None:
        if self.deployment.has_key and not self._key():
            self._key_problem = "needs a value"
            self._draw()
            raise BadValueError(f"Deployment {self.deployment.name} answers only who has its key; give it above.")

    def _end(self, answer: Answer | None, run_id: str) -> None:
        self.answer, self._run_id, self._run_html = answer, run_id, ""
        # An answer is one, even if the workspace is too busy to be looked at.
        with suppress(NbpipeError):
            self._look()
        if self._trial.snapshot_id != self.deployment.snapshot_id:
            # The form that asks cannot be taken away from under its answer.
            self.message = "It serves another snapshot than before; press Refresh for its form."
        self._draw()
        if "_controls" in vars(self):
            self._controls.show_whole(answer)

    def _key(self) -> str | None:
        return self.api_key or self.deployment.api_key or os.environ.get(_KEY_VARIABLE)

    def _take_key(self) -> None:
        typed = self._controls.key.read()
        if typed is UNSET:
            return
        try:
            self.api_key = typed
        except BadValueError as error:
            self._key_problem = str(error)
            self._draw()

    def _toggle_run(self) -> None:
        if self._run_html:
            self._run_html = ""
        elif self._run_id:
            try:
                self._run_html = run_bundle(self._runs.get(EntityRef(Kind.RUN, self._run_id))).html
            except NbpipeError as error:
                self._tell(error_text(error), "failed")
        self._draw()

    # Stopping and starting -------------------------------------------------------------------

    def _press(self, verb: str, doing: str) -> None:
        with self._lock:
            if self._doing or not self._actions.start({"verb": verb}):
                return
            self._doing = doing
            self._tell(doing, "")

    def _press_refresh(self) -> None:
        try:
            self.refresh()
        except NbpipeError as error:
            self._tell(error_text(error), "failed")

    def _act(self, asked: Mapping[str, Any]) -> str:
        """Stop it or start it anew, in a thread."""
        key, ref = self.deployment.api_key, self.deployment.id
        does: dict[str, Callable[[object], Deployment]] = {"stop": self._service.stop, "restart": self._service.restart}
        done = does[asked["verb"]](ref)
        self._seen = replace(self._seen, deployment=replace(done, api_key=key))
        name = done.name
        return f"{name} is stopped." if asked["verb"] == "stop" else f"{name} answers at {done.url}."

    def _acted(self, finished: Finished) -> None:
        with self._lock:
            self._doing = ""
            self._press_refresh()
            if finished.error is not None:
                self._tell(error_text(finished.error), "failed")
            else:
                self._tell(finished.value, "completed")

    def _tell(self, text: str, status: str) -> None:
        self.message, self._message_status = text, status
        self._draw()

    # The live card ---------------------------------------------------------------------------

    @cached_property
    def _controls(self) -> DeploymentControls:
        controls = DeploymentControls(self.deployment.name, has_key=self.deployment.has_key)
        controls.on_press(
            stop=lambda: self._press("stop", "Stopping…"),
            restart=lambda: self._press("restart", "Starting…"),
            refresh=self._press_refresh,
            show_run=self._toggle_run,
        )
        controls.key.watch(self._take_key)
        vars(self)["_controls"] = controls
        self._show_form(controls)
        controls.show_whole(self.answer)
        self._draw()
        return controls

    def _renew_form(self) -> None:
        """Make the form of what is served now."""
        del self._trial
        self._tell("It serves another snapshot than before; the form is made anew.", "")
        if "_controls" in vars(self):
            self._show_form(self._controls)

    def _show_form(self, controls: DeploymentControls) -> None:
        form, obstacle = self._trial.form, self._trial.obstacle
        controls.put_form(form.widget if form is not None else None, obstacle and f"No form: {obstacle}")

    def _draw(self) -> None:
        # Before anybody has looked there is nothing to draw.
        if "_controls" not in vars(self):
            return
        with self._lock:
            controls = self._controls
            controls.show(self._seen)
            controls.offer(self._seen, doing=self._doing)
            controls.say(self.message, self._message_status)
            controls.say_of_key(self._key_remark(), self._key_problem)
            controls.offer_run(self._run_id, self._run_html)

    def _key_remark(self) -> str:
        if self.api_key:
            return ""
        if self.deployment.api_key:
            return "known here, since it was deployed here"
        return f"taken from ${_KEY_VARIABLE}" if os.environ.get(_KEY_VARIABLE) else "shown nowhere, and saved nowhere"
