"""What a run in a process of its own prints, passed on line by line and marked by its run.

It goes where this process prints, from a thread that has the context of whoever asked, so that a
notebook shows it under the cell. It is not taken for output of the step that asked: the run that
printed it keeps it in its own logs.
"""

from __future__ import annotations

import atexit
import codecs
import re
import sys
import threading
from contextlib import suppress

_LONGEST_LINE = 1 << 16
_LAST_WORDS_S = 1.0
_ENDS = re.compile(r"\r\n|\n|\r")

# A thread that writes while the interpreter ends would bring it down; from then on nothing is said.
_mouth = threading.Lock()
_is_leaving = threading.Event()


@atexit.register
def _fall_silent() -> None:
    # Whoever is in the middle of a line may wait for a reader that never comes.
    is_free = _mouth.acquire(timeout=_LAST_WORDS_S)
    _is_leaving.set()
    if is_free:
        _mouth.release()


class Relay:
    """Passes on what is written to one stream of a process.

    Args:
        stream: Where it goes: `stdout` or `stderr` of this process, whatever that is at the time.

    Attributes:
        mark: What stands before each line.
    """

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self.mark = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""

    def feed(self, data: bytes) -> None:
        """Pass on every line that is complete by now; one that goes back to its beginning counts as one."""
        text = self._begun + self._decoder.decode(data)
        # A carriage return at the very end may be the first half of a line's end.
        ends = [found.end() for found in _ENDS.finditer(text) if found[0] != "\r" or found.end() < len(text)]
        last = ends[-1] if ends else 0
        if len(text) - last > _LONGEST_LINE:
            last = len(text)
        self._begun = text[last:]
        self._say(text[:last])

    def end(self) -> None:
        """Pass on a last line that has no end."""
        rest = self._begun + self._decoder.decode(b"", final=True)
        self._begun = ""
        self._say(rest if not rest or rest.endswith("\n") else f"{rest}\n")

    def _say(self, text: str) -> None:
        if not text:
            return
        pieces = re.findall(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z", text)
        marked = "".join(f"{self.mark}{piece}" for piece in pieces)
        # Who does not want to hear it, or is gone, is no trouble of the run's.
        with _mouth, suppress(OSError, ValueError):
            out = getattr(sys, self._stream)
            if out is not None and not _is_leaving.is_set():
                out.write(marked)
                out.flush()
