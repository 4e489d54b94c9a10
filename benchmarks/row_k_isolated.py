"""Row K: a snapshot run in its own environment by the command line, the environment rebuilt already.

The whole of `python -m nbpipe snapshot run NAME --isolated` is timed, from the command to its card,
with a trivial pipeline of one step and another value each time. The first run builds the environment
of this Python, and is told apart; where uv has kept the packages, no index is asked. Beside the others
stands the same run in the environment that is here.
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

ROUNDS, GATE_S = 7, 3.0
FLOW = """
from nbpipe import pipeline, step

@step
def double(n: int) -> int:
    return 2 * n

@pipeline
def doubling(n: int = 1):
    return double(n)
"""


def timed_s(*words: str) -> tuple[float, float, str]:
    """Give the time of a command from start to end, that of the processor, and what it printed."""
    began, worked = time.perf_counter(), _children_s()
    done = subprocess.run([sys.executable, "-m", "nbpipe", *words], check=True, capture_output=True, text=True)
    return time.perf_counter() - began, _children_s() - worked, done.stdout


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "doubling_flow.py").write_text(FLOW, encoding="utf-8")
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        os.environ["NBPIPE_CACHE"] = str(folder / "cache")
        timed_s("snapshot", "create", f"{folder / 'doubling_flow.py'}:doubling", "--name", "nightly")
        built_s, _, _ = timed_s("snapshot", "run", "nightly", "--isolated", "--json")
        runs, worked, plain = [], [], []
        for n in range(ROUNDS):
            words = ("snapshot", "run", "nightly", "--json", "--set")
            took_s, worked_s, said = timed_s(*words, f"n={2 * n + 2}", "--isolated")
            assert json.loads(said)["status"] == "completed", "the run succeeded"
            runs.append(took_s)
            worked.append(worked_s)
            plain.append(timed_s(*words, f"n={2 * n + 3}")[0])
    value, baseline = median(runs), median(plain)
    costs = f"{median(worked):.2f} s of processor time; built before in {built_s:.1f} s"
    row = {"row": "K", "what": f"snapshot run --isolated, environment rebuilt already ({costs})"}
    row |= {"value": round(value, 3), "unit": "s", "baseline": round(baseline, 3), "baseline_what": "run right here"}
    row |= {"ratio": round(value / baseline, 2), "met": value <= GATE_S}
    print(json.dumps(row | {"gate": f"≤ {GATE_S:g} s"}))


if __name__ == "__main__":
    main()
