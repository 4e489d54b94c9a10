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


def timed_s(*words: str) -> tuple[float, str]:
    """Give the time of a fresh interpreter from start to end, and what it printed."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *words], check=True, stdout=subprocess.PIPE, text=True)
    return time.perf_counter() - began, done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "doubling_flow.py").write_text(FLOW, encoding="utf-8")
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        timed_s("-m", "nbpipe", "snapshot", "create", f"{folder / 'doubling_flow.py'}:doubling", "--name", "nightly")
        runs, imports = [], []
        for n in range(ROUNDS):
            took_s, said = timed_s("-m", "nbpipe", "snapshot", "run", "nightly", "--set", f"n={n + 2}", "--json")
            assert json.loads(said)["status"] == "completed", "the run succeeded"
            runs.append(took_s)
            imports.append(timed_s("-c", IMPORTS)[0])
    value, baseline = median(runs), median(imports)
    row = {"row": "K", "what": "snapshot run by the command line, fresh process", "value": round(value, 3), "unit": "s"}
    row |= {"baseline": round(baseline, 3), "baseline_what": "interpreter and imports"}
    row |= {"ratio": round(value / baseline, 2), "met": value <= GATE_S}
    print(json.dumps(row | {"gate": f"≤ {GATE_S:g} s", "goal": f"≤ {GOAL_S:g} s"}))


if __name__ == "__main__":
    main()
