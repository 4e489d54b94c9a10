"""How a run goes on, as a terminal shows it: a line for each step that is done, or a display that moves.

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
    from rich.live import Live
    from rich.table import Table

    from nbpipe.services.watching import StartedRun

_MOST = 100
_PAUSE_S = 0.2
_MOST_ROWS = 30
_MOST_CHILDREN = 4
_MOST_OF_A_CHILD = 6
_STYLES = {"completed": "green", "reused": "cyan", "failed": "bold red", "running": "blue", "interrupted": "yellow"}


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
        place = f"  ↳ {_asked_for(started)}: " if started.parent[0] else ""

        def tell(_: str, settled: SettledStep | None) -> None:
            if settled is not None:
                with suppress(OSError, ValueError):
                    print(f"{place}{step_line(settled, room)}", file=self._stream, flush=True)

        return tell

    def end(self, *, completed: bool) -> None:
        """Nothing is left to be done."""


def _asked_for(started: StartedRun) -> str:
    return f"{shorten(one_line(started.facts.pipeline), 40)} {started.facts.id[:8]}"


class Moving:
    """All steps at once, redrawn as they go; what was shown stays unless the run completed and its card follows.

    The steps of a run that a step asked for stand below all others, under its pipeline's name, until it is over.

    Args:
        stream: The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live: Live | None = None
        self._rows: dict[str, SettledStep | float | None] = {}
        self._asked_for: dict[str, dict[str, SettledStep | float | None]] = {}

    def begin(self, started: StartedRun) -> Callable[[str, Any], None]:
        """Draw the steps of this run."""
        from rich.console import Console
        from rich.live import Live

        if self._live is not None:
            return self._begin_child(started)
        self._rows = dict.fromkeys(started.traced.graph.by_id)
        console = Console(file=self._stream, highlight=False)
        self._live = Live(get_renderable=self._drawn, console=console, refresh_per_second=8)
        self._live.start()

        def tell(node: str, settled: SettledStep | None) -> None:
            self._rows[node] = settled if settled is not None else time.monotonic()

        return tell

    def _begin_child(self, started: StartedRun) -> Callable[[str, Any], None]:
        title = _asked_for(started)
        rows: dict[str, SettledStep | float | None] = dict.fromkeys(started.traced.graph.by_id)
        self._asked_for[title] = rows

        def tell(node: str, settled: SettledStep | None) -> None:
            rows[node] = settled if settled is not None else time.monotonic()
            if all(state is not None and not isinstance(state, float) for state in rows.values()):
                self._asked_for.pop(title, None)

        return tell

    def end(self, *, completed: bool) -> None:
        """Draw it a last time, or wipe it off."""
        if self._live is not None:
            self._live.transient = completed
            with suppress(OSError, ValueError):
                self._live.stop()
            self._live = None

    def _drawn(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        rows = list(self._rows.items())
        for node, state in _window(rows):
            status, said = _now(state)
            style = _STYLES.get(status, "dim")
            table.add_row(Text(f"{look(status).sign} {one_line(node)}", style), Text(said, "dim"))
        if len(rows) > _MOST_ROWS:
            done = sum(1 for _, state in rows if state is not None and not isinstance(state, float))
            table.add_row(Text(f"{done} of {len(rows)} steps", "dim"), Text(""))
        for title, asked_for in list(self._asked_for.items())[:_MOST_CHILDREN]:
            table.add_row(Text(f"  ↳ {title}", "bold"), Text(""))
            for node, state in _window(list(asked_for.items()), _MOST_OF_A_CHILD):
                status, said = _now(state)
                style = _STYLES.get(status, "dim")
                table.add_row(Text(f"    {look(status).sign} {one_line(node)}", style), Text(said, "dim"))
        return table


def _now(state: SettledStep | float | None) -> tuple[str, str]:
    """Give a step's status and what is said of it: settled, running since an instant, or not begun."""
    if state is None:
        return "pending", ""
    if isinstance(state, float):
        return "running", duration_text(float(int(time.monotonic() - state)))
    return state.status.value, outcome_text(state)


def _window(rows: list[tuple[str, Any]], most: int = _MOST_ROWS) -> list[tuple[str, Any]]:
    """Give the rows around the first step that is not done, as many as a screen holds."""
    if len(rows) <= most:
        return rows
    first = next((place for place, (_, state) in enumerate(rows) if state is None), len(rows))
    start = max(0, min(first - most // 2, len(rows) - most))
    return rows[start : start + most]
