"""A run on a terminal: all of its steps at once, redrawn as they go, below what they print.

A step that is done is one line; one that runs says how far it is and what it printed last. Where
the screen is too small for all, those that run and those that failed are shown, what stands next
to them, and how many there are of each kind. The terminal is looked after by rich; what stands on
it is decided here.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, TextIO

from nbpipe.commands.looking import running_facts
from nbpipe.commands.printed import Above, PrintedLines
from nbpipe.commands.progress import SettledStep, asked_for, outcome_text, room_for
from nbpipe.records.runs import Status
from nbpipe.views.amounts import shorten
from nbpipe.views.lettering import text_columns
from nbpipe.views.markup import one_line
from nbpipe.views.running import RunningFacts, amount_text, bar_text, elapsed_text
from nbpipe.views.theme import look

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from nbpipe.services.watching import StartedRun

State = SettledStep | float | None

_REDRAW_S = 0.125
_MOST_CHILDREN = 4
_MOST_OF_A_CHILD = 6
_LONGEST_NAME = 40
_STYLES = {"completed": "green", "reused": "cyan", "failed": "bold red", "running": "blue", "interrupted": "yellow"}
_IMPORTANT = (Status.RUNNING, Status.FAILED, Status.INTERRUPTED)


class Moving:
    """All steps at once, redrawn as they go; what was shown stays unless the run completed and its card follows.

    The steps of a run that a step asked for stand below all others, under its pipeline's name, until it is over.

    Args:
        stream: The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live: Live | None = None
        self._console: Console | None = None
        self._run: _Shown | None = None
        self._asked_for: dict[str, _Shown] = {}
        self._lines = PrintedLines()
        self._printed: list[tuple[str, Above]] = []
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, started: StartedRun) -> Callable[[str, Any], None]:
        """Draw the steps of this run."""
        from rich.console import Console
        from rich.live import Live

        if self._live is not None:
            return self._begin_child(started)
        self._run = _Shown(started)
        self._console = console = Console(file=self._stream, highlight=False)
        # What is printed goes above it by a way of our own: rich's would take a `[` for one of its marks.
        self._live = Live(
            get_renderable=self._drawn,
            console=console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._printed = [(name, Above(self._lines, getattr(sys, name))) for name in ("stdout", "stderr")]
        for name, above in self._printed:
            setattr(sys, name, above)
        self._live.start()
        self._is_over.clear()
        self._thread = threading.Thread(target=self._redraw, name="nbpipe-screen", daemon=True)
        self._thread.start()
        return self._run.tell

    def _redraw(self) -> None:
        """Draw all of it again now and then."""
        while not self._is_over.wait(_REDRAW_S):
            # A terminal that is gone is no trouble of the run's.
            with suppress(OSError, ValueError):
                self._draw()

    def _draw(self) -> None:
        if self._console is not None and self._live is not None:
            self._lines.draw(self._console)
            self._live.refresh()

    def _begin_child(self, started: StartedRun) -> Callable[[str, Any], None]:
        title = asked_for(started)
        child = self._asked_for[title] = _Shown(started)

        def tell(node: str, settled: SettledStep | None) -> None:
            child.tell(node, settled)
            if child.is_over:
                self._asked_for.pop(title, None)

        return tell

    def end(self, *, completed: bool) -> None:
        """Draw it a last time, or wipe it off."""
        if self._live is None:
            return
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()
        for name, above in self._printed:
            above.end()
            # Who has put something over it meanwhile writes through it.
            above.is_over = True
            if getattr(sys, name) is above:
                setattr(sys, name, above.original)
        self._live.transient = completed
        with suppress(OSError, ValueError):
            self._draw()
        with suppress(OSError, ValueError):
            self._live.stop()
        self._live = None

    def _drawn(self) -> Group:
        from rich.console import Group

        assert self._console is not None, "it is drawn on a console"
        # One line for what is printed above it, and one for the cursor below.
        room = max(self._console.height - 2, 4)
        below = []
        for title, child in list(self._asked_for.items())[:_MOST_CHILDREN]:
            below += [_text(f"  ↳ {title}", "bold"), *child.lines(_MOST_OF_A_CHILD, "    ")]
        below = below[: room // 2]
        own = self._run.lines(room - len(below)) if self._run is not None else []
        return Group(*own, *below)


class _Shown:
    """How the steps of one run stand.

    Drawn eight times a second, it must not look at all of ten thousand steps each time: what is needed is
    counted as they begin and end.
    """

    def __init__(self, started: StartedRun) -> None:
        self._look = started.look
        self._nodes = list(started.traced.graph.by_id)
        self._states: dict[str, State] = dict.fromkeys(self._nodes)
        self._counts = Counter({Status.PENDING: len(self._nodes)})
        self._important: dict[Status, dict[str, None]] = {status: {} for status in _IMPORTANT}
        self._first = 0
        self._room = room_for(self._nodes)

    def tell(self, node: str, settled: SettledStep | None) -> None:
        """Take note that a step begins, or what became of it."""
        former = status_of(self._states[node])
        self._states[node] = state = settled if settled is not None else time.monotonic()
        now = status_of(state)
        self._counts[former] -= 1
        self._counts[now] += 1
        if former in self._important:
            self._important[former].pop(node, None)
        if now in self._important:
            self._important[now][node] = None

    @property
    def is_over(self) -> bool:
        """Whether all of its steps are settled."""
        return not self._counts[Status.PENDING] and not self._counts[Status.RUNNING]

    def lines(self, room: int, indent: str = "") -> list[Text]:
        """Give the lines to be drawn, no more than there is room for."""
        seen = self._seen()
        two_lines = {node for node, facts in seen.items() if facts.last_line}
        fits = len(self._nodes) + len(two_lines) <= room
        chosen = self._nodes if fits else self._chosen(two_lines, room - 1)
        lines = [line for node in chosen for line in self._of(node, self._states[node], seen.get(node), indent)]
        if len(chosen) < len(self._nodes):
            lines.append(_text(f"{indent}{counts_text(self._counts)}", "dim"))
        # A step may have ended while the lines were made.
        return lines[:room]

    def _chosen(self, two_lines: set[str], room: int) -> list[str]:
        """Choose where there is no room for all: what runs, what failed, then what stands next to what comes now."""
        while self._first < len(self._nodes) and self._states[self._nodes[self._first]] is not None:
            self._first += 1
        chosen: set[str] = set()
        for node in chain(*map(list, self._important.values()), self._around(self._first)):
            if node in chosen:
                continue
            room -= 2 if node in two_lines else 1
            if room < 0:
                break
            chosen.add(node)
        return sorted(chosen, key=self._place.__getitem__)

    def _around(self, place: int) -> Iterator[str]:
        """Give the steps before and after a place by turns, the nearest first."""
        for distance in range(len(self._nodes)):
            for near in (place - 1 - distance, place + distance):
                if 0 <= near < len(self._nodes):
                    yield self._nodes[near]

    @cached_property
    def _place(self) -> dict[str, int]:
        return {node: place for place, node in enumerate(self._nodes)}

    def _seen(self) -> dict[str, RunningFacts]:
        now_s = time.monotonic()
        found = self._look()
        began_s = ((node, self._states[node]) for node in list(self._important[Status.RUNNING]))
        return {
            node: running_facts(node, found.get(node), elapsed_s=now_s - began)
            for node, began in began_s
            if isinstance(began, float)
        }

    def _of(self, node: str, state: State, facts: RunningFacts | None, indent: str) -> Iterator[Text]:
        status = status_of(state)
        name = shorten(one_line(node), _LONGEST_NAME)
        line = _text(f"{indent}{look(status).sign} {name}", _STYLES.get(status, "dim"))
        line.append(" " * (self._room - text_columns(name)))
        if facts is None:
            if state is not None and not isinstance(state, float):
                line.append(f"  {outcome_text(state)}", "dim")
            yield line
            return
        line.append(f"  {elapsed_text(facts)}", "dim")
        if facts.share is not None:
            full, rest = bar_text(facts.share)
            line.append(f"  {full}", "blue").append(rest, "dim")
        said = "  ".join(filter(None, (amount_text(facts), one_line(facts.note))))
        line.append(f"  {said}" if said else "")
        yield line
        if facts.last_line:
            yield _text(f"{indent}  {one_line(facts.last_line)}", "dim")


def status_of(state: State) -> Status:
    """Give the status of a step: settled, running since an instant, or not begun."""
    if state is None:
        return Status.PENDING
    return Status.RUNNING if isinstance(state, float) else state.status


def counts_text(counts: Mapping[Status, int]) -> str:
    """Say how many steps stand how: `120 of 200 steps: 1 running, 1 failed, 118 completed, 80 pending`."""
    # A line that is too long is cut at its end.
    kinds = dict.fromkeys((*_IMPORTANT, Status.COMPLETED, Status.REUSED, Status.SKIPPED, *Status))
    told = [f"{counts[status]:,} {status.value}" for status in kinds if counts.get(status)]
    total = sum(counts.values())
    done = total - counts.get(Status.PENDING, 0) - counts.get(Status.RUNNING, 0)
    return f"{done:,} of {total:,} steps: {', '.join(told)}"


def _text(said: str, style: str) -> Text:
    from rich.text import Text

    # A line that is too long is cut, so that lines are rows of the screen.
    return Text(said, style, no_wrap=True, overflow="ellipsis")
