"""Row J: the catalog's own doings: operations by many processes at once, publishing, polling, rebuilding.

Sixteen processes each put a thousand tags on things, then again with each held by the disk before it is answered;
plain Python, which locks a file, appends a line and unlocks it, is told beside. Then small news are published over
1,000 and over 100,000 finished runs, a fresh process asks its first question, an open one polls, and everything is
read again from the logs. `row_j_operations.py 1000000` measures the latter at a million runs, which takes minutes.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
from material import fill

from nbpipe.base.ids import new_id
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
from nbpipe.records.operations import AddTags, PointedAt
from nbpipe.records.refs import Kind
from nbpipe.records.tags import Tag

PROCESSES, OPERATIONS, SMALL, LARGE, ROUNDS = 16, 1_000, 1_000, 100_000, 7
FIRST = """
import sys, time
import duckdb, nbpipe
from pathlib import Path
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
import nbpipe.catalog.finding, pandas
began = time.perf_counter()
Catalog(WorkspacePaths(Path(sys.argv[1]))).rows("SELECT id, status FROM runs WHERE seq > 0 LIMIT 1")
ours = time.perf_counter() - began
began = time.perf_counter()
engine = duckdb.connect(":memory:")
engine.execute(f"ATTACH '{max((Path(sys.argv[1]) / 'catalog').glob('*.duckdb'))}' AS published (READ_ONLY)")
engine.execute("SELECT id, status FROM published.rows.run LIMIT 1").fetchall()
print(ours * 1e3, (time.perf_counter() - began) * 1e3)
"""


def work(kind: str, folder: Path, count: int) -> None:
    """Do one process's share, once standard input says so."""
    catalog = Catalog(WorkspacePaths(folder), patience_s=120)
    catalog.state()
    plain = os.open(folder / "plain.log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(count):
        if kind.startswith("plain"):
            fcntl.flock(plain, fcntl.LOCK_EX)
            os.write(plain, b"x" * 300 + b"\n")
            fcntl.flock(plain, fcntl.LOCK_UN)
            if kind.endswith("-synced"):
                os.fdatasync(plain)
        else:
            target = PointedAt(kind=Kind.RUN, id=f"{os.getpid()}-{n}", scope="")
            tags = AddTags(tags=(Tag(name="seen"),), targets=(target,))
            catalog.transact(tags, durable=kind.endswith("-synced"))


def per_second(kind: str) -> float:
    """Give how many operations all processes together did in a second."""
    with tempfile.TemporaryDirectory() as name:
        WorkspacePaths(Path(name)).ensure()
        command = [sys.executable, __file__, kind, name, str(OPERATIONS)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        workers = [subprocess.Popen(command, **pipes) for _ in range(PROCESSES)]
        for worker in workers:
            assert worker.stdout is not None, "it was asked for"
            assert worker.stdout.readline() == "ready\n", "it started"
        began = time.perf_counter()
        for worker in workers:
            assert worker.stdin is not None, "it was asked for"
            worker.stdin.write("go\n")
            worker.stdin.flush()
        codes = [worker.wait() for worker in workers]
        took_s = time.perf_counter() - began
        assert codes == [0] * PROCESSES, "none failed"
        if kind.startswith("ours"):
            held = Catalog(WorkspacePaths(Path(name))).rows("SELECT count(*) AS n FROM tags")[0]["n"]
            assert held == PROCESSES * OPERATIONS, "none is lost"
    return PROCESSES * OPERATIONS / took_s


def add_runs(catalog: Catalog, runs: int = 1) -> None:
    """Record the beginnings of runs, as another process would."""
    started = {"name": "new", "pipeline": "other", "kind": "pipeline", "parameters": {}, "differences": {}}
    ids = [new_id() for _ in range(runs)]
    catalog.append_lines([("run_started", run_id, run_id, started) for run_id in ids])


def median_ms(act: Callable[[], Any], prepare: Callable[[], Any] = lambda: None) -> float:
    times = []
    for _ in range(ROUNDS):
        prepare()
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1e3)
    return median(times)


def copied_ms(folder: Path) -> float:
    """Give the time to copy the published file, add a row and checkpoint, with DuckDB alone."""
    source, draft = max((folder / "catalog").glob("*.duckdb")), folder / "draft.duckdb"

    def act() -> None:
        shutil.copyfile(source, draft)
        with duckdb.connect(str(draft)) as engine:
            engine.execute("INSERT INTO rows.run (seq, id) VALUES (1, 'new')")
            engine.execute("CHECKPOINT")
        draft.unlink()

    return median_ms(act)


def tell(what: str, value: float, unit: str, gate: float, goal: float, **beside: Any) -> None:
    is_rate = unit == "/s"
    sign, met = ("≥", value >= gate) if is_rate else ("≤", value <= gate)
    row: dict[str, Any] = {"row": "J", "what": what, "value": round(value, 3), "unit": unit}
    row |= {"gate": f"{sign} {gate:g} {unit}", "goal": f"{sign} {goal:g} {unit}", "met": met, **beside}
    if "baseline" in beside:
        row |= {"baseline": round(beside["baseline"], 3), "ratio": round(value / beside["baseline"], 2)}
    print(json.dumps(row), flush=True)


def tell_operations() -> None:
    for kind, gate, goal in (("unsynced", 3_000, 15_000), ("synced", 500, 5_000)):
        baseline = {"baseline": per_second(f"plain-{kind}"), "baseline_what": "lock, append, unlock"}
        what = f"{PROCESSES} processes x {OPERATIONS:,} operations, {kind}"
        tell(what, per_second(f"ours-{kind}"), "/s", gate, goal, **baseline)


def tell_of(runs: int, limit_ms: float) -> None:
    """Publish, ask, poll and rebuild over this many runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        catalog, other = Catalog(fill(folder, runs)), Catalog(WorkspacePaths(folder))
        catalog.publish()
        at = f", {runs:,} runs"
        plain = {"baseline": copied_ms(folder), "baseline_what": "copy, insert, checkpoint"}
        took = median_ms(catalog.publish, lambda: add_runs(other))
        tell(f"publish a little{at}", took, "ms", 3 * limit_ms, 1.2 * limit_ms, **plain)
        if runs == SMALL:
            return
        asked = [subprocess.check_output([sys.executable, "-c", FIRST, name], text=True).split() for _ in range(ROUNDS)]
        plain = {"baseline": median(float(raw) for _, raw in asked), "baseline_what": "connect, attach, select"}
        tell(f"first query of a fresh process{at}", median(float(ours) for ours, _ in asked), "ms", 60, 10, **plain)
        tell_polls(catalog, other, at)
        began = time.perf_counter()
        catalog.rebuild()
        tell(f"rebuild per million, from {runs:,} runs", (time.perf_counter() - began) / runs * 1e6, "s", 10, 2)


def tell_polls(catalog: Catalog, other: Catalog, at: str) -> None:
    def poll() -> None:
        with catalog._reader.cursor():
            pass

    poll()
    idle = median(median_ms(poll) for _ in range(ROUNDS))
    stat = {"baseline": median_ms(lambda: list(os.scandir(catalog.paths.logs))), "baseline_what": "list the logs"}
    tell(f"poll with nothing new{at}", idle, "ms", 1, 0.05, **stat)
    tell(f"poll with four new lines{at}", median_ms(poll, lambda: add_runs(other, 4)), "ms", 20, 5)


def main(large: int) -> None:
    tell_operations()
    tell_of(SMALL, 39)
    tell_of(large, 77 if large == LARGE else 172)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        work(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else LARGE)
