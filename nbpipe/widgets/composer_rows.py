"""The rows of a composer: one box for each call with a choice for each input, one row for each parameter.

They are told what to show and tell what was chosen; they decide nothing. A row that is there is changed
and not replaced: what somebody types in must not vanish under the hands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets

from nbpipe.records.composition import ComposedParameter, Literal, OfferedInput
from nbpipe.widgets import appearance
from nbpipe.widgets.composer_feeding import AnyLiteral, Choice

Told = Callable[..., None]


class InputRow:
    """The choice for one input.

    Args:
        call: The key of the call.
        name: The input's name.
        chosen: Called with the choice.
        typed: Called with the text of a value.
    """

    def __init__(self, call: str, name: str, chosen: Told, typed: Told) -> None:
        self._is_drawing = False
        self._shown = True
        self.label = appearance.markup()
        self.choice = appearance.control(widgets.Dropdown, options=[])
        self.value = appearance.control(widgets.Text, placeholder="as Python writes it: 0.2, 'forest', [1, 2]")
        self.value.continuous_update = False
        self.note = appearance.markup()
        self.cell = appearance.stack([self.choice, self.value, self.note])
        appearance.name(self.choice, f"{call}: {name} comes from")
        appearance.name(self.value, f"{call}: value of {name}")
        self.choice.observe(lambda change: None if self._is_drawing else chosen(change["new"]), "value")
        self.value.observe(lambda change: None if self._is_drawing else typed(change["new"]), "value")

    def show(self, one: OfferedInput, options: Mapping[str, Choice], now: Choice, problem: str) -> None:
        """Show what can be chosen, what is, and what is wrong with it."""
        self._is_drawing = True
        try:
            self.label.value = appearance.label(f"{one.name}: {one.said}" if one.said else one.name)
            pairs = tuple(options.items())
            if self.choice.options != pairs:
                self.choice.options = pairs
            self.choice.value = now
            is_written = isinstance(now, Literal | AnyLiteral)
            if isinstance(now, Literal) and self.value.value != now.text:
                self.value.value = now.text
            self._shown = _laid_out(self.value, was=self._shown, now=is_written)
            self.note.value = appearance.note([], problem)
        finally:
            self._is_drawing = False


class CallBox:
    """One call: what it is, a choice for each input, and a button that takes it out.

    Args:
        key: The key of the call.
        remove: Called when it is to go.
    """

    def __init__(self, key: str, remove: Callable[[], None]) -> None:
        self._shown = True
        self.title = appearance.markup()
        self.remove = widgets.Button(
            description="Remove",
            icon="times",
            tooltip=f"take {key} out of the pipeline",
            layout=widgets.Layout(width="auto", height="26px"),
            style={"font_size": "12px"},
        )
        self.remove.on_click(lambda _: remove())
        self.note = appearance.markup()
        self.rows: dict[str, InputRow] = {}
        self._columns = appearance.columns([], inner=True)
        head = appearance.bar([self.title, self.remove])
        self.widget = appearance.stack([head, self.note, self._columns])

    def show(self, title: str, problem: str, inputs: Mapping[str, InputRow]) -> None:
        """Show what is called, what is wrong with it, and the rows of its inputs."""
        self.title.value = title
        self.note.value = appearance.note([], problem)
        if list(self.rows.values()) != list(inputs.values()):
            former = [row for name, row in self.rows.items() if inputs.get(name) is not row]
            self.rows = dict(inputs)
            self._columns.children = [part for row in self.rows.values() for part in (row.label, row.cell)]
            for row in former:
                appearance.close([row.label, row.cell])
        self._shown = _laid_out(self._columns, was=self._shown, now=bool(self.rows))

    def close(self) -> None:
        """Close all its widgets."""
        appearance.close([self.widget])


class ParameterRow:
    """Name, type and default of one parameter.

    Args:
        name: Its name.
        changed: Called with what was changed (`name`, `type` or `default`) and the text.
    """

    def __init__(self, name: str, changed: Callable[[str, str], None]) -> None:
        self._is_drawing = False
        self.fields: dict[str, Any] = {
            "name": self._field("name"),
            "type": self._field("anything"),
            "default": self._field("required"),
        }
        for field, control in self.fields.items():
            appearance.name(control, f"parameter {name}: {field}")
            control.observe(lambda change, field=field: self._tell(changed, field, change["new"]), "value")
        self.note = appearance.markup()
        parts = [self.fields["name"], _mark(":"), self.fields["type"], _mark("="), self.fields["default"]]
        line = widgets.HBox(parts, layout=widgets.Layout(width="100%", align_items="center"))
        self.widget = appearance.stack([line, self.note])

    def show(self, one: ComposedParameter, problems: Mapping[str, str]) -> None:
        """Show the parameter, and what is wrong with it."""
        self._is_drawing = True
        try:
            for field, control in self.fields.items():
                if control.value != getattr(one, field):
                    control.value = getattr(one, field)
            # The row has one line for all three: it says which is meant, unless that is the name.
            said = [
                f"{key}: {text}" if (key := path.rpartition(".")[2]) in self.fields else text
                for path, text in problems.items()
            ]
            self.note.value = appearance.note([], "\n".join(said))
        finally:
            self._is_drawing = False

    def refuse(self, field: str, text: str, problem: str) -> None:
        """Leave what was typed and say why it is not taken."""
        self._is_drawing = True
        self.fields[field].value = text
        self.note.value = appearance.note([], problem)
        self._is_drawing = False

    def close(self) -> None:
        """Close all its widgets."""
        appearance.close([self.widget])

    def _tell(self, changed: Callable[[str, str], None], field: str, text: str) -> None:
        if not self._is_drawing:
            changed(field, text)

    def _field(self, placeholder: str) -> Any:
        control = appearance.control(widgets.Text, width="30%", placeholder=placeholder)
        # Taken when it is left: half a name is none.
        control.continuous_update = False
        return control


def _laid_out(widget: Any, *, was: bool, now: bool) -> bool:
    """Show a widget or not; to lay one out anew costs more than all else, so only what changes is."""
    if was != now:
        appearance.lay_out(widget, display=None if now else "none")
    return now


def _mark(text: str) -> Any:
    return appearance.markup(appearance.label(text))
