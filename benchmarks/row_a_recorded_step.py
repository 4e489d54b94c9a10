"""Row A: what it costs to record a step, in a chain of 100 steps that each add one.

The whole run is divided by its steps: tracing, planning, running, storing, recording, and the
run's own beginning and end. Every round starts from another number, so nothing is reused. Two
chains take turns: one function called 100 times, and 100 functions. The limit is one append
to a log of a line as long as the run's own, measured in between.

Afterwards the catalog is asked how many steps the run had: that is how long after its end a run
is all there for SQL.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import ModuleType

from nbpipe.base.log import LogFile
from nbpipe.services.client import Client

STEPS, ROUNDS, APPENDS = 100, 25, 1000
GATE_US, GATE_MS = 50.0, 50.0
FLOW = """
from nbpipe import pipeline, step

@step
def add_one(x: int) -> int:
    return x + 1

{functions}

@pipeline
def one_function(start: int = 0):
    x = start
    for _ in range({steps}):
        x = add_one(x)
    return x

@pipeline
def many_functions(start: int = 0):
    x = start
    for each in EACH:
        x = each(x)
    return x

EACH = [{names}]
"""
FUNCTION = """
@step
def add_{n}(x: int) -> int:
    return x + 1
"""


def flow_in(folder: Path) -> ModuleType:
    """Write the pipelines into a file, since a step needs text, and import it."""
    path = folder / "chain_flow.py"
    names = ", ".join(f"add_{n}" for n in range(STEPS))
    functions = "".join(FUNCTION.format(n=n) for n in range(STEPS))
    path.write_text(FLOW.format(functions=functions, names=names, steps=STEPS), encoding="utf-8")
    sys.path.insert(0, str(folder))
    return importlib.import_module(path.stem)


def append_us(folder: Path, line: bytes) -> float:
    """Give the time of one append to a log."""
    path = folder / "limit.log"
    file = LogFile(path, os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600))
    start = time.perf_counter()
    for _ in range(APPENDS):
        file.append(line)
    took_s = time.perf_counter() - start
    file.close()
    path.unlink()
    return took_s / APPENDS * 1e6


def longest_line(logs: Path) -> bytes:
    return max((path.read_bytes().splitlines(keepends=True)[-1] for path in logs.glob("*.log")), key=len)


def steps_seen(client: Client, run_id: str) -> int:
    rows = client.workspace.catalog.rows("SELECT count(*) AS n FROM steps WHERE run_id = $run", {"run": run_id})
    return int(rows[0]["n"])


def timed(run: Callable[[int], object], start: int) -> tuple[float, float, object]:
    """Give what one run cost per step, by the clock and of the processor, in microseconds, and the run."""
    began, worked = time.perf_counter(), time.process_time()
    done = run(start)
    worked = time.process_time() - worked
    return (time.perf_counter() - began) / STEPS * 1e6, worked / STEPS * 1e6, done


def tell(what: str, value: float, unit: str, gate: float, goal: float, **baseline: object) -> None:
    facts = {"row": "A", "what": what, "value": round(value, 2), "unit": unit, "gate": f"≤ {gate:g} {unit}"}
    print(json.dumps(facts | {"goal": f"≤ {goal:g} {unit}", "met": value <= gate} | baseline))


def main() -> None:
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as elsewhere:
        folder = Path(name)
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        flow = flow_in(folder)
        client = Client()
        seen = steps_seen(client, flow.one_function(start=-1).id)
        assert seen == STEPS, "every step is recorded"
        flow.many_functions(start=-1)
        line = longest_line(client.workspace.paths.logs)
        times: dict[str, list[tuple[float, float]]] = {"one_function": [], "many_functions": []}
        limits, visible_ms = [], []
        for start in range(ROUNDS):
            for pipeline, took in times.items():
                by_clock, of_processor, run = timed(getattr(flow, pipeline), (start + 1) * 1000)
                took.append((by_clock, of_processor))
                asked = time.perf_counter()
                assert steps_seen(client, run.id) == STEPS, "all of a run is there as soon as it has ended"
                visible_ms.append((time.perf_counter() - asked) * 1e3)
            # Not beside the flow: a new file there has its steps read anew.
            limits.append(append_us(Path(elsewhere), line))
        client.close()
    limit = median(limits)
    for pipeline, what in (("one_function", "one function"), ("many_functions", f"{STEPS} functions")):
        value, of_processor = median(t[0] for t in times[pipeline]), median(t[1] for t in times[pipeline])
        tell(
            f"recorded step, {STEPS} in a chain, {what} ({of_processor:.0f} µs of processor time)",
            value,
            "µs",
            GATE_US,
            10,
            baseline=round(limit, 2),
            baseline_what=f"append of {len(line)} bytes",
            ratio=round(value / limit, 1),
        )
    tell("… visible to SQL after the run's end", median(visible_ms), "ms", GATE_MS, 15)


if __name__ == "__main__":
    main()
