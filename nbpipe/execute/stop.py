"""Stopping a run from outside: a flag, and an exception raised in the worker's thread.

What a C call holds is not interrupted; the exception comes at the next bytecode.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable


class StopSignal:
    """Whether somebody asked a run to stop.

    `with signal:` lets the thread that runs the block be interrupted meanwhile, and at once if the run was stopped
    before. After the block nothing is raised any more.

    Attributes:
        is_set: Whether the run should stop.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._lock = threading.Lock()
        self._thread_id: int | None = None
        self._was_interrupted = False
        self._told: list[Callable[[], None]] = []

    def __enter__(self) -> StopSignal:
        with self._lock:
            if self.is_set:
                raise KeyboardInterrupt
            self._thread_id = threading.get_ident()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            with self._lock:
                self._thread_id = None
                if not self._was_interrupted:
                    return
            self._let_go()
        except KeyboardInterrupt:
            # It was on its way already; from here on nobody is interrupted.
            self._let_go()
            raise

    def _let_go(self) -> None:
        with self._lock:
            self._thread_id = None
            if self._was_interrupted:
                self._was_interrupted = False
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)

    def stop(self) -> None:
        """Ask the run to stop: now, if a step is running, else before the next one."""
        self.is_set = True
        for tell in list(self._told):
            tell()
        self.interrupt()

    def when_asked(self, tell: Callable[[], None]) -> None:
        """Have `tell` called, in any thread, whenever somebody asks the run to stop; at once if somebody has."""
        self._told.append(tell)
        if self.is_set:
            tell()

    def interrupt(self) -> bool:
        """Raise `KeyboardInterrupt` in the guarded thread; tell whether one was guarded."""
        with self._lock:
            if self._thread_id is None:
                return False
            self._was_interrupted = True
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread_id), ctypes.py_object(KeyboardInterrupt)
            )
            return True
