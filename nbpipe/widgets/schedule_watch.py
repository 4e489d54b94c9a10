"""Looking again every other second, as long as somebody looks.

A front end says how many views of a widget it shows; while there are any, a thread looks. A notebook that is closed, an
output that is cleared and a widget that is closed end it. This module knows a clock and a widget, and nothing of what
is looked at.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Any

EVERY_S = 2.0


class Watch:
    """Calls a function again and again while a widget is shown.

    Args:
        page: The widget.
        look: What is called; what it raises ends the watch and is told by Python.
        every_s: How long to wait in between, in seconds.
    """

    def __init__(self, page: Any, look: Callable[[], None], *, every_s: float = EVERY_S) -> None:
        self._page = page
        self._look = look
        self._every_s = every_s
        self._lock = Lock()
        self._over: Event | None = None
        # From now on a front end counts its views of it.
        page._view_count = 0
        page.observe(self._counted, "_view_count")

    @property
    def is_on(self) -> bool:
        """Whether it looks."""
        return self._over is not None

    def _counted(self, change: Any) -> None:
        with self._lock:
            is_shown = bool(change["new"]) and change["new"] > 0
            if is_shown and self._over is None:
                self._over = Event()
                # The thread sees the caller's context variables, as what a button begins does.
                run = contextvars.copy_context().run
                Thread(target=run, args=(self._watch, self._over), name="nbpipe-board", daemon=True).start()
            elif not is_shown and self._over is not None:
                self._over.set()
                self._over = None

    def _watch(self, over: Event) -> None:
        while not over.wait(self._every_s):
            if self._page.comm is None:
                # It was closed, and no view says goodbye.
                return
            self._look()
