"""Runs on an executor, whatever comes of them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from nbpipe import Client
from nbpipe.errors import NbpipeError, RunInterruptedError
from nbpipe.services.recorded import Run
from tests.flows.project import Project

LIMIT_S = 120


def run_on(executor: str, pipeline: Any, **values: Any) -> Run:
    """Run to the end."""
    return ended(pipeline.with_options(executor=executor).start(**values))


def ended(handle: Any) -> Run:
    """Wait for a run's end."""
    with suppress(NbpipeError, RunInterruptedError):
        handle.wait(LIMIT_S)
    return Client().runs.get(handle.id)


def statuses(run: Run) -> dict[str, str]:
    """Say how each step ended."""
    return {node: step.status.value for node, step in sorted(run.steps.items())}


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for something that happens in another process."""
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def pid_in(place: Path) -> int:
    """Wait for a step to say in which process it runs."""
    wait_until(lambda: place.exists() and place.read_text().endswith("."))
    return int(place.read_text().rstrip("."))


def kill_in_mid_step(project: Project, call: str, place: Path) -> int:
    """Kill a process that waits for a run, and give the process in which its step was at work.

    Args:
        project: Where the flow is.
        call: How that process begins the run, such as `flow.training()`.
        place: Where the step says its process.
    """
    asking = subprocess.Popen([sys.executable, "-c", f"import flow\n{call}"], cwd=project.folder)
    pid = pid_in(place)
    asking.kill()
    asking.wait()
    return pid


def is_alive(pid: int) -> bool:
    """Tell whether there is such a process, and it has not ended."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def attempts_of(project: Project, node: str) -> list[tuple[int, str]]:
    """Give the attempts at a step, each with how it ended, in their order."""
    rows = project.client.query(f"select attempt, status from steps where node = '{node}' order by attempt, started")
    return list(zip(rows.attempt, rows.status, strict=True))
