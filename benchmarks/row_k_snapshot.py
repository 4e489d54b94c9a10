"""Row K: a snapshot run by the command line in a fresh process, until its run is recorded.

The whole of `python -m nbpipe snapshot run NAME` is timed, with a trivial pipeline of one step and
another value each time, so that the step is executed. Beside it stands what cannot be avoided:
a fresh interpreter that only imports what such a run uses.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from statistics import median

from clock import command_s, interpreter_s
from material import DOUBLING

ROUNDS, GATE_S, GOAL_S = 9, 1.5, 0.6
IMPORTS = "import pydantic, sqlite3, typer, xxhash, yaml"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "doubling_flow.py").write_text(DOUBLING, encoding="utf-8")
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        command_s("snapshot", "create", f"{folder / 'doubling_flow.py'}:doubling", "--name", "nightly")
        runs, worked, imports = [], [], []
        for n in range(ROUNDS):
            words = ("snapshot", "run", "nightly", "--set", f"n={n + 2}", "--json")
            took_s, worked_s, said = command_s(*words)
            assert json.loads(said)["status"] == "completed", "the run succeeded"
            runs.append(took_s)
            worked.append(worked_s)
            imports.append(interpreter_s("-c", IMPORTS)[0])
    value, baseline = median(runs), median(imports)
    what = f"snapshot run by the command line, fresh process ({median(worked):.2f} s of processor time)"
    row = {"row": "K", "what": what, "value": round(value, 3), "unit": "s"}
    row |= {"baseline": round(baseline, 3), "baseline_what": "interpreter and imports"}
    row |= {"ratio": round(value / baseline, 2), "met": value <= GATE_S}
    print(json.dumps(row | {"gate": f"≤ {GATE_S:g} s", "goal": f"≤ {GOAL_S:g} s"}))


if __name__ == "__main__":
    main()
