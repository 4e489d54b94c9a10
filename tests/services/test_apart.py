"""Runs in processes of their own: what they are given, where they import from, and that nothing is left of them."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbpipe.errors import EnvironmentBuildError
from nbpipe.services import child_process
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.services.snapshot_running import run_apart
from nbpipe.services.watching import StartedRun, watch_runs
from nbpipe.snapshot import rebuilt
from tests.flows.project import Project
from tests.services.building import ONE_STEP


@pytest.fixture
def snapshot(project: Project) -> Snapshot:
    made: Snapshot = project.load(ONE_STEP).training.create_snapshot("nightly")
    return made


def open_files() -> list[str]:
    # What a catalog keeps open is none of the child's.
    ends = (f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd"))
    return sorted(os.readlink(end) for end in ends if os.path.islink(end) and "pipe:" in os.readlink(end))


def test_a_number_of_numpy_is_a_number_alone_and_in_a_list(project: Project) -> None:
    flow = project.load("""
    @step
    def total(n: int, rates: list[float], exact: bool) -> float:
        return n * sum(rates) if exact else 0.0

    @pipeline
    def training(n: int, rates: list[float], exact: bool):
        return total(n, rates, exact)
    """)
    snapshot = flow.training.create_snapshot("nightly", parameters={"n": 1, "rates": [], "exact": False})
    given = {"n": np.int64(3), "rates": [np.float32(0.5), 1.0], "exact": np.bool_(True)}

    run = run_apart(snapshot, {"parameters": given}).wait()

    assert run.parameters == {"n": 3, "rates": [0.5, 1.0], "exact": True}


def test_a_file_in_the_working_directory_stands_in_no_modules_way(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "queue.py").write_text("raise SystemExit('the wrong queue')\n")
    monkeypatch.chdir(folder)

    assert run_apart(snapshot, {"parameters": {"n": 2}}).wait().parameters == {"n": 2}


@pytest.mark.parametrize("is_begun", [False, True], ids=["before", "after"])
def test_an_interrupt_while_its_thread_starts_leaves_no_child_no_pipe_and_no_turn(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, is_begun: bool
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start: Callable[[threading.Thread], None] = threading.Thread.start
    popen = subprocess.Popen

    def interrupted(thread: threading.Thread) -> None:
        if thread.name.startswith("nbpipe-apart"):
            if is_begun:
                start(thread)
            raise KeyboardInterrupt
        start(thread)

    def noted(*words: Any, **options: Any) -> Any:
        started.append(popen(*words, **options))
        return started[-1]

    child_process._turns.anew()
    before = open_files()
    monkeypatch.setattr(subprocess, "Popen", noted)
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_apart(snapshot)
    monkeypatch.undo()

    (child,) = started
    assert child.returncode is not None
    assert set(open_files()) <= set(before)
    turns = [child_process._turns._free.acquire(blocking=False) for _ in range(child_process.AT_ONCE)]
    child_process._turns.anew()
    assert all(turns)


def test_an_environment_that_vanished_is_told_and_takes_no_turn(snapshot: Snapshot, tmp_path: Path) -> None:
    child_process._turns.anew()
    before = open_files()

    with pytest.raises(EnvironmentBuildError, match="was removed or damaged") as refused:
        run_apart(snapshot, place=rebuilt.Rebuilt(tmp_path / "gone"))

    assert len(str(refused.value).splitlines()) == 2
    assert child_process._turns._free._value == child_process.AT_ONCE
    assert set(open_files()) <= set(before)


def test_an_environment_is_held_while_its_run_waits_for_a_turn(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []

    class Seen(Exception):
        pass

    class Place(rebuilt.Rebuilt):
        def hold(self) -> int:
            held.append(True)
            return os.open(os.devnull, os.O_RDONLY)

    def take() -> Callable[[], None]:
        assert held == [True]
        raise Seen

    monkeypatch.setattr(child_process._turns, "take", take)
    with pytest.raises(Seen):
        run_apart(snapshot, place=Place(Path("/nowhere")))


WAITING = """
from pathlib import Path
from time import sleep

from nbpipe import progress

@step(cache=False)
def train(folder: str) -> int:
    print("epoch", 7)
    for n in progress(range(3), note="way" * 1000):
        while n == 1 and not Path(folder, "go").exists():
            sleep(0.01)
    return 1

@pipeline(cache=False)
def training(folder: str = ""):
    return train(folder)
"""


def test_how_far_a_step_is_reaches_whoever_watches_and_no_log(project: Project, tmp_path: Path) -> None:
    snapshot = project.load(WAITING).training.create_snapshot("nightly")
    watched: list[StartedRun] = []
    unwatch = watch_runs(watched.append)
    handle = run_apart(snapshot, {"parameters": {"folder": str(tmp_path)}})
    unwatch()
    deadline_s = time.monotonic() + 60

    while not (seen := watched[0].look()) or (progress := seen["train"].progress) is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    later = handle.look()
    (tmp_path / "go").touch()
    handle.wait()

    assert progress == (1, 3, "way" * 66 + "w…")
    assert seen["train"].last_line == "epoch 7"
    assert later["train"].elapsed_s >= seen["train"].elapsed_s
    logs = project.client.workspace.paths.logs
    assert not any(b"wayway" in log.read_bytes() for log in logs.glob("*.log"))
    assert handle.look() == {}
    assert watched[0].is_over()
