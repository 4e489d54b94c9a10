"""The laws of executors, continued: stopped, late, killed and lost steps, and what is left behind.

No time is asserted: what is stopped here would else go on for minutes.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from nbpipe.errors import RunInterruptedError, WorkerLostError
from nbpipe.execute.executors import executor_for
from nbpipe.records.runs import Status
from tests.flows.project import Project
from tests.laws.runs import (
    LIMIT_S,
    attempts_of,
    ended,
    is_alive,
    kill_in_mid_step,
    pid_in,
    run_on,
    statuses,
    wait_until,
)

FLOW = """
import os, signal, time
from pathlib import Path

@step
def load(n: int = 3) -> list:
    return list(range(n))

@step
def count(data: list) -> int:
    return len(data)

@step(cache=False)
def busy(data: list, place: str) -> int:
    with open(place, "w") as file:
        file.write(f"{os.getpid()}.")
    return sum(range(10**12))  # C code that looks for no signal

@step(cache=False)
def idle(data: list, place: str) -> int:
    with open(place, "w") as file:
        file.write(f"{os.getpid()}.")
    for _ in range(60_000):
        time.sleep(0.01)
    return 0

@step(cache=False, retries=1)
def stubborn(data: list, place: str) -> int:
    if Path(place).exists():
        return 2
    with open(place, "w") as file:
        file.write(f"{os.getpid()}.")
    time.sleep(600)
    return 1

@step(cache=False, timeout_s=0.5)
def late(data: list) -> int:
    for _ in range(60_000):
        time.sleep(0.01)
    return 0

@step(cache=False, timeout_s=0.5)
def late_in_c(data: list) -> int:
    return sum(range(10**12))  # C code that looks for no signal

@step(cache=False)
def leaving(data: list) -> int:
    os._exit(7)

@step
def after(a: int) -> int:
    return a

@pipeline
def computing(place: str):
    data = load()
    return after(busy(data, place)), count(data)

@pipeline
def idling(place: str):
    return after(idle(load(), place))

@pipeline
def insisting(place: str):
    return after(stubborn(load(), place))

@pipeline
def delaying():
    data = load()
    return after(late(data)), count(data)

@pipeline
def delaying_in_c():
    return after(late_in_c(load()))

@pipeline
def quitting():
    data = load()
    return after(leaving(data)), count(data)

@pipeline
def counting(n: int):
    return count(load(n))
"""


@pytest.fixture
def flow(project: Project) -> Any:
    return project.load(FLOW)


@pytest.fixture
def place(project: Project) -> Path:
    return project.folder / "pid"


def test_a_stopped_step_is_interrupted_and_so_is_the_run(
    project: Project, flow: Any, place: Path, executor: str
) -> None:
    handle = flow.idling.with_options(executor=executor).start(place=str(place))
    pid_in(place)

    handle.stop()

    with pytest.raises(RunInterruptedError):
        handle.wait(LIMIT_S)
    run = project.client.runs.get(handle.id)
    assert run.status is Status.INTERRUPTED
    assert statuses(run) == {"after": "interrupted", "idle": "interrupted", "load": "completed"}
    assert attempts_of(project, "idle") == [(1, "interrupted")]
    assert run_on(executor, flow.counting, n=4).output == 4


def test_what_no_interrupt_reaches_is_stopped_all_the_same(
    project: Project, flow: Any, place: Path, killable: str
) -> None:
    handle = flow.computing.with_options(executor=killable).start(place=str(place))
    pid = pid_in(place)

    handle.stop()

    run = ended(handle)
    assert run.status is Status.INTERRUPTED
    assert statuses(run)["busy"] == "interrupted"
    assert attempts_of(project, "busy") == [(1, "interrupted")]
    wait_until(lambda: not is_alive(pid))
    assert run_on(killable, flow.counting, n=5).output == 5


def test_a_step_that_takes_too_long_fails_as_late(project: Project, flow: Any, executor: str) -> None:
    run = run_on(executor, flow.delaying)

    assert run.steps["late"].error.startswith("StepTimeoutError: Step 'late' ran longer than its timeout of 0.5 s")
    assert statuses(run) == {"after": "skipped", "count": "completed", "late": "failed", "load": "completed"}


def test_so_does_one_that_no_interrupt_reaches(flow: Any, killable: str) -> None:
    run = run_on(killable, flow.delaying_in_c)

    assert run.steps["late_in_c"].error.startswith("StepTimeoutError: ")
    assert run.status is Status.FAILED


def test_a_step_whose_process_is_killed_is_lost_and_the_rest_goes_on(
    project: Project, flow: Any, place: Path, killable: str
) -> None:
    handle = flow.computing.with_options(executor=killable).start(place=str(place))
    os.kill(pid_in(place), signal.SIGKILL)

    with pytest.raises(WorkerLostError, match=r"busy.*SIGKILL"):
        handle.wait(LIMIT_S)

    run = project.client.runs.get(handle.id)
    assert run.status is Status.FAILED
    assert statuses(run) == {"after": "skipped", "busy": "failed", "count": "completed", "load": "completed"}
    assert attempts_of(project, "busy") == [(1, "failed")]
    assert run_on(killable, flow.counting, n=6).output == 6


def test_a_lost_step_is_tried_again_if_it_has_another_attempt(
    project: Project, flow: Any, place: Path, killable: str
) -> None:
    handle = flow.insisting.with_options(executor=killable).start(place=str(place))
    os.kill(pid_in(place), signal.SIGKILL)

    run = ended(handle)

    assert run.status is Status.COMPLETED
    assert run.steps["after"].output.load() == 2
    assert attempts_of(project, "stubborn") == [(1, "failed"), (2, "completed")]


def test_a_step_that_ends_its_process_is_lost(flow: Any, killable: str) -> None:
    run = run_on(killable, flow.quitting)

    assert run.steps["leaving"].error.startswith("WorkerLostError: ")
    assert "exit code 7" in run.steps["leaving"].error
    assert statuses(run)["count"] == "completed"
    assert run_on(killable, flow.counting, n=7).output == 7


def test_a_step_whose_executor_is_closed_is_lost_and_the_run_ends(flow: Any, place: Path, killable: str) -> None:
    handle = flow.computing.with_options(executor=killable).start(place=str(place))
    pid = pid_in(place)

    executor_for(killable).close()  # type: ignore[union-attr]

    assert ended(handle).steps["busy"].error.startswith("WorkerLostError: ")
    wait_until(lambda: not is_alive(pid))
    assert run_on(killable, flow.counting, n=9).output == 9


CLOSING = """
import psutil
import flow
from nbpipe.execute.executors import executor_for

assert flow.counting.with_options(executor={executor!r})(n=3).output == 3
me = psutil.Process()
before = me.children(recursive=True)
executor_for({executor!r}).close()
_, left = psutil.wait_procs(before, 30)
print(len(before) > 0, left)
assert flow.counting.with_options(executor={executor!r})(n=4).output == 4
print(*(child.pid for child in me.children(recursive=True)))
"""


def test_nothing_is_left_of_an_executor_that_is_closed_or_of_a_process_that_ends(
    project: Project, killable: str
) -> None:
    project.load(FLOW)

    done = project.python(CLOSING.format(executor=killable))

    assert done.returncode == 0, done.stderr
    closed, pids = done.stdout.splitlines()[-2:]
    assert closed == "True []"
    assert pids
    wait_until(lambda: not any(is_alive(int(pid)) for pid in pids.split()))


def test_nothing_is_left_of_a_process_that_is_killed_in_mid_step(project: Project, place: Path, killable: str) -> None:
    project.load(FLOW)

    pid = kill_in_mid_step(project, f"flow.computing.with_options(executor={killable!r})(place={str(place)!r})", place)

    wait_until(lambda: not is_alive(pid))
    assert project.client.runs.newest().status is Status.INTERRUPTED
