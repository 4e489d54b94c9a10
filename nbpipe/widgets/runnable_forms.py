"""The forms of what can be run: a pipeline of this notebook, the notebook itself, a snapshot.

A form needs to know what its Run button does and how the same is written by hand; here both are
said for each kind. A pipeline runs in this process with the values as they are. A snapshot runs
in a process of its own: its values go there as plain data, only those that were changed, and
are read back by its own model; secrets go the same way and are written down nowhere.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nbpipe.commands.answers import Answer
from nbpipe.commands.calling import Runnable
from nbpipe.commands.looking import running_facts
from nbpipe.commands.settable import settable_steps, traced_with
from nbpipe.commands.showing import run_bundle
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.config import PipelineRunConfiguration, StepConfiguration, merge_configurations
from nbpipe.records.parameters import HIDDEN
from nbpipe.services.client import Client
from nbpipe.services.runs import Run
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.services.snapshot_running import run_apart, snapshot_request
from nbpipe.views.frames import Bundle, Card, Section, shown_table, written
from nbpipe.views.tables import Table
from nbpipe.widgets.form import ParameterForm
from nbpipe.widgets.running import error_text
from nbpipe.widgets.spoken import as_configuration, by_step, call_arguments, revealed, settings, yaml_text
from nbpipe.widgets.written import line_of, same


@dataclass(frozen=True, slots=True)
class FormRun:
    """A run that a form began.

    Attributes:
        client: The workspace that it is recorded in.
        handle: The run.
        finish: Makes what is shown of it at its end.
    """

    client: Client
    handle: Any
    finish: Callable[[Run], Answer]

    def wait(self) -> Answer:
        """Wait for its end and give its card.

        Raises:
            NbpipeError: It did not complete.
        """
        return self.finish(self.handle.wait())

    def stop(self) -> None:
        """Ask it to stop."""
        self.handle.stop()

    def look(self) -> Answer:
        """Give its card as it stands."""
        # First what moves: a step that ends in between is then seen as over, and not as pending.
        running = [running_facts(node, seen) for node, seen in self.handle.look().items()]
        run = self.client.runs.get(self.handle.id)
        return Answer(run_bundle(run, running=running), run)


def form_of(what: Runnable | Snapshot, *, static: bool = False) -> ParameterForm:
    """Open the form of a pipeline or of a snapshot.

    Args:
        what: The pipeline, as `@pipeline` made it, or the snapshot.
        static: Show a table that needs no front end instead.

    Raises:
        BadValueError: It is neither.
    """
    if isinstance(what, Snapshot):
        return snapshot_form(what, static=static)
    if not hasattr(what, "request"):
        raise BadValueError(f"{shorten(what)} has no form; give a pipeline or a snapshot.")
    return pipeline_form(what, call=what.name, command=f"%nbpipe run {what.name}", static=static)


def pipeline_form(pipeline: Runnable, *, call: str | None, command: str, static: bool) -> ParameterForm:
    """Open the form of a pipeline; what its `wait` gives is the run's card, with the `Run` as its record.

    Args:
        pipeline: The pipeline.
        call: What is called to run it; `None` if it has no name to be called by.
        command: What is asked to run it.
        static: Show the static face only.
    """
    definition, client = pipeline.definition, Client()
    try:
        configuration = pipeline.request({}).configuration
    except BadValueError:
        # A notebook without a step: there may be one when the button is pressed.
        configuration = PipelineRunConfiguration()

    def run(values: Mapping[str, Any]) -> FormRun:
        given, steps = by_step(values)
        request = pipeline.request(given)
        more = PipelineRunConfiguration(steps={name: StepConfiguration(parameters=s) for name, s in steps.items()})
        request = replace(request, configuration=merge_configurations(request.configuration, more))
        return FormRun(client, client.runs.start(request), _card_of)

    return _opened(
        definition,
        configuration,
        run=run,
        call_text=(lambda changed: _call(call, changed)) if call is not None else None,
        command_text=lambda changed: f"{command}{settings(changed)}",
        file_text=yaml_text,
        title=pipeline.name,
        static=static,
    )


def snapshot_form(snapshot: Snapshot, *, static: bool) -> ParameterForm:
    """Open the form of a snapshot; what its `wait` gives is the run's card, with the `Run` as its record."""
    name = snapshot.label
    request = snapshot_request(snapshot)
    definition, configuration, client = request.definition, snapshot.content.configuration, Client()

    def run(changed: Mapping[str, Any]) -> FormRun:
        try:
            found = client.snapshots.get(snapshot.id)
        except NotFoundError:
            hint = "It was deleted meanwhile, and nothing ran."
            raise NotFoundError("snapshot", name, hint=hint) from None
        given = revealed(changed)
        _refuse_changelings(definition, by_step(changed)[0], given.parameters)
        return FormRun(client, run_apart(found, given), lambda ended: _card_with_differences(found, ended))

    return _opened(
        definition,
        configuration,
        run=run,
        sends_changes=True,
        call_text=lambda changed: f"Client().get_snapshot({name!r}).run({call_arguments(changed)})",
        command_text=lambda changed: f"nbpipe snapshot run {shlex.quote(name)}{settings(changed)}",
        file_text=yaml_text,
        title=f"{snapshot.pipeline}: {name}",
        static=static,
    )


def _opened(definition: Any, configuration: PipelineRunConfiguration, **options: Any) -> ParameterForm:
    """Open a form with rows for single steps; without them, and with the reason, if the body cannot be drawn."""

    def follow(values: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        given = configuration.model_copy(update={"parameters": dict(values)})
        return traced_with(definition, given).values

    more: dict[str, Any] = {}
    said = ""
    try:
        more = {"steps": settable_steps(traced_with(definition, configuration)), "follow": follow}
    except Exception as error:  # noqa: BLE001 — the user's own body runs here; one that cannot be drawn yet may well run
        said = f"Parameters of single steps are not shown: {error_text(error)}"
    form = ParameterForm(definition.parameters, values=configuration.parameters, **options, **more)
    form.message = said
    return form


def _refuse_changelings(definition: Any, wanted: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
    """Refuse a value that would be another one when it is read back.

    Raises:
        BadValueError: One would; nothing ran.
    """
    if not wanted:
        return
    arrived = definition.parameters.check({**sent}, partial=True)
    for name, value in wanted.items():
        if not same(arrived.get(name), value):
            raise BadValueError(
                f"{name}={line_of(value)} cannot be sent to another process as it is; "
                "keep it in a file, and let the parameter name that."
            )


def _card_of(run: Run) -> Answer:
    return Answer(run_bundle(run), run)


def _card_with_differences(snapshot: Snapshot, run: Run) -> Answer:
    card = run_bundle(run)
    told = differences_bundle(snapshot, run)
    return Answer(Bundle(f"{told.html}{card.html}", f"{told.text}\n\n{card.text}"), run)


def differences_bundle(snapshot: Snapshot, run: Run) -> Bundle:
    """Show where a run differs from the snapshot that it is a run of."""
    template = snapshot.config_template
    before = {**template.parameters}
    for step, values in template.step_values.items():
        before |= {f"{step}.{name}": value for name, value in values.items()}
    rows = [
        (name, _told(before[name]) if name in before else "–", _told(value)) for name, value in run.differences.items()
    ]
    name = snapshot.label
    if not rows:
        return written(Card("compared with its snapshot", name, facts=(("differences", "none"),)))
    table = Table(("parameter", "snapshot", "this run"), rows)
    return written(Card("compared with its snapshot", name, sections=[Section("differences", shown_table(table))]))


def _told(value: Any) -> str:
    return "(secret)" if value == HIDDEN else line_of(value)


def _call(call: str, changed: Mapping[str, Any]) -> str:
    own, steps = by_step(changed)
    options = ""
    if steps:
        given = {name: {"parameters": values} for name, values in _plain_steps(steps).items()}
        options = f".with_options(steps={given!r})"
    return f"{call}{options}({call_arguments(own)})"


def _plain_steps(steps: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    flat = {f"{step}.{name}": value for step, values in steps.items() for name, value in values.items()}
    return as_configuration(flat).step_values
