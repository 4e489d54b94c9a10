"""Starting a run: seen at once, watched, waited for, and always given an end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from nbpipe.errors import NotRecordedError, StepFailedError
from nbpipe.records.runs import Status
from tests.flows.project import Project

FLOW = """
import builtins

@step(cache=False)
def first(n: int = 1) -> int:
    return n

@step(cache=False)
def second(x: int) -> int:
    gate = getattr(builtins, "gate", None)
    if gate is not None:
        gate.wait(30)
    return 1 // x

@pipeline
def training(n: int = 1):
    return second(first(n))
"""


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Something before which the second step waits."""
    event = threading.Event()
    monkeypatch.setattr("builtins.gate", event, raising=False)
    yield event
    event.set()


def test_a_run_is_visible_while_it_goes_on(project: Project, flow: Any, gate: threading.Event) -> None:
    handle = flow.training.start()

    run = project.client.runs.get(handle.id)

    assert run.status is handle.status is Status.RUNNING
    assert not handle.is_over()
    assert run.parameters == {"n": 1}
    assert [node.id for node in run.graph.nodes] == ["first", "second"]
    gate.set()
    assert handle.wait().id == handle.id
    assert handle.is_over()
    assert run.refresh().status is handle.status is Status.COMPLETED


def test_waiting_may_be_limited_and_the_run_goes_on(flow: Any, gate: threading.Event) -> None:
    handle = flow.training.start()

    with pytest.raises(TimeoutError, match="still goes on"):
        handle.wait(timeout_s=0.05)

    gate.set()
    assert handle.wait().output == 1
    assert handle.wait().output == 1


def test_a_failure_is_raised_at_every_wait(flow: Any) -> None:
    handle = flow.training.start(n=0)

    for _ in range(2):
        with pytest.raises(StepFailedError):
            handle.wait()
    assert handle.status is Status.FAILED


def test_an_event_loop_goes_on_while_a_run_does(flow: Any, gate: threading.Event) -> None:
    async def both() -> tuple[Any, list[int]]:
        run = asyncio.ensure_future(flow.training.run_async())
        ticks = []
        while not run.done():
            ticks.append(len(ticks))
            await asyncio.sleep(0)
            if len(ticks) == 50:
                gate.set()
        return await run, ticks

    run, ticks = asyncio.run(both())

    assert run.output == 1
    assert len(ticks) >= 50


def test_a_cancelled_await_stops_the_run(project: Project, flow: Any, gate: threading.Event) -> None:
    async def cancelled() -> None:
        run = asyncio.ensure_future(flow.training.run_async())
        await asyncio.sleep(0.05)
        run.cancel()
        await run

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(cancelled())

    gate.set()
    run = project.client.runs.list()[0]
    while run.status is Status.RUNNING:
        run = run.refresh()
    assert run.status is Status.INTERRUPTED


def test_a_disk_that_is_full_while_facts_are_written_ends_the_run_as_failed(
    project: Project, flow: Any, gate: threading.Event, monkeypatch: Any
) -> None:
    from nbpipe.catalog.processlog import ProcessLog

    handle = flow.training.start()

    def full(self: ProcessLog, data: bytes, *, look: bool) -> None:
        raise NotRecordedError(project.folder, "No space left on device")

    while "second" not in project.client.runs.get(handle.id).steps:
        pass
    with monkeypatch.context() as patched:
        patched.setattr(ProcessLog, "_write", full)
        gate.set()
        with pytest.raises(NotRecordedError, match="No space left"):
            handle.wait()

    run = project.client.runs.get(handle.id)
    assert run.status is handle.status is Status.FAILED
    assert run.error.startswith("NotRecordedError")
    assert run.steps["first"].output.version == 1
    assert flow.training().output == 1


def test_every_run_has_a_name_of_its_own_unless_it_is_given_one(flow: Any) -> None:
    names = [flow.training().name for _ in range(3)]

    assert len(set(names)) == 3
    assert all(name.startswith("training-20") for name in names)
    assert flow.training.with_options(run_name=" mine ")().name == "mine"
