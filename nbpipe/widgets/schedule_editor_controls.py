"""The widgets of the editor of a schedule: its fields, what is said beside each, and the help on cron.

They are told what to show and decide nothing. Each button of the help puts an example into the field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from zoneinfo import available_timezones

import ipywidgets as widgets

from nbpipe.records.schedules import CatchUp, Overlap
from nbpipe.views.tables import Table, table_element
from nbpipe.widgets import appearance
from nbpipe.widgets.schedule_draft import Draft, Way
from nbpipe.widgets.schedule_help import EXAMPLES, cron_help, example_label
from nbpipe.widgets.schedule_seen import CATCHUP_WORDS, OVERLAP_WORDS

_WAYS = {"by cron": Way.CRON, "every …": Way.EVERY, "once": Way.AT}
_LABELS = {
    "name": "name",
    "snapshot": "snapshot",
    "way": "fires",
    "cron": "cron expression",
    "every": "every",
    "at": "at",
    "timezone": "zone",
    "start": "not before",
    "end": "not after",
    "catchup": "of what was missed",
    "overlap": "while a run goes on",
}
_HINTS = {
    "name": "the pipeline's, if empty",
    "cron": "0 2 * * *",
    "every": "30min",
    "at": "2027-01-31 08:00",
    "timezone": "this machine's, if empty",
    "start": "at once, if empty",
    "end": "never, if empty",
}


class ScheduleEditorControls:
    """The widgets of the editor; what they show is told them."""

    def __init__(self) -> None:
        self.is_drawing = False
        text, pick = widgets.Text, widgets.Dropdown
        self.fields: dict[str, Any] = {
            "name": _text(text, "name"),
            "snapshot": appearance.control(pick, options=[]),
            "way": widgets.ToggleButtons(
                options=list(_WAYS.items()),
                style={"button_width": "auto"},
                layout=widgets.Layout(width="auto"),
            ),
            "cron": _text(text, "cron"),
            "every": _text(text, "every"),
            "at": _text(text, "at"),
            # Sent when it is left or chosen: each letter on the way to a zone is none.
            "timezone": _text(widgets.Combobox, "timezone", options=_zones(), continuous_update=False),
            "start": _text(text, "start"),
            "end": _text(text, "end"),
            "catchup": appearance.control(pick, options=_options(CATCHUP_WORDS)),
            "overlap": appearance.control(pick, options=_options(OVERLAP_WORDS)),
        }
        self._notes = {name: appearance.markup() for name in self.fields}
        self._labels = {name: appearance.markup(appearance.label(label)) for name, label in _LABELS.items()}
        for name, control in self.fields.items():
            if name == "way":
                control.tooltips = list(_WAYS)
                control.description = ""
            else:
                appearance.name(control, _LABELS[name])
        self.help_button = widgets.ToggleButton(
            description="Cron help", icon="question-circle", tooltip="what the five fields take, and examples"
        )
        self.help_button.layout = widgets.Layout(width="auto")
        self.help_button.observe(lambda change: self._fold(is_open=change["new"]), "value")
        self.examples = {expression: _example(expression) for expression in EXAMPLES}
        self._help = appearance.stack(
            [
                appearance.markup(appearance.framed(cron_help())),
                appearance.markup(appearance.said("Examples, to be put into the field by a press:")),
                appearance.bar(list(self.examples.values())),
            ]
        )
        self._fold(is_open=False)
        self._preview = appearance.markup()
        self._cells = {
            name: appearance.stack([self._row_of(name), self._notes[name], *([self._help] if name == "cron" else [])])
            for name in self.fields
        }
        self.form = appearance.columns(
            [part for name in self.fields for part in (self._labels[name], self._cells[name])]
        )
        self.preview = self._preview

    def _row_of(self, name: str) -> Any:
        return appearance.bar([self.fields[name], self.help_button]) if name == "cron" else self.fields[name]

    def write(self, draft: Draft, snapshots: Sequence[tuple[str, str]]) -> None:
        """Show what stands in the fields; only those of the way that is chosen are there."""
        self.is_drawing = True
        try:
            known = {key for _, key in snapshots}
            gone = [(f"{draft.snapshot[:8]} (gone)", draft.snapshot)] if draft.snapshot not in {"", *known} else []
            # What is not yet chosen must not look as if it were.
            none = [("choose one", "")] if not draft.snapshot else []
            options = [*none, *gone, *snapshots]
            if list(self.fields["snapshot"].options) != options:
                self.fields["snapshot"].options = options
            for name, control in self.fields.items():
                value = getattr(draft, name)
                if control.value != value:
                    control.value = value
        finally:
            self.is_drawing = False
        hidden = {way.value for way in Way if way is not draft.way} | ({"start"} if draft.way is Way.AT else set())
        for name in (*(way.value for way in Way), "start"):
            for part in (self._labels[name], self._cells[name]):
                wanted = "none" if name in hidden else None
                if part.layout.display != wanted:
                    appearance.lay_out(part, display=wanted)
        label = appearance.label("begins" if draft.way is Way.EVERY else _LABELS["start"])
        if self._labels["start"].value != label:
            self._labels["start"].value = label

    def remark(self, problems: Mapping[str, str], remarks: Mapping[str, str]) -> None:
        """Say beside each field what is wrong with it, or what is worth knowing."""
        for name, place in self._notes.items():
            html = appearance.note([remarks.get(name, "")], problems.get(name, ""))
            if place.value != html:
                place.value = html

    def foretell(self, table: Table | None) -> None:
        """Show when what is typed would fire."""
        html = appearance.framed(table_element(table)) if table is not None else ""
        if self._preview.value != html:
            self._preview.value = html

    def _fold(self, *, is_open: bool) -> None:
        appearance.lay_out(self._help, display=None if is_open else "none")


def _text(make: Any, name: str, **options: Any) -> Any:
    return appearance.control(make, placeholder=_HINTS[name], **{"continuous_update": True, **options})


def _options(words: Mapping[CatchUp, str] | Mapping[Overlap, str]) -> list[tuple[str, Any]]:
    return [(f"{choice.value}: {said}", choice) for choice, said in words.items()]


def _example(expression: str) -> Any:
    # `on_click` of a button says nothing of which it was; its tooltip says it to who looks.
    button = widgets.Button(description=example_label(expression), tooltip=expression)
    button.layout = widgets.Layout(width="auto", height="26px")
    return button


@cache
def _zones() -> tuple[str, ...]:
    """Give the names of zones, those of the ways to write one offset left out."""
    return tuple(sorted(name for name in available_timezones() if not name.startswith(("Etc/", "posix", "right"))))
