"""Whether this kernel hears what is pressed in a page: not while a cell holds its event loop.

Asked from any thread, it asks the loop in turn, and takes for an answer how long that one is silent.
"""

from __future__ import annotations

import asyncio
import time

_PATIENCE_S = 0.15


class Hearing:
    """The hearing of the kernel in whose thread, if it has an event loop, this is made."""

    def __init__(self) -> None:
        self._asked_s: float | None = None
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            # A thread of the user's, or a shell without a loop: nobody can say.
            self._loop = None

    def is_deaf(self) -> bool:
        """Tell whether it has been silent for a while since it was asked here."""
        if self._loop is None:
            return False
        asked_s = self._asked_s
        if asked_s is not None:
            return time.monotonic() - asked_s > _PATIENCE_S
        self._asked_s = time.monotonic()
        try:
            self._loop.call_soon_threadsafe(self._answer)
        except RuntimeError:
            # It is closed: the kernel ends.
            self._loop = None
        return False

    def _answer(self) -> None:
        self._asked_s = None
