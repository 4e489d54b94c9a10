"""Trying a deployment by hand: the form of what it serves, and asking it with the values that stand there.

The form is made of the snapshot's own parameters, so what is wrong is told before anything is sent.
Secrets go to the deployment and are written down nowhere; one that nobody changed is not sent at all,
since here is only known that there is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from nbpipe.commands.showing_deployments import curl_text, python_text
from nbpipe.errors import NbpipeError, StepFailedError
from nbpipe.services.deployment_records import Deployment
from nbpipe.services.invoking import Answer, call
from nbpipe.services.snapshot_running import snapshot_request
from nbpipe.widgets.form import ParameterForm
from nbpipe.widgets.running import error_text
from nbpipe.widgets.spoken import as_configuration, left_out, revealed

# A request is written down just after it was answered.
_WRITTEN_WITHIN_S = 0.5
_LOOK_S = 0.02
# What waits before it is waited for too.
_PATIENCE_S = 60.0


class Trial:
    """The form of what a deployment serves now.

    Args:
        deployment: Gives the deployment, as it was when it was last looked at.
        key: Gives the key to ask with.
        begin: Called before it is asked; may refuse.
        end: Called when it has answered, with the answer if there is one, and the run's id, or `""`.

    Attributes:
        form: The form; `None` if what is served cannot be read here.
        obstacle: Why not.
        snapshot_id: The snapshot that the form is of.
    """

    def __init__(
        self,
        deployment: Callable[[], Deployment],
        key: Callable[[], str | None],
        begin: Callable[[], None],
        end: Callable[[Answer | None, str], None],
    ) -> None:
        self._deployment = deployment
        self._key = key
        self._begin = begin
        self._end = end
        self.snapshot_id = deployment().snapshot_id
        self.form: ParameterForm | None = None
        self.obstacle = ""
        try:
            self.form = self._made()
        except NbpipeError as error:
            self.obstacle = error_text(error)

    def _made(self) -> ParameterForm:
        snapshot = self._deployment().snapshot
        return ParameterForm(
            snapshot_request(snapshot).definition.parameters,
            values=snapshot.content.configuration.parameters,
            run=self._ask,
            call_text=lambda _: python_text(self._deployment(), self._written()),
            command_text=lambda _: curl_text(self._deployment(), self._written()),
            verb="Invoke",
            can_stop=False,
        )

    def _written(self) -> dict[str, Any]:
        """Give all values of the form as JSON data, without secrets."""
        return as_configuration(self.form.value).parameters if self.form is not None else {}

    def _ask(self, values: Mapping[str, Any]) -> Answer:
        """Ask the deployment, in the form's thread."""
        assert self.form is not None, "its form asks"
        self._begin()
        deployment = self._deployment()
        untouched = set(left_out(values)) - self.form.changed.keys()
        given = revealed({name: value for name, value in values.items() if name not in untouched}).parameters
        before = deployment.requests(1)
        answer, run_id = None, ""
        try:
            answer = call(
                deployment.name, deployment.url, given, self._key(), deployment.settings.timeout_s + _PATIENCE_S
            )
            run_id = answer.run_id or ""
        except StepFailedError as error:
            run_id = error.run_id
            raise
        finally:
            _wait_for_more(deployment, before)
            self._end(answer, run_id)
        return answer


def _wait_for_more(deployment: Deployment, before: list[dict[str, Any]]) -> None:
    end_s = time.monotonic() + _WRITTEN_WITHIN_S
    while deployment.requests(1) == before and time.monotonic() < end_s:
        time.sleep(_LOOK_S)
