"""Runs on an executor, whatever comes of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from nbpipe import Client
from nbpipe.errors import NbpipeError, RunInterruptedError
from nbpipe.services.recorded import Run

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
