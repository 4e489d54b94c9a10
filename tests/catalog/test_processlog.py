"""Each process writes its own log, and nobody waits for anybody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from nbpipe.base.locks import is_locked
from nbpipe.base.log import stretches, unseal
from nbpipe.catalog.processlog import ProcessLog
from nbpipe.errors import BadValueError, NotRecordedError, WorkspaceError
from tests.base.small_disk import files_of_at_most


@pytest.fixture
def log(workspace):
    log = ProcessLog(workspace)
    yield log
    log.close()


def logs_in(workspace) -> list:
    return sorted(workspace.logs.iterdir())


def records_in(path) -> list[dict]:
    found = list(stretches(path, 0, path.stat().st_size))
    assert not any(stretch.damaged for stretch in found)
    return [unseal(line) for stretch in found for _, line in stretch.lines]


def put(log: ProcessLog, n: int, *, kind: str = "step") -> None:
    log.append(kind, id=f"id-{n}", run="run", body={"n": n})


def test_nothing_is_made_before_the_first_record(workspace, log):
    assert logs_in(workspace) == []


def test_a_log_tells_who_writes_it_and_then_what_happened(workspace, log):
    put(log, 1)

    (path,) = logs_in(workspace)
    opened, step = records_in(path)

    assert (opened["k"], opened["id"] + ".log", opened["b"]["pid"]) == ("opened", path.name, os.getpid())
    assert set(opened["b"]) == {"format", "pid", "started", "boot", "host", "user", "nbpipe"}
    assert {key: step[key] for key in ("k", "id", "run", "b")} == {
        "k": "step",
        "id": "id-1",
        "run": "run",
        "b": {"n": 1},
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_log_is_locked_while_its_writer_lives_and_free_afterwards(workspace, log):
    put(log, 1)
    (path,) = logs_in(workspace)
    was_locked = is_locked(path)

    log.close()

    assert (was_locked, is_locked(path)) == (True, False)


def test_a_killed_writer_leaves_a_free_log_with_all_that_it_recorded(workspace):
    script = """
import os
from nbpipe.base.workspace import find_workspace
from nbpipe.catalog.processlog import ProcessLog
log = ProcessLog(find_workspace())
for n in range(100):
    log.append("step", id=str(n), run="run", body={})
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script], check=False)

    (path,) = logs_in(workspace)

    assert [record["id"] for record in records_in(path)[1:]] == [str(n) for n in range(100)]
    assert not is_locked(path)


def test_a_forked_child_writes_a_log_of_its_own_and_leaves_the_parents_locked(workspace, log):
    put(log, 1)
    (own,) = logs_in(workspace)

    pid = os.fork()
    if pid == 0:
        put(log, 2)
        os._exit(0)
    os.waitpid(pid, 0)
    put(log, 3)
    (childs,) = [path for path in logs_in(workspace) if path != own]

    assert [record["b"]["n"] for record in records_in(own)[1:]] == [1, 3]
    assert [record["b"]["n"] for record in records_in(childs)[1:]] == [2]
    assert (is_locked(own), is_locked(childs)) == (True, False)


def test_a_child_can_be_forked_while_another_thread_writes(workspace, log):
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            put(log, 0)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(1, 11):
            pid = os.fork()
            if pid == 0:
                put(log, n)
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        stop.set()
        writer.join()

    told = [[record["b"]["n"] for record in records_in(path)[1:]] for path in logs_in(workspace)]
    assert sorted(numbers[0] for numbers in told if len(set(numbers)) == 1 and numbers[0]) == list(range(1, 11))


def test_threads_share_one_log_and_no_line_is_mixed_up(workspace, log):
    threads = [threading.Thread(target=lambda: [put(log, n) for n in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (path,) = logs_in(workspace)

    assert sorted(record["b"]["n"] for record in records_in(path)[1:]) == sorted(list(range(200)) * 8)


def test_several_facts_are_recorded_together(workspace, log):
    log.append_lines([("step", "a", "run", {"n": 1}), ("metadata", "b", "run", {"n": 2})])
    log.append_lines([])

    (path,) = logs_in(workspace)

    assert [(record["k"], record["id"]) for record in records_in(path)[1:]] == [("step", "a"), ("metadata", "b")]


def test_of_several_facts_none_is_recorded_if_one_cannot_be_written(workspace, log):
    with pytest.raises(BadValueError):
        log.append_lines([("step", "a", "run", {"n": 1}), ("step", "b", "run", {"n": object()})])

    assert logs_in(workspace) == []


def test_after_a_full_disk_recording_goes_on_and_nothing_half_stays(workspace, log):
    put(log, 1)
    (path,) = logs_in(workspace)

    with files_of_at_most(path.stat().st_size + 30), pytest.raises(NotRecordedError):
        put(log, 2)
    put(log, 3)

    assert [record["b"]["n"] for record in records_in(path)[1:]] == [1, 3]


def test_a_log_that_cannot_even_be_begun_leaves_nothing(workspace, log):
    with files_of_at_most(10), pytest.raises(NotRecordedError):
        put(log, 1)

    assert logs_in(workspace) == []


def test_a_workspace_deleted_under_a_writer_gets_a_new_log_with_the_next_run(workspace, log):
    put(log, 1)
    for path in logs_in(workspace):
        path.unlink()

    put(log, 2, kind="run_started")

    (path,) = logs_in(workspace)
    assert [record["b"]["n"] for record in records_in(path)[1:]] == [2]


def test_a_draft_that_a_kill_left_is_swept_after_an_hour(workspace, log):
    for name, age_s in ((".old.log", 4000), (".new.log", 10)):
        (workspace.logs / name).touch()
        then = time.time() - age_s
        os.utime(workspace.logs / name, (then, then))

    put(log, 1)

    assert [path.name for path in logs_in(workspace) if path.name.startswith(".")] == [".new.log"]


def test_a_workspace_that_cannot_be_written_is_refused_and_stays_as_it_is():
    # In a folder that every user can look into, and as a user who is not almighty.
    script = """
import json, os, sys, tempfile
from pathlib import Path
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
from nbpipe.errors import WorkspaceError
from nbpipe.records.operations import DescribeModel
with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o755)
    paths = WorkspacePaths(Path(folder) / ".nbpipe").ensure()
    Catalog(paths).transact(DescribeModel(name="iris"))
    # Whatever is imported late is imported now: the other user may not be able to read it.
    warm = Catalog(WorkspacePaths(Path(folder) / "warm"))
    warm.append("step", id="a", body={})
    warm.publish()
    warm.rows("SELECT 1 AS one")
    for path in [*paths.root.rglob("*"), paths.root]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = sorted(str(path) for path in paths.root.rglob("*"))
    child = os.fork()
    if child == 0:
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        refused = 0
        catalog = Catalog(paths)
        for act in (
            lambda: catalog.append("step", id="a", body={}),
            lambda: catalog.transact(DescribeModel(name="other")),
            lambda: catalog.publish(),
            lambda: catalog.rebuild(),
        ):
            try:
                act()
            except WorkspaceError as error:
                refused += "cannot be written" in str(error)
        readable = [row["name"] for row in catalog.rows("SELECT name FROM models")] == ["iris"]
        readable = readable and list(catalog.state().models) == ["iris"]
        os._exit(refused + 10 * readable)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    after = sorted(str(path) for path in paths.root.rglob("*"))
    for path in [paths.root, *paths.root.rglob("*")]:
        path.chmod(0o755)
    print(json.dumps([code, before == after]))
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd="/")

    assert json.loads(done.stdout) == [14, True]


def test_a_file_in_the_place_of_the_workspace_is_refused(tmp_path):
    from nbpipe.base.workspace import WorkspacePaths

    (tmp_path / ".nbpipe").write_text("not a folder")

    with pytest.raises(WorkspaceError, match="cannot be written"):
        put(ProcessLog(WorkspacePaths(tmp_path / ".nbpipe")), 1)
