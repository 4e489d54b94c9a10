"""The process that keeps a deployment up: it holds the address, and starts and ends the process that answers there.

The listening socket is its own and stays open when the process that answers is replaced or dies:
nobody is refused in between. A new snapshot is taken over without a gap: its process is started
beside the former one, and the former one is ended when the new one is ready.

Nothing outlives it. Each process that answers is given the end of a pipe that closes when this one is
gone, however it went, and ends itself and all that it started; and what a dead one left is ended here.

It loads nothing but this, so that it costs little and cannot fail for what a pipeline imports.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from nbpipe.base.locks import try_lock
from nbpipe.base.serving_folder import ServingFolder, Standing, Wanted

_ANSWERER = "nbpipe.server.answering"
_LOOK_UP_S = 0.1
_GRACE_S = 3.0
_LONGEST_PAUSE_S = 2.0
_SETTLED_S = 5.0
_MOST_FAILURES = 6
_LOCKED_FOR_S = 2.0
_LONGEST_ERROR = 1000


class Answerer:
    """A process that answers, and the pipes to it.

    Args:
        command: What is started; the numbers of its pipes are put behind it.
        generation: What it serves.
        held: The listening socket.

    Attributes:
        said: What it said when it was ready, or why it is not; `None` before.
        ready_s: When it was ready, on the monotonic clock; when it was started, before.
    """

    def __init__(self, command: list[str], generation: int, held: int) -> None:
        self.generation = generation
        self.said: dict[str, str] | None = None
        self.ready_s = time.monotonic()
        self._begun = b""
        self._told, telling = os.pipe()
        living, self._life = os.pipe()
        try:
            self.process = subprocess.Popen(  # noqa: S603 — this interpreter, a module of ours, and numbers of ours
                [*command, str(generation), str(held), str(telling), str(living)],
                stdin=subprocess.DEVNULL,
                pass_fds=(held, telling, living),
                start_new_session=True,
            )
        finally:
            os.close(telling)
            os.close(living)

    def listen(self, timeout_s: float) -> None:
        """Hear whether it is ready, waiting so long at most."""
        if self._told < 0:
            time.sleep(timeout_s)
            return
        if not select.select([self._told], [], [], timeout_s)[0]:
            return
        data = os.read(self._told, 1 << 16)
        self._begun += data
        if b"\n" in self._begun:
            self.said = json.loads(self._begun.partition(b"\n")[0])
            self.ready_s = time.monotonic()
        if not data or self.said is not None:
            os.close(self._told)
            self._told = -1

    @property
    def is_ready(self) -> bool:
        """Whether it answers."""
        return self.said is not None and "ready" in self.said

    def end(self, drain_s: float) -> None:
        """Let it finish what it has accepted, so long at most, and see to it that nothing of it is left."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(drain_s + _GRACE_S)
        self.clear_away()

    def clear_away(self) -> None:
        """End what is left of it and of all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self._told, self._life):
            if pipe >= 0:
                os.close(pipe)


class Keeper:
    """Keeps one deployment up.

    Args:
        folder: Its folder.
        command: How a process is started that answers.
        held: The listening socket.
    """

    def __init__(self, folder: ServingFolder, command: list[str], held: int) -> None:
        self._folder = folder
        self._command = command
        self._held = held
        self._current: Answerer | None = None
        self._failures = 0
        self._deaths = 0
        self._restarts = 0
        self._not_before_s = 0.0
        self._failed = 0
        self._error = ""
        self._is_told_to_end = False

    def told_to_end(self, _number: int, _frame: FrameType | None) -> None:
        """Take note of a signal."""
        self._is_told_to_end = True

    def keep(self) -> None:
        """Keep it up until it is stopped, or cannot be."""
        while True:
            wanted = self._folder.wanted() or Wanted(0, stop=True)
            if wanted.stop or self._is_told_to_end:
                self._stop(wanted)
                return
            serves = self._current.generation if self._current is not None else 0
            if self._current is not None and self._current.process.poll() is not None:
                self._bury(self._current)
            elif wanted.generation not in (serves, self._failed) and time.monotonic() >= self._not_before_s:
                if not self._take_over(wanted):
                    return
            else:
                time.sleep(_LOOK_UP_S)

    def _take_over(self, wanted: Wanted) -> bool:
        """Start a process for what is wanted and end the former one; tell whether anything is served then."""
        former = self._current
        if former is None or wanted.generation != former.generation:
            self._stand(wanted.generation, "starting")
        new = Answerer(self._command, wanted.generation, self._held)
        while new.said is None and new.process.poll() is None and not self._is_told_to_end:
            new.listen(_LOOK_UP_S)
            latest = self._folder.wanted() or wanted
            if latest.stop or latest.generation != wanted.generation:
                new.clear_away()
                return True
        if new.said is None:
            new.listen(0)
        if new.is_ready:
            if former is not None:
                former.end(wanted.drain_s)
            self._current = new
            self._failures = 0
            self._stand(wanted.generation, "running")
            return True
        if self._is_told_to_end:
            new.clear_away()
            return True
        refused = (new.said or {}).get("refused", "")[:_LONGEST_ERROR]
        new.clear_away()
        code = new.process.returncode
        self._error = refused or f"Its process ended with {_how(code)} before it was ready."
        if former is None and self._restarts and not refused and self._failures < _MOST_FAILURES:
            # It was up before: what keeps it from coming up may pass.
            self._failures += 1
            self._wait_a_while()
            return True
        self._failed = wanted.generation
        self._stand(wanted.generation, "failed")
        # The former one goes on, until somebody decides.
        return former is not None

    def _bury(self, dead: Answerer) -> None:
        dead.clear_away()
        self._current = None
        # What could not take over while this one served is tried again: there is nothing else.
        self._failed = 0
        self._restarts += 1
        self._error = f"Its process ended with {_how(dead.process.returncode)}."
        # It answered, so it is started again however often it dies, only less and less eagerly.
        self._deaths = 1 if time.monotonic() - dead.ready_s > _SETTLED_S else self._deaths + 1
        print(f"{self._error} It is started again.", flush=True)
        self._stand(dead.generation, "starting")
        self._wait_a_while()

    def _wait_a_while(self) -> None:
        times = self._deaths + self._failures
        pause_s = 0.0 if times <= 1 else min(0.1 * 2 ** min(times, _MOST_FAILURES), _LONGEST_PAUSE_S)
        self._not_before_s = time.monotonic() + pause_s

    def _stop(self, wanted: Wanted) -> None:
        current, self._current = self._current, None
        if current is not None:
            self._stand(wanted.generation, "stopping", current)
            current.end(wanted.drain_s)
        self._error = ""
        self._stand(wanted.generation, "stopped")

    def _stand(self, generation: int, status: str, current: Answerer | None = None) -> None:
        current = current or self._current
        pid = current.process.pid if current is not None else 0
        error = self._error if status != "running" or self._restarts else ""
        self._folder.stand(Standing(generation, status, pid, os.getpid(), time.time(), self._restarts, error))


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"code {code}"


def main(folder: str, deployment_id: str, held: int) -> int:
    """Keep the deployment of this folder up, unless another process does."""
    place = ServingFolder(Path(folder))
    lock = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # Whoever asks whether it is held holds it for a moment.
    deadline_s = time.monotonic() + _LOCKED_FOR_S
    while not try_lock(lock):
        if time.monotonic() > deadline_s:
            return 0
        time.sleep(_LOOK_UP_S / 10)
    os.pwrite(lock, b"%-20d\n" % os.getpid(), 0)
    os.set_inheritable(held, False)
    command = [sys.executable, "-P", "-m", _ANSWERER, deployment_id]
    keeper = Keeper(place, command, held)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, keeper.told_to_end)
    keeper.keep()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
