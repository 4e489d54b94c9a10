"""Runs in the calling thread, and the pauses between attempts."""

from __future__ import annotations

import asyncio
import math
import pdb
import sys
import threading
from typing import Any

import pytest

from nbpipe import step
from nbpipe.errors import BadValueError, RunInterruptedError, StepFailedError
from nbpipe.records.runs import Status
from nbpipe.records.steps import LONGEST_BACKOFF_S, StepOptions
from tests.flows.project import Project

FLOW = """
import threading

@step
def where() -> str:
    breakpoint()
    return threading.current_thread().name

@step
def divide(name: str, by: int = 1) -> float:
    return 1 / by

@step
def stopped(first: float) -> float:
    raise KeyboardInterrupt

@pipeline
def training(by: int = 1):
    return divide(where(), by)

@pipeline
def interrupted():
    return stopped(divide(where()))
"""


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Give where breakpoints stopped: the function, and the thread."""
    found: list[tuple[str, str]] = []

    def stop() -> None:
        found.append((sys._getframe(1).f_code.co_name, threading.current_thread().name))

    monkeypatch.setattr(sys, "breakpointhook", stop)
    return found


def test_a_debugged_run_has_no_thread_of_its_own(project: Project, stops: list[tuple[str, str]]) -> None:
    flow = project.load(FLOW)

    run = flow.training.with_options(debug=True)()

    assert stops == [("where", threading.current_thread().name)]
    assert run.steps["where"].outputs["output"].load() == threading.current_thread().name
    assert run.refresh().status is Status.COMPLETED


def test_it_can_be_awaited_and_waited_for_twice(project: Project, stops: list[tuple[str, str]]) -> None:
    debugged = project.load(FLOW).training.with_options(debug=True)

    handle = debugged.start()
    assert handle.status is Status.RUNNING
    assert handle.wait().id == handle.wait().id == handle.id
    assert asyncio.run(debugged.run_async(by=2)).output == 0.5
    assert len(stops) == 1


def test_a_debugger_that_looks_afterwards_finds_the_users_frame(project: Project, stops: list[Any]) -> None:
    flow = project.load(FLOW)

    with pytest.raises(StepFailedError) as failed:
        flow.training.with_options(debug=True)(by=0)

    stack, place = pdb.Pdb().get_stack(None, failed.value.__traceback__)
    assert stack[place][0].f_code.co_name == "divide"
    assert stack[place][0].f_locals["by"] == 0


def test_an_interrupt_in_the_calling_thread_stops_the_run(project: Project, stops: list[Any]) -> None:
    flow = project.load(FLOW)

    with pytest.raises(RunInterruptedError):
        flow.interrupted.with_options(debug=True)()

    run = project.client.runs.newest()
    assert (run.status, run.steps["divide"].status) == (Status.INTERRUPTED, Status.COMPLETED)


def test_the_pause_before_an_attempt_grows_by_its_factor_and_not_for_ever() -> None:
    options = StepOptions(retries=1000, retry_delay_s=2, retry_backoff=3)

    assert [options.delay_before_s(retry) for retry in (1, 2, 3, 4)] == [2, 6, 18, 54]
    assert options.delay_before_s(1000) == LONGEST_BACKOFF_S
    assert StepOptions(retry_delay_s=900, retry_backoff=2).delay_before_s(5) == 900
    assert StepOptions(retry_delay_s=0, retry_backoff=1000).delay_before_s(1000) == 0
    assert StepOptions(retry_delay_s=5).delay_before_s(1000) == 5


def test_options_without_a_backoff_are_written_as_before_there_was_any() -> None:
    assert "retry_backoff" not in StepOptions(retries=2).model_dump()
    assert StepOptions(retry_backoff=2).model_dump(mode="json")["retry_backoff"] == 2
    assert StepOptions.read(StepOptions(retry_backoff=2).model_dump()) == StepOptions(retry_backoff=2)


@pytest.mark.parametrize("wrong", [0.5, 0, -1, math.nan, math.inf, 1001, "fast"], ids=str)
def test_a_backoff_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises((BadValueError, ValueError), match="retry_backoff"):
        step(retry_backoff=wrong)


def test_attempts_pause_as_long_as_they_should(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = project.load("""
TRIED = []

@step(retries=3, retry_delay_s=0.01, retry_backoff=2)
def fails() -> int:
    raise ValueError("no")

@pipeline
def training():
    return fails()
""")
    paused: list[float] = []
    monkeypatch.setattr(
        "nbpipe.execute.inline.InlineDriver._wait_before_retry", lambda _, delay_s: paused.append(delay_s)
    )

    with pytest.raises(StepFailedError):
        flow.training()

    assert paused == [0.01, 0.02, 0.04]
