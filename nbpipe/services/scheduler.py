"""A scheduler: fires what is due, again and again, until it is told to end.

It looks at the clock several times a second and believes nothing but what the clock says then: after a sleep, or when
the clock was set, what has come due meanwhile is caught up with as each schedule says. Between two looks it keeps in
mind when each schedule fires next, so that a thousand schedules which wait cost next to nothing.

So many runs go on at once, each in a process of its own, which goes on by itself when the scheduler ends. What is
promised and has not begun waits in the operation log for whichever scheduler comes next.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from nbpipe.base.clock import now
from nbpipe.errors import BadValueError, NbpipeError
from nbpipe.records.base import shorten
from nbpipe.records.state import Row
from nbpipe.schedule.firing import next_fire
from nbpipe.services.child_process import AT_ONCE
from nbpipe.services.firing import Firer, Owed
from nbpipe.services.instants import as_instant
from nbpipe.services.schedule_records import schedule_of
from nbpipe.services.workspace import Workspace

USUAL_WORKERS = 2
LOOK_UP_S = 0.2
_LONGEST_PAUSE_S = 30.0
_LOG = logging.getLogger("nbpipe.scheduler")

Say = Callable[[str], None]


class Scheduler:
    """What one process does about the schedules of a workspace.

    Args:
        workspace: Whose schedules.
        at_once: How many runs it lets go on at a time, those of other schedulers counted.
        say: Told a line of what is going on.

    Raises:
        BadValueError: A number that is none, or too large.
    """

    def __init__(self, workspace: Workspace, *, at_once: int = USUAL_WORKERS, say: Say = lambda _: None) -> None:
        if isinstance(at_once, bool) or not isinstance(at_once, int) or not 1 <= at_once <= AT_ONCE:
            raise BadValueError(f"workers={shorten(at_once)}: this machine runs from 1 to {AT_ONCE} at once.")
        self._workspace, self._at_once, self._say = workspace, at_once, say
        self._firer = Firer(workspace)
        self._ending = threading.Event()
        self._known: dict[str, tuple[Row, datetime | None]] = {}
        self._begun: set[str] = set()

    def end(self) -> None:
        """Have it end: nothing more is fired; what runs goes on."""
        self._ending.set()

    def run(self) -> None:
        """Fire what is due until it is told to end."""
        self._firer.tidy_up()
        pause_s = LOOK_UP_S
        while not self._ending.is_set():
            try:
                self.look()
                pause_s = LOOK_UP_S
            except (NbpipeError, OSError) as error:
                # The workspace cannot be read or written now, as on a full disk: what is due is still due, and is seen
                # to later. A log that grows five times a second would make it worse.
                _LOG.error("the schedules could not be seen to: %s", error)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            self._ending.wait(pause_s)

    def look(self) -> None:
        """Claim what is due now, and start what may be started."""
        rows, at = self._firer.rows(), now()
        self._known = {row["id"]: self._next_of(row) for row in rows}
        for row, instant in self._known.values():
            if instant is not None and instant <= at and not self._ending.is_set():
                self._firer.claim(row, at)
        self._start_what_may()

    def _next_of(self, row: Row) -> tuple[Row, datetime | None]:
        """Give a schedule with the next instant to be seen to, which is worked out once for each of its rows."""
        known = self._known.get(row["id"])
        if known is not None and known[0] is row:
            return known
        return row, next_fire(schedule_of(row), as_instant(row["since"]))

    def _start_what_may(self) -> None:
        # A state in which nobody is owed anything is told apart without touching a file.
        if not any(row["owed"] for row in self._firer.rows()):
            return
        free = self._at_once - self._firer.running()
        for owed in self._firer.owed():
            if free <= 0 or self._ending.is_set():
                return
            if owed.run_id not in self._begun:
                free -= 1
                self._begun.add(owed.run_id)
                name = f"nbpipe-firing-{owed.run_id[:8]}"
                threading.Thread(target=self._run, args=(owed,), name=name, daemon=True).start()

    def _run(self, owed: Owed) -> None:
        try:
            with self._firer.taken(owed) as lock:
                if lock is None:
                    return
                run = self._firer.start(owed, lock)
                if run is None:
                    self._say(f"{owed.name}: due {owed.due:%Y-%m-%d %H:%M:%S} UTC could not be run.")
                    return
                self._say(f"{owed.name}: due {owed.due:%Y-%m-%d %H:%M:%S} UTC, run {run.id[:8]} has begun.")
                while not run.is_over_within(1.0):
                    pass
                self._say(f"{owed.name}: run {run.id[:8]} {run.status.value}.")
        except NbpipeError:
            # The log cannot be written now; what is owed stays owed.
            _LOG.exception("the run of schedule %s could not be started", owed.name)
        except Exception as error:  # noqa: BLE001 — a promise is kept or told as broken, whatever went wrong
            _LOG.exception("the run of schedule %s could not be started", owed.name)
            self._firer.refuse(owed, f"{type(error).__name__}: {error}")
        finally:
            self._begun.discard(owed.run_id)
