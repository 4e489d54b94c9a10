"""The buttons of the board of schedules by name, for who presses them without a front end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbpipe.widgets.schedule_controls import ScheduleControls


class ScheduleButtons:
    """Base of the board: `.click()` on any of these does what a press does."""

    _controls: ScheduleControls

    @property
    def start_button(self) -> Any:
        """Starts a scheduler in the background."""
        return self._controls.start

    @property
    def stop_button(self) -> Any:
        """Ends the schedulers of the workspace."""
        return self._controls.stop

    @property
    def refresh_button(self) -> Any:
        """Looks again."""
        return self._controls.refresh

    @property
    def new_button(self) -> Any:
        """Opens the editor for another schedule."""
        return self._controls.new

    @property
    def back_button(self) -> Any:
        """Turns to the page before."""
        return self._controls.back

    @property
    def on_button(self) -> Any:
        """Turns to the next page."""
        return self._controls.on

    @property
    def pause_button(self) -> Any:
        """Pauses the schedule that is shown."""
        return self._controls.pause

    @property
    def resume_button(self) -> Any:
        """Lets the schedule that is shown fire again."""
        return self._controls.resume

    @property
    def edit_button(self) -> Any:
        """Opens the editor for the schedule that is shown."""
        return self._controls.edit

    @property
    def run_button(self) -> Any:
        """Runs its snapshot once, now."""
        return self._controls.run

    @property
    def delete_button(self) -> Any:
        """Asks whether the schedule that is shown is to be deleted."""
        return self._controls.delete

    @property
    def confirm_button(self) -> Any:
        """Deletes it and keeps its history, while that is asked."""
        return self._controls.confirm

    @property
    def hard_button(self) -> Any:
        """Deletes it with its history, while that is asked."""
        return self._controls.hard

    @property
    def cancel_button(self) -> Any:
        """Leaves it, while that is asked."""
        return self._controls.cancel

    @property
    def save_button(self) -> Any:
        """Saves what is typed."""
        return self._controls.save

    @property
    def discard_button(self) -> Any:
        """Closes the editor."""
        return self._controls.discard
