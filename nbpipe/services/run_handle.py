"""A run in a thread of its own: what is held by whoever started it, waits for it or stops it.

Waiting may be limited, and interrupted: a limit leaves the run as it is, an interrupt stops it.
What the run raised is raised at every wait.

This module knows threads and who waits. It does not know what a run does, nor how it is recorded
(`services.starting`); a run in another process is `services.apart`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from nbpipe.errors import Interrupted
from nbpipe.execute.glimpses import Glimpse
from nbpipe.execute.settled import RunOutcome, Settled
from nbpipe.records.runs import Status
from nbpipe.services.hooking import HookCalls
from nbpipe.services.starting import RunInProgress

_PATIENCE_S = 3.0
# How often whoever awaits a run looks whether it is over.
_LOOK_S = 0.01


class Waitable(Protocol):
    """A run that goes on, here or in another process."""

    def is_over(self) -> bool:
        """Tell whether it has ended."""

    def stop(self) -> None:
        """Ask it to stop."""

    @property
    def is_debugged(self) -> bool:
        """Whether it runs only while somebody waits for it, in that one's thread."""


async def until_over(run: Waitable) -> None:
    """Wait for a run's end without holding the event loop; a cancelled await stops the run.

    One that is debugged is not waited for: it only runs when it is.

    Raises:
        Interrupted: The await was cancelled: a kernel's interrupt arrives so.
    """
    import asyncio

    if run.is_debugged:
        return
    try:
        while not run.is_over():
            await asyncio.sleep(_LOOK_S)
    except asyncio.CancelledError:
        run.stop()
        # As for a wait that is interrupted: its end is awaited, but not for long.
        deadline_s = time.monotonic() + _PATIENCE_S
        with suppress(asyncio.CancelledError):
            while not run.is_over() and time.monotonic() < deadline_s:
                await asyncio.sleep(_LOOK_S)
        raise Interrupted from None


class RunHandle:
    """A run in a thread of its own or, where it is to be debugged, in the thread that waits for it.

    Args:
        progress: The run.
        finish: Makes what `wait` gives from the outcome.
        step_of: Gives the facts of a step that was settled, for its hooks.
    """

    def __init__(
        self,
        progress: RunInProgress,
        finish: Callable[[RunInProgress, RunOutcome], Any],
        step_of: Callable[[RunInProgress, Settled], Any],
    ) -> None:
        self._progress = progress
        self._finish = finish
        self._hooks = HookCalls(
            progress.request.definition, progress.traced, step_of=partial(step_of, progress), record=progress.record
        )
        self._outcome: RunOutcome | None = None
        self._error: BaseException | None = None
        self._done = threading.Event()
        if self.is_debugged:
            return
        self._thread = threading.Thread(target=self._work, name="nbpipe-run", daemon=True)
        try:
            # It waits until the thread has begun, and the run may have come far by then.
            self._thread.start()
        except KeyboardInterrupt:
            if not self._progress.abandon():
                self.wait_quietly()
            raise Interrupted(self.id) from None

    @property
    def id(self) -> str:
        """The run's id."""
        return self._progress.facts.id

    @property
    def is_debugged(self) -> bool:
        """Whether it runs only while somebody waits for it, in that one's thread."""
        return self._progress.request.debug

    @property
    def status(self) -> Status:
        """How the run stands."""
        if self._error is not None:
            return Status.FAILED
        return self._outcome.status if self._outcome is not None else Status.RUNNING

    def look(self) -> Mapping[str, Glimpse]:
        """Give what is to be seen of the steps that run now, by node."""
        return self._progress.look()

    def _work(self) -> None:
        try:
            outcome = self._outcome = self._progress.run(self._hooks.listeners)
            self._hooks.end(outcome, lambda: self._finish(self._progress, outcome))
        except BaseException as error:  # noqa: BLE001 — handed to whoever waits
            self._error = error
        finally:
            self._done.set()

    def stop(self) -> None:
        """Ask the run to stop; what was done before is kept."""
        self._progress.stop_signal.stop()

    def is_over(self) -> bool:
        """Tell whether the run has ended."""
        return self._done.is_set()

    def wait_quietly(self) -> None:
        """Wait for the end of a run that was stopped, but not for long, and whatever came of it.

        What a C call holds is abandoned; the run's end is recorded when it lets go.
        """
        self._done.wait(_PATIENCE_S)

    def wait(self, timeout_s: float | None = None) -> Any:
        """Wait for the run's end and give the `Run`.

        Args:
            timeout_s: How long to wait at most, in seconds; `None` for as long as it takes. A run that is debugged
                takes the time that it takes.

        Raises:
            TimeoutError: It still goes on; it is not stopped.
            StepFailedError: A step failed.
            RunInterruptedError: The run was stopped.
            Interrupted: The wait was interrupted, and the run with it.
        """
        if self.is_debugged and not self.is_over():
            self._work()
        try:
            over = self._done.wait(timeout_s)
        except KeyboardInterrupt:
            self.stop()
            self.wait_quietly()
            raise Interrupted from None
        if not over:
            raise TimeoutError(f"The run still goes on after {timeout_s:g} s; it was not stopped.")
        if self._error is not None:
            raise self._error
        assert self._outcome is not None, "a run that is over has an outcome or an error"
        self._progress.raise_for(self._outcome)
        return self._finish(self._progress, self._outcome)

    def __repr__(self) -> str:
        return f"<run {self._progress.facts.name}: {self.status.value}>"
