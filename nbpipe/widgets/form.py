"""A form for parameters: every value in a control that suits its type, checked as it is typed.

The pydantic model is the only source of truth. What is wrong stands beside the field that is
wrong, and nothing runs until it is mended. The call and the command that would do the same are
always in sight, so that what was clicked can be written down.

A form can be driven without a front end: `form.set("rate", 0.2)`, `form.run_button.click()`,
`form.wait()`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from threading import RLock
from typing import Any

from nbpipe.commands.settable import Settable
from nbpipe.errors import ParameterError, nearest
from nbpipe.records.parameters import Parameters
from nbpipe.views.frames import Bundle
from nbpipe.widgets import appearance
from nbpipe.widgets.checking import Assessment, assess, by_field
from nbpipe.widgets.fields import Field, cells, read_all, starting_values, walk
from nbpipe.widgets.form_page import FormPage
from nbpipe.widgets.running import Finished, Runner, error_text
from nbpipe.widgets.showing import Shown, html_of
from nbpipe.widgets.spoken import left_out
from nbpipe.widgets.static_form import static_form
from nbpipe.widgets.step_fields import StepFields
from nbpipe.widgets.written import same

Values = dict[str, Any]
_NAMES_SHOWN = 4


class ParameterForm(Shown):
    """A form from a pydantic model.

    Args:
        parameters: What is asked for.
        values: Values to begin with; the others begin with their defaults.
        run: What the Run button calls, in a thread, with the value of every parameter and, as `step.name`, with those
            of single steps that were changed; `None` for no button. What it gives may go on (`running.GoingOn`).
        sends_changes: Call `run` with the changed values only.
        call_text: Writes the Python that does the same; it is given the changed values only.
        command_text: Writes the shell command that does the same, likewise.
        file_text: Writes the file that says the same, likewise.
        steps: What can be set on single steps, by node.
        follow: Says what the pipeline gives its nodes for values of its parameters.
        title: What stands above the form.
        verb: What stands on the button that runs.
        can_stop: Whether there is a button that stops what runs.
        static: Show a table that needs no front end instead.

    Raises:
        ParameterError: `values` names something that is no parameter. (A value that will not do is shown as such.)
    """

    def __init__(
        self,
        parameters: Parameters,
        *,
        values: Mapping[str, Any] | None = None,
        run: Callable[[Values], Any] | None = None,
        sends_changes: bool = False,
        call_text: Callable[[Values], str] | None = None,
        command_text: Callable[[Values], str] | None = None,
        file_text: Callable[[Values], str] | None = None,
        steps: Mapping[str, Settable] | None = None,
        follow: Callable[[Values], Mapping[str, Mapping[str, Any]]] | None = None,
        title: str = "",
        verb: str = "Run",
        can_stop: bool = True,
        static: bool = False,
    ) -> None:
        super().__init__(static=static)
        self._parameters = parameters
        self._start = dict(values or {})
        self._title = title
        self._verb, self._can_stop = verb, can_stop
        texts = (("Python", call_text), ("Command", command_text), ("YAML, for --config", file_text))
        self._texts = {caption: write for caption, write in texts if write is not None}
        self._runner = Runner(run, self._show_end, self._show_progress) if run is not None else None
        self._sends_changes = sends_changes
        self._steps = dict(steps or {})
        self._follow = follow
        self._lock = RLock()
        self._is_filling = False
        self._assessment = Assessment(None, {})
        self._begun: Values | None = None
        self._ran_with: Values = {}
        self._refused: Mapping[str, str] = {}
        self._overrides: Values = {}
        self._followed: Mapping[str, Any] | None = None
        self.message = ""
        unknown = {name: _not_known(name, parameters.names) for name in self._start if name not in parameters.names}
        if unknown:
            raise ParameterError(parameters.subject, unknown)

    @property
    def value(self) -> Values:
        """The value of every parameter, of its declared type.

        Raises:
            ParameterError: Some will not do; all of them are named.
        """
        assessment = self._assess()
        if assessment.values is None:
            raise ParameterError(self._parameters.subject, assessment.problems)
        return dict(assessment.values)

    @property
    def problems(self) -> dict[str, str]:
        """A sentence for each value that will not do, by dotted name."""
        return {**self._assess().problems, **self._rows_of_steps.assess()[1]}

    @property
    def changed(self) -> Values:
        """The values that are not those the form began with, as they stand if some will not do.

        Those of single steps go by `step.name`.
        """
        checked = self._assess().values
        found: Values = {}
        for field in self._fields:
            if field.is_changed:
                value = checked[field.name] if checked is not None else read_all((field,))[0].get(field.name)
                if checked is None or self._begun is None or not same(value, self._begun.get(field.name)):
                    found[field.name] = value
        return {**found, **self._rows_of_steps.assess()[0]}

    @property
    def run_button(self) -> Any:
        """The Run button: `.click()` does what a press does."""
        return self._made.run_button

    @property
    def stop_button(self) -> Any:
        """The Stop button: `.click()` does what a press does."""
        return self._made.stop_button

    @property
    def reset_button(self) -> Any:
        """The Reset button: `.click()` does what a press does."""
        return self._made.reset_button

    @property
    def widget(self) -> Any:
        """The live form."""
        return self._page

    def set(self, name: str, value: Any) -> None:
        """Put a value into the form, as if it were typed; one that will not do is shown with what is wrong.

        Args:
            name: The parameter, `group.parameter` within a model, or `step.parameter` for one step.
            value: The value.

        Raises:
            ParameterError: There is no such parameter.
        """
        fields = {field.path: field for field in walk(self._fields)}
        found = fields.get(name) or self._rows_of_steps.find(name)
        if found is None:
            known = [*fields, *self._rows_of_steps.paths]
            raise ParameterError(self._parameters.subject, {name: _not_known(name, known)})
        self._fill(lambda: found.write(value))

    def reset(self) -> None:
        """Show again what the form began with."""

        def write_all() -> None:
            for field in self._fields:
                field.reset()
            self._rows_of_steps.reset()

        self._fill(write_all)

    def stop(self) -> None:
        """Ask the run that goes on to stop; what it has done is kept."""
        if self._runner is not None and self._runner.stop():
            self._refresh()

    def wait(self, timeout_s: float | None = None) -> Any:
        """Wait for the run that the button started and give its result.

        Raises:
            UserError: None was started.
            TimeoutError: It has not ended after `timeout_s` seconds.
            BaseException: Whatever it raised.
        """
        return (self._runner or Runner(dict, self._show_end)).wait(timeout_s)

    def static(self) -> Bundle:
        """Give the form as a table of names, values, types and descriptions."""
        shown = starting_values(self._parameters.model, self._start)
        if "_fields" in vars(self):
            shown |= {field.name: field.shown() for field in self._fields}
        return static_form(self._title or self._parameters.subject, self._parameters.model, shown, self._steps)

    @cached_property
    def _fields(self) -> tuple[Field, ...]:
        model = self._parameters.model
        start = starting_values(model, self._start)
        fields = tuple(Field(model, name, value, react=self._refresh) for name, value in start.items())
        vars(self)["_fields"] = fields
        values, unreadable = read_all(fields)
        self._begun = dict(assess(self._parameters, values, unreadable).values or {}) or None
        self._refresh()
        return fields

    @cached_property
    def _rows_of_steps(self) -> StepFields:
        return StepFields(self._steps, self._parameters.names, self._refresh)

    @cached_property
    def _made(self) -> FormPage:
        made = FormPage(list(self._texts), self._press, self.stop, self.reset, self._verb)
        vars(self)["_made"] = made
        self._fields  # noqa: B018 — without them nothing can be said of the buttons
        self._refresh()
        return made

    @cached_property
    def _page(self) -> Any:
        steps = self._rows_of_steps.widget if self._steps else None
        rows = appearance.columns(cells(self._fields))
        return self._made.laid_out(self._title, rows, steps, can_run=self._runner is not None, can_stop=self._can_stop)

    def _assess(self) -> Assessment:
        values, unreadable = read_all(self._fields)
        return assess(self._parameters, values, unreadable)

    def _fill(self, change: Callable[[], None]) -> None:
        with self._lock:
            self._is_filling = True
            try:
                change()
            finally:
                self._is_filling = False
        self._refresh()

    def _refresh(self) -> None:
        """Say of every field, and of the form, how it stands now."""
        # Callbacks may come in several threads; before all fields are there, nothing can be said.
        with self._lock:
            if self._is_filling or "_fields" not in vars(self):
                return
            self._assessment = self._assess()
            self._follow_values()
            overrides, of_steps = self._rows_of_steps.assess()
            self._overrides = overrides
            fields = tuple(walk(self._fields))
            own = {field.path for field in fields}
            told = by_field(self._assessment.problems, own)
            refused = self._refusal(own)
            for field in fields:
                field.show(told.get(field.path) or refused.get(field.path, ""))
            built = {field.path for field in self._rows_of_steps.all_built()}
            told_of_steps = by_field(of_steps, built)
            self._rows_of_steps.show(told_of_steps)
            if "_made" in vars(self):
                self._show_state({**told, **told_of_steps})
                self._show_code(is_sound=not (told or told_of_steps))

    def _refusal(self, own: Collection[str]) -> dict[str, str]:
        """Give what was said of these very values by whoever was to run them; they may be tried again all the same."""
        values = self._assessment.values
        if not self._refused or values is None or not same(values, self._ran_with):
            return {}
        return by_field(self._refused, own)

    def _follow_values(self) -> None:
        values = self._assessment.values
        if self._follow is None or values is None or (self._followed is not None and same(values, self._followed)):
            return
        self._followed = values
        try:
            given = self._follow(dict(values))
        except Exception:  # noqa: BLE001 — the user's own body runs here, and may refuse values in any way
            # The rows of steps keep what they followed last; a run with these values says what is wrong.
            return
        self._is_filling = True
        try:
            self._rows_of_steps.follow(given)
        finally:
            self._is_filling = False

    def _show_state(self, told: Mapping[str, str]) -> None:
        runner = self._runner
        is_running = runner is not None and runner.is_running
        reason = "Running…" if is_running else _reason(told)
        changed = len(self.changed) if not told else sum(field.is_changed for field in self._fields)
        self._made.show_state(
            reason,
            is_running=is_running,
            is_stopping=runner is not None and runner.is_stopping,
            said="" if is_running else reason or (f"{changed} changed" if changed else ""),
        )
        self._made.show_message(told.get("", "") or self.message)

    def _show_code(self, *, is_sound: bool) -> None:
        if not is_sound:
            self._made.show_code(None, ())
            return
        changed = self.changed
        self._made.show_code([write(changed) for write in self._texts.values()], left_out(changed))

    def _press(self) -> None:
        with self._lock:
            self._refresh()
            values = self._assessment.values
            if self._runner is None or values is None or self._made.run_button.disabled:
                return
            given = self.changed if self._sends_changes else {**values, **self._overrides}
            self._ran_with, self._refused = dict(values), {}
            if not self._runner.start(given):
                return
            self.message = ""
            self._made.show_result("")
            self._refresh()

    def _show_progress(self, seen: Any) -> None:
        self._made.show_result(html_of(seen))

    def _show_end(self, finished: Finished) -> None:
        with self._lock:
            if finished.error is not None:
                self.message = error_text(finished.error)
                if isinstance(finished.error, ParameterError):
                    self._refused = finished.error.problems
            elif finished.value is None:
                self._made.show_result(appearance.said("done", "completed"))
            else:
                self._made.show_result(html_of(finished.value))
            self._refresh()


def _not_known(name: str, known: Any) -> str:
    near = nearest(name, known)
    return f"is not known here; did you mean {near[0]!r}?" if near else "is not known here"


def _reason(told: Mapping[str, str]) -> str:
    """Say why the form cannot run; empty if it can."""
    names = [name for name in told if name]
    if not names:
        return "Not yet: see below." if told else ""
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"To mend before it can run: {', '.join(names[:_NAMES_SHOWN])}{more}"
