"""Turns: one at a time, refused beyond the limit, stopped in time, and given up where nothing stops it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from nbpipe.server import invoker as turns
from nbpipe.server.invoker import BusyError, Invoker, LeavingError, TooLongError
from nbpipe.services.serving import Invocation

PATIENCE_S = 20.0


class Served:
    """Does for each invocation what its values say."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.stopped = threading.Event()
        self.go_on = threading.Event()

    def invoke(self, given: Mapping[str, Any], run_id: str, stop: Callable[[Callable[[], None]], None]) -> Invocation:
        self.begun.append(run_id)
        if given.get("traces_until_told"):
            assert self.go_on.wait(PATIENCE_S)
        stop(self.stopped.set)
        if given.get("until_stopped"):
            assert self.stopped.wait(PATIENCE_S)
        if given.get("never_stops"):
            assert self.go_on.wait(PATIENCE_S)
        if given.get("fails"):
            raise ArithmeticError("no")
        return Invocation(run_id, dict(given))


@contextmanager
def invoking(served: Served, **told: Any) -> Iterator[Invoker]:
    told = {"timeout_s": 60.0, "max_waiting": 4, "on_stuck": lambda: None, **told}
    made = Invoker(served, **told)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        served.go_on.set()
        served.stopped.set()
        made.close()


def test_invocations_have_their_turns_in_order() -> None:
    served = Served()
    with invoking(served) as invoker:
        asked = [invoker.put({}, str(n)) for n in range(4)]
        came = [turn.answer.result(PATIENCE_S).run_id for turn in asked]

    assert came == served.begun == ["0", "1", "2", "3"]


def test_an_invocation_that_raises_takes_nothing_with_it() -> None:
    with invoking(Served()) as invoker:
        failing, next_one = invoker.put({"fails": True}, "a"), invoker.put({}, "b")

        with pytest.raises(ArithmeticError):
            failing.answer.result(PATIENCE_S)
        assert next_one.answer.result(PATIENCE_S).run_id == "b"


def test_as_many_wait_as_may() -> None:
    served = Served()
    with invoking(served, max_waiting=2) as invoker:
        first = invoker.put({"until_stopped": True}, "a")
        while not served.begun:
            threading.Event().wait(0.005)
        waiting = [invoker.put({}, "b"), invoker.put({}, "c")]
        with pytest.raises(BusyError):
            invoker.put({}, "d")
        served.stopped.set()

        assert [turn.answer.result(PATIENCE_S).run_id for turn in (first, *waiting)] == ["a", "b", "c"]


def test_who_gave_up_before_its_turn_costs_no_turn() -> None:
    served = Served()
    with invoking(served) as invoker:
        invoker.put({"until_stopped": True}, "a")
        gone = invoker.put({}, "b")
        assert gone.answer.cancel()
        served.stopped.set()
        invoker.put({}, "c").answer.result(PATIENCE_S)

    assert served.begun == ["a", "c"]


def test_one_whose_time_is_over_before_it_is_begun_is_stopped_all_the_same() -> None:
    served = Served()

    async def scene(invoker: Invoker) -> None:
        watching = asyncio.create_task(invoker.watch())
        with pytest.raises(TooLongError):
            await invoker.invoke({"traces_until_told": True, "until_stopped": True}, "a")
        assert not served.stopped.is_set()
        served.go_on.set()
        came = await invoker.invoke({}, "b")
        watching.cancel()
        assert came.run_id == "b"

    with invoking(served, timeout_s=0.05) as invoker:
        asyncio.run(asyncio.wait_for(scene(invoker), PATIENCE_S))
    assert served.stopped.is_set()


def test_where_one_can_not_be_stopped_all_that_wait_are_told_before_the_process_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "_GRACE_S", 0.1)
    served, stuck = Served(), []

    async def scene(invoker: Invoker) -> None:
        watching = asyncio.create_task(invoker.watch())
        hanging = asyncio.create_task(invoker.invoke({"never_stops": True}, "a"))
        waiting = asyncio.create_task(invoker.invoke({}, "b"))
        with pytest.raises(TooLongError):
            await hanging
        with pytest.raises(LeavingError):
            await waiting
        assert stuck == []
        with pytest.raises(LeavingError):
            invoker.put({}, "c")
        await watching

    with invoking(served, timeout_s=0.05, on_stuck=lambda: stuck.append(1)) as invoker:
        asyncio.run(asyncio.wait_for(scene(invoker), PATIENCE_S))
    assert stuck == [1]
    assert served.begun == ["a"]


def test_the_loop_goes_on_beside_an_invocation_that_is_not_short() -> None:
    async def both(invoker: Invoker) -> list[int]:
        watch = asyncio.create_task(invoker.watch())
        await asyncio.sleep(0)
        beats = 0
        first = asyncio.wrap_future(invoker.put({"until_stopped": True}, "a").answer)
        while beats < 50:
            beats += 1
            await asyncio.sleep(0.001)
        served.stopped.set()
        await first
        ids = [int((await invoker.invoke({}, str(n))).run_id) for n in range(50)]
        watch.cancel()
        return ids

    served = Served()
    with invoking(served) as invoker:
        assert asyncio.run(both(invoker)) == list(range(50))
