"""What can be seen from outside of a step that runs: how far it is, and what it printed last.

Nobody is called when a step gets on. The newest word stands where whoever shows the run looks as
often as suits it, so that a step that says a million times how far it is pays for a million
assignments, and a display that is slow or broken costs it nothing. None of this is kept: when a
step is over, its record says what became of it.

What is seen is plain data: a process that runs steps for another looks now and then, and sends on
what has changed (`Watch`).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

MOST_LETTERS = 200
_NO_GLIMPSES: Mapping[str, Glimpse] = {}
# Colours and moves of the cursor: what is left is one line of another display.
_STEERING = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


class Progress(NamedTuple):
    """How far a step is, in its own words.

    Attributes:
        done: How much is done, in whatever the step counts; never less than nothing.
        total: How much there is to do; `None` if that is not known. An estimate may be exceeded.
        note: What it is at.
    """

    done: float
    total: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A look at a step that runs.

    Attributes:
        elapsed_s: How long it has been running, in seconds.
        progress: How far it is, if it says so.
        last_line: What it printed last, on one line.
    """

    elapsed_s: float = 0.0
    progress: Progress | None = None
    last_line: str = ""

    def as_record(self) -> dict[str, Any]:
        """Give it as JSON data, but for the time: whoever is told knows when the step began."""
        progress = list(self.progress) if self.progress is not None else None
        return {"progress": progress, "last_line": self.last_line}

    @staticmethod
    def read(said: Mapping[str, Any]) -> Glimpse:
        """Read what `as_record` gave."""
        progress = Progress(*said["progress"]) if said["progress"] is not None else None
        return Glimpse(progress=progress, last_line=said["last_line"])


Look = Callable[[], Mapping[str, Glimpse]]


def nothing_seen() -> Mapping[str, Glimpse]:
    """Look where there is nothing to be seen."""
    return _NO_GLIMPSES


class Printed(Protocol):
    """What keeps the text that a step prints."""

    def end_of_text(self) -> str:
        """Give as much of the end as is sure to hold the last line."""


class _Running:
    """A step that runs."""

    __slots__ = ("_began_s", "_heard", "_printed", "_progress")

    def __init__(self, printed: Printed | None) -> None:
        self._began_s = time.monotonic()
        self._printed = printed
        self._progress: Progress | None = None
        self._heard: Glimpse | None = None

    def hear(self, heard: Glimpse) -> None:
        """Take what is seen of it where it runs."""
        self._heard = heard

    def take(self, progress: Progress) -> None:
        """Take the newest word; whoever looks later sees no other."""
        self._progress = progress

    def glimpse(self) -> Glimpse:
        """Give what is to be seen of it now."""
        elapsed_s = time.monotonic() - self._began_s
        if self._heard is not None:
            return replace(self._heard, elapsed_s=elapsed_s)
        progress = self._progress
        if progress is not None and len(progress.note) > MOST_LETTERS:
            progress = progress._replace(note=progress.note[: MOST_LETTERS - 1] + "…")
        text = self._printed.end_of_text() if self._printed is not None else ""
        return Glimpse(elapsed_s, progress, last_line_of(text))


class Glimpses:
    """The steps of one run that run now, as whoever shows it sees them; from any thread."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}

    def begin(self, node: str, printed: Printed | None = None) -> Callable[[Progress], None]:
        """Take note that a step begins to run.

        Args:
            node: The step.
            printed: What keeps the text that it prints.

        Returns:
            What is to be told how far it is; as cheap as an assignment.
        """
        running = self._running[node] = _Running(printed)
        return running.take

    def hear(self, said: Mapping[str, Mapping[str, Any]]) -> None:
        """Take what another process, which runs steps for this one, sees of them (`Watch`).

        What comes late, of a step that is over by now, is nothing to be seen any more.
        """
        for node, one in said.items():
            running = self._running.get(node)
            if running is not None:
                running.hear(Glimpse.read(one))

    def end(self, node: str) -> None:
        """Take note that it is over: there is nothing more to be seen of it."""
        self._running.pop(node, None)

    def look(self) -> Mapping[str, Glimpse]:
        """Give a look at each step that runs, in the order in which they began."""
        return {node: running.glimpse() for node, running in list(self._running.items())}


class Watch:
    """Looks now and then, in a thread of its own, and tells what has changed; as long as the block lasts.

    Args:
        look: Where to look.
        tell: Is told of what is seen, as JSON data, when it is anything else than the last time.
        every_s: How often to look, in seconds.
    """

    def __init__(self, look: Look, tell: Callable[[dict[str, Any]], None], every_s: float) -> None:
        self._look = look
        self._tell = tell
        self._every_s = every_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="nbpipe-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _work(self) -> None:
        told: dict[str, Any] = {}
        while not self._is_over.wait(self._every_s):
            # What cannot be seen or told now is no trouble of the step's, and may be the next time.
            with suppress(Exception):
                news = {node: one.as_record() for node, one in self._look().items()}
                if news != told:
                    self._tell(news)
                    told = news


def last_line_of(text: str) -> str:
    """Give the last line that says anything, without colours; one that was written over counts as over."""
    # A bar that goes back to the beginning of its line writes a new line, as far as is seen here.
    lines = _STEERING.sub("", text).replace("\r", "\n").split("\n")
    line = next((line for line in reversed(lines) if line.strip()), "").strip()
    return line if len(line) <= MOST_LETTERS else f"{line[: MOST_LETTERS - 1]}…"
