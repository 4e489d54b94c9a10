"""One run at a time, beside the kernel: a press of the button starts it and returns at once.

A second press while it goes on starts nothing. What the run gave or raised is kept until the
next one; whoever has no button waits for it.

This module knows threads. It does not know what is run, nor how it is shown.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any

from nbpipe.errors import NbpipeError, UserError
from nbpipe.records.base import shorten
from nbpipe.views.amounts import shorten as cut

_MOST_LETTERS = 300


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
    """

    def __init__(self, work: Callable[[dict[str, Any]], Any], tell: Callable[[Finished], None]) -> None:
        self._work = work
        self._tell = tell
        self._lock = Lock()
        self._ended: Event | None = None
        self._finished = Finished()
        self.is_running = False

    def start(self, values: Mapping[str, Any]) -> bool:
        """Start a run, unless one is going on; tell whether it was started."""
        with self._lock:
            if self.is_running:
                return False
            self.is_running = True
            self._ended = ended = Event()
        # The run sees the caller's context variables, such as the workspace in use.
        context = contextvars.copy_context()
        Thread(target=context.run, args=(self._run, dict(values), ended), name="nbpipe-form", daemon=True).start()
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
            self._finished = Finished(self._work(values))
        except BaseException as error:  # noqa: BLE001 — an interrupt too ends this run only, and is told
            self._finished = Finished(error=error)
        self.is_running = False
        try:
            self._tell(self._finished)
        finally:
            ended.set()


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
