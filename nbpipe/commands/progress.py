"""How a run goes on, line by line, and how far other long work is.

Where all steps of a run stand at once and move is `commands.moving`.

A reader who stops reading is no trouble of the run's: what cannot be written is left out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from nbpipe.records.runs import NOT_TAKEN, Status
from nbpipe.views.amounts import duration_text, items_text, shorten
from nbpipe.views.lettering import text_columns
from nbpipe.views.markup import one_line
from nbpipe.views.theme import look

if TYPE_CHECKING:
    from nbpipe.services.watching import StartedRun

_MOST = 100
_PAUSE_S = 0.2


class SettledStep(Protocol):
    """What is told of a step that is settled."""

    node: str
    status: Status
    why: str
    duration_s: float
    failure: Any
    items: Any


def step_line(settled: SettledStep, room: int) -> str:
    """Say what became of a step: `✓ load  1.2 s`.

    Args:
        settled: The step.
        room: How many columns its name takes at least.
    """
    name = one_line(settled.node)
    is_untaken = settled.status is Status.SKIPPED and settled.why.startswith(NOT_TAKEN)
    sign = look(NOT_TAKEN if is_untaken else settled.status).sign
    return f"{sign} {name}{' ' * (room - text_columns(name))}  {outcome_text(settled)}"


def outcome_text(settled: SettledStep) -> str:
    """Say what became of a step in a few words: how long it took, or what went wrong."""
    match settled.status:
        case Status.COMPLETED:
            counts = settled.items.as_record() if settled.items is not None else {}
            return " · ".join(filter(None, (_items_said(counts), duration_text(settled.duration_s))))
        case Status.FAILED if settled.failure is not None:
            return shorten(one_line(f"{settled.failure.type_name}: {settled.failure.message}"), _MOST)
        case Status.INTERRUPTED if settled.duration_s:
            # Why it ran is no answer to why it did not end.
            return f"interrupted after {duration_text(settled.duration_s)}"
        case Status.SKIPPED | Status.INTERRUPTED:
            is_said = settled.why.startswith(NOT_TAKEN)
            return shorten(one_line(settled.why if is_said else f"{settled.status.value}: {settled.why}"), _MOST)
    return settled.status.value


def _items_said(counts: Mapping[str, int]) -> str:
    """Say how many items a mapped step had, and how many of them ran where others were reused."""
    return items_text(counts) or (f"{counts['total']:,} items" if counts else "")


def room_for(names: Iterable[str]) -> int:
    """Give the columns that the longest name takes."""
    return min(max((text_columns(one_line(name)) for name in names), default=0), 40)


@contextmanager
def percent(what: str, stream: TextIO | None = None) -> Iterator[Callable[[int, int], None] | None]:
    """Show on a terminal how far some work is: `Reading the logs: 43 %`; wiped off at its end.

    Args:
        what: The work.
        stream: Where that is shown; standard error if not given.

    Yields:
        What is to be told how much of how much is done; `None` if nobody would see it.
    """
    shown = stream if stream is not None else sys.stderr
    if not shown.isatty():
        yield None
        return
    last_s = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _PAUSE_S:
            last_s = time.monotonic()
            with suppress(OSError, ValueError):
                print(f"\r\x1b[K{what}: {100 * done // max(total, 1)} %", end="", file=shown, flush=True)

    try:
        yield tell
    finally:
        with suppress(OSError, ValueError):
            print("\r\x1b[K", end="", file=shown, flush=True)


@contextmanager
def told_on(say: Callable[[str], None], stream: TextIO | None = None) -> Iterator[Callable[[str], None]]:
    """Tell what some long work is at: on a terminal one line that moves, else a line each time.

    Args:
        say: Takes the lines where there is no terminal.
        stream: Where the line moves; standard error if not given.

    Yields:
        What is to be told.
    """
    shown = stream if stream is not None else sys.stderr
    if not shown.isatty():
        yield lambda said: say(f"{said} …")
        return
    from rich.console import Console
    from rich.markup import escape

    status = Console(file=shown, highlight=False).status("")
    is_shown = False

    def tell(said: str) -> None:
        nonlocal is_shown
        with suppress(OSError, ValueError):
            status.update(f"{escape(one_line(said))} …")
            if not is_shown:
                status.start()
                is_shown = True

    try:
        yield tell
    finally:
        if is_shown:
            with suppress(OSError, ValueError):
                status.stop()


class Lines:
    """A line for each step that is done.

    Args:
        stream: Where they go.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begin(self, started: StartedRun) -> Callable[[str, Any], None]:
        """Write a line whenever a step of this run is settled; of a run that a step asked for, its pipeline first."""
        room = room_for(started.traced.graph.by_id)
        place = f"  ↳ {asked_for(started)}: " if started.parent[0] else ""

        def tell(_: str, settled: SettledStep | None) -> None:
            if settled is not None:
                with suppress(OSError, ValueError):
                    print(f"{place}{step_line(settled, room)}", file=self._stream, flush=True)

        return tell

    def end(self, *, completed: bool) -> None:
        """Nothing is left to be done."""


def asked_for(started: StartedRun) -> str:
    """Name a run that a step asked for: its pipeline, and the beginning of its id."""
    return f"{shorten(one_line(started.facts.pipeline), 40)} {started.facts.id[:8]}"
