"""A process of ours that is spoken with: started, told lines of JSON, heard on three pipes, and tidied up after.

What it is told goes to its standard input, which stays open as long as this process lives, so that
it notices even a kill. It answers in JSON lines on a pipe of its own; what it prints comes by two
more. One thread hears all three, and sees to it that no process, pipe or thread is left.

There are as many such processes at a time as the machine has cores, two at least and eight at
most; whoever wants one more waits. Other processes, its own children among them, count for themselves.

This module knows processes, pipes and turns. It does not know what is said, nor what is run
(`services.apart`).
"""

from __future__ import annotations

import contextvars
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from nbpipe.services.relaying import Relay

AT_ONCE = min(max(2, os.cpu_count() or 2), 8)
# How often a wait looks up: what stops this thread comes between two instructions of its own.
LOOK_UP_S = 0.05
PATIENCE_S = 5.0
_SILENCE_S = 2.0
_LAST_WORDS_S = 0.5
_CHUNK = 1 << 16


class _Turns:
    """How many may still begin."""

    def __init__(self) -> None:
        self.anew()
        os.register_at_fork(after_in_child=self.anew)

    def anew(self) -> None:
        """Nobody has begun yet: a forked child has no children."""
        self._free = threading.Semaphore(AT_ONCE)

    def take(self) -> Callable[[], None]:
        """Wait for a turn; what is given ends it."""
        free, asked_s, is_told = self._free, time.monotonic(), False
        while not free.acquire(timeout=LOOK_UP_S):
            if not is_told and time.monotonic() - asked_s > _SILENCE_S:
                is_told = True
                print(f"{AT_ONCE} runs go on in processes of their own; the next waits for its turn.", file=sys.stderr)
        return free.release


_turns = _Turns()


class ChildProcess:
    """A process, and the thread that hears it; made when both have started.

    Args:
        command: What is started. The numbers of its pipes are put behind it: where it answers, and at which ends what
            it prints is heard.
        environment: Its environment variables.
        held: Open files that it gets too.
        title: What stands before each line that it prints, in brackets.
        take: Called with each answer, in the thread that hears; tells whether it was the last one.

    Attributes:
        pid: Its id.

    Raises:
        KeyboardInterrupt: This thread was stopped before it had started; nothing is left of it.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        held: Sequence[int],
        title: str,
        take: Callable[[dict[str, Any]], bool],
    ) -> None:
        self._take = take
        self._has_said_all = False
        self._pipes: tuple[int, ...] = ()
        # Whoever has this tidies up after the process.
        self._tidying = threading.Lock()
        self._is_over = threading.Event()
        self._relays = Relay("stdout"), Relay("stderr")
        self.entitle(title)
        end_turn = _turns.take()
        try:
            self._start(command, environment, held)
            self.pid = self._process.pid
            hear = contextvars.copy_context().run
            name = f"nbpipe-apart-{self.pid}"
            threading.Thread(target=hear, args=(self._hear, end_turn), name=name, daemon=True).start()
        except BaseException:
            self._give_up(end_turn)
            raise

    def _start(self, command: Sequence[str], environment: Mapping[str, str], held: Sequence[int]) -> None:
        answers, out, err = os.pipe(), os.pipe(), os.pipe()
        try:
            # It has the reading ends too: with nobody left to hear it, it need not die of what it says.
            theirs = answers[1], out[0], err[0]
            self._process = subprocess.Popen(  # noqa: S603 — an interpreter, a module of ours, and numbers of ours
                [*command, *map(str, theirs)],
                stdin=subprocess.PIPE,
                stdout=out[1],
                stderr=err[1],
                pass_fds=(*theirs, *held),
                env=environment,
                # An interrupt at the terminal is ours to pass on, and a process that nobody waits for outlives it.
                start_new_session=True,
            )
            self._pipes = answers[0], out[0], err[0]
        except BaseException:
            for end in (answers[0], out[0], err[0]):
                os.close(end)
            raise
        finally:
            for end in (answers[1], out[1], err[1]):
                os.close(end)

    def entitle(self, title: str) -> None:
        """Say what stands from now on before each line that it prints, in brackets."""
        for relay in self._relays:
            relay.mark = f"[{title}] "

    def say(self, **said: Any) -> None:
        """Tell it something; one that has ended hears nothing any more."""
        pipe = self._process.stdin
        with suppress(OSError, ValueError):
            assert pipe is not None, "the process was given a pipe"
            pipe.write(json.dumps(said).encode() + b"\n")
            pipe.flush()

    def is_over(self) -> bool:
        """Tell whether it has given its last answer, or is gone."""
        return self._is_over.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is over, so many seconds at most; tell whether it is."""
        return self._is_over.wait(timeout_s)

    def kill(self) -> None:
        """Kill it, unless it is over."""
        if not self._is_over.is_set():
            self._process.kill()
            self._is_over.wait(PATIENCE_S)

    def _give_up(self, end_turn: Callable[[], None]) -> None:
        """Leave nothing of a process that had no time to begin."""
        if not self._pipes:
            end_turn()
            return
        # An interrupt may come when its thread is there already, and does not know it yet.
        if self._tidying.acquire(blocking=False):
            self._process.kill()
            self._tidy_up(end_turn)
        else:
            self.kill()

    # Hearing it ------------------------------------------------------------------------------

    def _hear(self, end_turn: Callable[[], None]) -> None:
        """Hear the process until it is gone, and tidy up after it."""
        if not self._tidying.acquire(blocking=False):
            return
        answers, out, err = self._pipes
        heard = {out: self._relays[0].feed, err: self._relays[1].feed, answers: self._answered()}
        try:
            with selectors.DefaultSelector() as selector:
                for pipe in heard:
                    selector.register(pipe, selectors.EVENT_READ)
                until_s: float | None = None
                while selector.get_map() and (until_s is None or time.monotonic() < until_s):
                    for key, _ in selector.select(_LAST_WORDS_S):
                        data = os.read(key.fd, _CHUNK)
                        if data:
                            heard[key.fd](data)
                        else:
                            selector.unregister(key.fd)
                    # What a step has left running may hold the pipes for ever.
                    if until_s is None and self._process.poll() is not None:
                        until_s = time.monotonic() + _LAST_WORDS_S
                    if self._has_said_all and not self._is_over.is_set() and not selector.select(0):
                        # All is said; that it still tidies up is nothing to wait for.
                        self._is_over.set()
            for relay in self._relays:
                relay.end()
        finally:
            self._tidy_up(end_turn)

    def _tidy_up(self, end_turn: Callable[[], None]) -> None:
        self._process.wait()
        for pipe in self._pipes:
            os.close(pipe)
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        end_turn()
        self._is_over.set()

    def _answered(self) -> Callable[[bytes], None]:
        begun = b""

        def feed(data: bytes) -> None:
            nonlocal begun
            *lines, begun = (begun + data).split(b"\n")
            for line in lines:
                self._has_said_all = self._take(json.loads(line)) or self._has_said_all

        return feed
