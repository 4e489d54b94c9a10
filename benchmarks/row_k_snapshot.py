"""Row K: a snapshot run by the command line in a fresh process, until its run is recorded.

The whole of `python -m nbpipe snapshot run NAME` is timed, with a trivial pipeline of one step and
another value each time, so that the step is executed. Beside it stands what cannot be avoided:
a fresh interpreter that only imports what such a run uses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROUNDS, GATE_S, GOAL_S = 9, 1.5, 0.6
FLOW = """
from nbpipe import pipeline, step

@step
def double(n: int) -> int:
    return 2 * n

@pipeline
def doubling(n: int = 1):
    return double(n)
"""
IMPORTS = "import pydantic, sqlite3, typer, xxhash, yaml"


def timed_s(*words: str) -> tuple[float, float, str]:
    """Give the time of a fresh interpreter from start to end, that of the processor, and what it printed."""
    began, worked = time.perf_counter(), _children_s()
    done = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)
    return time.perf_counter() - began, _children_s() - worked, done.stdout


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "doubling_flow.py").write_text(FLOW, encoding="utf-8")
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        timed_s("-m", "nbpipe", "snapshot", "create", f"{folder / 'doubling_flow.py'}:doubling", "--name", "nightly")
        runs, worked, imports = [], [], []
        for n in range(ROUNDS):
            words = ("snapshot", "run", "nightly", "--set", f"n={n + 2}", "--json")
            took_s, worked_s, said = timed_s("-m", "nbpipe", *words)
            assert json.loads(said)["status"] == "completed", "the run succeeded"
            runs.append(took_s)
            worked.append(worked_s)
            imports.append(timed_s("-c", IMPORTS)[0])
    value, baseline = median(runs), median(imports)
    what = f"snapshot run by the command line, fresh process ({median(worked):.2f} s of processor time)"
    row = {"row": "K", "what": what, "value": round(value, 3), "unit": "s"}
    row |= {"baseline": round(baseline, 3), "baseline_what": "interpreter and imports"}
    row |= {"ratio": round(value / baseline, 2), "met": value <= GATE_S}
    print(json.dumps(row | {"gate": f"≤ {GATE_S:g} s", "goal": f"≤ {GOAL_S:g} s"}))


if __name__ == "__main__":
    main()
