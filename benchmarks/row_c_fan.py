"""Row C: what it costs to record a step where one gives, a hundred work on that, and one takes what all of them gave.

The whole run is divided by its steps, as in row A. The hundred are calls of one step in the pipeline's body, or the
items of a list over which it is mapped. Every round starts from another number, so nothing is reused. The limit is
one append to a log of a line as long as the run's own, measured in between.
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

from row_a_recorded_step import append_us, longest_line

from nbpipe.services.client import Client

WIDTH, ROUNDS = 100, 25
STEPS = WIDTH + 2
GATE_US, GOAL_US = 50.0, 10.0
FLOW = """
from nbpipe import pipeline, step

@step
def first(start: int) -> int:
    return start

@step
def parts(start: int) -> list[int]:
    return list(range(start, start + {width}))

@step
def scaled(x: int, by: int) -> int:
    return x * by

@step
def add_one(x: int) -> int:
    return x + 1

@step
def total({names}) -> int:
    return sum([{names}])

@step
def total_of(all: list[int]) -> int:
    return sum(all)

@pipeline
def called(start: int = 0):
    x = first(start)
    return total(*[scaled(x, by) for by in range({width})])

@pipeline
def mapped(start: int = 0):
    return total_of(add_one.map(parts(start)))
"""


def timed(pipeline: object, start: int) -> tuple[float, float]:
    """Give what one run cost per step, by the clock and of the processor, in microseconds."""
    began, worked = time.perf_counter(), time.process_time()
    pipeline(start=start)  # type: ignore[operator]
    worked = time.process_time() - worked
    return (time.perf_counter() - began) / STEPS * 1e6, worked / STEPS * 1e6


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as elsewhere:
        folder = Path(name)
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        names = ", ".join(f"x{n}" for n in range(WIDTH))
        (folder / "fan_flow.py").write_text(FLOW.format(names=names, width=WIDTH), encoding="utf-8")
        sys.path.insert(0, name)
        flow = importlib.import_module("fan_flow")
        client = Client()
        run = flow.called(start=-1)
        assert run.steps["total"].outputs["output"].load() == -sum(range(WIDTH)), "what all gave has come together"
        flow.mapped(start=-1)
        line = longest_line(client.workspace.paths.logs)
        ways = {"called": "100 calls of a step", "mapped": "100 items of a list"}
        times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        limits = []
        for start in range(1, ROUNDS + 1):
            for way, took in times.items():
                took.append(timed(getattr(flow, way), start * 1_000))
            # Not beside the flow: a new file there has its steps read anew.
            limits.append(append_us(Path(elsewhere), line))
        client.close()
    limit = median(limits)
    for way, said in ways.items():
        value, of_processor = median(t[0] for t in times[way]), median(t[1] for t in times[way])
        told = {
            "row": "C",
            "what": f"fan 1 → 100 → 1, per step, {said} ({of_processor:.0f} µs of processor time)",
            "value": round(value, 2),
            "unit": "µs",
            "gate": f"≤ {GATE_US:g} µs",
            "goal": f"≤ {GOAL_US:g} µs",
            "met": value <= GATE_US,
            "baseline": round(limit, 2),
            "baseline_what": f"append of {len(line)} bytes",
            "ratio": round(value / limit, 1),
        }
        print(json.dumps(told))


if __name__ == "__main__":
    main()
