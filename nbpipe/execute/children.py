"""Processes of this one in which steps run: started once, used for many steps, killed at any time.

A child performs one task at a time and answers with what came of it. Whatever becomes of the child, there is
an answer: one that dies is told as lost, one that is stopped as interrupted, one that takes too long as that.

This module knows processes. Which step runs where is the executors' affair.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from nbpipe.errors import StepTimeoutError, WorkerLostError
from nbpipe.execute.channel import Channel, packed
from nbpipe.execute.sending import Said, Seen, SentOutcome, SentPlan, SentTask, failure_to_send
from nbpipe.execute.worker import failure_of

Hear = Callable[[Said | Seen], None]

_CHILD = "nbpipe.execute.child"
# What a step's own `finally` may take before it is killed.
_GRACE_S = 0.25
_LAST_WORDS_S = 2.0


class PackedPlan:
    """A plan as it is sent, packed once for all children.

    Args:
        plan: The plan.

    Attributes:
        plan: The plan.
        run: The run's id.
        data: The plan as a record of a channel.
    """

    def __init__(self, plan: SentPlan) -> None:
        self.plan = plan
        self.run = plan.run
        self.data = packed(plan)


class Child:
    """One process; it is there when this returns, and ready when it answers.

    It is over with it when a task was interrupted.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 — an interpreter and a module of ours
            # The working directory is no place to import from: what a step needs of it travels as text.
            [sys.executable, "-P", "-m", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # An interrupt at the terminal is ours to pass on.
            start_new_session=True,
        )
        assert self._process.stdin is not None, "it was asked for"
        assert self._process.stdout is not None, "it was asked for"
        self._channel = Channel(self._process.stdout, self._process.stdin)
        self._lock = threading.Lock()
        self._why: BaseException | None = None
        self._task = ""
        self._is_up = False
        self._clock: threading.Timer | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked for more."""
        return self._process.poll() is None

    def perform(
        self, plan: PackedPlan, task: SentTask, hear: Hear, is_cancelled: Callable[[], bool] = lambda: False
    ) -> SentOutcome:
        """Have a task performed and wait for what comes of it.

        Args:
            plan: What the steps of its run have in common.
            task: The task.
            hear: Called, in this thread, with what the step prints and how far it is.
            is_cancelled: Tells whether it was cancelled meanwhile: before this returns, `interrupt` finds no task.
        """
        with self._lock:
            self._task, self._why = task.id, None
        if is_cancelled():
            self.interrupt(task.id)
        if self._is_up:
            self._start_clock(task)
        try:
            return self._asked(plan, task, hear)
        except (OSError, EOFError):
            return self._lost(task)
        finally:
            if self._clock is not None:
                self._clock.cancel()
                self._clock = None
            with self._lock:
                self._task = ""

    def _start_clock(self, task: SentTask) -> None:
        if task.timeout_s is None:
            return
        late = StepTimeoutError(task.node, task.timeout_s)
        self._clock = threading.Timer(task.timeout_s, self.interrupt, (task.id, late))
        self._clock.daemon = True
        self._clock.start()

    def _asked(self, plan: PackedPlan, task: SentTask, hear: Hear) -> SentOutcome:
        asked = packed((plan.run, task))
        self._channel.send_packed(asked)
        while True:
            answer = self._channel.receive()
            if isinstance(answer, Said | Seen):
                hear(answer)
            elif answer is None:
                if not self._is_up:
                    # That it took seconds to start is no step's lateness.
                    with self._lock:
                        self._is_up = True
                    self._start_clock(task)
                self._channel.send_packed(plan.data)
                self._channel.send_packed(asked)
            else:
                return self._judged(answer)

    def _judged(self, outcome: SentOutcome) -> SentOutcome:
        """Tell a step that was interrupted for being late from one that was stopped."""
        with self._lock:
            self._task = ""
            why = self._why
        if why is not None:
            # What the step had started, or left half done in memory, must not outlive it.
            self.close()
        if why is None or outcome.failure is None or outcome.failure.type_name != KeyboardInterrupt.__name__:
            return outcome
        return replace(outcome, failure=failure_to_send(failure_of(why)))

    def _lost(self, task: SentTask) -> SentOutcome:
        with self._lock:
            why = self._why
        code = self._ended()
        if why is not None:
            return SentOutcome(failure=failure_to_send(failure_of(why)))
        if code < 0:
            known = {int(one): one.name for one in signal.Signals}
            name = known.get(-code, f"signal {-code}")
            hint = " (the machine may be out of memory)" if -code == signal.SIGKILL else ""
            how = f"was killed by {name}{hint}"
        else:
            how = f"ended with exit code {code}"
        return SentOutcome(failure=failure_to_send(failure_of(WorkerLostError(task.node, how))))

    def interrupt(self, task: str, why: BaseException | None = None) -> None:
        """Interrupt a task, if it is what it is at: first as Ctrl-C would, then, after a moment, for good.

        Args:
            task: The task's id.
            why: What it is told to have ended with; an interrupt if not given.
        """
        with self._lock:
            if self._task != task or self._why is not None:
                return
            self._why = why or KeyboardInterrupt()
            # Before it has first answered no step has begun in it, and an interrupt would meet its own imports.
            self._signal(signal.SIGINT if self._is_up else signal.SIGKILL, everything=not self._is_up)
        last = threading.Timer(_GRACE_S, self._kill_if_at, (task,))
        last.daemon = True
        last.start()

    def _kill_if_at(self, task: str) -> None:
        with self._lock:
            if self._task == task:
                self._signal(signal.SIGKILL, everything=True)

    def _signal(self, number: int, *, everything: bool = False) -> None:
        with suppress(ProcessLookupError):
            if everything:
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)

    def _ended(self) -> int:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS_S)
        self.close()
        return self._process.wait()

    def close(self) -> None:
        """End it, with all that its steps started."""
        self._signal(signal.SIGKILL, everything=True)
        self._process.wait()
        self._channel.close()
