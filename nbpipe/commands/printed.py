"""What is printed while something below it moves on a terminal.

It stands in the place of a stream. It knows lines and how they look on a screen; what moves below
them it does not know.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from threading import RLock
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_LONGEST_LINE = 1 << 16
# All that a terminal does on an escape character, but for colours.
_MOVES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-ln-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


class PrintedLines:
    """Whole lines that were printed and are not on the screen yet; each waits for the next redrawing.

    To draw for every line would make a step that prints much fifty times slower.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._lock = RLock()

    def add(self, lines: Sequence[str]) -> None:
        """Take lines in."""
        with self._lock:
            self._lines += lines

    def draw(self, console: Console) -> None:
        """Write them above the steps."""
        with self._lock:
            lines, self._lines = self._lines, []
            if lines:
                console.print(_as_written("".join(f"{_on_screen(line)}\n" for line in lines)), crop=False)


class Above(io.TextIOBase):
    """What is printed while the steps are shown: every whole line goes above them, in its own colours.

    A line that goes back to its beginning, as the bars of other libraries do, is shown as it ends.

    Args:
        lines: Where whole lines go.
        original: The stream in whose place it stands.

    Attributes:
        original: That stream.
        is_over: Whether it is written to again, and nothing is kept any more.
    """

    def __init__(self, lines: PrintedLines, original: TextIO) -> None:
        self.original = original
        self.is_over = False
        self._lines = lines
        self._begun = ""
        self._pid = os.getpid()
        self._lock = RLock()

    def write(self, text: str) -> int:
        """Take text; whole lines are passed on."""
        if not self._is_ours:
            return self.original.write(text)
        with self._lock:
            *whole, self._begun = (self._begun + text).split("\n")
            # Of a line that is written over and over again, the last form is enough.
            self._begun = self._begun[self._begun.rfind("\r", 0, -1) + 1 :]
            if len(self._begun) > _LONGEST_LINE:
                whole, self._begun = [*whole, self._begun], ""
            if whole:
                self._lines.add(whole)
        return len(text)

    def end(self) -> None:
        """Take a last line that has no end for a line."""
        with self._lock:
            rest, self._begun = self._begun, ""
            if rest:
                self._lines.add([rest])

    def flush(self) -> None:
        """Leave what is no whole line yet for later."""
        if not self._is_ours:
            self.original.flush()

    @property
    def _is_ours(self) -> bool:
        # Nobody draws in a process that was forked from this one, and its locks may be held for ever.
        return not self.is_over and os.getpid() == self._pid

    def isatty(self) -> bool:
        """Tell what the stream itself tells."""
        return self.original.isatty()

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream itself."""
        return getattr(self.original, "encoding", "utf-8")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


def _on_screen(line: str) -> str:
    """Give a line as it would stand on a screen: written over, and with its colours, but moving no cursor."""
    shown = line.rstrip("\r").rpartition("\r")[2]
    if "\x1b" not in shown:
        return shown
    # What a line has coloured must not colour the steps below it.
    return f"{_MOVES.sub('', shown)}\x1b[0m"


def _as_written(text: str) -> Any:
    """Give text that rich writes as it is: it breaks no line and takes no bracket for a mark of its own."""
    from rich.segment import Segment, Segments

    return Segments([Segment(text)])
