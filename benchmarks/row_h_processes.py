"""Row H: what it costs to have steps run in processes: 8 × 0.5 s of pure Python, against raw forks.

As many go at the same time as the machine has cores. The processes are warm: they have run a step of the same
pipeline before. A raw fork has everything, and hands nothing back. The work is a count that took 0.5 s when it
was measured at the start, so that a machine with other work stretches both alike; they take turns.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from types import ModuleType

from nbpipe.services.client import Client

TASKS, SECONDS, ROUNDS = 8, 0.5, 3
GATE, GOAL = 1.15, 1.05
FLOW = """
from nbpipe import pipeline, step

def work(times: int) -> int:
    total = 0
    for k in range(times):
        total += k % 7
    return total

@step(cache=False)
def spend(times: int) -> int:
    return work(times)

@pipeline
def spending(times: int, tasks: int):
    for _ in range(tasks):
        spend(times)
"""


def flow_in(folder: Path) -> ModuleType:
    """Write the pipeline into a file, since a step needs text, and import it."""
    path = folder / "spending_flow.py"
    path.write_text(FLOW, encoding="utf-8")
    sys.path.insert(0, str(folder))
    return importlib.import_module(path.stem)


def times_for(flow: ModuleType, seconds: float) -> int:
    """Give how far to count to take so long."""
    times = 1_000_000
    began = time.process_time()
    flow.work(times)
    return int(times * seconds / (time.process_time() - began))


def forked_s(flow: ModuleType, times: int, at_once: int) -> float:
    """Give the time of forks that do the work, so many at once."""
    began = time.perf_counter()
    going = 0
    for _ in range(TASKS):
        if going == at_once:
            os.wait()
            going -= 1
        if os.fork() == 0:
            # As our processes do: on a busy machine Linux shares out the processors by sessions.
            os.setsid()
            flow.work(times)
            os._exit(0)
        going += 1
    for _ in range(going):
        os.wait()
    return time.perf_counter() - began


def main() -> None:
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        os.environ["NBPIPE_HOME"] = f"{name}/.nbpipe"
        flow = flow_in(Path(name))
        times = times_for(flow, SECONDS)
        spending = flow.spending.with_options(executor=f"processes:{cores}")
        spending(times=1, tasks=2 * cores)
        ran, forked = [], []
        for _ in range(ROUNDS):
            forked.append(forked_s(flow, times, cores))
            began = time.perf_counter()
            spending(times=times, tasks=TASKS)
            ran.append(time.perf_counter() - began)
        Client().close()
    value, baseline = median(ran), median(forked)
    figure = {"row": "H", "what": f"{TASKS} × {SECONDS} s of pure Python, {cores} processes", "unit": "s"}
    figure |= {"value": round(value, 3), "baseline": round(baseline, 3), "baseline_what": "raw forks"}
    figure |= {"ratio": round(value / baseline, 3), "gate": f"≤ {GATE}×", "goal": f"≤ {GOAL}×"}
    print(json.dumps(figure | {"met": value / baseline <= GATE}))


if __name__ == "__main__":
    main()
