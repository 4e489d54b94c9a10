"""What the board of schedules does beside the kernel: a scheduler that starts or ends, a snapshot that is run.

Each takes longer than a press may; what comes of it is told when it has come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbpipe.services.schedule_records import ScheduleRecord
from nbpipe.services.scheduler_process import start_scheduler, stop_schedulers
from nbpipe.services.snapshots import SnapshotService
from nbpipe.services.workspace import Workspace
from nbpipe.widgets.running import Finished, Runner, error_text

START, STOP = "start", "stop"
_DOING = {START: "Starting a scheduler …", STOP: "Ending it …"}


class Doing:
    """What goes on beside the kernel, one scheduler and one run at a time.

    Args:
        workspace: Where.
        tell: Called with what is to be said, and with its status.

    Attributes:
        schedulers: What is being done about schedulers, or `""`.
        run: Which run goes on, or `""`.
    """

    def __init__(self, workspace: Workspace, tell: Callable[[str, str], None]) -> None:
        self._workspace = workspace
        self._tell = tell
        self._processes = Runner(self._act, self._acted)
        self._runs = Runner(self._run, self._ran)
        self.schedulers = ""
        self.run = ""

    def begin(self, verb: str) -> None:
        """Begin to start or to end a scheduler, unless that goes on."""
        if self.schedulers:
            return
        self.schedulers = _DOING[verb]
        if self._processes.start({"verb": verb}):
            self._tell("", "")

    def begin_run(self, record: ScheduleRecord) -> None:
        """Begin to run a schedule's snapshot, unless one runs."""
        if self.run:
            return
        self.run = f"The snapshot of {record.name} runs …"
        if self._runs.start({"snapshot": record.snapshot_id}):
            self._tell(self.run, "")

    def wait_for_schedulers(self, timeout_s: float | None) -> None:
        """Wait until what was begun of schedulers is done; see `Runner.wait`."""
        self._processes.wait(timeout_s)

    def wait_for_run(self, timeout_s: float | None) -> Any:
        """Wait for the run that was begun, and give it; see `Runner.wait`."""
        return self._runs.wait(timeout_s)

    def _act(self, asked: Mapping[str, Any]) -> str:
        paths = self._workspace.paths
        if asked["verb"] == START:
            start_scheduler(paths)
            return "The scheduler has started."
        ended = len(stop_schedulers(paths))
        return "The scheduler has ended." if ended == 1 else f"{ended} schedulers have ended."

    def _acted(self, finished: Finished) -> None:
        self.schedulers = ""
        self._say(finished, str(finished.value))

    def _run(self, asked: Mapping[str, Any]) -> Any:
        return SnapshotService(self._workspace).trigger(snapshot_id=asked["snapshot"])

    def _ran(self, finished: Finished) -> None:
        self.run = ""
        run = finished.value
        self._say(finished, f"Run {run.id[:8]} {run.status.value}." if run is not None else "")

    def _say(self, finished: Finished, said: str) -> None:
        if finished.error is not None:
            self._tell(error_text(finished.error), "failed")
        else:
            self._tell(said, "completed")
