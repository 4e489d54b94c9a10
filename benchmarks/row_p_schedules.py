"""Row P: a scheduler with a thousand schedules: what it costs while they wait, and how late it is when one is due.

The scheduler is the process that people start. Its processor time is read from the system over a stretch in which
nothing is due; beside it stands an interpreter that only wakes up as often. Then schedules that fire once are made, a
second ahead each, and the log of operations says how long after that each was claimed, and the catalog when its run
began.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import psutil
from material import DOUBLING

from nbpipe.base.clock import now
from nbpipe.services.client import Client
from nbpipe.services.scheduler import LOOK_UP_S
from nbpipe.services.scheduler_process import start_scheduler, stop_schedulers

SCHEDULES, WATCHED_S, FIRES, GATE_CPU, GATE_LAG_S = 1000, 20.0, 12, 0.01, 1.0
AWAKE = f"import time\nwhile True: time.sleep({LOOK_UP_S})"


def share(process: psutil.Process) -> float:
    """Give the share of a core that a process takes."""
    before = process.cpu_times()
    began = time.monotonic()
    time.sleep(WATCHED_S)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / (time.monotonic() - began)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        (folder / "doubling_flow.py").write_text(DOUBLING, encoding="utf-8")
        command = [sys.executable, "-m", "nbpipe", "snapshot", "create", f"{folder / 'doubling_flow.py'}:doubling"]
        subprocess.run([*command, "--name", "nightly"], check=True, stdout=subprocess.DEVNULL)
        client = Client()
        snapshot = client.snapshots.get("nightly")
        for n in range(SCHEDULES):
            client.schedules.create(f"s{n}", snapshot, cron_expression=f"{n % 60} {n % 24} 29 2 *", timezone="UTC")
        made = start_scheduler(client.workspace.paths)
        awake = subprocess.Popen([sys.executable, "-c", AWAKE])
        try:
            time.sleep(3)
            taken, bare = share(psutil.Process(made.pid)), share(psutil.Process(awake.pid))
            for n in range(FIRES):
                client.schedules.create(f"due{n}", snapshot, run_once_start_time=now() + timedelta(seconds=1))
                time.sleep(1.5)
            fired = []
            deadline_s = time.monotonic() + 60
            while len(fired) < FIRES and time.monotonic() < deadline_s:
                time.sleep(0.5)
                fired = [(one, one.run) for one in client.schedules.fires() if one.run is not None]
        finally:
            awake.kill()
            awake.wait()
            stop_schedulers(client.workspace.paths)
        late = max((one.claimed - one.due).total_seconds() for one, _ in fired)
        begun = max((run.started - one.due).total_seconds() for one, run in fired)
        assert len(fired) == FIRES, "each fired"
    row = {"row": "P", "what": f"a scheduler with {SCHEDULES} schedules that wait, of one core", "unit": "%"}
    row |= {"value": round(100 * taken, 2), "baseline": round(100 * bare, 2), "baseline_what": "waking up as often"}
    print(json.dumps(row | {"gate": f"≤ {GATE_CPU:.0%}", "met": taken <= GATE_CPU}))
    row = {"row": "P", "what": f"from due to claimed, the longest of {FIRES}", "value": round(late, 2), "unit": "s"}
    print(json.dumps(row | {"gate": f"≤ {GATE_LAG_S:g} s", "met": late <= GATE_LAG_S}))
    row = {"row": "P", "what": f"from due until its run has begun, the longest of {FIRES}", "unit": "s"}
    print(json.dumps(row | {"value": round(begun, 2), "gate": "–", "met": True}))


if __name__ == "__main__":
    main()
