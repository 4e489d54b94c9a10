"""The widgets of the board of schedules: what stands where, and what can be pressed when.

They are told what to show and decide nothing. What changes in height while somebody uses the board stands below what
is pressed, so that no button moves away from under a press.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import ipywidgets as widgets

from nbpipe.schedule.firing import fires_after
from nbpipe.services.scheduler_process import SchedulerProcess
from nbpipe.views.amounts import time_text
from nbpipe.views.frames import shown_facts
from nbpipe.views.tables import table_element
from nbpipe.widgets import appearance
from nbpipe.widgets.catalog_table import CatalogTable
from nbpipe.widgets.schedule_draft import SHOWN_FIRES
from nbpipe.widgets.schedule_seen import OVERDUE, SeenFiring, SeenSchedule, overdue_text
from nbpipe.widgets.schedule_tables import (
    facts_of,
    fires_table,
    firings_table,
    status_look,
    status_text,
)

COMMAND = "nbpipe scheduler start"
_WIDEST = "960px"


class ScheduleControls:
    """The widgets of the board; what they show is told them.

    Args:
        title: What the board is of.
        told: Called with what was pressed in the table.
        form: The editor's fields.
        preview: What shows when what is typed would fire.
    """

    def __init__(self, title: str, told: Callable[[Mapping[str, Any]], None], form: Any, preview: Any) -> None:
        self.table = CatalogTable(told)
        self.find = appearance.control(widgets.Text, appearance.NARROW, placeholder="find", continuous_update=True)
        appearance.name(self.find, "find schedules")
        self.start = _button("Start scheduler", "play")
        self.stop = _button("Stop scheduler", "stop")
        self.refresh = _button("Refresh", "refresh", "look again; while the board is shown it does so by itself")
        self.new = _button("New", "plus", "have another snapshot run at times to come")
        self.back = _button("Previous", "chevron-left", "the page before")
        self.on = _button("Next", "chevron-right", "the page behind")
        # Two buttons, not one that changes: the second press of a double click would undo the first.
        self.pause = _button("Pause", "pause", "keep it from firing; a run that goes on, goes on")
        self.resume = _button("Resume", "play", "let it fire from now on; what was due meanwhile is not made up for")
        self.edit = _button("Edit", "pencil")
        self.run = _button("Run now", "forward", "run its snapshot once, now; that is no firing of the schedule")
        self.delete = _button("Delete", "trash")
        # Beside Delete and not in its place, where the second press of a double click would find one of them.
        kept = "its history stays, its name is free; its runs stay"
        self.confirm = _button("Confirm, keep its history", "check", kept, style="danger")
        self.hard = _button("Confirm, with its history", "check", "its runs stay", style="danger")
        self.cancel = _button("Cancel", "")
        self.save = _button("Save", "check", style="primary")
        self.discard = _button("Discard", "times", "close the editor; nothing is saved")
        self._schedulers, self._said, self._pages, self._title = (appearance.markup() for _ in range(4))
        self._standing, self._detail, self._editing = (appearance.markup() for _ in range(3))
        for place in (self._detail, preview):
            place.add_class("jp-RenderedHTMLCommon")  # tables look as they do under a cell
        self._pager = appearance.bar([self.back, self._pages, self.on])
        self._chosen = appearance.stack(
            [
                self._title,
                appearance.bar(
                    [self.pause, self.resume, self.edit, self.run, self.delete, self.confirm, self.hard, self.cancel]
                ),
                self._standing,
                self._detail,
            ]
        )
        self._editor = appearance.stack([self._editing, form, appearance.bar([self.save, self.discard]), preview])
        parts = [
            appearance.markup(appearance.heading(title)),
            appearance.bar([self.start, self.stop, self.refresh]),
            self._schedulers,
            appearance.bar([self.new, self.find, self._pager]),
            self.table,
            self._said,
            self._editor,
            self._chosen,
        ]
        self.page = appearance.page(parts)
        appearance.lay_out(self.page, max_width=_WIDEST)
        self.page.add_class("nbpipe-schedules")

    def on_press(self, **does: Callable[[], None]) -> None:
        """Say what a press of each button does, by its name here."""
        for name, do in does.items():
            getattr(self, name).on_click(lambda _, do=do: do())

    def show_schedulers(self, there: Sequence[SchedulerProcess], *, doing: str, is_needed: bool) -> None:
        """Say whether anybody fires what is due, and offer what can be done about it."""
        if doing:
            html = appearance.said(doing)
        elif there:
            first = there[0]
            many = f"{len(there)} schedulers run" if len(there) > 1 else "A scheduler runs"
            where = ", in the background" if first.background else ""
            html = appearance.said(f"{many} since {time_text(first.since)}{where} (process {first.pid}).", "running")
        else:
            html = appearance.said("No scheduler runs: nothing fires until one does.", "stale" if is_needed else "")
            html += appearance.said("In a terminal:") + appearance.code(COMMAND)
        _put(self._schedulers, html)
        for button, is_possible, tooltip in (
            (self.start, not there, "start one in the background, which stays when this notebook is closed"),
            (self.stop, bool(there), "end it; runs that it began go on"),
        ):
            button.disabled = bool(doing) or not is_possible
            button.tooltip = doing or (tooltip if is_possible else "one runs" if there else "none runs")

    def show_list(self, view: Mapping[str, Any], can_go_back: bool, can_go_on: bool) -> None:
        """Show a page of schedules."""
        if self.table.view != view:
            self.table.view = dict(view)
        first = view["first"]
        _put(self._pages, appearance.said(f"{first}–{first + len(view['rows']) - 1} of {view['total']:,}"))
        _show(self._pager, is_shown=can_go_back or can_go_on)
        self.back.disabled, self.on.disabled = not can_go_back, not can_go_on

    def say(self, text: str, status: str) -> None:
        """Say what the last press did."""
        _put(self._said, appearance.said(text, status))

    def show_chosen(self, seen: SeenSchedule | None, firings: Sequence[SeenFiring], at: datetime) -> None:
        """Show one schedule: how it stands, when it fires next, and what became of its firings."""
        _show(self._chosen, is_shown=seen is not None)
        if seen is None:
            return
        record = seen.record
        _put(self._title, appearance.heading(record.name))
        overdue = appearance.said(overdue_text(seen, at), status_look(OVERDUE))
        _put(self._standing, appearance.said(seen.problem, "failed") + overdue)
        parts = [shown_facts([("status", status_text(seen.status)), *facts_of(seen)]).element]
        if seen.next is not None:
            instants = islice(fires_after(record.schedule, at), SHOWN_FIRES)
            parts.append(table_element(fires_table([*instants], record.timezone, at)))
        if firings:
            parts.append(table_element(firings_table(firings, record)))
        _put(self._detail, appearance.framed(*parts))

    def offer(self, seen: SeenSchedule | None, *, asks: bool, doing: str) -> None:
        """Offer what can be done with the schedule that is shown; `asks` while a deletion is to be confirmed."""
        is_paused = seen is not None and not seen.record.is_active
        self.pause.disabled, self.resume.disabled = is_paused, not is_paused
        self.run.disabled = bool(doing)
        self.delete.disabled = asks
        for button in (self.confirm, self.hard, self.cancel):
            _show(button, is_shown=asks)

    def show_editor(self, title: str, *, is_open: bool) -> None:
        """Show the editor, or put it away."""
        _show(self._editor, is_shown=is_open)
        _put(self._editing, appearance.heading(title))

    def allow_save(self, problems: Mapping[str, str]) -> None:
        """Offer to save what is typed, if nothing of it is wrong."""
        self.save.disabled = bool(problems)
        wrong = "; ".join(f"{name} {text}" for name, text in problems.items())
        self.save.tooltip = wrong or "from now on it fires as it says here"


def _button(text: str, icon: str, tooltip: str = "", *, style: str = "") -> Any:
    return widgets.Button(
        description=text, icon=icon, tooltip=tooltip, button_style=style, layout=widgets.Layout(width="auto")
    )


def _put(place: Any, html: str) -> None:
    if place.value != html:
        place.value = html


def _show(part: Any, *, is_shown: bool) -> None:
    wanted = None if is_shown else "none"
    if part.layout.display != wanted:
        appearance.lay_out(part, display=wanted)
