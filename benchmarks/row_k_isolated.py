"""Row K: a snapshot run in its own environment by the command line, the environment rebuilt already.

The whole of `python -m nbpipe snapshot run NAME --isolated` is timed, from the command to its card,
with a trivial pipeline of one step and another value each time. The first run builds the environment
of this Python, and is told apart; where uv has kept the packages, no index is asked. Beside the others
stands the same run in the environment that is here.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from statistics import median

from clock import command_s
from material import DOUBLING

ROUNDS, GATE_S = 7, 3.0


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "doubling_flow.py").write_text(DOUBLING, encoding="utf-8")
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        os.environ["NBPIPE_CACHE"] = str(folder / "cache")
        command_s("snapshot", "create", f"{folder / 'doubling_flow.py'}:doubling", "--name", "nightly")
        built_s, _, _ = command_s("snapshot", "run", "nightly", "--isolated", "--json")
        runs, worked, plain = [], [], []
        for n in range(ROUNDS):
            words = ("snapshot", "run", "nightly", "--json", "--set")
            took_s, worked_s, said = command_s(*words, f"n={2 * n + 2}", "--isolated")
            assert json.loads(said)["status"] == "completed", "the run succeeded"
            runs.append(took_s)
            worked.append(worked_s)
            plain.append(command_s(*words, f"n={2 * n + 3}")[0])
    value, baseline = median(runs), median(plain)
    costs = f"{median(worked):.2f} s of processor time; built before in {built_s:.1f} s"
    row = {"row": "K", "what": f"snapshot run --isolated, environment rebuilt already ({costs})"}
    row |= {"value": round(value, 3), "unit": "s", "baseline": round(baseline, 3), "baseline_what": "run right here"}
    row |= {"ratio": round(value / baseline, 2), "met": value <= GATE_S}
    print(json.dumps(row | {"gate": f"≤ {GATE_S:g} s"}))


if __name__ == "__main__":
    main()
