"""The widgets of the promotion board: what stands where, and what can be pressed when.

They are told what to show and decide nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ipywidgets as widgets

from nbpipe.records.models import ModelStages
from nbpipe.widgets import appearance
from nbpipe.widgets.standing import TARGETS, Standing, version_label

if TYPE_CHECKING:
    from nbpipe.services.versions import ModelVersion


class PromotionControls:
    """The widgets of the board; what they show is told them."""

    def __init__(self, model: str) -> None:
        wide = widgets.Layout(width=appearance.WIDE)
        self.candidate = widgets.Dropdown(options=[], layout=wide)
        stages = [stage.value for stage in TARGETS]
        self.stage = widgets.ToggleButtons(
            options=stages, style={"button_width": "auto"}, layout=widgets.Layout(width="auto")
        )
        self.note = widgets.Text(placeholder="why; kept in the history", layout=wide)
        self.force = widgets.Checkbox(indent=False, layout=widgets.Layout(width="auto"))
        wide_button = widgets.Layout(width="auto", min_width="110px")
        self.promote = widgets.Button(icon="arrow-up", layout=wide_button)
        self.cancel = widgets.Button(description="Cancel", layout=widgets.Layout(width="auto"))
        self.undo = widgets.Button(
            description="Undo", icon="undo", tooltip="move both back", layout=widgets.Layout(width="auto")
        )
        self.versions, self.compared, self.said, self.history, self.obstacle = (appearance.markup() for _ in range(5))
        for control, name in ((self.candidate, "candidate"), (self.stage, "stage"), (self.note, "note")):
            appearance.name(control, name)
        named = [("candidate", self.candidate), ("stage", self.stage), ("note", self.note), ("force", self.force)]
        table = appearance.columns(
            [part for name, control in named for part in (appearance.markup(appearance.label(name)), control)]
        )
        bar = appearance.bar([self.promote, self.cancel, self.undo, self.obstacle])
        title = appearance.markup(appearance.heading(f"Promote {model}"))
        self.page = appearance.page([title, self.versions, table, self.compared, bar, self.said, self.history])

    def choose(self, versions: Sequence[ModelVersion], number: int | None) -> None:
        """Offer the versions, with one chosen."""
        options = [(version_label(version), version.number) for version in versions]
        if list(self.candidate.options) != options:
            self.candidate.options = options
        # A version that was deleted since it was chosen is no longer there to be shown.
        self.candidate.value = number if any(version.number == number for version in versions) else None

    def ask_force(self, model: str, holder: ModelVersion | None, stage: ModelStages, *, force: bool) -> None:
        """Ask whether the holder may be archived; without one there is nothing to ask."""
        self.force.disabled = holder is None
        self.force.value = force and holder is not None
        said = f"archive {model}@{holder.number}, which is in {stage.value} now" if holder is not None else ""
        self.force.description = said or "nobody would be archived"

    def offer(self, now: Standing, stage: ModelStages, *, armed: bool, can_undo: bool) -> None:
        """Offer what can be pressed."""
        self.promote.disabled = bool(now.obstacle)
        self.promote.tooltip = now.obstacle or f"promote to {stage.value}"
        self.promote.button_style = "danger" if armed else "primary"
        self.promote.description = "Promote"
        if armed and now.pair is not None:
            promoted, archived = now.pair
            self.promote.description = f"Confirm: archive {archived}, promote {promoted}"
        self.cancel.layout.display = None if armed else "none"
        self.undo.disabled = not can_undo
        self.obstacle.value = appearance.said(now.obstacle)
