"""Locks: one holder, known by name, and free the moment it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from nbpipe.base.locks import PolledLock, is_locked
from nbpipe.errors import CatalogBusyError, WorkspaceError
from tests.base.small_disk import files_of_at_most

HOLD = """
import sys, time
from pathlib import Path
from nbpipe.base.locks import PolledLock
with PolledLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock `tmp_path / "lock"`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def in_child(act) -> int:
    """Fork, do `act` in the child, and give what it answers (a small number)."""
    pid = os.fork()
    if pid == 0:
        os._exit(act())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_whoever_waits_too_long_is_told_who_holds_the_lock(tmp_path, holder):
    lock = PolledLock(tmp_path / "lock", patience_s=0.1)

    with pytest.raises(CatalogBusyError) as caught, lock:
        pass

    assert caught.value.holder_pid == holder.pid
    assert str(holder.pid) in str(caught.value)


def test_a_stopped_holder_still_holds(tmp_path, holder):
    os.kill(holder.pid, signal.SIGSTOP)

    assert not PolledLock(tmp_path / "lock").try_enter()
    assert is_locked(tmp_path / "lock")


def test_the_lock_is_free_once_its_holder_was_killed(tmp_path, holder):
    holder.kill()
    holder.wait()

    with PolledLock(tmp_path / "lock", patience_s=5):
        assert is_locked(tmp_path / "lock")


def test_the_lock_is_free_again_after_an_error_inside(tmp_path):
    lock = PolledLock(tmp_path / "lock")

    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError

    assert not is_locked(tmp_path / "lock")
    with lock:
        assert is_locked(tmp_path / "lock")


def test_two_threads_are_never_inside_together(tmp_path):
    lock = PolledLock(tmp_path / "lock")
    inside, most = 0, 0

    def enter_often() -> None:
        nonlocal inside, most
        for _ in range(50):
            with lock:
                inside += 1
                most = max(most, inside)
                time.sleep(0.0001)
                inside -= 1

    threads = [threading.Thread(target=enter_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 1


def test_a_forked_child_does_not_have_what_its_parent_holds(tmp_path):
    lock = PolledLock(tmp_path / "lock", patience_s=0.05)

    with lock:
        got_it = in_child(lambda: int(lock.try_enter()))
        is_ours = is_locked(tmp_path / "lock")

    assert (got_it, is_ours) == (0, True)


def test_a_child_forked_inside_the_block_leaves_it_without_taking_the_lock_along(tmp_path):
    lock = PolledLock(tmp_path / "lock")

    def leave() -> int:
        lock.leave()
        return 0

    with lock:
        in_child(leave)

        assert is_locked(tmp_path / "lock")


def test_a_child_that_outlives_its_parent_does_not_keep_the_lock(tmp_path):
    script = """
import os, sys, time
from pathlib import Path
from nbpipe.base.locks import PolledLock
lock = PolledLock(Path(sys.argv[1]))
lock.__enter__()
child = os.fork()
if child == 0:
    time.sleep(60)
print(child, flush=True)
os.kill(os.getpid(), 9)
"""
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.wait()
    parent.stdout.close()
    try:
        with PolledLock(tmp_path / "lock", patience_s=5):
            pass
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_lock_whose_file_was_deleted_is_the_lock_that_others_see(tmp_path):
    lock = PolledLock(tmp_path / "lock")
    with lock:
        pass
    (tmp_path / "lock").unlink()

    with lock:
        assert is_locked(tmp_path / "lock")


@pytest.mark.parametrize("exists", [True, False])
def test_a_file_that_nobody_holds_is_not_locked(tmp_path, exists):
    if exists:
        (tmp_path / "lock").touch()

    assert not is_locked(tmp_path / "lock")


def test_probes_do_not_take_each_other_for_a_holder(tmp_path):
    (tmp_path / "lock").touch()
    answers: list[bool] = []

    def probe() -> None:
        answers.extend(is_locked(tmp_path / "lock") for _ in range(500))

    threads = [threading.Thread(target=probe) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not any(answers)


def test_a_lock_is_held_although_the_disk_has_no_room_for_a_pid(tmp_path):
    lock = PolledLock(tmp_path / "lock")

    with files_of_at_most(0), lock:
        was_held = is_locked(lock.path)

    assert (was_held, lock.path.stat().st_size) == (True, 0)
    lock.close()


@pytest.mark.parametrize("take", [PolledLock.__enter__, PolledLock.try_enter], ids=["wait", "try"])
def test_a_lock_file_that_cannot_be_made_is_told_and_locks_nobody_out(tmp_path, take):
    lock = PolledLock(tmp_path / "gone" / "lock")
    with pytest.raises(WorkspaceError, match="cannot be locked"):
        take(lock)

    (tmp_path / "gone").mkdir()

    assert lock.try_enter()
    lock.leave()
    lock.close()
