"""The editor of a schedule: what it runs, when, in which zone, and what becomes of what is missed or overlaps.

As somebody types, the next five fires of what is typed are shown, or what is wrong, beside the field that is wrong.
Nothing is written here: who saves is the board.

An editor can be driven without a front end: set its traits, read `problems` and `fires`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cached_property
from typing import Any

from traitlets import HasTraits, observe, validate

from nbpipe.base.clock import now
from nbpipe.errors import BadValueError
from nbpipe.records.base import plain_name, shorten
from nbpipe.records.schedules import CatchUp, Overlap, Schedule
from nbpipe.schedule.words import in_words
from nbpipe.services.schedule_records import ScheduleRecord
from nbpipe.services.workspace import Workspace
from nbpipe.widgets.given import Given
from nbpipe.widgets.schedule_draft import Draft, Reading, Way, draft_of, read, upcoming
from nbpipe.widgets.schedule_editor_controls import ScheduleEditorControls
from nbpipe.widgets.schedule_tables import fires_table

_TEXTS = ("name", "snapshot", "cron", "every", "at", "timezone", "start", "end")
_CHOICES = {"way": Way, "catchup": CatchUp, "overlap": Overlap}


class ScheduleEditor(HasTraits):
    """What is typed of a schedule that is to be made or changed.

    Args:
        workspace: Whose schedule.
        changed: Called when something was typed.

    Attributes:
        name: Its name; the pipeline's if it is empty.
        snapshot: The id of what it runs.
        way: How it is said when: `cron`, `every` or `at`.
        cron: A cron expression.
        every: An interval, as in `"30min"`; a bare number means seconds.
        at: One instant, as in `"2027-01-31 08:00"`.
        timezone: The zone that all of it is meant in; this machine's if it is empty.
        start: Not before then; where an interval begins.
        end: Not after then.
        catchup: What becomes of what was missed: `last`, `all` or `none`.
        overlap: What becomes of a firing while the run before goes on: `skip`, `queue` or `parallel`.
    """

    name = Given("")
    snapshot = Given("")
    way = Given(Way.CRON)
    cron = Given("")
    every = Given("")
    at = Given("")
    timezone = Given("")
    start = Given("")
    end = Given("")
    catchup = Given(CatchUp.LAST)
    overlap = Given(Overlap.SKIP)

    def __init__(self, workspace: Workspace, changed: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._workspace = workspace
        self._changed = changed
        self._is_writing = False
        self.former: ScheduleRecord | None = None
        self.is_open = False

    # Opening ---------------------------------------------------------------------------------

    def open(self, former: ScheduleRecord | None, *, draft: Draft | None = None) -> None:
        """Begin to change a schedule, or to make one.

        Args:
            former: The schedule; `None` to make one.
            draft: What to begin with, if not with what the schedule says.
        """
        self.former, self.is_open = former, True
        self._write(draft if draft is not None else draft_of(former) if former is not None else Draft())

    def close(self) -> None:
        """Let go of what was typed."""
        self.former, self.is_open = None, False
        self._write(Draft())

    # What it comes to ------------------------------------------------------------------------

    @property
    def draft(self) -> Draft:
        """What stands in the fields."""
        return Draft(**{field.name: getattr(self, field.name) for field in fields(Draft)})

    @property
    def problems(self) -> dict[str, str]:
        """A sentence for each field that will not do."""
        return self._judged(now())[1]

    @property
    def schedule(self) -> Schedule | None:
        """When it would fire, as it would be kept; `None` if something of that is wrong."""
        return self._read(now()).schedule

    @property
    def fires(self) -> list[datetime]:
        """The next five instants of what is typed, in UTC; none where it is wrong."""
        at = now()
        schedule = self._read(at).schedule
        return upcoming(schedule, at) if schedule is not None else []

    def _read(self, at: datetime) -> Reading:
        return read(self.draft, at, self.former)

    def _judged(self, at: datetime) -> tuple[Reading, dict[str, str]]:
        reading = self._read(at)
        problems = dict(reading.problems)
        state = self._workspace.catalog.state()
        if self.name.strip():
            try:
                title = plain_name("schedule", self.name)
                holder = state.schedule_names.get(title)
                if holder is not None and (self.former is None or holder != self.former.id):
                    problems["name"] = "is taken by another schedule"
            except ValueError as error:
                problems["name"] = str(error)
        elif self.former is not None:
            problems["name"] = "needs a value"
        is_kept = self.former is not None and self.snapshot == self.former.snapshot_id
        if not self.snapshot:
            problems["snapshot"] = "needs a value"
        elif state.snapshots.get(self.snapshot) is None and not is_kept:
            problems["snapshot"] = "is gone"
        return reading, problems

    # What can be set -------------------------------------------------------------------------

    @validate(*_TEXTS)
    def _valid_text(self, proposal: Any) -> str:
        name, value = proposal["trait"].name, proposal["value"]
        if not isinstance(value, str):
            raise BadValueError(f"{name}={shorten(value)} should be a text.")
        return value

    @validate(*_CHOICES)
    def _valid_choice(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        kind = _CHOICES[name]
        try:
            return kind(value)
        except ValueError:
            raise BadValueError(f"{name}={shorten(value)} should be {', '.join(map(str, kind))}.") from None

    @observe("way")
    def _said_otherwise(self, change: Any) -> None:
        """Take away what only the former way had: where an interval began, of which a cron knows nothing."""
        if self._is_writing or self.former is None:
            return
        before = draft_of(self.former)
        if before.way is Way.EVERY and change["new"] is not Way.EVERY and self.start == before.start:
            self.start = ""
        elif before.way is Way.EVERY and change["new"] is Way.EVERY and not self.start:
            self.start = before.start

    @observe(*_TEXTS, *_CHOICES)
    def _typed(self, _change: Any) -> None:
        if not self._is_writing:
            self._changed()

    def _write(self, draft: Draft) -> None:
        self._is_writing = True
        try:
            for field in fields(Draft):
                setattr(self, field.name, getattr(draft, field.name))
        finally:
            self._is_writing = False
        self._changed()

    # The live editor -------------------------------------------------------------------------

    @cached_property
    def controls(self) -> ScheduleEditorControls:
        """The widgets, made when they are first asked for."""
        controls = ScheduleEditorControls()
        for name, control in controls.fields.items():
            control.observe(lambda change, name=name: self._chosen(name, change["new"]), "value")
        for expression, button in controls.examples.items():
            button.on_click(lambda _, expression=expression: setattr(self, "cron", expression))
        return controls

    def _chosen(self, name: str, value: Any) -> None:
        # A dropdown whose options are set anew says `None` in between.
        if not self.controls.is_drawing and value is not None:
            setattr(self, name, value)

    def draw(self, snapshots: Sequence[tuple[str, str]], at: datetime) -> dict[str, str]:
        """Show what stands in the fields, what is wrong with it, and when it would fire; give what is wrong.

        Args:
            snapshots: What can be run: each with its label and its id.
            at: The present instant.
        """
        reading, problems = self._judged(at)
        controls = self.controls
        controls.write(self.draft, snapshots)
        schedule = reading.schedule
        # Nobody is told what is missing before anything was typed.
        untouched = {self.way.value: "needs a value", "snapshot": "needs a value"}
        hushed = {
            name: "" if self.former is None and untouched.get(name) == text else text for name, text in problems.items()
        }
        controls.remark(hushed, {self.way.value: in_words(schedule)} if schedule is not None else {})
        if schedule is None:
            controls.foretell(None)
        else:
            controls.foretell(fires_table(upcoming(schedule, at), schedule.timezone or "UTC", at))
        return problems
