"""Invocations in turn: one thread runs them, one after the other, and whoever asked awaits the answer.

Steps of one process share its random numbers, its printed text and its working directory, so they run one
at a time; what waits is counted, and beyond a limit refused at once. An invocation that takes too long is
stopped and answered. If what it does cannot be stopped (a call into C that never returns), nothing can run
behind it any more: then this says so, and the process is to be replaced.

It knows turns and time. What an invocation does, `services.serving` knows.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from nbpipe.services.serving import Invocation, Served

_LOOK_UP_S = 0.05
_GRACE_S = 5.0
_TELLING_S = 0.2
_SHORT_S = 0.003


class BusyError(Exception):
    """As many invocations wait as may."""


class TooLongError(Exception):
    """An invocation took longer than it may; it was asked to stop."""


class LeavingError(Exception):
    """This process is about to be replaced; the invocation was not begun."""


@dataclass(slots=True)
class Turn:
    """One invocation on its way.

    Attributes:
        given: Values of parameters.
        run_id: The id that its run is to have, or `""`.
        answer: What comes of it.
        began_s: When its turn came, on the monotonic clock; 0 while it waits.
        ended: Whether its thread is done with it.
        stop: Stops the run, once there is one.
    """

    given: Mapping[str, Any]
    run_id: str
    answer: Future[Invocation] = field(default_factory=Future)
    began_s: float = 0.0
    ended: bool = False
    stop: Callable[[], None] | None = None

    def take_stop(self, stop: Callable[[], None]) -> None:
        """Take what stops the run; it is stopped at once if its time was over before it was begun."""
        self.stop = stop
        if self.answer.done():
            stop()


class Invoker:
    """Runs the invocations of one deployment.

    Args:
        served: What is invoked.
        timeout_s: How long one may take from its turn on.
        max_waiting: How many may wait.
        on_stuck: Called once when one can be neither finished nor stopped.
    """

    def __init__(self, served: Served, *, timeout_s: float, max_waiting: int, on_stuck: Callable[[], None]) -> None:
        self._served = served
        self._timeout_s = timeout_s
        self._max_waiting = max_waiting
        self._on_stuck = on_stuck
        self._queue: SimpleQueue[Turn | None] = SimpleQueue()
        self._current: Turn | None = None
        self._waiting = 0
        self._is_leaving = False
        self._lock = threading.Lock()
        self._is_idle = threading.Event()
        self._is_to_let_work = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._took_s = 0.0
        self._thread = threading.Thread(target=self._work, name="nbpipe-invocations", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self._waiting

    @property
    def is_stuck(self) -> bool:
        """Whether one goes on that was asked to stop and did not."""
        turn = self._current
        late_s = self._timeout_s + _GRACE_S
        return turn is not None and not turn.ended and time.monotonic() - turn.began_s > late_s

    def put(self, given: Mapping[str, Any], run_id: str) -> Turn:
        """Queue an invocation.

        Args:
            given: Values of parameters.
            run_id: The id that its run is to have, or `""`.

        Raises:
            BusyError: As many wait as may.
            LeavingError: Nothing can run here any more.
        """
        if self._is_leaving:
            raise LeavingError
        with self._lock:
            if self._waiting >= self._max_waiting:
                raise BusyError
            self._waiting += 1
        turn = Turn(given, run_id)
        self._is_idle.clear()
        self._queue.put(turn)
        if self._loop is not None and not self._is_to_let_work and self._took_s < _SHORT_S:
            self._is_to_let_work = True
            self._loop.call_soon(self._let_work)
        return turn

    def _let_work(self) -> None:
        """Hold the event loop up for a moment, while invocations are run that take no longer than that.

        Only one thread has the interpreter. If both want it, it changes hands at each system call of either, which
        costs more than all that they do; so the loop takes in what has come, and then lets all of it be run.
        """
        self._is_to_let_work = False
        if not self._is_idle.wait(_SHORT_S):
            # Until one has been short again, the loop goes on beside them.
            self._took_s = _SHORT_S

    async def invoke(self, given: Mapping[str, Any], run_id: str) -> Invocation:
        """Run one, and wait for its answer.

        Raises:
            BusyError: As many wait as may.
            LeavingError: Nothing can run here any more.
            TooLongError: It took too long.
            NbpipeError: The run was refused.
        """
        return await asyncio.wrap_future(self.put(given, run_id).answer)

    async def watch(self) -> None:
        """Stop what takes too long, as long as this is awaited: in the event loop from which invocations are put."""
        self._loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_UP_S)
            turn = self._current
            if turn is None or turn.ended or time.monotonic() - turn.began_s <= self._timeout_s:
                continue
            if not turn.answer.done():
                with suppress(InvalidStateError):
                    turn.answer.set_exception(TooLongError())
                if turn.stop is not None:
                    turn.stop()
            elif self.is_stuck:
                self._turn_away()
                # Time for what waited to be told so.
                await asyncio.sleep(_TELLING_S)
                self._on_stuck()
                return

    def _turn_away(self) -> None:
        """Answer all that wait that they are not begun, and whoever comes."""
        self._is_leaving = True
        with suppress(Empty):
            while (turn := self._queue.get_nowait()) is not None:
                _settle(turn, None, LeavingError())

    def _work(self) -> None:
        while (turn := self._queue.get()) is not None:
            with self._lock:
                self._waiting -= 1
            if not turn.answer.set_running_or_notify_cancel():
                continue
            turn.began_s = time.monotonic()
            self._current = turn
            try:
                _settle(turn, self._served.invoke(turn.given, turn.run_id, turn.take_stop), None)
            except BaseException as error:  # noqa: BLE001 — handed to whoever asked
                _settle(turn, None, error)
            turn.ended = True
            self._took_s = time.monotonic() - turn.began_s
            if self._queue.empty():
                self._is_idle.set()

    def close(self) -> None:
        """Run what waits, and end."""
        self._queue.put(None)
        self._thread.join()


def _settle(turn: Turn, answer: Invocation | None, error: BaseException | None) -> None:
    # Whoever asked may have been told meanwhile that it took too long.
    with suppress(InvalidStateError):
        if answer is not None:
            turn.answer.set_result(answer)
        else:
            turn.answer.set_exception(error)
