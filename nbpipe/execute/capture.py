"""What a step prints, kept and passed on.

The process has one `sys.stdout`; while a run goes on, it is a tee that keeps what the worker's
thread writes and passes everything on. Log handlers that write to the former streams write to
the tees meanwhile. Text beyond a megabyte is passed on but kept only at its
beginning and end.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_KEPT_CHARS = 1 << 20
_CHARS_OF_A_LINE = 4000
_PIECES_OF_A_LINE = 50


class Transcript:
    """The text that was written so far: the first half megabyte, and the last.

    Attributes:
        is_empty: Whether nothing was written.
    """

    def __init__(self) -> None:
        self._head = io.StringIO()
        self._tail: list[str] = []
        self._tail_chars = 0
        self._dropped_chars = 0
        self.is_empty = True

    def write(self, text: str) -> None:
        """Keep `text`, or as much of the whole as there is room for."""
        self.is_empty = False
        room = _KEPT_CHARS // 2 - self._head.tell()
        if room >= len(text):
            self._head.write(text)
            return
        self._head.write(text[: max(room, 0)])
        rest = text[max(room, 0) :]
        kept = rest[-(_KEPT_CHARS // 2) :]
        self._dropped_chars += len(rest) - len(kept)
        self._tail.append(kept)
        self._tail_chars += len(kept)
        while self._tail_chars - len(self._tail[0]) >= _KEPT_CHARS // 2:
            self._tail_chars -= len(self._tail[0])
            self._dropped_chars += len(self._tail.pop(0))

    def end_of_text(self) -> str:
        """Give the end of what was written so far, from any thread: enough to hold the last line."""
        # A line is often written in several pieces.
        end = "".join(self._tail[-_PIECES_OF_A_LINE:])
        return end if end.strip() else self._head.getvalue()[-_CHARS_OF_A_LINE:] + end

    def text(self) -> str:
        """Give what was kept; a line says how much is missing."""
        if self.is_empty:
            return ""
        gap = f"\n… {self._dropped_chars:,} characters left out …\n" if self._dropped_chars else ""
        return self._head.getvalue() + gap + "".join(self._tail)


class _Tee(io.TextIOBase):
    """Passes everything on, and keeps what the thread that owns it writes."""

    def __init__(self, original: TextIO, owner: int) -> None:
        self._original = original
        self._owner = owner
        self.transcript: Transcript | None = None
        self.is_over = False

    def beneath(self) -> TextIO:
        """Give what it was put over; another run's tee only as long as that run goes on."""
        found: Any = self._original
        while isinstance(found, _Tee) and found.is_over:
            found = found._original
        return found  # type: ignore[no-any-return]

    def write(self, text: str) -> int:
        if self.transcript is not None and threading.get_ident() == self._owner:
            self.transcript.write(text)
        return self._original.write(text)

    def flush(self) -> None:
        self._original.flush()

    def isatty(self) -> bool:
        return self._original.isatty()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._original, "encoding", "utf-8")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            # Python asks a stream that is let go of for a mark of its own.
            raise AttributeError(name)
        return getattr(self._original, name)


class Capture:
    """The tees of one run; `transcript` is where the running step's text goes."""

    def __init__(self, tees: tuple[_Tee, ...]) -> None:
        self._tees = tees
        self._unused = Transcript()

    def begin(self) -> Transcript:
        """Start a transcript for the step that is about to run: a new one, unless the last one is still empty."""
        transcript = self._unused
        if not transcript.is_empty:
            transcript = self._unused = Transcript()
        for tee in self._tees:
            tee.transcript = transcript
        return transcript

    def end(self) -> None:
        """Keep nothing until the next step."""
        for tee in self._tees:
            tee.transcript = None


@contextmanager
def capturing() -> Iterator[Capture]:
    """Tee the process's stdout and stderr for what the calling thread writes."""
    owner = threading.get_ident()
    former = sys.stdout, sys.stderr
    tees = _Tee(former[0], owner), _Tee(former[1], owner)
    sys.stdout, sys.stderr = tees
    handlers = [
        (handler, former.index(handler.stream))
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream in former
    ]
    for handler, which in handlers:
        handler.setStream(tees[which])
    try:
        yield Capture(tees)
    finally:
        for tee in tees:
            tee.is_over = True
        # Those that were there, and those that a step has added meanwhile.
        for one in (*(handler for handler, _ in handlers), *logging.getLogger().handlers):
            if isinstance(one, logging.StreamHandler) and one.stream in tees:
                one.setStream(one.stream.beneath())
        # Whoever replaced the streams in the meantime put theirs over ours; theirs stay.
        if sys.stdout is tees[0]:
            sys.stdout = tees[0].beneath()
        if sys.stderr is tees[1]:
            sys.stderr = tees[1].beneath()
