"""Row B: what a run costs, per step, if nothing changed and all its 100 steps are reused.

The same pipeline is run again and again, in this kernel and in fresh processes; the index holds
10,000 executions of other pipelines besides. A fresh process is timed from the call of the
pipeline to its end, imports left out (row G has those). The limits are a digest and a look-up in
a dict, and a look-up in SQLite, per step.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import xxhash

STEPS, ROUNDS, FRESH_ROUNDS, FILLED = 100, 30, 7, 10_000
GATES_US = {"same kernel": 10.0, "fresh process": 100.0}
GOALS_US = {"same kernel": 3.0, "fresh process": 15.0}
FLOW = """
from nbpipe import pipeline, step

@step
def add_one(x: int) -> int:
    return x + 1

def called(start: int, times: int) -> int:
    x = start
    for _ in range(times):
        x = add_one(x)
    return x

@pipeline
def chain(start: int = 0):
    return called(start, {steps})

@pipeline
def filler(start: int = 0):
    return called(start, 1000)
"""
FRESH = """
import sys, time
sys.path.insert(0, sys.argv[1])
import rerun_flow, nbpipe.handles, nbpipe.services.runs
began, worked = time.perf_counter(), time.process_time()
run = rerun_flow.chain()
print(time.perf_counter() - began, time.process_time() - worked)
assert {step.status.value for step in run.steps.values()} == {"reused"}, "nothing changed"
"""


def fill(folder: Path) -> None:
    """Execute the pipeline once, and others until the index holds 10,000 executions, in a process of their own."""
    script = "import sys; sys.path.insert(0, sys.argv[1]); import rerun_flow\n"
    script += f"for n in range({FILLED // 1000}): rerun_flow.filler(start=10**6 * (n + 1))\nrerun_flow.chain()"
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True)


def fresh_us(folder: Path) -> tuple[float, float]:
    """Give the time of one re-run in a fresh process, by the clock and of the processor, per step."""
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(folder)], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()
    return float(done[0]) / STEPS * 1e6, float(done[1]) / STEPS * 1e6


def dict_us() -> float:
    known = {xxhash.xxh3_128_hexdigest(b"%d" % n): n for n in range(FILLED)}
    began = time.perf_counter()
    for n in range(STEPS):
        assert xxhash.xxh3_128_hexdigest(b"%d" % n) in known
    return (time.perf_counter() - began) / STEPS * 1e6


def sqlite_us(index: Path) -> float:
    with sqlite3.connect(index) as file:
        keys = file.execute("SELECT key FROM execution LIMIT ?", (STEPS,)).fetchall()
        began = time.perf_counter()
        for key in keys:
            assert file.execute("SELECT id, body FROM execution WHERE key = ?", key).fetchone()
        return (time.perf_counter() - began) / STEPS * 1e6


def tell(where: str, times: list[tuple[float, float]], limits: list[float], limit: str) -> None:
    value, of_processor, baseline = median(t[0] for t in times), median(t[1] for t in times), median(limits)
    print(
        json.dumps(
            {
                "row": "B",
                "what": f"unchanged re-run of {STEPS} steps, {where} ({of_processor:.0f} µs of processor time)",
                "value": round(value, 2),
                "unit": "µs",
                "baseline": round(baseline, 2),
                "baseline_what": limit,
                "ratio": round(value / baseline, 1),
                "gate": f"≤ {GATES_US[where]:g} µs",
                "goal": f"≤ {GOALS_US[where]:g} µs",
                "met": value <= GATES_US[where],
            }
        )
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rerun_flow.py").write_text(FLOW.format(steps=STEPS), encoding="utf-8")
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        fill(folder)
        sys.path.insert(0, str(folder))
        import rerun_flow

        from nbpipe.services.client import Client

        fresh_us(folder)
        rerun_flow.chain()
        fresh, warm, by_dict, by_sqlite = [], [], [], []
        for _ in range(FRESH_ROUNDS):
            fresh.append(fresh_us(folder))
            by_sqlite.append(sqlite_us(Client().workspace.paths.index))
        for _ in range(ROUNDS):
            began, worked = time.perf_counter(), time.process_time()
            run = rerun_flow.chain()
            took_s, worked_s = time.perf_counter() - began, time.process_time() - worked
            assert {step.status.value for step in run.steps.values()} == {"reused"}, "nothing changed"
            warm.append((took_s / STEPS * 1e6, worked_s / STEPS * 1e6))
            by_dict.append(dict_us())
        Client().close()
    tell("same kernel", warm, by_dict, "digest and dict")
    tell("fresh process", fresh, by_sqlite, "SQLite by key")


if __name__ == "__main__":
    main()
