"""The widgets of the promotion board: what stands where, and what can be pressed when.

They are told what to show and decide nothing. What changes in height while somebody fills the
board in stands below the buttons, so that no button moves away from under a press.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ipywidgets as widgets

from nbpipe.records.models import ModelStages
from nbpipe.views.frames import Section
from nbpipe.views.tables import Table, table_element
from nbpipe.widgets import appearance
from nbpipe.widgets.promotion_tables import version_label
from nbpipe.widgets.standing import TARGETS, Standing, force_text

if TYPE_CHECKING:
    from nbpipe.services.versions import ModelVersion


class PromotionControls:
    """The widgets of the board; what they show is told them."""

    def __init__(self, model: str) -> None:
        self._model = model
        self.candidate = appearance.control(widgets.Dropdown, options=[])
        stages = [stage.value for stage in TARGETS]
        self.stage = widgets.ToggleButtons(
            options=stages, style={"button_width": "auto"}, layout=widgets.Layout(width="auto")
        )
        self.note = appearance.control(widgets.Text, placeholder="why; kept in the history")
        # Sent when it is left: half a gate is none, and nobody wants to be told so at every key.
        self.gates = appearance.control(
            widgets.Textarea,
            placeholder="what must hold, one a line: accuracy >= production.accuracy",
            rows=2,
            continuous_update=False,
        )
        self.force = widgets.Checkbox(indent=False, layout=widgets.Layout(width="auto"))
        self.promote = widgets.Button(description="Promote", icon="arrow-up", button_style="primary")
        self.promote.layout = widgets.Layout(width="auto", min_width="110px")
        # Beside Promote and not in its place, where the second press of a double click would find it.
        self.confirm = widgets.Button(icon="check", button_style="danger", layout=widgets.Layout(width="auto"))
        self.cancel = widgets.Button(description="Cancel", layout=widgets.Layout(width="auto"))
        self.undo = widgets.Button(
            description="Undo", icon="undo", tooltip="move all back", layout=widgets.Layout(width="auto")
        )
        self.versions, self.gates_said, self.judged, self.compared = (appearance.markup() for _ in range(4))
        self.differing, self.said, self.history, self.obstacle = (appearance.markup() for _ in range(4))
        named = [
            ("candidate", self.candidate),
            ("stage", self.stage),
            ("note", self.note),
            ("gates", self.gates),
            ("force", self.force),
        ]
        for name, control in named[:-1]:
            appearance.name(control, name)
        cells = {"gates": appearance.stack([self.gates, self.gates_said])}
        table = appearance.columns(
            [
                part
                for name, control in named
                for part in (appearance.markup(appearance.label(name)), cells.get(name, control))
            ]
        )
        bar = appearance.bar([self.promote, self.confirm, self.cancel, self.undo, self.obstacle])
        title = appearance.markup(appearance.heading(f"Promote {model}"))
        below = [self.said, self.judged, self.compared, self.differing, self.history]
        self.page = appearance.page([title, self.versions, table, bar, *below])

    def choose(self, versions: Sequence[ModelVersion], number: int | None) -> None:
        """Offer the versions, with one chosen."""
        options = [(version_label(version), version.number) for version in versions]
        if list(self.candidate.options) != options:
            self.candidate.options = options
        # A version that was deleted since it was chosen is no longer there to be shown.
        self.candidate.value = number if any(version.number == number for version in versions) else None

    def set_gates(self, gates: Sequence[str], problem: str) -> None:
        """Show the gates; a text that is no gate stays as it was written, with why below it."""
        if not problem:
            self.gates.value = "\n".join(gates)
        self.gates_said.value = appearance.note([], problem)

    def ask_force(self, now: Standing, stage: ModelStages, *, force: bool) -> None:
        """Ask whether what stands in the way may be passed; without anything there is nothing to ask."""
        said = force_text(self._model, now, stage)
        self.force.disabled = not said
        self.force.value = force and bool(said)
        self.force.description = said or "nobody would be archived"

    def offer(self, now: Standing, stage: ModelStages, obstacle: str, *, armed: bool, can_undo: bool) -> None:
        """Offer what can be pressed."""
        self.promote.disabled = bool(obstacle)
        self.promote.tooltip = obstacle or f"promote to {stage.value}"
        self.confirm.description = now.announcement if armed else ""
        for button in (self.confirm, self.cancel):
            appearance.lay_out(button, display=None if armed else "none")
        self.undo.disabled = not can_undo
        self.obstacle.value = appearance.said(obstacle)

    def show(self, versions: Table, judged: Table | None, compared: Table | None, history: Table | None) -> None:
        """Show how things stand."""
        self.versions.value = appearance.framed(table_element(versions))
        self.judged.value = appearance.framed(table_element(judged)) if judged is not None else ""
        self.compared.value = appearance.framed(table_element(compared)) if compared is not None else ""
        self.history.value = appearance.folded("History", table_element(history)) if history is not None else ""

    def show_differences(self, sections: Sequence[Section]) -> None:
        """Show what candidate and holder were made with, folded; nothing where nothing differs."""
        self.differing.value = "".join(appearance.folded(section.title, section.body.element) for section in sections)
