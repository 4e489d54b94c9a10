"""A form for parameters: every value in a control that suits its type, checked as it is typed.

The pydantic model is the only source of truth. What is wrong stands beside the field that is
wrong, and nothing runs until it is mended. The call and the command that would do the same are
always in sight, so that what was clicked can be written down.

A form can be driven without a front end: `form.set("rate", 0.2)`, `form.run_button.click()`,
`form.wait()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from threading import RLock
from typing import Any

import ipywidgets as widgets

from nbpipe.errors import ParameterError, nearest
from nbpipe.records.parameters import Parameters
from nbpipe.views.frames import Bundle
from nbpipe.widgets import appearance
from nbpipe.widgets.checking import Assessment, assess, by_field
from nbpipe.widgets.fields import Field, cells, read_all, starting_values, walk
from nbpipe.widgets.running import Finished, Runner, error_text
from nbpipe.widgets.showing import Shown, html_of
from nbpipe.widgets.static_form import static_form
from nbpipe.widgets.written import same

Values = dict[str, Any]
_NAMES_SHOWN = 4


class ParameterForm(Shown):
    """A form from a pydantic model.

    Args:
        parameters: What is asked for.
        values: Values to begin with; the others begin with their defaults.
        run: What the Run button calls, in a thread, with the value of every parameter; `None` for no button.
        call_text: Writes the Python that does the same; it is given the changed values only.
        command_text: Writes the shell command that does the same, likewise.
        title: What stands above the form.
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
        call_text: Callable[[Values], str] | None = None,
        command_text: Callable[[Values], str] | None = None,
        title: str = "",
        static: bool = False,
    ) -> None:
        super().__init__(static=static)
        self._parameters = parameters
        self._start = dict(values or {})
        self._title = title
        self._texts = [("Python", call_text), ("Command", command_text)]
        self._runner = Runner(run, self._show_end) if run is not None else None
        self._lock = RLock()
        self._is_filling = False
        self._assessment = Assessment(None, {})
        self._begun: Values | None = None
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
        return dict(self._assess().problems)

    @property
    def changed(self) -> Values:
        """The values that are not those the form began with; as they stand, if some will not do."""
        checked = self._assess().values
        found: Values = {}
        for field in self._fields:
            if field.is_changed:
                value = checked[field.name] if checked is not None else read_all((field,))[0].get(field.name)
                if checked is None or self._begun is None or not same(value, self._begun.get(field.name)):
                    found[field.name] = value
        return found

    @property
    def run_button(self) -> Any:
        """The Run button: `.click()` does what a press does."""
        self._fields  # noqa: B018 — made with the form
        return self._run_button

    @property
    def reset_button(self) -> Any:
        """The Reset button: `.click()` does what a press does."""
        self._fields  # noqa: B018
        return self._reset_button

    @property
    def widget(self) -> Any:
        """The live form."""
        return self._page

    def set(self, name: str, value: Any) -> None:
        """Put a value into the form, as if it were typed; one that will not do is shown with what is wrong.

        Args:
            name: The parameter, or `group.parameter` within a model.
            value: The value.

        Raises:
            ParameterError: There is no such parameter.
        """
        fields = {field.path: field for field in walk(self._fields)}
        if name not in fields:
            raise ParameterError(self._parameters.subject, {name: _not_known(name, fields)})
        self._fill(lambda: fields[name].write(value))

    def reset(self) -> None:
        """Show again what the form began with."""

        def write_all() -> None:
            for field in self._fields:
                field.reset()

        self._fill(write_all)

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
        return static_form(self._title or self._parameters.subject, self._parameters.model, shown)

    @cached_property
    def _fields(self) -> tuple[Field, ...]:
        model = self._parameters.model
        start = starting_values(model, self._start)
        fields = tuple(Field(model, name, value, react=self._refresh) for name, value in start.items())
        self._run_button = widgets.Button(description="Run", icon="play", button_style="primary")
        self._run_button.on_click(lambda _: self._press())
        self._reset_button = widgets.Button(
            description="Reset", icon="undo", tooltip="back to the values the form began with"
        )
        self._reset_button.on_click(lambda _: self.reset())
        self._state, self._said, self._result, self._code = (appearance.markup() for _ in range(4))
        self._result.add_class("jp-RenderedHTMLCommon")  # tables look as they do under a cell
        vars(self)["_fields"] = fields
        values, unreadable = read_all(fields)
        self._begun = dict(assess(self._parameters, values, unreadable).values or {}) or None
        self._refresh()
        return fields

    @cached_property
    def _page(self) -> Any:
        title = [appearance.markup(appearance.heading(self._title))] if self._title else []
        table = appearance.columns(cells(self._fields))
        buttons = [self._run_button] if self._runner else []
        bar = appearance.bar([*buttons, self._reset_button, self._state])
        return appearance.page([*title, table, bar, self._said, self._code, self._result])

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
            fields = tuple(walk(self._fields))
            told = by_field(self._assessment.problems, {field.path for field in fields})
            for field in fields:
                field.show(told.get(field.path, ""))
            self._show_state(told)
            self._show_code()

    def _show_state(self, told: Mapping[str, str]) -> None:
        is_running = self._runner is not None and self._runner.is_running
        reason = "Running…" if is_running else _reason(told)
        changed = sum(field.is_changed for field in self._fields)
        self._run_button.disabled = bool(reason)
        self._run_button.description = "Running…" if is_running else "Run"
        self._run_button.tooltip = reason or "run with these values"
        self._state.value = appearance.said(reason or (f"{changed} changed" if changed else ""))
        self._show_message(told.get("", "") or self.message)

    def _show_message(self, text: str) -> None:
        self._said.value = appearance.said(text, "failed")

    def _show_code(self) -> None:
        if self._assessment.values is None:
            self._code.value = appearance.said("Python and command: once the values will do.")
            return
        changed = self.changed
        self._code.value = appearance.quoted([(caption, write(changed)) for caption, write in self._texts if write])

    def _press(self) -> None:
        with self._lock:
            self._refresh()
            values = self._assessment.values
            if self._runner is None or values is None or not self._runner.start(values):
                return
            self.message = ""
            self._result.value = ""
            self._refresh()

    def _show_end(self, finished: Finished) -> None:
        with self._lock:
            if finished.error is not None:
                self.message = error_text(finished.error)
            elif finished.value is None:
                self._result.value = appearance.said("done", "completed")
            else:
                self._result.value = html_of(finished.value)
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
