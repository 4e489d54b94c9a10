"""Who looks on at runs: told of each and of its steps, and no trouble of the run's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from nbpipe.records.runs import Status
from nbpipe.services.snapshot_running import run_apart
from nbpipe.services.watching import StartedRun, watch_runs

FLOW = """
@step(cache=False)
def first(n: int = 1) -> int:
    return n

@step(cache=False)
def second(x: int) -> int:
    return 1 // x

@pipeline
def training(n: int = 1):
    return second(first(n))
"""


@contextmanager
def watched_by(*observers: Callable[[StartedRun], Any]) -> Iterator[None]:
    ends = [watch_runs(observer) for observer in observers]
    yield
    for end in ends:
        end()


def test_who_watches_is_told_of_every_run_and_every_step(flow: Any) -> None:
    told: list[Any] = []

    def observer(started: StartedRun) -> Any:
        told.append(("run", started.facts.pipeline, started.facts.parameters))
        return lambda node, settled: told.append((node, settled.status if settled is not None else None))

    end = watch_runs(observer)
    flow.training()
    end()
    end()
    flow.training()

    assert told == [
        ("run", "training", {"n": 1}),
        ("first", None),
        ("first", Status.COMPLETED),
        ("second", None),
        ("second", Status.COMPLETED),
    ]


def failing_at_once(_: StartedRun) -> Any:
    raise TypeError("no such picture")


def failing_at_steps(_: StartedRun) -> Any:
    def listener(node: str, _: Any) -> None:
        raise TypeError(f"no such picture of {node}")

    return listener


@pytest.mark.parametrize("observer", [failing_at_once, failing_at_steps])
@pytest.mark.parametrize("is_apart", [False, True], ids=["here", "apart"])
def test_one_who_fails_at_showing_a_run_is_told_of_once_and_the_run_and_the_others_go_on(
    flow: Any, capsys: pytest.CaptureFixture[str], observer: Callable[[StartedRun], Any], is_apart: bool
) -> None:
    told: list[str] = []

    with watched_by(observer, lambda _: lambda node, settled: told.append(node) if settled is not None else None):
        run = run_apart(flow.training.create_snapshot("nightly")).wait() if is_apart else flow.training()

    assert run.status is Status.COMPLETED
    assert told == ["first", "second"]
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "What shows run" in line]
    assert said.startswith(f"What shows run {run.id[:8]} of training failed, and shows no more of it: TypeError(")
