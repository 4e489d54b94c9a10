"""The process in which steps run for another: what `execute.children` starts.

It hears on standard input what to perform, one task after the other in its main thread, and answers on what
was its standard output. Steps read nothing from standard input; what they print is sent to whoever asked. An
interrupt reaches only the body of a step. When whoever asked is gone, so is this process, whatever it is at.
"""

from __future__ import annotations

import ctypes
import io
import os
import queue
import select
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nbpipe.execute.capture import capturing
from nbpipe.execute.channel import Channel
from nbpipe.execute.glimpses import Watch
from nbpipe.execute.performing import Performer
from nbpipe.execute.sending import Said, Seen, SentPlan, SentTask
from nbpipe.execute.worker import Outcome, failure_of

_LOOK_UP_S = 1.0
_LOOK_S = 0.25
_DEATH_OF_PARENT = 1  # PR_SET_PDEATHSIG


class _Voice(io.TextIOBase):
    """A stream that goes to whoever asked."""

    def __init__(self, channel: Channel, stream: str) -> None:
        self._channel = channel
        self._stream = stream
        self.node = ""

    def write(self, text: str) -> int:
        if text:
            # With nobody left to hear it, this process is about to end.
            with suppress(OSError, ValueError):
                self._channel.send(Said(self.node, self._stream, text))
        return len(text)

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"


class _Guard:
    """Lets an interrupt through while the body of a step runs, and only then."""

    def __init__(self) -> None:
        self._is_open = False
        signal.signal(signal.SIGINT, self._interrupt)

    def __call__(self, body: Callable[[], Outcome]) -> Outcome:
        try:
            self._is_open = True
            return body()
        except KeyboardInterrupt as error:
            # It came after the step's last line.
            return Outcome(failure=failure_of(error))
        finally:
            self._is_open = False

    def _interrupt(self, *_: object) -> None:
        if self._is_open:
            raise KeyboardInterrupt


def _listen(channel: Channel, said: Any, asked: queue.SimpleQueue[Any], parent: int) -> None:
    """Hear what is asked, and end this process with all that it started when there is nobody left to ask."""
    try:
        while True:
            # A process that was forked from it may hold our input open when it is long gone.
            while not select.select([said], [], [], _LOOK_UP_S)[0]:
                if os.getppid() != parent:
                    raise EOFError
            asked.put(channel.receive())
    finally:
        os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Perform what is asked until nobody asks any more."""
    said = os.fdopen(os.dup(0), "rb", buffering=0)
    channel = Channel(said, os.fdopen(os.dup(1), "wb"))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    parent = os.getppid()
    if sys.platform == "linux":
        # The listening thread cannot act while a step's C code holds the interpreter.
        ctypes.CDLL(None).prctl(_DEATH_OF_PARENT, signal.SIGKILL)
    guard = _Guard()
    asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listening = (channel, said, asked, parent)
    threading.Thread(target=_listen, args=listening, name="nbpipe-asker", daemon=True).start()
    voices = _Voice(channel, "stdout"), _Voice(channel, "stderr")
    sys.stdout, sys.stderr = voices
    with capturing() as capture:
        performer = Performer(capture, guard)
        look = performer.glimpses.look
        watch = Watch(look, lambda news: channel.send(Seen(news)), _LOOK_S)
        with watch:
            _perform_all(performer, channel, asked, voices)


def _perform_all(
    performer: Performer, channel: Channel, asked: queue.SimpleQueue[Any], voices: tuple[_Voice, _Voice]
) -> None:
    """Perform one task after the other."""
    while True:
        match asked.get():
            case SentPlan() as plan:
                performer.take(plan)
            case str() as run, SentTask() as task:
                for voice in voices:
                    voice.node = task.node
                channel.send(performer.perform(run, task) if performer.knows(run) else None)


if __name__ == "__main__":
    main()
