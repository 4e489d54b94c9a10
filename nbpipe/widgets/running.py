"""One run at a time, beside the kernel: a press of the button starts it and returns at once.

A second press while it goes on starts nothing. What the run gave or raised is kept until the
next one; whoever has no button waits for it. Work that answers with something that goes on (it
can be stopped and waited for) is waited for here, and asked now and then how it stands.

This module knows threads. It does not know what is run, nor how it is shown.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any, Protocol, runtime_checkable

from nbpipe.errors import NbpipeError, UserError
from nbpipe.records.base import shorten
from nbpipe.views.amounts import shorten as cut

_MOST_LETTERS = 300
_LOOK_S = 0.4
_is_beside: contextvars.ContextVar[bool] = contextvars.ContextVar("nbpipe_beside", default=False)


@runtime_checkable
class GoingOn(Protocol):
    """Work that goes on by itself."""

    def wait(self) -> Any:
        """Wait for its end and give what came of it."""

    def stop(self) -> None:
        """Ask it to stop."""

    def look(self) -> Any:
        """Give how it stands, as something to show."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run ended: with a value or with an error."""

    value: Any = None
    error: BaseException | None = None


class Runner:
    """Runs one piece of work at a time in a thread.

    Args:
        work: What is run with the values.
        tell: Called in the thread when it has ended, before those who wait go on.
        tell_progress: Called now and then with how work that goes on stands.
    """

    def __init__(
        self,
        work: Callable[[dict[str, Any]], Any],
        tell: Callable[[Finished], None],
        tell_progress: Callable[[Any], None] | None = None,
    ) -> None:
        self._work = work
        self._tell = tell
        self._tell_progress = tell_progress
        self._lock = Lock()
        self._ended: Event | None = None
        self._finished = Finished()
        self._going: GoingOn | None = None
        self.is_running = False
        self.is_stopping = False

    def start(self, values: Mapping[str, Any]) -> bool:
        """Start a run, unless one is going on; tell whether it was started."""
        with self._lock:
            if self.is_running:
                return False
            self.is_running, self.is_stopping = True, False
            self._ended = ended = Event()
        # The run sees the caller's context variables, such as the workspace in use.
        context = contextvars.copy_context()
        context.run(_is_beside.set, True)
        Thread(target=context.run, args=(self._run, dict(values), ended), name="nbpipe-form", daemon=True).start()
        return True

    def stop(self) -> bool:
        """Ask the run that goes on to stop, as soon as it can be asked; tell whether there is one."""
        with self._lock:
            if not self.is_running:
                return False
            self.is_stopping = True
            going = self._going
        if going is not None:
            going.stop()
        return True

    def wait(self, timeout_s: float | None = None) -> Any:
        """Wait for the last run that was started and give what it gave.

        Raises:
            UserError: None was started.
            TimeoutError: It has not ended after `timeout_s` seconds.
            BaseException: Whatever it raised.
        """
        if self._ended is None:
            raise UserError("There is nothing to wait for: no run was started. Press Run first.")
        if not self._ended.wait(timeout_s):
            raise TimeoutError(f"The run has not ended after {timeout_s:g} s.")
        if self._finished.error is not None:
            raise self._finished.error
        return self._finished.value

    def _run(self, values: dict[str, Any], ended: Event) -> None:
        try:
            self._finished = Finished(self._waited(self._work(values)))
        except BaseException as error:  # noqa: BLE001 — an interrupt too ends this run only, and is told
            self._finished = Finished(error=error)
        with self._lock:
            self._going = None
            self.is_running = self.is_stopping = False
        try:
            self._tell(self._finished)
        finally:
            ended.set()

    def _waited(self, came: Any) -> Any:
        if not isinstance(came, GoingOn):
            return came
        with self._lock:
            self._going = came
            is_stopping = self.is_stopping
        if is_stopping:
            came.stop()
        over = Event()
        if self._tell_progress is not None:
            context = contextvars.copy_context()
            watching = Thread(target=context.run, args=(self._watch, came, over), name="nbpipe-form-look", daemon=True)
            watching.start()
        is_whole = False
        try:
            value = came.wait()
            is_whole = True
        finally:
            over.set()
            if self._tell_progress is not None:
                # What was seen last must not be shown over what came of it.
                watching.join()
                if not is_whole:
                    self._look_at(came)
        return value

    def _watch(self, going: GoingOn, over: Event) -> None:
        while not over.wait(_LOOK_S):
            self._look_at(going, unless=over)

    def _look_at(self, going: GoingOn, *, unless: Event | None = None) -> None:
        """Tell how it stands; of what did not complete, that is how it ended."""
        # The catalog may be busy, which says nothing of the run. What else goes wrong is a fault of ours:
        # it ends the looking, not the run, and Python tells of it.
        with suppress(NbpipeError):
            seen = going.look()
            if self._tell_progress is not None and not (unless is not None and unless.is_set()):
                self._tell_progress(seen)


def is_beside() -> bool:
    """Tell whether what runs here was started by a button: it belongs to no cell, though one may be awaiting."""
    return _is_beside.get()


def error_text(error: BaseException) -> str:
    """Say an error in one or two lines."""
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted."
    try:
        said = str(error).strip()
    except Exception:  # noqa: BLE001 — a user's broken __str__ must not hide that there was an error
        said = shorten(error)
    if not said or not isinstance(error, NbpipeError):
        said = f"{type(error).__name__}: {said}".removesuffix(": ")
    lines = [cut(line, _MOST_LETTERS) for line in said.splitlines() if line.strip()]
    rest = f" (and {len(lines) - 2} more line{'s' * (len(lines) > 3)})" if len(lines) > 2 else ""
    return "\n".join(lines[:2]) + rest
