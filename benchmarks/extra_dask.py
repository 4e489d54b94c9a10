"""Dask: how long its executor takes to start, and 1,000 short steps; needs `nbpipe[dask]`.

The cluster is that of this machine (`executor="dask"`). What it is set beside: 1,000 tasks of Dask's own, handed
to a cluster of the same kind as nbpipe hands them in, as many at a time as there are threads. There is no budget;
what is looked for is that a step costs little more than a task.
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

from nbpipe.execute.dask_executor import DaskExecutor, dask_executor
from nbpipe.services.client import Client

STEPS, ROUNDS, STARTS = 1000, 3, 3
GATE = 2.0
FLOW = """
from nbpipe import pipeline, step

@step(cache=False)
def add_one(x: int) -> int:
    return x + 1

@pipeline
def adding(steps: int):
    for x in range(steps):
        add_one(x)
"""


def started_s() -> float:
    """Give the time until a cluster of this process takes tasks."""
    began = time.perf_counter()
    DaskExecutor().close()
    return time.perf_counter() - began


def of_dask_s(executor: DaskExecutor) -> float:
    """Give the time of as many tasks of Dask's own."""
    import distributed

    client = executor._client
    began = time.perf_counter()
    first = [client.submit(abs, n, key=f"own-{time.monotonic_ns()}-{n}") for n in range(executor.slots)]
    going = distributed.as_completed(first, loop=client.loop, with_results=True)
    left = STEPS - executor.slots
    for _, _ in going:
        if left:
            going.add(client.submit(abs, left, key=f"own-{time.monotonic_ns()}-{left}"))
            left -= 1
    return time.perf_counter() - began


def main() -> None:
    import distributed  # noqa: F401 — its import is not what is measured

    with tempfile.TemporaryDirectory() as name:
        os.environ["NBPIPE_HOME"] = f"{name}/.nbpipe"
        (Path(name) / "adding_flow.py").write_text(FLOW, encoding="utf-8")
        sys.path.insert(0, name)
        adding = importlib.import_module("adding_flow").adding.with_options(executor="dask")
        starts = [started_s() for _ in range(STARTS)]
        adding(steps=10)
        steps, own = [], []
        for _ in range(ROUNDS):
            own.append(of_dask_s(dask_executor("")))
            began = time.perf_counter()
            adding(steps=STEPS)
            steps.append(time.perf_counter() - began)
        dask_executor("").close()
        Client().close()
    start = {"row": "Dask", "what": "start of a cluster in this process", "unit": "s", "gate": "≤ 5 s"}
    print(json.dumps(start | {"value": round(median(starts), 3), "met": median(starts) <= 5}))
    value, baseline = median(steps), median(own)
    figure = {"row": "Dask", "what": f"{STEPS} short steps", "unit": "s", "gate": f"≤ {GATE}×"}
    figure |= {"value": round(value, 2), "baseline": round(baseline, 2), "baseline_what": "of Dask's own tasks"}
    print(json.dumps(figure | {"ratio": round(value / baseline, 2), "met": value / baseline <= GATE}))


if __name__ == "__main__":
    main()
