"""Kills at random moments: what was acknowledged is there, and everything opens."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import duckdb
import pytest

from nbpipe.base.log import stretches, unseal
from nbpipe.catalog.catalog import Catalog

if TYPE_CHECKING:
    from pathlib import Path

# Pauses before each run. Says `facts <run id>` once a run's facts are recorded and `run <run id>` once its end is.
WRITER = """
import sys, time
from nbpipe.base.workspace import find_workspace
from nbpipe.catalog.catalog import Catalog
from nbpipe.records.tags import Tag
from tests.catalog.histories import Recording
catalog = Catalog(find_workspace())
runs, pause_s = int(sys.argv[1]), float(sys.argv[2])
for n in range(runs):
    time.sleep(pause_s)
    run = Recording(catalog).start()
    run.step("clean")
    run.log({"nth": n})
    print("facts", run.id, flush=True)
    run.end(tags=(Tag(name="latest", exclusive=True),))
    print("run", run.id, flush=True)
print("done", "-", flush=True)
"""

PUBLISHER = """
from nbpipe.base.workspace import find_workspace
from nbpipe.catalog.catalog import Catalog
catalog = Catalog(find_workspace())
print("ready", flush=True)
while True:
    catalog.publish()
"""


def start(script: str, *arguments: str, out: Path) -> subprocess.Popen[str]:
    with out.open("w") as told:
        return subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=told, text=True, cwd=os.getcwd())


def acknowledged(outs: list[Path]) -> dict[str, set[str]]:
    told: dict[str, set[str]] = {"facts": set(), "run": set()}
    for out in outs:
        for line in out.read_text().splitlines(keepends=True):
            if line.endswith("\n") and line.split()[0] in told:
                told[line.split()[0]].add(line.split()[1])
    return told


def check_everything_is_there(workspace, outs: list[Path]) -> None:
    told = acknowledged(outs)
    catalog = Catalog(workspace)
    for _ in range(2):
        runs = [row["id"] for row in catalog.rows("SELECT id FROM runs")]
        logged = {row["entity_id"] for row in catalog.rows("SELECT entity_id FROM metrics WHERE key = 'nth'")}
        ended = {row["id"] for row in catalog.rows("SELECT id FROM runs WHERE status = 'completed'")}
        numbers = sorted(row["number"] for row in catalog.rows("SELECT number FROM artifacts WHERE number IS NOT NULL"))
        holders = catalog.rows("SELECT entity_id FROM tags")
        assert len(runs) == len(set(runs))
        assert told["facts"] <= logged
        assert told["run"] <= ended
        assert numbers == list(range(1, len(ended) + 1))
        assert len(holders) == min(1, len(ended))
        # The same holds of what is published, opened as anybody would.
        catalog.publish()
        if workspace.published.exists():
            with duckdb.connect(str(workspace.published), read_only=True) as connection:
                found = connection.execute("SELECT count(*) FROM runs WHERE status = 'completed'").fetchone()
            assert found == (len(ended),)
    assert [finding for finding in catalog.check() if "damaged" in finding.what] == []
    catalog.close()
    operations = next(workspace.operations.glob("*.log"), workspace.operations / "none")
    if operations.exists():
        size = operations.stat().st_size
        lines = [unseal(line) for stretch in stretches(operations, 0, size) for _, line in stretch.lines][1:]
        assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


@pytest.mark.parametrize("seed", range(3))
def test_killed_writers_lose_nothing_that_they_were_told_is_recorded(workspace, tmp_path, seed):
    chance = random.Random(seed)
    outs: list[Path] = []
    for round_ in range(3):
        writers = []
        for n in range(3):
            outs.append(tmp_path / f"out-{round_}-{n}")
            writers.append(start(WRITER, "100000", "0", out=outs[-1]))
        wait_until_told(outs[-1])
        for writer in writers:
            time.sleep(chance.uniform(0, 0.1))
            kill(writer)

    check_everything_is_there(workspace, outs)


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_publisher_leaves_a_catalog_that_opens_and_is_complete(workspace, tmp_path, seed):
    chance = random.Random(100 + seed)
    out = tmp_path / "out"
    writer = start(WRITER, "100000", "0.02", out=out)
    wait_until_told(out)
    for n in range(5):
        publisher = start(PUBLISHER, out=tmp_path / f"publisher-{n}")
        wait_until_told(tmp_path / f"publisher-{n}")
        time.sleep(chance.uniform(0.2, 0.7))
        kill(publisher)
        catalog = Catalog(workspace)
        assert catalog.rows("SELECT count(*) AS n FROM runs")[0]["n"] > 0
        catalog.close()
    kill(writer)

    check_everything_is_there(workspace, [out])


@pytest.mark.parametrize("count", [2, 8])
def test_processes_at_once_each_find_all_their_work_and_number_without_a_gap(workspace, tmp_path, count):
    outs = [tmp_path / f"out-{n}" for n in range(count)]
    writers = [start(WRITER, "25", "0", out=out) for out in outs]
    for writer in writers:
        assert writer.wait() == 0

    check_everything_is_there(workspace, outs)
    told = acknowledged(outs)
    assert len(told["run"]) == 25 * count


def test_whoever_reads_while_others_write_and_publish_never_goes_back_and_never_misses(workspace, tmp_path):
    outs = [tmp_path / f"out-{n}" for n in range(2)]
    writers = [start(WRITER, "60", "0.02", out=out) for out in outs]
    publisher = start(PUBLISHER, out=tmp_path / "publisher")
    catalog = Catalog(workspace)
    before, reads = 0, 0
    while any(writer.poll() is None for writer in writers):
        told = acknowledged(outs)["run"]
        ended = {row["id"] for row in catalog.rows("SELECT id FROM runs WHERE status = 'completed'")}
        steps = catalog.rows(
            "SELECT count(*) AS n FROM steps JOIN runs ON runs.id = run_id WHERE runs.status = 'completed'"
        )
        assert told <= ended
        assert len(ended) >= before
        assert steps[0]["n"] >= len(ended)
        before, reads = len(ended), reads + 1
    kill(publisher)
    catalog.close()

    assert reads > 3
    check_everything_is_there(workspace, outs)


def wait_until_told(out: Path) -> None:
    """Wait for a process's first line, for half a minute at most."""
    for _ in range(3000):
        if out.read_text():
            return
        time.sleep(0.01)
    raise AssertionError("the process said nothing")
