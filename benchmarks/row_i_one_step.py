"""Row I, within: what a run of a pipeline of one step costs by itself, as whoever serves one calls it for each request.

The run is checked, written down, run in the calling thread and ended with all that its end moves: no thread is
started and nothing is asked of the catalog. Each has another value, so nothing is reused. The part until the step's
result is known is what an answer has to wait for. The limit is the append of two lines, and of one more to the log
of operations: what any recorded run has to write.
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

from nbpipe.execute.settled import Settled
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.services.client import Client
from nbpipe.services.starting import RunInProgress, RunRequest
from nbpipe.services.workspace import Workspace

ROUNDS, WARM = 400, 50
GATES_MS = {"until its end is recorded": 1.0, "until the step's result is known": 0.5}
APPENDS = 3
FLOW = """
from nbpipe import pipeline, step

@step
def predicted(x: int) -> int:
    return x + 1

@pipeline
def serving(x: int = 0):
    return predicted(x)
"""


def timed_ms(workspace: Workspace, request: RunRequest) -> tuple[float, float]:
    """Run it; give the time until the step's result was known, and until the run's end was recorded."""
    known: list[float] = []

    def listen(node: str, settled: Settled | None) -> None:  # noqa: ARG001
        if settled is not None:
            known.append(time.perf_counter())

    began = time.perf_counter()
    RunInProgress(workspace, request).run([listen])
    ended = time.perf_counter()
    return (known[0] - began) * 1e3, (ended - began) * 1e3


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as elsewhere:
        folder = Path(name)
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        (folder / "serving_flow.py").write_text(FLOW, encoding="utf-8")
        sys.path.insert(0, name)
        definition = importlib.import_module("serving_flow").serving.definition
        workspace = Client().workspace
        times = []
        for x in range(-WARM, ROUNDS):
            taken = timed_ms(workspace, RunRequest(definition, PipelineRunConfiguration(parameters={"x": x})))
            if x >= 0:
                times.append(taken)
        limit_ms = APPENDS * append_us(Path(elsewhere), longest_line(workspace.paths.logs)) / 1e3
        Client().close()
    for place, what in ((1, "until its end is recorded"), (0, "until the step's result is known")):
        value = median(taken[place] for taken in times)
        told = {
            "row": "I",
            "what": f"run of one step in the calling thread, {what}",
            "value": round(value, 3),
            "unit": "ms",
            "gate": f"≤ {GATES_MS[what]:g} ms",
            "met": value <= GATES_MS[what],
            "baseline": round(limit_ms, 4),
            "baseline_what": f"{APPENDS} appends",
            "ratio": round(value / limit_ms, 1),
        }
        print(json.dumps(told))


if __name__ == "__main__":
    main()
