"""Row M: whether a step costs the same in a long pipeline as in a short one, and a run the same in a full catalog.

Chains of 10, 1,000 and 10,000 trivial steps are run with new values and run again unchanged: what a step
costs between 1,000 and 10,000 is set against what it costs between 10 and 1,000, so that neither holds what a
run costs by itself. Then a short run is timed in an empty workspace and in one that holds 100,000 runs of one
step each, published; they are written by the catalog's own calls, many to a write. Of processor time, since a
minute of it is long enough for others to come and go; the least of several rounds.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from nbpipe.base.clock import now_text
from nbpipe.base.ids import new_id
from nbpipe.handles import Pipeline
from nbpipe.records.operations import EndRun, NamedArtifact
from nbpipe.records.runs import Status
from nbpipe.services.client import Client
from nbpipe.services.workspace import Workspace

SIZES, ROUNDS, SHORT_ROUNDS = (10, 1_000, 10_000), 3, 40
RUNS, RUNS_A_WRITE = 100_000, 1_000
GATE = 1.5
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
def chain_10(start: int = 0):
    return called(start, 10)

@pipeline
def chain_1000(start: int = 0):
    return called(start, 1000)

@pipeline
def chain_10000(start: int = 0):
    return called(start, 10000)
"""


def worked_us(pipeline: Pipeline, start: int) -> float:
    """Give the processor time of a run, in microseconds."""
    began = time.process_time()
    pipeline(start=start)
    return (time.process_time() - began) * 1e6


def flow_in(folder: Path) -> ModuleType:
    (folder / "growing_flow.py").write_text(FLOW, encoding="utf-8")
    sys.path.insert(0, str(folder))
    return importlib.import_module("growing_flow")


def step_costs(client: Client, flow: ModuleType) -> tuple[dict[int, float], dict[int, float]]:
    """Give what a run of each size costs with new values, and unchanged."""
    fresh, unchanged = {}, {}
    for size in SIZES:
        pipeline = getattr(flow, f"chain_{size}")
        starts = [size + (size + 1) * turn for turn in range(ROUNDS + 1)]
        pipeline(start=starts[0])
        fresh[size] = least_us(client, pipeline, starts[1:])
        unchanged[size] = least_us(client, pipeline, starts[-1:] * ROUNDS)
    return fresh, unchanged


def least_us(client: Client, pipeline: Pipeline, starts: list[int]) -> float:
    """Give the time of the quickest run; what one leaves to the publisher is done before the next."""
    times = []
    for start in starts:
        times.append(worked_us(pipeline, start))
        client.workspace.catalog.publish()
    return min(times)


def growth(costs: dict[int, float]) -> tuple[float, float]:
    """Give what one more step costs in a short pipeline and in a long one."""
    small, middle, large = SIZES
    return (costs[middle] - costs[small]) / (middle - small), (costs[large] - costs[middle]) / (large - middle)


def fill(workspace: Workspace) -> None:
    """Record runs of one step with one output, each with its end, as if other pipelines had run."""
    for _ in range(RUNS // RUNS_A_WRITE):
        made = [(new_id(), new_id(), new_id()) for _ in range(RUNS_A_WRITE)]
        workspace.catalog.append_lines([fact for ids in made for fact in facts_of(*ids)])
        for run_id, _, artifact_id in made:
            named = (NamedArtifact(id=artifact_id, name="output"),)
            request = EndRun.request_id_for(run_id)
            end = EndRun(request_id=request, run_id=run_id, pipeline="other", status=Status.COMPLETED, made=named)
            workspace.catalog.transact(end)
    workspace.catalog.publish()


def facts_of(run_id: str, step_id: str, artifact_id: str) -> list[tuple[str, str, str, dict[str, Any]]]:
    at = now_text()
    started = {"name": f"other-{run_id}", "pipeline": "other", "kind": "pipeline", "parameters": {}, "differences": {}}
    output = {"id": artifact_id, "name": "output", "output": "output", "digest": run_id, "type_name": "int"}
    output |= {"materializer": "json:1", "size_bytes": 1, "inline": {"json": 1}, "made_by": step_id, "tags": []}
    output |= {"blob": "", "member": None, "pickled": False, "preview": {"kind": "text", "text": "1"}}
    step = {"pipeline": "other", "node": "make", "step": "make", "status": "completed", "why": "no result so far"}
    step |= {"key": run_id, "half": run_id, "source": "", "started": at, "ended": at, "attempt": 1, "parameters": {}}
    step |= {"inputs": [], "outputs": [output], "not_carried": [], "metadata": [], "tags": {}, "reused_from": ""}
    return [("run_started", run_id, run_id, started), ("step", step_id, run_id, step)]


def short_run_us(flow: ModuleType, first: int) -> float:
    flow.chain_10(start=first)
    return min(worked_us(flow.chain_10, first + 100 * turn) for turn in range(1, SHORT_ROUNDS))


def tell(what: str, value: float, baseline: float, baseline_what: str) -> None:
    ratio = round(value / baseline, 2)
    facts = {"row": "M", "what": what, "value": round(value, 2), "unit": "µs", "gate": f"≤ {GATE:g} ×"}
    facts |= {"baseline": round(baseline, 2), "baseline_what": baseline_what, "ratio": ratio, "met": ratio <= GATE}
    print(json.dumps(facts))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        flow = flow_in(folder)
        client = Client()
        empty = short_run_us(flow, 10**6)
        fresh, unchanged = step_costs(client, flow)
        fill(client.workspace)
        full = short_run_us(flow, 10**7)
        client.close()
    short, long = f"from {SIZES[0]} to {SIZES[1]:,} steps", f"from {SIZES[1]:,} to {SIZES[2]:,} steps"
    for costs, kind in ((fresh, "new values"), (unchanged, "unchanged")):
        small, large = growth(costs)
        tell(f"one step more, {kind}, {long}", large, small, short)
    tell(f"a run of {SIZES[0]} steps, {RUNS:,} runs in the catalog", full, empty, "an empty one")


if __name__ == "__main__":
    main()
