"""Row F, comparing: fifty runs side by side, out of a full catalog.

Each run has ten metrics and three steps, each of which reads what the one before it made. The fifty stand far
apart, are named by the beginnings of their ids as on the command line, and some have further runs in an unpublished
tail. The same number of runs read one by one, as `get` does, is told beside. 100,000 runs by default; it takes a minute
or two, nearly all of them to write and publish what is asked.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from clock import question_ms
from material import fill

from nbpipe.commands.comparing import comparison_facts
from nbpipe.services.client import Client
from nbpipe.views.comparison import comparison_card

RUNS, COMPARED, STEPS, TAIL, ROUNDS = 100_000, 50, 3, 200, 9
GATE_MS, GOAL_MS = 300, 100


def tell(what: str, value: float, baseline: float) -> None:
    row: dict[str, Any] = {"row": "F", "what": what, "value": round(value, 1), "unit": "ms"}
    row |= {"baseline": round(baseline, 1), "baseline_what": "one by one", "ratio": round(value / baseline, 3)}
    print(json.dumps(row | {"gate": f"≤ {GATE_MS} ms", "goal": f"≤ {GOAL_MS} ms", "met": value <= GATE_MS}), flush=True)


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        os.environ["NBPIPE_HOME"] = name
        fill(Path(name), runs - TAIL, steps=STEPS)
        client = Client()
        client.workspace.catalog.publish()
        fill(Path(name), TAIL, steps=STEPS)
        measure(client, runs)
        client.close()


def measure(client: Client, runs: int) -> None:
    every = runs // COMPARED
    asked = "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY seq) AS n FROM runs) WHERE n % $every = 0"
    ids = [row["id"] for row in client.workspace.catalog.rows(asked, {"every": every})][:COMPARED]
    begun = [run_id[:10] for run_id in ids]
    assert len(ids) == COMPARED

    def one_by_one() -> list[Any]:
        found = [client.runs.get(run_id) for run_id in begun]
        return [(run.metrics, run.steps, run.tags) for run in found]

    compared = client.runs.compare(*begun)
    assert len(compared.runs[0].metrics) == 10
    assert len(compared.runs[0].steps) == STEPS
    alone = question_ms(one_by_one, 3)
    tell(f"{COMPARED} runs compared, {runs:,} runs", question_ms(lambda: client.runs.compare(*begun), ROUNDS), alone)
    tell(f"… by their whole ids, {runs:,} runs", question_ms(lambda: client.runs.compare(*ids), ROUNDS), alone)
    drawn = question_ms(lambda: comparison_card(comparison_facts(client.runs.compare(*begun))), ROUNDS)
    tell(f"… and drawn, {runs:,} runs", drawn, alone)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
