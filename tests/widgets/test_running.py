"""One run at a time, in a thread."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from threading import Event, current_thread, main_thread
from typing import Any

import pytest

from nbpipe.errors import CatalogError, NbpipeError, UserError
from nbpipe.widgets.running import Finished, Runner, error_text

PATIENCE_S = 30
PLACE: ContextVar[str] = ContextVar("PLACE", default="nowhere")


def test_a_run_is_beside_the_caller_and_sees_the_callers_context() -> None:
    runner = Runner(lambda _: (current_thread() is main_thread(), PLACE.get()), lambda _: None)
    token = PLACE.set("here")

    runner.start({})
    PLACE.reset(token)

    assert runner.wait(PATIENCE_S) == (False, "here")


def test_who_is_told_of_the_end_is_told_before_who_waits_for_it() -> None:
    told: list[Finished] = []
    runner = Runner(lambda values: values["x"], told.append)

    runner.start({"x": 3})

    assert runner.wait(PATIENCE_S) == 3
    assert told == [Finished(3)]


def test_a_second_run_may_start_when_the_first_has_ended_and_not_before() -> None:
    go_on = Event()
    runner = Runner(lambda _: go_on.wait(PATIENCE_S), lambda _: None)

    first, second = runner.start({}), runner.start({})
    go_on.set()
    runner.wait(PATIENCE_S)

    assert (first, second, runner.start({})) == (True, False, True)
    runner.wait(PATIENCE_S)


def test_there_must_be_something_to_wait_for() -> None:
    with pytest.raises(UserError, match="no run was started"):
        Runner(dict, lambda _: None).wait(0)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NbpipeError("The file is gone."), "The file is gone."),
        (NbpipeError(), "NbpipeError"),
        (ValueError("x" * 1000), "ValueError: " + "x" * 287 + "…"),
        (OSError("\n\n  \n"), "OSError"),
    ],
)
def test_an_error_is_said_in_two_short_lines_at_most(error: Exception, said: str) -> None:
    assert error_text(error) == said


def test_an_error_that_cannot_be_said_is_still_named() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert error_text(Mute()).startswith("Mute: ")


def test_a_result_is_kept_until_the_next_run() -> None:
    runner: Any = Runner(lambda values: values, lambda _: None)
    runner.start({"a": 1})

    assert runner.wait(PATIENCE_S) == runner.wait(PATIENCE_S) == {"a": 1}


class Slow:
    """Work that goes on until it was looked at some times.

    Args:
        looks: What is seen, or raised, each time.
    """

    def __init__(self, *looks: object) -> None:
        self._looks = list(looks)
        self._is_seen = Event()

    def look(self) -> object:
        seen = self._looks.pop(0)
        if not self._looks:
            self._is_seen.set()
        if isinstance(seen, Exception):
            raise seen
        return seen

    def stop(self) -> None:
        self._is_seen.set()

    def wait(self) -> str:
        assert self._is_seen.wait(PATIENCE_S)
        return "done"


def test_a_look_that_the_catalog_refuses_is_passed_over_and_the_next_is_shown() -> None:
    told: list[object] = []
    runner = Runner(lambda _: Slow(CatalogError("busy"), "half", "more"), lambda _: None, told.append)

    runner.start({})

    assert runner.wait(PATIENCE_S) == "done"
    assert told[:1] == ["half"]


def test_a_fault_in_what_shows_the_progress_ends_the_looking_and_not_the_run_and_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda raised: told.append(raised.exc_value))
    runner = Runner(lambda _: Slow(TypeError("no such picture")), lambda _: None, lambda _: None)

    runner.start({})

    assert runner.wait(PATIENCE_S) == "done"
    assert [type(one) for one in told] == [TypeError]
