"""Row F: what people ask of a full catalog: the best runs of a tag, one run, a page, and what belongs to one run.

A workspace of finished runs with ten metrics each is published, then asked through the services as a notebook
does, and through SQL; the same question to DuckDB alone, on the published file and through the plainest statement
that answers it, is told beside. 100,000 runs by default; `row_f_queries.py 1000000` takes some minutes, most of
them to publish.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from clock import question_ms
from material import fill

from nbpipe.services.client import Client

RUNS, ROUNDS = 100_000, 15
TOP = """
SELECT r.id, m.value FROM runs r JOIN metrics m ON m.entity_id = r.id JOIN tags t ON t.entity_id = r.id
WHERE m.entity_kind = 'run' AND m.key = 'm3' AND t.tag = 'good' ORDER BY m.value DESC LIMIT 20
"""
RAW_TOP = """
SELECT r.id, m.value FROM rows.run r JOIN rows.metric m ON m.entity_id = r.id
JOIN rows.tagging t ON t.entity_id = r.id JOIN rows.tag g ON g.id = t.tag_id
WHERE m.entity_kind = 'run' AND m.key = 'm3' AND g.name = 'good' ORDER BY m.value DESC LIMIT 20
"""


def tell(what: str, value: float, baseline: float, gate: float, goal: float) -> None:
    row: dict[str, Any] = {"row": "F", "what": what, "value": round(value, 2), "unit": "ms"}
    row |= {"baseline": round(baseline, 2), "baseline_what": "plain DuckDB", "ratio": round(value / baseline, 2)}
    print(json.dumps(row | {"gate": f"≤ {gate:g} ms", "goal": f"≤ {goal:g} ms", "met": value <= gate}), flush=True)


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NBPIPE_HOME"] = name
        fill(folder, runs)
        client = Client()
        client.workspace.catalog.publish()
        ended = client.workspace.catalog.rows("SELECT count(*) AS n FROM runs WHERE status = 'completed'")[0]["n"]
        assert ended == runs, "all of the material was read"
        engine = duckdb.connect()
        engine.execute(f"ATTACH '{next((folder / 'catalog').glob('*.duckdb'))}' AS published (READ_ONLY)")
        engine.execute("USE published")
        measure(client, engine, runs)
        engine.close()
        client.close()


def measure(client: Client, engine: duckdb.DuckDBPyConnection, runs: int) -> None:
    catalog = client.workspace.catalog
    ids = engine.execute("SELECT id, seq FROM rows.run ORDER BY seq LIMIT 1 OFFSET $half", {"half": runs // 2})
    run_id, seq = ids.fetchall()[0]

    def raw(sql: str, **asked: Any) -> float:
        return question_ms(lambda: engine.execute(sql, asked or None).fetchall(), ROUNDS)

    columns = "id, name, pipeline, status, started, ended"
    best = raw(RAW_TOP)
    by_id = raw(f"SELECT {columns} FROM rows.run WHERE id = $id", id=run_id)
    begun = raw(f"SELECT {columns} FROM rows.run WHERE starts_with(id, $id)", id=run_id[:9])
    newest = raw(f"SELECT {columns} FROM rows.run ORDER BY seq DESC LIMIT 20")
    older = raw(f"SELECT {columns} FROM rows.run WHERE seq < $seq ORDER BY seq DESC LIMIT 20", seq=seq)
    logged = raw("SELECT key, value FROM rows.metadata WHERE entity_id = $id", id=run_id)
    tagged = raw("SELECT tag_id FROM rows.tagging WHERE entity_id = $id", id=run_id)
    run, runs_of = client.runs.get(run_id), client.runs
    top = (200, 50) if runs > RUNS else (20, 5)
    questions: list[tuple[str, Callable[[], Any], float, tuple[float, float]]] = [
        ("top 20 runs by a metric, with a tag, in SQL", lambda: catalog.query(TOP), best, top),
        ("one run by id", lambda: runs_of.get(run_id), by_id, (5, 2)),
        ("one run by the beginning of its id", lambda: runs_of.get(run_id[:9]), begun, (5, 2)),
        ("newest 20 runs", lambda: runs_of.list(limit=20), newest, (10, 5)),
        ("… of a pipeline", lambda: runs_of.list(pipeline="other", status="completed", limit=20), newest, (10, 5)),
        ("… before one in the middle", lambda: runs_of.list(before=run_id, limit=20), older, (10, 5)),
        ("metadata of a run", lambda: run.metadata, logged, (5, 2)),
        ("tags of a run", lambda: run.tags, tagged, (5, 2)),
    ]
    for what, ask, baseline, limits in questions:
        tell(f"{what}, {runs:,} runs", question_ms(ask, ROUNDS), baseline, *limits)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
