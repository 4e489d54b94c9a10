"""Schedulers are killed at any moment: nothing fires twice, nothing is lost without a word, nothing is left over."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

import psutil
import pytest

from nbpipe.schedule.firing import fires_after
from nbpipe.services.client import Client
from nbpipe.services.scheduler_process import running, schedulers
from tests.crash.trials import SEED, report, sizes
from tests.flows.project import Project
from tests.serving import Serving, served_folder, until

FLOW = """
import time

@step(cache=False)
def total(n: int) -> int:
    time.sleep(0.02)
    return n

@pipeline
def training(n: int = 0):
    return total(n)
"""


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with served_folder(tmp_path) as serving:
        yield serving


def start(project: Project) -> subprocess.Popen[bytes]:
    """Start a scheduler, in a group of its own."""
    with open(project.folder / "schedulers.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "nbpipe", "scheduler", "run", "--workers", "2"],
            stderr=log,
            cwd=project.folder,
            start_new_session=True,
        )


def processes_in(folder: Path) -> list[psutil.Process]:
    """Give the processes of nbpipe that work in a folder, but for this one."""
    found = []
    for process in psutil.process_iter():
        try:
            inside = Path(process.cwd()).is_relative_to(folder) and process.pid != os.getpid()
            if inside and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@sizes("kills, longest_pause_s", short=(2, 0.8), long=(110, 2.5))
def test_kills_of_schedulers_fire_nothing_twice_and_lose_nothing(
    serving: Serving, kills: int, longest_pause_s: float
) -> None:
    chance, project, client = random.Random(SEED), serving.project, serving.client
    snapshot = project.load(FLOW).training.create_snapshot("nightly")
    for n in range(4):
        rule = {"overlap": ("skip", "queue", "parallel", "queue")[n], "catchup": ("last", "all", "last", "none")[n]}
        client.schedules.create(f"s{n}", snapshot, interval_second=1 + n % 2, **rule)
    there = [start(project), start(project)]
    try:
        for _ in range(kills):
            time.sleep(chance.uniform(0.05, longest_pause_s))
            victim = chance.randrange(len(there))
            # Now and then with all that it began, too.
            stop = os.killpg if chance.random() < 0.3 else os.kill
            stop(there[victim].pid, signal.SIGKILL)
            there[victim].wait()
            there[victim] = start(project)
        for name in ("s0", "s1", "s2", "s3"):
            client.schedules.update(name, end_time=datetime.now(UTC) + timedelta(seconds=3))
        until(lambda: now_and_then() and all(one.status == "over" for one in client.schedules.list()))
        until(lambda: now_and_then() and not running(client.workspace.paths))
    finally:
        for process in there:
            process.terminate()
            process.wait()
    until(lambda: now_and_then() and not processes_in(project.folder), 20)

    report(
        "schedulers",
        kills=kills,
        **figures(client),
        none_of={
            **untrue(client),
            "left_over": processes_in(project.folder),
            "schedulers": schedulers(client.workspace.paths),
        },
    )


def now_and_then() -> bool:
    """Let the schedulers have the processor: to ask all the time takes as much of it as they do."""
    time.sleep(0.25)
    return True


def figures(client: Client) -> dict[str, Any]:
    """Tell how often what became of firings."""
    return dict(Counter(one.outcome for one in client.schedules.fires(limit=100_000)))


def untrue(client: Client) -> dict[str, list[Any]]:
    """Give where the firings, the runs and the schedules contradict one another."""
    firings = client.schedules.fires(limit=100_000)
    runs = Counter(client.query("SELECT id FROM runs")["id"])
    promised = Counter(one.run_id for one in firings if one.run_id)
    lost, twice = [], []
    for record in client.schedules.list():
        own = [one for one in firings if one.schedule_id == record.id]
        ones = Counter(one.due for one in own if one.outcome != "missed")
        ranges = [(one.due, one.last_due) for one in own if one.outcome == "missed"]
        twice += [(record.name, due) for due, number in ones.items() if number > 1]
        began = min(one.due for one in own)
        before = began - timedelta(microseconds=1)
        for due in takewhile(lambda at, end=record.seen_to: at <= end, fires_after(record.schedule, before)):
            hits = (due in ones) + sum(first <= due <= last for first, last in ranges)
            if hits != 1:
                lost.append((record.name, due, hits))
    assert promised
    return {
        "twice": twice + [run for run, number in (runs + promised).items() if runs[run] > 1 or promised[run] > 1],
        "lost": lost,
        "never_begun": sorted(promised.keys() - runs.keys()),
        "never_promised": sorted(runs.keys() - promised.keys()),
        "still_owed": [one.name for one in client.schedules.list() if one.owed],
        "refused": [one.error for one in firings if one.outcome == "refused"],
        "left_running": list(client.query("SELECT id FROM runs WHERE status = 'running'")["id"]),
    }
