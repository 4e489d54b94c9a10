"""The process that runs one snapshot for another: what `services.apart` starts.

It is told on standard input what to run, and later to stop, or whether it is bound to whoever
asked; it answers on a pipe of its own. Standard input and output of steps are for people: steps
read nothing there, and what they print goes to whoever asked as long as that one is there. When
it is gone, a run that is bound to it stops, any other goes on in silence.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

from nbpipe.base.workspace import find_workspace
from nbpipe.errors import NbpipeError, RunInterruptedError, StepFailedError
from nbpipe.execute.glimpses import Watch
from nbpipe.execute.settled import Settled
from nbpipe.records.runs import Status
from nbpipe.services.ended import said_of
from nbpipe.services.run_handle import RunHandle
from nbpipe.services.runs import RunService
from nbpipe.services.snapshot_running import enter_folder, snapshot_request
from nbpipe.services.snapshots import SnapshotService
from nbpipe.services.watching import StartedRun, watch_runs
from nbpipe.services.workspace import open_workspace

_LOOK_UP_S = 1.0
# What is seen of running steps is news for an eye, and kept by nobody.
_TELL_S = 0.5
_PATIENCE_S = 3.0


class Asker:
    """Whoever asked for the run.

    Args:
        answers: The pipe on which it is answered.
        heard: The reading ends of the pipes to which this process prints.

    Attributes:
        has_begun: Whether it was told that the run has begun.
    """

    def __init__(self, answers: int, heard: tuple[int, int]) -> None:
        for pipe in (answers, *heard):
            os.set_inheritable(pipe, False)
        self._answers = os.fdopen(answers, "w", encoding="utf-8")
        self._heard = heard
        # What a step reads from standard input is nothing, and not what is said to us.
        self._said = os.fdopen(os.dup(0), "rb", buffering=0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        self._begun = b""
        self._pid = 0
        self._is_bound = False
        self.has_begun = False
        self._handle: RunHandle | None = None
        self._is_stopped = False
        self._lock = threading.Lock()

    def request(self) -> dict[str, Any] | None:
        """Give what is to be run; nothing if whoever asked is gone already."""
        while b"\n" not in self._begun:
            data = self._said.read(1 << 16)
            if not data:
                return None
            self._begun += data
        line, _, self._begun = self._begun.partition(b"\n")
        request: dict[str, Any] = json.loads(line)
        self._pid, self._is_bound = request["pid"], request["bound"]
        return request

    def answer(self, said: dict[str, Any]) -> None:
        """Answer; whoever asked may be gone, and the run goes on."""
        with self._lock, suppress(OSError, ValueError):
            self._answers.write(json.dumps(said) + "\n")
            self._answers.flush()

    def listen(self, handle: RunHandle) -> None:
        """Hear from now on what is said of the run, in a thread that ends with the process."""
        self._handle = handle
        if self._is_stopped:
            self.stop()
        threading.Thread(target=self._listen, name="nbpipe-asker", daemon=True).start()

    def stop(self) -> None:
        """Stop the run; what a C call holds is abandoned after a while, with the process."""
        self._is_stopped = True
        if self._handle is not None:
            self._handle.stop()
            clock = threading.Timer(_PATIENCE_S, self._abandon)
            clock.daemon = True
            clock.start()

    def _abandon(self) -> None:
        if self._handle is not None and not self._handle.is_over():
            os._exit(RunInterruptedError.exit_code)

    def _listen(self) -> None:
        while self._is_there():
            *lines, self._begun = self._begun.split(b"\n")
            for line in lines:
                self._take(json.loads(line))
        if self._is_bound:
            self.stop()
        self._print_to_nobody()

    def _is_there(self) -> bool:
        """Wait for more to be said, and tell whether there is still somebody to say it."""
        ready, _, _ = select.select([self._said], [], [], _LOOK_UP_S)
        if not ready:
            # A process that was forked from it may hold our input open when it is long gone.
            return os.getppid() == self._pid
        data = self._said.read(1 << 16)
        self._begun += data or b""
        return bool(data)

    def _take(self, said: dict[str, Any]) -> None:
        self._is_bound = said.get("bound", self._is_bound)
        if said.get("stop"):
            self.stop()

    def _print_to_nobody(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        # Whoever is in the middle of a line, or was started by a step, still writes to the old pipes.
        open_pipes = list(self._heard)
        while open_pipes:
            for pipe in select.select(open_pipes, [], [])[0]:
                if not os.read(pipe, 1 << 16):
                    open_pipes.remove(pipe)


def main(answers: int, *heard: int) -> int:
    """Run the snapshot that standard input names."""
    asker = Asker(answers, (heard[0], heard[1]))
    # Who asks us to end wants the run stopped and its end recorded.
    signal.signal(signal.SIGTERM, lambda *_: asker.stop())
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)  # type: ignore[union-attr]
    request = asker.request()
    if request is None:
        return RunInterruptedError.exit_code
    watch_runs(lambda started: _teller(asker, started))
    workspace = open_workspace(find_workspace())
    try:
        snapshot = SnapshotService(workspace).get(request["snapshot"])
        enter_folder(snapshot)
        asked = snapshot_request(
            # A snapshot's own environment may hold an nbpipe that says less.
            snapshot,
            request["configuration"],
            parent=tuple(request["parent"]),
            run_id=request.get("id", ""),
            schedule_id=request.get("schedule", ""),
        )
        handle = RunService(workspace).start(asked)
    except NbpipeError as error:
        asker.answer({"refused": str(error), "exit_code": error.exit_code})
        return error.exit_code
    asker.listen(handle)
    with Watch(handle.look, lambda seen: asker.answer({"seen": seen}), _TELL_S):
        exit_code, end = ending_of(handle)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    # They say that the run goes on, and it does not.
    for descriptor in request.get("held", ()):
        with suppress(OSError):
            os.close(descriptor)
    asker.answer(end)
    workspace.close()
    return exit_code


def _teller(asker: Asker, started: StartedRun) -> Any:
    """Tell of this process's own run, the first; what its steps start is their affair."""
    if asker.has_begun:
        return None
    asker.has_begun = True
    asker.answer({"run": started.facts.id, "name": started.facts.name, "started": started.started})

    def tell(node: str, settled: Settled | None) -> None:
        asker.answer({"node": node, "settled": said_of(settled) if settled is not None else None})

    return tell


def ending_of(handle: RunHandle) -> tuple[int, dict[str, Any]]:
    """Wait for a run and say how it ended: an exit code, and the answer."""
    try:
        handle.wait()
    except StepFailedError as error:
        failed = {
            "step": error.step,
            "type": error.type_name,
            "message": error.message,
            "traceback": error.traceback_text,
        }
        return error.exit_code, {"status": Status.FAILED, "error": failed}
    except (RunInterruptedError, KeyboardInterrupt):
        return RunInterruptedError.exit_code, {"status": Status.INTERRUPTED, "error": None}
    except NbpipeError as error:
        failed = {"step": "", "type": type(error).__name__, "message": str(error), "traceback": ""}
        return error.exit_code, {"status": Status.FAILED, "error": failed}
    return 0, {"status": Status.COMPLETED, "error": None}


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
