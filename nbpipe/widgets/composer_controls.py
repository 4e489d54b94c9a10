"""The widgets of the composer: what stands where, and what can be pressed when.

They are told what to show and decide nothing. What changes in height while somebody composes (the
picture, the source) stands below what is pressed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from nbpipe.views.amounts import shorten as cut
from nbpipe.views.markup import element, render
from nbpipe.widgets import appearance
from nbpipe.widgets.composer_feeding import AUTOMATIC
from nbpipe.widgets.composer_rows import CallBox, ParameterRow
from nbpipe.widgets.composer_writing import CellWriter

_MOST_CHIPS = 24
_LONGEST_CHIP = 40
_MOST_SUGGESTED = 1000


class ComposerControls:
    """The widgets of the composer; what they show is told them.

    Args:
        pick: Called with the name of a step that is to be called.
        told: Called with the page's answer to a cell that was to be written.
    """

    def __init__(self, pick: Callable[[str], None], told: Callable[[Mapping[str, Any]], None]) -> None:
        self._pick = pick
        self.title = appearance.markup(appearance.heading("Compose a pipeline"))
        self.existing = appearance.control(widgets.Dropdown, options=[])
        self.open = _button("Open", "folder-open-o", "open this pipeline to change it")
        self.step = appearance.control(
            widgets.Combobox, width=appearance.NARROW, placeholder="a step", continuous_update=True
        )
        self.add = _button("Add", "plus", "call this step")
        self.look = _button("Look again", "refresh", "look again which steps and pipelines the notebook has")
        self.chips = appearance.bar([])
        self.steps_note = appearance.markup()
        self.name = _text("the pipeline's name")
        self.tags = _text("training, latest:exclusive, exp-42:cascade")
        self.model = _text("a model, if its runs make or use one")
        self.version = _text("a version, a stage, or run-{run.id[:8]}")
        self.returns = appearance.control(widgets.Dropdown, options=[])
        self.cache = widgets.Checkbox(
            description="reuse what equal executions gave", indent=False, layout=widgets.Layout(width="auto")
        )
        self.write = widgets.Button(description="Write the cell below", icon="pencil", button_style="primary")
        self.write.layout = widgets.Layout(width="auto", min_width="110px")
        self.writer = CellWriter(told)
        self.said, self.calls_title, self.parameters_title = (appearance.markup() for _ in range(3))
        self.picture, self.source = (appearance.markup() for _ in range(2))
        self.calls = appearance.stack([])
        self.parameters = appearance.stack([])
        self._notes = {name: appearance.markup() for name in ("name", "tags", "model", "version", "returns")}
        named = {
            "name": self.name, "tags": self.tags, "model": self.model, "version": self.version, "returns": self.returns
        }  # fmt: skip
        for name, control in (*named.items(), ("step to add", self.step), ("pipeline to open", self.existing)):
            appearance.name(control, "gives back" if name == "returns" else name)
        facts = appearance.columns(
            [
                part
                for name, control in named.items()
                for part in (
                    appearance.markup(appearance.label("gives back" if name == "returns" else name)),
                    appearance.stack([control, self._notes[name]]),
                )
            ]
        )
        self._opening = appearance.bar([self.existing, self.open])
        self.page = appearance.page(
            [
                self.title,
                self._opening,
                appearance.bar([self.step, self.add, self.look]),
                self.chips,
                self.steps_note,
                self.calls_title,
                self.calls,
                self.parameters_title,
                self.parameters,
                appearance.markup(_part("Pipeline")),
                facts,
                self.cache,
                appearance.bar([self.write]),
                self.said,
                self.picture,
                self.source,
                self.writer,
            ]
        )
        self._is_silent = False
        self._chips: list[tuple[str, str]] = []

    def offer_steps(self, steps: Mapping[str, str], note: str, problem: str) -> None:
        """Offer steps, each with what it takes and gives; the first of them as buttons, too."""
        names = tuple(steps)[:_MOST_SUGGESTED]
        if self.step.options != names:
            self.step.options = names
        self.note_step(note, problem)
        shown = list(steps.items())[:_MOST_CHIPS]
        if shown == self._chips:
            # A button that is pressed must not be replaced under the pointer.
            return
        self._chips = shown
        former = self.chips.children
        self.chips.children = [self._chip(name, said) for name, said in shown]
        appearance.close(former)

    def note_step(self, note: str, problem: str = "") -> None:
        """Say what the step takes that is named, or that there is none."""
        self.steps_note.value = appearance.note([note] if note else [], problem)
        is_silent = not (note or problem)
        if is_silent != self._is_silent:
            self._is_silent = is_silent
            appearance.lay_out(self.steps_note, display="none" if is_silent else None)

    def offer_pipelines(self, names: Sequence[str]) -> None:
        """Offer pipelines to open; nothing where there are none."""
        options = (("open one of this notebook's …", ""), *((name, name) for name in names))
        if tuple(self.existing.options) != options:
            chosen = self.existing.value
            self.existing.options = options
            # Of other options it takes none by itself, and would show nothing.
            self.existing.value = chosen if chosen in names else ""
        appearance.lay_out(self._opening, display=None if names else "none")
        self.open.disabled = not self.existing.value

    def show_calls(self, boxes: Sequence[CallBox]) -> None:
        """Show the calls in their order."""
        self.calls_title.value = _part("Steps") if boxes else ""
        children = tuple(box.widget for box in boxes)
        if self.calls.children != children:
            self.calls.children = children

    def show_parameters(self, rows: Sequence[ParameterRow]) -> None:
        """Show the parameters."""
        self.parameters_title.value = _part("Parameters (name : type = default)") if rows else ""
        children = tuple(row.widget for row in rows)
        if self.parameters.children != children:
            self.parameters.children = children

    def show_returns(self, outputs: Mapping[str, Any], now: Any) -> None:
        """Offer what can be given back: what the last step gives, nothing, or one output; with what is chosen."""
        options: dict[str, Any] = {"what the last step gives": AUTOMATIC, "nothing": (), **outputs}
        if now is not None and now not in options.values():
            options[", ".join(f"{feed.call}.{feed.output}" for feed in now)] = now
        pairs = tuple(options.items())
        if self.returns.options != pairs:
            self.returns.options = pairs
        self.returns.value = AUTOMATIC if now is None else now

    def note(self, problems: Mapping[str, str], remarks: Mapping[str, str]) -> None:
        """Say what is wrong with the pipeline's own fields, and what is worth knowing of them."""
        for name, shown in self._notes.items():
            shown.value = appearance.note([remarks[name]] if name in remarks else [], problems.get(name, ""))

    def offer_writing(self, obstacle: str, text: str, picture: Any) -> None:
        """Offer the button, and show what would be written and what that would be."""
        self.write.disabled = bool(obstacle)
        self.write.tooltip = obstacle or "write this cell below"
        self.picture.value = appearance.framed(picture) if picture is not None else ""
        self.source.value = appearance.code(text) if text else appearance.said(obstacle)

    def say(self, text: str, status: str) -> None:
        """Say what the last press did."""
        self.said.value = appearance.said(text, status)

    def _chip(self, name: str, said: str) -> Any:
        chip = widgets.Button(
            description=f"+ {cut(name, _LONGEST_CHIP)}",
            tooltip=cut(said, 300),
            layout=widgets.Layout(width="auto", height="26px"),
            style={"font_size": "12px"},
        )
        chip.on_click(lambda _: self._pick(name))
        return chip


def _button(description: str, icon: str, tooltip: str) -> Any:
    return widgets.Button(
        description=description, icon=icon, tooltip=tooltip, layout=widgets.Layout(width="auto", min_width="80px")
    )


def _text(placeholder: str) -> Any:
    control = appearance.control(widgets.Text, placeholder=placeholder)
    control.continuous_update = False
    return control


def _part(title: str) -> str:
    style = "font-size:13px; font-weight:600; color:var(--jp-ui-font-color1, inherit); padding-top:6px;"
    return render(element("div", title, style=style))
