"""The board of schedules: when each fires next, what became of its firings, what is overdue; and all to be changed.

One schedule is shown at a time; it can be paused, changed, run now and deleted, and another made. What is typed is
judged while it is typed, at its field; what is saved is the service's to refuse, and the former is kept then. Whether a
scheduler runs is said above all, with what starts one. While a front end shows the board it looks again by itself.

A board can be driven without a front end: set `chosen`, `find`, `sort`, and the traits of `editor`, then `.click()` the
buttons, and `refresh()`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from threading import RLock
from typing import Any

from traitlets import Unicode, observe, validate

from nbpipe.base.clock import now
from nbpipe.commands.listed import listing_bundle
from nbpipe.commands.showing_schedules import schedule_bundle
from nbpipe.errors import NbpipeError, NotFoundError
from nbpipe.services.client import Client
from nbpipe.services.listing import Listing
from nbpipe.services.schedule_records import ScheduleRecord
from nbpipe.services.scheduler_process import schedulers
from nbpipe.services.schedules import ScheduleService
from nbpipe.services.snapshots import SnapshotService
from nbpipe.views.frames import Bundle
from nbpipe.widgets.given import Given
from nbpipe.widgets.running import error_text
from nbpipe.widgets.schedule_buttons import ScheduleButtons
from nbpipe.widgets.schedule_controls import ScheduleControls
from nbpipe.widgets.schedule_doing import START, STOP, Doing
from nbpipe.widgets.schedule_editor import ScheduleEditor
from nbpipe.widgets.schedule_listing import ScheduleListing
from nbpipe.widgets.schedule_saving import save
from nbpipe.widgets.schedule_seen import SeenSchedules
from nbpipe.widgets.schedule_watch import Watch
from nbpipe.widgets.showing import Shown, has_front_end

_MOST_SNAPSHOTS = 500
_CHOOSE = "Choose a schedule first."


class ScheduleBoard(ScheduleButtons, ScheduleListing, Shown):
    """A board of all schedules of a workspace, or of those of one pipeline.

    Args:
        schedule: The one to begin with: a record, a name or an id.
        pipeline: Only those of this pipeline.
        client: Whose schedules; those of the workspace of this folder if not given.
        static: Show a table that needs no front end instead.

    Attributes:
        chosen: The id of the one that is shown, `""` for none; a name or a record may be set as well.
        find: Only those are listed whose name, pipeline or snapshot holds this.
        sort: What they are in order of: `name`, `status` or `next`; with a `-` before it the other way round.
        page: Which page of the list is shown, from 1.
        message: What the last press did.
        editor: What is typed; see `ScheduleEditor`.

    Raises:
        NotFoundError: There is no such schedule.
    """

    chosen = Given("")
    message = Unicode("")

    def __init__(
        self,
        schedule: ScheduleRecord | str | None = None,
        *,
        pipeline: str | None = None,
        client: Client | None = None,
        static: bool = False,
    ) -> None:
        ScheduleListing.__init__(self)
        Shown.__init__(self, static=static)
        record = schedule if isinstance(schedule, ScheduleRecord) else None
        self._workspace = record.workspace if record is not None else (client or Client()).workspace
        self._service = ScheduleService(self._workspace)
        self._pipeline = pipeline
        self._lock = RLock()
        self._seen = SeenSchedules(self._workspace, pipeline)
        self._is_of_one = schedule is not None
        self._message_status = ""
        self._to_delete = ""
        self._is_drawing = False
        self._snapshots: list[tuple[str, str]] = []
        self._watch: Watch | None = None
        self._doing = Doing(self._workspace, self._tell)
        self.editor = ScheduleEditor(self._workspace, self._draw)
        self._look()
        if schedule is not None:
            self.chosen = schedule

    @property
    def schedule(self) -> ScheduleRecord | None:
        """The schedule that is shown, as it was when it was last looked at."""
        seen = self._seen.get(self.chosen)
        return seen.record if seen is not None else None

    @property
    def is_watching(self) -> bool:
        """Whether it looks again by itself, since a front end shows it."""
        return self._watch is not None and self._watch.is_on

    @property
    def widget(self) -> Any:
        """The live board."""
        return self._controls.page

    def refresh(self) -> None:
        """Look again how things stand."""
        self._look()
        self._draw()

    def wait_until_done(self, timeout_s: float | None = None) -> str:
        """Wait until a scheduler has started or ended as a button asked for, and give what is said of that.

        Raises:
            UserError: No button was pressed.
            TimeoutError: It goes on after `timeout_s` seconds.
            NbpipeError: It could not be done.
        """
        self._doing.wait_for_schedulers(timeout_s)
        return self.message

    def wait(self, timeout_s: float | None = None) -> Any:
        """Wait for the run that Run now began, and give it.

        Raises:
            UserError: The button was not pressed.
            StepFailedError: A step failed.
            TimeoutError: It goes on after `timeout_s` seconds.
        """
        return self._doing.wait_for_run(timeout_s)

    def static(self) -> Bundle:
        """Give the list, or the card of the one that was asked for; without a front end without what the clock says."""
        self._look()
        stable = self.is_static or not has_front_end()
        if self._is_of_one and self.schedule is not None:
            return schedule_bundle(self.schedule, stable=stable)
        listing = Listing(self.schedules, ScheduleRecord)
        return listing_bundle(listing, stable=stable)

    @property
    def _title(self) -> str:
        return f"Schedules of {self._pipeline}" if self._pipeline is not None else "Schedules"

    def _look(self) -> None:
        with self._lock:
            self._seen.look(now())

    # What can be set -------------------------------------------------------------------------

    @validate("chosen")
    def _valid_choice(self, proposal: Any) -> str:
        if proposal["value"] == "":
            return ""
        found = self._service.get(proposal["value"])
        if self._seen.get(found.id) is None:
            # It was made since the last look; or it was deleted, or is another pipeline's.
            self._look()
        if self._seen.get(found.id) is None:
            raise NotFoundError("schedule", found.name, [one.record.name for one in self._seen.all])
        return found.id

    @observe("chosen")
    def _chosen_otherwise(self, _change: Any) -> None:
        # What was asked was asked of the other.
        self._to_delete = ""
        self._draw()

    # Presses ---------------------------------------------------------------------------------

    def _open(self, schedule_id: str) -> None:
        try:
            self.chosen = schedule_id
        except NbpipeError as error:
            self._tell(error_text(error), "failed")

    def _pause(self, record: ScheduleRecord) -> str:
        self._service.deactivate(record)
        return f"{record.name} is paused."

    def _resume(self, record: ScheduleRecord) -> str:
        self._service.activate(record)
        return f"{record.name} fires again."

    def _delete(self, *, hard: bool) -> None:
        def act(record: ScheduleRecord) -> str:
            self._service.delete(record, hard=hard)
            return f"{record.name} is deleted{', with its history' if hard else '; its history stays'}."

        with self._lock:
            # Else it is the second press of a double click, and another is shown by now.
            if self._to_delete and self._to_delete == self.chosen:
                self._do(act)

    def _ask_to_delete(self, *, asks: bool) -> None:
        with self._lock:
            self._to_delete = self.chosen if asks else ""
            self._draw()

    def _edit(self, *, new: bool) -> None:
        with self._lock:
            record = self.schedule
            if not new and record is None:
                self._tell(_CHOOSE, "failed")
                return
            with suppress(NbpipeError):
                named = SnapshotService(self._workspace).list(named=True, limit=_MOST_SNAPSHOTS)
                self._snapshots = [(f"{one.pipeline}: {one.name}", one.id) for one in named]
            self.editor.open(None if new else record)
            self._tell("", "")

    def _save(self) -> None:
        with self._lock:
            # Else it is the second press of a double click: what the first did stays told.
            if self.editor.is_open:
                is_new = self.editor.former is None
                try:
                    saved = save(self._service, self.editor)
                except NbpipeError as error:
                    self._tell(error_text(error), "failed")
                    return
                self.editor.close()
                self.chosen = saved.id
                self._tell(f"{saved.name} is {'made' if is_new else 'changed'}.", "completed")

    def _run(self) -> None:
        with self._lock:
            if self.schedule is None:
                self._tell(_CHOOSE, "failed")
            else:
                self._doing.begin_run(self.schedule)

    def _do(self, act: Callable[[ScheduleRecord], str]) -> None:
        with self._lock:
            self._to_delete = ""
            if self.schedule is None:
                self._tell(_CHOOSE, "failed")
                return
            try:
                said, status = act(self._service.get(self.schedule)), "completed"
            except NbpipeError as error:
                said, status = error_text(error), "failed"
            self._tell(said, status)

    def _tell(self, text: str, status: str) -> None:
        with self._lock:
            self.message, self._message_status = text, status
            # What was pressed was done, even if the workspace is too busy to be looked at.
            with suppress(NbpipeError):
                self._look()
            self._draw()

    # The live board --------------------------------------------------------------------------

    @cached_property
    def _controls(self) -> ScheduleControls:  # type: ignore[override]
        editor = self.editor.controls
        controls = ScheduleControls(self._title, self._pressed_in_table, editor.form, editor.preview)
        controls.on_press(
            start=lambda: self._doing.begin(START),
            stop=lambda: self._doing.begin(STOP),
            refresh=self._look_again,
            new=lambda: self._edit(new=True),
            back=lambda: self._turn(-1),
            on=lambda: self._turn(1),
            pause=lambda: self._do(self._pause),
            resume=lambda: self._do(self._resume),
            edit=lambda: self._edit(new=False),
            run=self._run,
            delete=lambda: self._ask_to_delete(asks=True),
            confirm=lambda: self._delete(hard=False),
            hard=lambda: self._delete(hard=True),
            cancel=lambda: self._ask_to_delete(asks=False),
            save=self._save,
            discard=self.editor.close,
        )
        controls.find.observe(lambda change: setattr(self, "find", change["new"]), "value")
        vars(self)["_controls"] = controls
        self._watch = Watch(controls.page, self._look_again)
        self._draw()
        return controls

    def _look_again(self) -> None:
        # The workspace may be busy or away for a while; what was seen last stays shown.
        with suppress(NbpipeError, OSError):
            self.refresh()

    def _draw(self) -> None:
        # Before anybody has looked there is nothing to draw.
        if "_controls" not in vars(self):
            return
        with self._lock:
            if not self._is_drawing:
                self._is_drawing = True
                try:
                    self._draw_all(self._controls)
                finally:
                    self._is_drawing = False

    def _draw_all(self, controls: ScheduleControls) -> None:
        at, seen = now(), self._seen.get(self.chosen)
        is_needed = any(one.next is not None for one in self._seen.all)
        there = schedulers(self._workspace.paths)
        controls.show_schedulers(there, doing=self._doing.schedulers, is_needed=is_needed)
        controls.find.value = self.find
        controls.show_list(*self._page(at, self.chosen))
        controls.say(self.message, self._message_status)
        firings = self._seen.firings(self.chosen) if seen is not None else []
        controls.show_chosen(seen, firings, at)
        controls.offer(seen, asks=bool(self._to_delete), doing=self._doing.run)
        editor = self.editor
        title = f"Change {editor.former.name}" if editor.former is not None else "New schedule"
        controls.show_editor(title, is_open=editor.is_open)
        if editor.is_open:
            controls.allow_save(editor.draw(self._snapshots, at))
