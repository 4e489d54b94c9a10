"""What the live composer shows of a composition: a box for each call, a row for each parameter.

Boxes and rows live as long as what they show, so that a change anywhere leaves the rest of the page alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from nbpipe.commands.composing import Materials
from nbpipe.commands.showing_compositions import call_title
from nbpipe.records.composition import ComposedCall, Composition, OfferedInput
from nbpipe.widgets.composer_controls import ComposerControls
from nbpipe.widgets.composer_feeding import UNFED, AnyLiteral, Choice, choices
from nbpipe.widgets.composer_rows import CallBox, InputRow, ParameterRow


class Editor(Protocol):
    """Who is told what was pressed and typed."""

    def press_remove(self, key: str) -> None:
        """Take out a call."""

    def choose(self, key: str, name: str, choice: Choice) -> None:
        """Feed an input otherwise."""

    def type_value(self, key: str, name: str, text: str) -> None:
        """Feed an input with what was typed."""

    def retype(self, parameter: str, field: str, text: str) -> None:
        """Change a parameter."""


class ShownParts:
    """The boxes and rows that are shown.

    Args:
        controls: Where they stand.
        editor: Who is told.
    """

    def __init__(self, controls: ComposerControls, editor: Editor) -> None:
        self._controls = controls
        self._editor = editor
        self.boxes: dict[str, CallBox] = {}
        self.parameters: dict[str, ParameterRow] = {}

    def show(
        self,
        composition: Composition,
        materials: Materials,
        problems: Mapping[str, str],
        unwritten: Collection[tuple[str, str]],
    ) -> None:
        """Show a composition."""
        keys = [call.key for call in composition.calls]
        gone = [self.boxes.pop(key) for key in list(self.boxes) if key not in keys]
        for call in composition.calls:
            self._show_call(call, composition, materials, problems, unwritten)
        self._controls.show_calls([self.boxes[key] for key in keys])
        for box in gone:
            box.close()
        self._show_parameters(composition, problems)

    def _show_call(
        self,
        call: ComposedCall,
        composition: Composition,
        materials: Materials,
        problems: Mapping[str, str],
        unwritten: Collection[tuple[str, str]],
    ) -> None:
        key = call.key
        if key not in self.boxes:
            self.boxes[key] = CallBox(key, lambda: self._editor.press_remove(key))
        box = self.boxes[key]
        offer = materials.offers.get(call.step)
        inputs = list(offer.inputs) if offer is not None else []
        # What it is fed with and takes no more is shown as long as it is fed with it.
        inputs += [OfferedInput(name) for name in call.inputs if offer is None or offer.input(name) is None]
        rows = {one.name: box.rows.get(one.name) or self._row(key, one.name) for one in inputs}
        box.show(call_title(call, offer), problems.get(key, ""), rows)
        for one in inputs:
            options = choices(composition, call, one, materials)
            now: Choice = AnyLiteral() if (key, one.name) in unwritten else call.inputs.get(one.name, UNFED)
            rows[one.name].show(one, options, now, problems.get(f"{key}.{one.name}", ""))

    def _row(self, key: str, name: str) -> InputRow:
        return InputRow(
            key,
            name,
            lambda choice: self._editor.choose(key, name, choice),
            lambda text: self._editor.type_value(key, name, text),
        )

    def _show_parameters(self, composition: Composition, problems: Mapping[str, str]) -> None:
        gone = [self.parameters.pop(name) for name in list(self.parameters) if composition.parameter(name) is None]
        for one in composition.parameters:
            if one.name not in self.parameters:
                self.parameters[one.name] = self._parameter_row(one.name)
            own = f"parameter {one.name}"
            told = {field: said for field, said in problems.items() if field in (own, f"{own}.type", f"{own}.default")}
            self.parameters[one.name].show(one, told)
        names = dict.fromkeys(one.name for one in composition.parameters)
        self._controls.show_parameters([self.parameters[name] for name in names])
        for row in gone:
            row.close()

    def _parameter_row(self, name: str) -> ParameterRow:
        return ParameterRow(name, lambda field, text: self._editor.retype(name, field, text))
