"""Stopping a run from another process: a request is left in the workspace, and whoever runs it looks for one.

No signal is sent. A pid may be another process's by now, and a signal would meet whatever that
one is doing: in a kernel, the cell that happens to be executed while the run goes on behind it.
Every process looks for requests for its own runs only, five times a second and only while one goes
on, in one thread for all of them. A request for a run that is over is taken away by who left it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.writable import cannot_write
from nbpipe.execute.stop import StopSignal

_LOOK_UP_S = 0.2


class _Listener:
    """The thread that looks for requests."""

    def __init__(self) -> None:
        self.anew()
        os.register_at_fork(after_in_child=self.anew)

    def anew(self) -> None:
        """Nobody listens yet: a forked child has no threads."""
        self._runs: dict[Path, StopSignal] = {}
        self._is_needed = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def add(self, place: Path, signal: StopSignal) -> None:
        """Stop `signal` as soon as there is a file at `place`."""
        with self._lock:
            self._runs[place] = signal
            self._is_needed.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._listen, name="nbpipe-stop-requests", daemon=True)
                self._thread.start()

    def drop(self, place: Path) -> None:
        """Look for that no more."""
        with self._lock:
            self._runs.pop(place, None)
            if not self._runs:
                self._is_needed.clear()

    def _listen(self) -> None:
        while True:
            self._is_needed.wait()
            # Most runs are over before anybody could have asked.
            time.sleep(_LOOK_UP_S)
            for place, signal in list(self._runs.items()):
                if place.exists():
                    with suppress(OSError):
                        place.unlink()
                    signal.stop()


_listener = _Listener()


@contextmanager
def stoppable(paths: WorkspacePaths, run_id: str, signal: StopSignal) -> Iterator[None]:
    """Let the run that goes on in the block be stopped by who asks for it in its workspace."""
    place = _place(paths, run_id)
    _listener.add(place, signal)
    try:
        yield
    finally:
        _listener.drop(place)


def ask_to_stop(paths: WorkspacePaths, run_id: str, is_over: Callable[[], bool], timeout_s: float) -> bool:
    """Ask a run to stop, and wait until it is over; tell whether it is.

    Args:
        paths: Its workspace.
        run_id: Its id.
        is_over: Tells whether it is over.
        timeout_s: How long to wait at most, in seconds. It stops in its own time after that, too.

    Raises:
        WorkspaceError: The workspace cannot be written.
    """
    place = _place(paths, run_id)
    try:
        place.parent.mkdir(mode=0o700, exist_ok=True)
        place.touch(mode=0o600)
    except OSError as error:
        raise cannot_write(paths, error.strerror or str(error)) from error
    deadline_s = time.monotonic() + timeout_s
    while not is_over():
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(_LOOK_UP_S / 2)
    place.unlink(missing_ok=True)
    return True


def _place(paths: WorkspacePaths, run_id: str) -> Path:
    return paths.stops / run_id
