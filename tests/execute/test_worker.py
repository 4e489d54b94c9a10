"""The worker: names for what a function returns, failures with the user's own frames."""

from __future__ import annotations

from typing import Any

import pytest

from nbpipe.errors import DefinitionError
from nbpipe.execute.context import RunFacts, StepContext
from nbpipe.execute.worker import CodeRoom, Task, failure_of, outputs_by_name, run_task
from nbpipe.records.definitions import Output, StepSignature
from nbpipe.source.closure import close_over
from nbpipe.source.pieces import read_unit

FACTS = RunFacts("run-id", "run-name", "training", {})


def outcome_of(
    text: str,
    *,
    gives: tuple[str, ...] = ("output",),
    is_tuple: bool = False,
    cells: tuple[str, ...] = (),
    **arguments: Any,
) -> Any:
    units = [read_unit(f"cell {n}", cell) for n, cell in enumerate(cells, 1)]
    source = close_over(text, kind="function", entry="work", step="work", units=units)
    signature = StepSignature({}, tuple(Output(name, name) for name in gives), is_tuple)
    task = Task(source, signature, arguments, StepContext(FACTS, "work", "step-id", gives))
    return run_task(task, CodeRoom([source]))


def test_a_function_gives_its_outputs_by_name() -> None:
    assert outcome_of("def work(x):\n    return x + ONE", x=2, cells=("ONE = 1",)).outputs == {"output": 3}
    assert outcome_of("def work():\n    return 1, 2", gives=("a", "b"), is_tuple=True).outputs == {"a": 1, "b": 2}
    assert outcome_of("def work():\n    return 1", gives=()).outputs == {}


def test_a_failure_has_the_users_frames_and_nothing_of_ours() -> None:
    text = "def work(x):\n    y = 1\n    return helper(x)"

    failure = outcome_of(text, x=0, cells=("def helper(x):\n    return 1 / x",)).failure

    assert (failure.type_name, failure.is_users_own) == ("ZeroDivisionError", True)
    assert "return helper(x)" in failure.traceback_text
    assert "return 1 / x" in failure.traceback_text
    assert "nbpipe" not in failure.traceback_text.replace("<nbpipe", "")


def test_a_chain_of_exceptions_is_shown_whole() -> None:
    caught = "    except KeyError as error:\n        raise ValueError('no a') from error"
    text = f"def work():\n    try:\n        {{}}['a']\n{caught}"

    failure = outcome_of(text).failure

    assert "KeyError: 'a'" in failure.traceback_text
    assert "direct cause" in failure.traceback_text
    assert failure.message == "no a"


def test_text_that_does_not_come_to_life_is_the_steps_failure() -> None:
    assert outcome_of("def work(x=1 // 0):\n    return x").failure.type_name == "ZeroDivisionError"


@pytest.mark.parametrize("returned", [1, (1,), [1, 2], None, (1, 2, 3)])
def test_what_does_not_fit_the_declared_outputs_is_refused_and_is_not_the_users_exception(returned: Any) -> None:
    signature = StepSignature({}, (Output("a", "a"), Output("b", "b")), is_tuple=True)

    with pytest.raises(DefinitionError, match=r"2 outputs \(a, b\)"):
        outputs_by_name(returned, signature, "work")

    failure = outcome_of(f"def work():\n    return {returned!r}", gives=("a", "b"), is_tuple=True).failure
    assert not failure.is_users_own
    assert isinstance(failure.exception, DefinitionError)


def test_an_exception_without_frames_is_described_all_the_same() -> None:
    failure = failure_of(ValueError("plain"))

    assert failure.as_record() == {"type": "ValueError", "message": "plain", "traceback": "ValueError: plain\n"}


def test_what_we_raise_on_purpose_shows_the_users_frames_and_none_behind_them() -> None:
    text = "def work():\n    from nbpipe.records.schedules import Schedule\n    Schedule(interval_second=0)"

    failure = outcome_of(text).failure

    assert failure.type_name == "BadValueError"
    assert "Schedule(interval_second=0)" in failure.traceback_text
    assert "records" not in failure.traceback_text.replace("from nbpipe.records.schedules", "").partition("BadValue")[0]
