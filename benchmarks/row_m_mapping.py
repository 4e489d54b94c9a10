"""Row M, mapped: whether an item of a mapped step costs the same among 10,000 as among a few.

A trivial step is mapped over 10, 1,000 and 10,000 items, each time with new values, and mapped again with one item
more, so that all others are reused one by one: what an item costs between 1,000 and 10,000 is set against what it
costs between 10 and 1,000, so that neither holds what a run costs by itself. Of processor time, since others come
and go; the least of several rounds.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from nbpipe.handles import Pipeline
from nbpipe.services.client import Client

SIZES, ROUNDS = (10, 1_000, 10_000), 3
GATE = 1.5
FLOW = """
from nbpipe import pipeline, step

@step
def parts(start: int, count: int) -> list[int]:
    return list(range(start, start + count))

@step
def add_one(x: int) -> int:
    return x + 1

@pipeline
def mapped(start: int = 0, count: int = 10):
    return add_one.map(parts(start, count))
"""


def worked_us(pipeline: Pipeline, start: int, count: int) -> float:
    """Run the pipeline and give the processor time that it took, in microseconds."""
    began = time.process_time()
    pipeline(start=start, count=count)
    return (time.process_time() - began) * 1e6


def told(what: str, spent: dict[int, float]) -> None:
    """Print the figure: what an item costs in the long list, against what it costs in the short one."""
    few, some, many = SIZES
    short = (spent[some] - spent[few]) / (some - few)
    long = (spent[many] - spent[some]) / (many - some)
    line = {
        "row": "M",
        "what": f"an item {what}: from {some:,} to {many:,} items",
        "value": round(long, 2),
        "unit": "µs",
        "gate": f"≤ {GATE} × its cost from {few} to {some:,}",
        "met": long <= GATE * short,
        "baseline": round(short, 2),
        "baseline_what": f"from {few} to {some:,} items",
        "ratio": round(long / short, 2),
    }
    print(json.dumps(line))


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        (folder / "flow.py").write_text(FLOW, encoding="utf-8")
        sys.path.insert(0, name)
        pipeline = importlib.import_module("flow").mapped
        client = Client()
        pipeline(start=-100)
        ran = dict.fromkeys(SIZES, float("inf"))
        reused = dict(ran)
        for turn in range(ROUNDS):
            for place, count in enumerate(SIZES):
                start = (turn * len(SIZES) + place) * 1_000_000
                ran[count] = min(ran[count], worked_us(pipeline, start, count))
                reused[count] = min(reused[count], worked_us(pipeline, start, count + 1))
        client.close()
    told("that runs", ran)
    told("that is reused where another is new", reused)


if __name__ == "__main__":
    main()
