"""Two kernels, the command line and a plain DuckDB on one workspace at once: nobody is in anybody's way."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
from tests.crash.ledger import Told, audit
from tests.crash.trials import percentiles, report, sizes, timed
from tests.notebook.kernels import LiveKernel

PATIENCE_S = 120
STEP = """%%step load_{n}
raw_{n} = [{value}] * 3
"""
TOTAL = """%%step total_{n}
total_{n} = sum(raw_{n})
total_{n}
"""
# DuckDB's own shell, or a dashboard: it knows nothing of us, and keeps the file open for a moment.
PLAIN = """
import json, sys, time, duckdb
most = int(sys.argv[2])
for n in range(10):
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        (runs,) = connection.execute("SELECT count(*) FROM runs").fetchone()
        time.sleep(0.05 * (n % 3))
        (again,) = connection.execute("SELECT count(*) FROM runs").fetchone()
        connection.execute("SELECT * FROM steps JOIN runs ON runs.id = run_id").fetchall()
    assert most <= runs == again, (most, runs, again)
    most = runs
print(most)
"""


@sizes("seconds", short=(1,), long=(120,))
def test_kernels_commands_and_plain_duckdb_are_never_in_each_others_way(
    workspace: WorkspacePaths, tmp_path: Path, seconds: int
) -> None:
    took: dict[str, list[float]] = {"cell": [], "list_cell": [], "command": [], "plain_duckdb": []}
    wrong: list[str] = []
    kernels = [LiveKernel(str(tmp_path)) for _ in range(2)]
    try:
        for kernel in kernels:
            kernel.ok("%load_ext nbpipe")
        in_kernels(kernels, 0, took)
        # There is a file for others from the beginning.
        with closing(Catalog(workspace)) as catalog:
            catalog.publish()
        until = time.monotonic() + seconds
        threads = [
            guarded(lambda: in_shell(tmp_path, until, took), wrong),
            guarded(lambda: in_duckdb(workspace.published, until, took), wrong),
        ]
        for value in itertools.count(1):
            in_kernels(kernels, value, took)
            if time.monotonic() > until:
                break
        for thread in threads:
            thread.join(PATIENCE_S)
        wrong += ["somebody hangs" for thread in threads if thread.is_alive()]
    finally:
        for kernel in kernels:
            kernel.close()

    report(
        "everybody",
        seconds=seconds,
        **{name: figure for what, times in took.items() for name, figure in percentiles(what, times).items()},
        none_of={"wrong": wrong, **audit(workspace, Told())},
    )
    assert all(took.values())


def guarded(act: Callable[[], None], wrong: list[str]) -> threading.Thread:
    def run() -> None:
        try:
            act()
        except BaseException as error:
            wrong.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def in_kernels(kernels: list[LiveKernel], value: int, took: dict[str, list[float]]) -> None:
    """Run the same cells in all kernels at once: a step, one that leans on it, and a question."""

    def all_at_once(code: str) -> list[str]:
        asked = [(kernel, kernel.ask(code.format(n=n, value=value))) for n, kernel in enumerate(kernels)]
        answers = [kernel.answer(request) for kernel, request in asked]
        assert {answer.status for answer in answers} == {"ok"}, answers
        return [answer.text for answer in answers]

    timed(took["cell"], lambda: all_at_once(STEP))
    totals = timed(took["cell"], lambda: all_at_once(TOTAL))
    assert all(str(3 * value) in total for total in totals), totals
    listed = timed(took["list_cell"], lambda: all_at_once("%nbpipe runs list"))
    assert all("running" in text for text in listed), listed


def in_shell(folder: Path, until: float, took: dict[str, list[float]]) -> None:
    n = 0
    while time.monotonic() < until:
        n += 1
        found = json.loads(timed(took["command"], lambda: run_command(folder, "catalog", "query", NEWEST, "--json")))
        timed(took["command"], lambda: run_command(folder, "runs", "list"))
        for row in found:
            add = ("tag", "add", f"seen-{n}", "newest", "--run", row["id"])
            timed(took["command"], lambda add=add: run_command(folder, *add))
        timed(took["command"], lambda: run_command(folder, "catalog", "publish"))


NEWEST = "select id from runs order by seq desc limit 1"


def run_command(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "nbpipe", *words],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stderr) == (0, ""), (words, done)
    return done.stdout


def in_duckdb(published: Path, until: float, took: dict[str, list[float]]) -> None:
    most = "0"
    while time.monotonic() < until:
        words = [sys.executable, "-c", PLAIN, str(published), most]
        done = timed(
            took["plain_duckdb"],
            lambda words=words: subprocess.run(words, check=False, capture_output=True, text=True, timeout=PATIENCE_S),
        )
        assert (done.returncode, done.stderr) == (0, ""), done
        most = done.stdout.strip()
