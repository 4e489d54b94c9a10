"""Row O: a page of the catalog's browser, turned, filtered and sorted, over 100,000 finished runs.

Each question goes through `BrowsingService` as the browser asks it: the keys of the page, its rows, their tags and
their metrics, and the exact number of all rows that fit. The last figure is the whole widget's answer to a press,
without the page in the front end. `row_o_browsing.py 1000000` takes some minutes, most of them to publish; it has
no gate. The baseline is the newest twenty runs, asked of the engine alone.
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

from nbpipe.services.browsing import BrowsingService
from nbpipe.services.browsing_questions import Question
from nbpipe.services.client import Client
from nbpipe.widgets.catalog_browser import CatalogBrowser

RUNS, ROUNDS, GATE_MS, GOAL_MS = 100_000, 15, 100, 50
NEWEST = "SELECT id, name, pipeline, status, started, ended FROM runs ORDER BY seq DESC LIMIT 20"


def tell(what: str, value: float, baseline: float, *, has_gate: bool) -> None:
    row: dict[str, Any] = {"row": "O", "what": what, "value": round(value, 2), "unit": "ms"}
    row |= {"baseline": round(baseline, 2), "baseline_what": "newest 20 in SQL", "ratio": round(value / baseline, 2)}
    gates = {"gate": f"≤ {GATE_MS} ms", "goal": f"≤ {GOAL_MS} ms"} if has_gate else {"gate": "–"}
    print(json.dumps(row | gates | {"met": not has_gate or value <= GATE_MS}), flush=True)


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        os.environ["NBPIPE_HOME"] = name
        fill(Path(name), runs)
        client = Client()
        client.workspace.catalog.publish()
        ended = client.workspace.catalog.rows("SELECT count(*) AS n FROM runs WHERE status = 'completed'")[0]["n"]
        assert ended == runs, "all of the material was read"
        measure(client, runs)
        client.close()


def measure(client: Client, runs: int) -> None:
    browsing, middle = BrowsingService(client.workspace), runs // 40
    baseline = question_ms(lambda: client.workspace.catalog.rows(NEWEST), ROUNDS)
    questions: list[tuple[str, Question]] = [
        ("the first page", Question()),
        ("a page in the middle", Question(page=middle)),
        ("the last page", Question(page=10**9)),
        ("sorted by name, in the middle", Question(sort="name", page=middle)),
        ("sorted by duration", Question(sort="duration_s")),
        ("sorted by a metric", Question(sort="metric:m3")),
        ("sorted by a metric, in the middle", Question(sort="metric:m3", page=middle)),
        ("two words looked for", Question(text="other ab")),
        ("of a tag", Question(filters={"tags": ["good"]})),
        (
            "of a tag, a metric's comparison, by it",
            Question(filters={"tags": ["good"], "where": "m3 > 0.9"}, sort="metric:m3"),
        ),
        ("of a status, since a week", Question(filters={"status": "completed", "since": "7d"})),
        ("a hundred rows", Question(size=100)),
        ("of pipelines", Question("pipelines")),
    ]
    for what, question in questions:
        took = question_ms(lambda question=question: browsing.page(question), ROUNDS)
        tell(f"{what}, {runs:,} runs", took, baseline, has_gate=runs <= RUNS)
    browser = CatalogBrowser(client)
    _ = browser.widget

    def turn() -> None:
        browser.page = browser.page + 1

    tell(f"the widget turns a page, {runs:,} runs", question_ms(turn, ROUNDS), baseline, has_gate=runs <= RUNS)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
