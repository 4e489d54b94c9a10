"""The process that runs one snapshot for another: what `services.apart` starts.

It reads one request from standard input and answers on what was standard output; from then on
the standard output of steps is for people.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any

from nbpipe.base.workspace import find_workspace
from nbpipe.errors import NbpipeError, RunInterruptedError, StepFailedError
from nbpipe.records.runs import Status
from nbpipe.services.runs import RunService
from nbpipe.services.snapshot_running import enter_folder, snapshot_request
from nbpipe.services.snapshots import SnapshotService
from nbpipe.services.starting import RunHandle
from nbpipe.services.workspace import open_workspace


def main() -> int:
    """Run the snapshot that standard input names."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.readline())

    def answer(said: dict[str, Any]) -> None:
        # Whoever asked may be gone; the run goes on.
        with suppress(BrokenPipeError):
            answers.write(json.dumps(said) + "\n")
            answers.flush()

    workspace = open_workspace(find_workspace())
    try:
        snapshot = SnapshotService(workspace).get(request["snapshot"])
        enter_folder(snapshot)
        asked = snapshot_request(snapshot, request["configuration"], parent=tuple(request["parent"]))
        handle = RunService(workspace).start(asked)
    except NbpipeError as error:
        answer({"refused": str(error)})
        return error.exit_code
    # Who asks us to end wants the run stopped and its end recorded.
    signal.signal(signal.SIGTERM, lambda *_: handle.stop())
    answer({"run": handle.id})
    exit_code, end = ending_of(handle)
    answer(end)
    workspace.close()
    return exit_code


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
    raise SystemExit(main())
