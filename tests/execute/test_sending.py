"""What goes to another process and comes back: values, and exceptions as data."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from nbpipe.errors import NotStorableError, StepTimeoutError
from nbpipe.execute.context import RunFacts
from nbpipe.execute.sending import RemoteError, failure_sent, failure_to_send, values_sent, values_to_send
from nbpipe.execute.worker import failure_of

FACTS = RunFacts("run-id", "run-name", "training", {"rate": 0.1})


class PairError(Exception):
    """One whose arguments are not what it is made of."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__(f"{left} and {right}")
        self.left = left


class CountingError(Exception):
    """One that notes when it is made."""

    made = 0

    def __init__(self, text: str) -> None:
        super().__init__(text)
        CountingError.made += 1


def sent_and_back(exception: BaseException, *, is_users_own: bool = True) -> Any:
    return failure_sent(failure_to_send(failure_of(exception, is_users_own=is_users_own))).exception


def test_plain_values_and_what_a_step_knows_of_its_run_come_back_as_they_were() -> None:
    values, facts = values_sent(values_to_send("train", {"rate": 0.1, "names": ("a", "ü")}, FACTS))

    assert values == {"rate": 0.1, "names": ("a", "ü")}
    assert facts == FACTS


def test_a_value_that_cannot_leave_the_process_is_named() -> None:
    with pytest.raises(NotStorableError, match=r"(?s)'lock'.*another process"):
        values_to_send("train", {"rate": 0.1, "lock": threading.Lock()}, FACTS)


@pytest.mark.parametrize(
    "exception",
    [
        ValueError("no good"),
        KeyError("name"),
        FileNotFoundError(2, "No such file", "data.csv"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        PairError(1, 2),
        StepTimeoutError("train", 0.5),
    ],
    ids=lambda exception: type(exception).__name__,
)
def test_an_exception_whose_class_is_here_comes_back_as_one_of_that_class(exception: Exception) -> None:
    back = sent_and_back(exception)

    assert type(back) is type(exception)
    assert str(back) == str(exception)
    assert vars(back).items() >= {name: value for name, value in vars(exception).items() if name != "__notes__"}.items()


def test_the_class_of_an_exception_is_not_called_again() -> None:
    error = CountingError("once")
    made = CountingError.made

    assert type(sent_and_back(error)) is CountingError
    assert CountingError.made == made


def test_the_frames_of_the_other_process_are_a_note() -> None:
    assert "In another process" in "".join(sent_and_back(ValueError("no")).__notes__)


def test_an_exception_of_a_class_that_is_not_here_is_told_by_its_text() -> None:
    kind = type("LocalError", (Exception,), {"__module__": "nowhere_to_be_found"})

    back = sent_and_back(kind("gone"))

    assert type(back) is RemoteError
    assert str(back) == "LocalError: gone"


def test_an_exception_that_carries_what_cannot_be_sent_is_told_by_its_text() -> None:
    back = sent_and_back(ValueError("locked", threading.Lock()))

    assert type(back) is RemoteError
    assert "locked" in str(back)


def test_an_exception_that_carries_very_much_is_told_by_its_text() -> None:
    assert type(sent_and_back(ValueError("x" * 1_000_000))) is RemoteError
