"""The pool: one answer to every task, whatever becomes of the process that has it; nothing is left behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import ExecutorError
from nbpipe.execute import children
from nbpipe.execute.processes import ProcessPool, process_pool
from nbpipe.execute.sending import Said, SentOutcome
from tests.execute.tasks import packed_plan_of, source_of, task_of

LIMIT_S = 60

QUICK = "def work(x):\n    return x * 2"
SLOW = "def work(place):\n    import time\n    open(place, 'w').close()\n    time.sleep(600)"
# C code that hears no interrupt and keeps the interpreter: it waits for itself, which takes no processor time.
IN_C = """
    import ctypes
    library, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(256)
    library.pthread_mutex_init(mutex, None)
    library.pthread_mutex_lock(mutex)
    return library.pthread_mutex_lock(mutex)"""
BUSY = "def work(place):\n    open(place, 'w').close()" + IN_C
TELLS_ITS_PID = f"""def work(place):
    import os
    open(place + ".part", "w").write(str(os.getpid()))
    os.rename(place + ".part", place){IN_C}"""
STUBBORN = """def work(place):
    import time
    open(place, 'w').close()
    while True:
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            pass"""


@pytest.fixture
def pool() -> Iterator[ProcessPool]:
    """Give a pool of two, which is closed after the test and then has no process left."""
    found = ProcessPool(2)
    yield found
    pids = [child.pid for child in found._children]
    found.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def ask(pool: ProcessPool, workspace: WorkspacePaths, text: str, heard: list[Said] | None = None, **values: object):  # type: ignore[no-untyped-def]
    timeout_s = values.pop("timeout_s", None)
    source = source_of(text)
    task = task_of(source, timeout_s=timeout_s, **values)  # type: ignore[arg-type]
    plan = packed_plan_of(workspace, source, run=source.digest)
    return task, pool.submit(plan, task, (heard if heard is not None else []).append)


def value_of(outcome: SentOutcome) -> object:
    inline = outcome.artifacts["output"].inline
    assert inline is not None
    return inline["json"]


def wait_for(place: Path) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not place.exists():
        assert time.monotonic() < deadline, f"{place} never came"
        time.sleep(0.01)


def test_tasks_are_answered_each_with_its_own_outcome(pool: ProcessPool, workspace: WorkspacePaths) -> None:
    asked = [ask(pool, workspace, QUICK, x=x)[1] for x in range(20)]

    assert [value_of(future.result(LIMIT_S)) for future in asked] == [2 * x for x in range(20)]
    assert len(pool._children) <= 2


def test_a_process_is_used_again(pool: ProcessPool, workspace: WorkspacePaths) -> None:
    text = "def work():\n    import os\n    return os.getpid()"
    pids = {value_of(ask(pool, workspace, text)[1].result(LIMIT_S)) for _ in range(5)}

    assert len(pids) <= 2
    assert os.getpid() not in pids


def test_what_a_step_prints_is_heard_and_kept(pool: ProcessPool, workspace: WorkspacePaths) -> None:
    heard: list[Said] = []
    text = "def work():\n    import sys\n    print('one')\n    print('two', file=sys.stderr)"

    outcome = ask(pool, workspace, text, heard)[1].result(LIMIT_S)

    assert outcome.logs == "one\ntwo\n"
    assert "".join(said.text for said in heard if said.stream == "stdout") == "one\n"
    assert "".join(said.text for said in heard if said.stream == "stderr") == "two\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def work():\n    import os\n    os._exit(3)", "exit code 3"),
        ("def work():\n    import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("def work():\n    import os, signal\n    os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    ],
    ids=["exit", "kill", "fault"],
)
def test_a_process_that_dies_is_told_and_replaced(
    text: str, told: str, pool: ProcessPool, workspace: WorkspacePaths
) -> None:
    failure = ask(pool, workspace, text)[1].result(LIMIT_S).failure

    assert failure is not None
    assert failure.type_name == "WorkerLostError"
    assert told in failure.message
    assert value_of(ask(pool, workspace, QUICK, x=4)[1].result(LIMIT_S)) == 8


@pytest.mark.parametrize("text", [SLOW, BUSY, STUBBORN], ids=["python", "c", "stubborn"])
def test_a_task_is_ended_whatever_it_is_at(
    text: str, pool: ProcessPool, workspace: WorkspacePaths, tmp_path: Path
) -> None:
    place = tmp_path / "begun"
    task, future = ask(pool, workspace, text, place=str(place))
    wait_for(place)

    pool.cancel(task.id)

    failure = future.result(LIMIT_S).failure
    assert failure is not None
    assert failure.type_name == "KeyboardInterrupt"
    assert value_of(ask(pool, workspace, QUICK, x=1)[1].result(LIMIT_S)) == 2


def test_a_task_that_was_cancelled_before_its_turn_never_begins(
    pool: ProcessPool, workspace: WorkspacePaths, tmp_path: Path
) -> None:
    going = [ask(pool, workspace, SLOW, place=str(tmp_path / str(n))) for n in range(2)]
    third, future = ask(pool, workspace, SLOW, place=str(tmp_path / "third"))
    for n in range(2):
        wait_for(tmp_path / str(n))

    for task, _ in ((third, future), *going):
        pool.cancel(task.id)

    assert future.result(LIMIT_S).failure is not None
    assert all(one.result(LIMIT_S).failure is not None for _, one in going)
    assert not (tmp_path / "third").exists()


def test_a_task_that_takes_too_long_is_told_as_late(
    pool: ProcessPool, workspace: WorkspacePaths, tmp_path: Path
) -> None:
    failure = ask(pool, workspace, BUSY, timeout_s=0.5, place=str(tmp_path / "begun"))[1].result(LIMIT_S).failure

    assert failure is not None
    assert failure.type_name == "StepTimeoutError"
    assert "0.5 s" in failure.message


def test_a_step_that_ends_in_time_is_not_told_as_late(pool: ProcessPool, workspace: WorkspacePaths) -> None:
    assert value_of(ask(pool, workspace, QUICK, timeout_s=30.0, x=3)[1].result(LIMIT_S)) == 6


SLOW_TO_START = """
import time

time.sleep(4)
from nbpipe.execute.child import main

main()
"""


def start_slowly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "slow_to_start.py").write_text(SLOW_TO_START, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(children, "_CHILD", "slow_to_start")


def test_that_its_process_is_slow_to_start_makes_no_step_late(
    pool: ProcessPool, workspace: WorkspacePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_slowly(tmp_path, monkeypatch)

    assert value_of(ask(pool, workspace, QUICK, timeout_s=3.0, x=3)[1].result(LIMIT_S)) == 6


def test_who_is_stopped_before_its_process_is_there_leaves_no_word_on_the_terminal(
    pool: ProcessPool,
    workspace: WorkspacePaths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    start_slowly(tmp_path, monkeypatch)
    task, future = ask(pool, workspace, QUICK, x=3)
    while not pool._children:
        time.sleep(0.01)
    time.sleep(1)  # it hears an interrupt once Python is there

    pool.cancel(task.id)
    failure = future.result(LIMIT_S).failure

    assert failure is not None
    assert failure.type_name == "KeyboardInterrupt"
    assert capfd.readouterr().err == ""
    assert value_of(ask(pool, workspace, QUICK, x=4)[1].result(LIMIT_S)) == 8


def test_an_interrupt_that_comes_too_late_hurts_nobody(pool: ProcessPool, workspace: WorkspacePaths) -> None:
    for x in range(10):
        task, future = ask(pool, workspace, QUICK, x=x)
        future.result(LIMIT_S)
        pool.cancel(task.id)
        assert value_of(ask(pool, workspace, QUICK, x=x)[1].result(LIMIT_S)) == 2 * x


def test_what_a_killed_step_had_started_is_ended_with_it(
    pool: ProcessPool, workspace: WorkspacePaths, tmp_path: Path
) -> None:
    place = tmp_path / "pid"
    text = f"""def work(place):
    import os, subprocess, sys
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open(place + ".part", "w").write(str(other.pid))
    os.rename(place + ".part", place){IN_C}"""
    task, future = ask(pool, workspace, text, place=str(place))
    wait_for(place)
    time.sleep(0.5)  # an interrupt that came before the C code would be heard, and the step end by itself

    pool.cancel(task.id)

    future.result(LIMIT_S)
    pid = int(place.read_text())
    left = [psutil.Process(pid)] if psutil.pid_exists(pid) else []
    assert psutil.wait_procs(left, LIMIT_S)[1] == []


def test_a_folder_that_is_gone_is_named(pool: ProcessPool, workspace: WorkspacePaths, tmp_path: Path) -> None:
    failure = ask(pool, workspace, QUICK, folder=str(tmp_path / "gone"), x=1)[1].result(LIMIT_S).failure

    assert failure is not None
    assert failure.type_name == "ExecutorError"
    assert str(tmp_path / "gone") in failure.message


def test_a_closed_pool_takes_nothing_and_has_told_everybody(workspace: WorkspacePaths, tmp_path: Path) -> None:
    pool = ProcessPool(1)
    _, future = ask(pool, workspace, SLOW, place=str(tmp_path / "begun"))
    wait_for(tmp_path / "begun")

    pool.close()

    assert future.result(LIMIT_S).failure is not None
    with pytest.raises(ExecutorError):
        ask(pool, workspace, QUICK, x=1)


def test_a_process_ends_when_whoever_asked_is_killed(workspace: WorkspacePaths, tmp_path: Path) -> None:
    place = tmp_path / "pid"
    asker = os.fork()
    if asker == 0:
        text = TELLS_ITS_PID
        ask(ProcessPool(1), workspace, text, place=str(place))
        threading.Event().wait(LIMIT_S)
        os._exit(0)
    wait_for(place)
    child = psutil.Process(int(place.read_text()))

    os.kill(asker, signal.SIGKILL)
    os.waitpid(asker, 0)

    assert psutil.wait_procs([child], LIMIT_S)[1] == []


def test_whoever_asks_for_as_many_gets_the_same_pool_until_it_is_closed() -> None:
    first = process_pool(3)

    assert process_pool(3) is first
    first.close()
    assert process_pool(3) is not first


def test_what_waits_for_a_process_when_the_pool_is_closed_never_begins(
    workspace: WorkspacePaths, tmp_path: Path
) -> None:
    pool = ProcessPool(1)
    _, going = ask(pool, workspace, SLOW, place=str(tmp_path / "first"))
    _, waiting = ask(pool, workspace, SLOW, place=str(tmp_path / "second"))
    wait_for(tmp_path / "first")

    pool.close()

    for future in (going, waiting):
        failure = future.result(LIMIT_S).failure
        assert failure is not None
        assert failure.type_name == "WorkerLostError"
    assert not (tmp_path / "second").exists()
