"""Reading: whoever asks sees all that was acknowledged before, and nobody stands in the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import duckdb
import pytest

from nbpipe.catalog import engine, generations
from nbpipe.catalog.engine import heeding_interrupts
from nbpipe.errors import CatalogError
from tests.catalog.histories import Recording, small_run

COUNT = "SELECT count(*) AS n FROM runs"

WRITER = """
import sys, time
from nbpipe.base.workspace import find_workspace
from nbpipe.catalog.catalog import Catalog
from tests.catalog.histories import Recording
run = Recording(Catalog(find_workspace())).start()
run.begin_step("train")
print(run.id, flush=True)
time.sleep(60)
"""


@pytest.fixture
def writer(workspace):
    """Another process with a run and a step that go on: (process, run id)."""
    process = subprocess.Popen([sys.executable, "-c", WRITER], stdout=subprocess.PIPE, text=True, cwd=os.getcwd())
    yield process, process.stdout.readline().strip()
    process.kill()
    process.wait()
    process.stdout.close()


def test_each_record_is_seen_by_the_next_question_in_any_process(catalog, open_catalog):
    other = open_catalog()
    for n in range(1, 4):
        small_run(catalog)
        assert catalog.rows(COUNT) == other.rows(COUNT) == [{"n": n}]


def test_a_fresh_workspace_can_be_asked_and_nothing_is_made(workspace, catalog):
    before = sorted(workspace.root.rglob("*"))

    assert catalog.rows("SELECT * FROM runs") == []
    assert sorted(workspace.root.rglob("*")) == before


def test_a_workspace_that_does_not_exist_is_empty_and_stays_away(tmp_path):
    from nbpipe.base.workspace import WorkspacePaths
    from nbpipe.catalog.catalog import Catalog

    catalog = Catalog(WorkspacePaths(tmp_path / "nowhere"))

    assert catalog.rows("SELECT * FROM artifacts") == []
    assert catalog.check() == []
    catalog.close()
    assert not (tmp_path / "nowhere").exists()


def test_an_answer_that_is_still_being_read_is_not_disturbed_by_many_publishes(catalog):
    for _ in range(3):
        small_run(catalog)
    catalog.publish()

    with catalog._reader.cursor() as cursor:
        cursor.execute("SELECT id FROM runs, range(5000)")
        first = cursor.fetchone()
        for _ in range(5):
            small_run(catalog)
            catalog.publish()
            catalog.rows(COUNT)
        rest = cursor.fetchall()

    assert first is not None
    assert len(rest) == 3 * 5000 - 1
    assert catalog.rows(COUNT) == [{"n": 8}]


def test_a_catalog_that_grows_large_is_given_more_threads_while_an_answer_is_still_being_read(catalog, monkeypatch):
    threads = "SELECT current_setting('threads') AS threads"
    with duckdb.connect(":memory:") as plain:
        as_many_as_usual = plain.execute(threads).fetchone()[0]
    small_run(catalog)
    catalog.publish()
    small_run(catalog)
    assert catalog.rows(threads) == [{"threads": 1}]

    with catalog._reader.cursor() as cursor:
        cursor.execute("SELECT id FROM runs")
        monkeypatch.setattr(engine, "_LITTLE_BYTES", 0)
        catalog.publish()
        small_run(catalog)
        assert catalog.rows(COUNT) == [{"n": 3}]
        assert len(cursor.fetchall()) == 2

    assert catalog.rows(threads) == [{"threads": as_many_as_usual}]


def test_a_process_that_only_reads_follows_publishes_of_others(catalog, open_catalog):
    other = open_catalog()
    for n in range(1, 8):
        small_run(catalog)
        if n % 2:
            catalog.publish()
        assert other.rows(COUNT) == [{"n": n}]


def test_threads_ask_together_while_files_change(catalog):
    small_run(catalog)
    catalog.publish()
    answers: list[int] = []
    errors: list[Exception] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                answers.append(catalog.rows(COUNT)[0]["n"])
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        small_run(catalog)
        catalog.publish()
    stop.set()
    for thread in threads:
        thread.join()

    assert errors == []
    assert set(answers) <= set(range(1, 8))


def test_a_run_goes_on_while_its_process_lives_and_is_interrupted_when_it_was_killed(catalog, writer):
    process, run_id = writer
    statuses = [catalog.rows("SELECT id, status FROM runs")]
    os.kill(process.pid, signal.SIGSTOP)
    statuses.append(catalog.rows("SELECT id, status FROM runs"))
    catalog.publish()
    process.kill()
    process.wait()

    assert statuses == [[{"id": run_id, "status": "running"}]] * 2
    assert catalog.rows("SELECT id, status FROM runs") == [{"id": run_id, "status": "interrupted"}]
    assert catalog.rows("SELECT status FROM steps") == [{"status": "interrupted"}]


def test_an_interrupted_run_is_shown_so_in_the_published_file_too(workspace, catalog, writer):
    process, _ = writer
    process.kill()
    process.wait()
    catalog.publish()

    with duckdb.connect(str(workspace.published), read_only=True) as connection:
        assert connection.execute("SELECT status FROM runs").fetchall() == [("interrupted",)]


def test_our_own_run_is_running(catalog):
    Recording(catalog).start()

    assert catalog.rows("SELECT status FROM runs") == [{"status": "running"}]


def test_a_forked_child_asks_for_itself(catalog):
    small_run(catalog)
    catalog.publish()
    catalog.rows(COUNT)

    pid = os.fork()
    if pid == 0:
        small_run(catalog)
        os._exit(catalog.rows(COUNT)[0]["n"])
    childs = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert (childs, catalog.rows(COUNT)) == (2, [{"n": 2}])


def test_a_forked_child_that_ends_in_the_ordinary_way_does_not_hang(workspace):
    script = """
import os, sys
from nbpipe.base.workspace import find_workspace
from nbpipe.catalog.catalog import Catalog
from tests.catalog.histories import small_run
catalog = Catalog(find_workspace())
small_run(catalog)
catalog.publish()
catalog.rows("SELECT * FROM runs")
pid = os.fork()
if pid == 0:
    catalog.rows("SELECT * FROM runs")
    sys.exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False, cwd=os.getcwd())

    assert done.returncode == 0


def test_a_file_that_another_program_holds_open_for_writing_is_healed(workspace, catalog):
    run = small_run(catalog)
    catalog.publish()
    path = generations.path_of(workspace.catalog, 1)
    path.chmod(0o600)
    script = f"import duckdb, time; held = duckdb.connect({str(path)!r}); print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        holder.stdout.readline()
        seen = catalog.rows("SELECT id FROM runs")
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()

    assert seen == [{"id": run.id}]
    assert generations.published(workspace.catalog) == [1, 2]


def test_a_file_full_of_garbage_is_healed(workspace, catalog):
    run = small_run(catalog)
    catalog.publish()
    path = generations.path_of(workspace.catalog, 1)
    path.chmod(0o600)
    path.write_bytes(b"garbage" * 1000)

    assert catalog.rows("SELECT id FROM runs") == [{"id": run.id}]


def test_a_statement_that_fails_says_so_and_the_next_one_works(catalog):
    small_run(catalog)

    with pytest.raises(CatalogError, match="nowhere"):
        catalog.rows("SELECT * FROM nowhere")

    assert catalog.rows(COUNT) == [{"n": 1}]


def test_a_workspace_whose_path_holds_a_quote_can_be_read(tmp_path):
    from nbpipe.base.workspace import WorkspacePaths
    from nbpipe.catalog.catalog import Catalog

    catalog = Catalog(WorkspacePaths(tmp_path / "ada's work" / ".nbpipe"))
    small_run(catalog)
    catalog.publish()

    assert catalog.rows(COUNT) == [{"n": 1}]
    catalog.close()


def test_an_interrupt_that_meets_a_question_is_an_interrupt():
    # With several threads DuckDB may wait for the others in this one, and hear of the interrupt when they are done.
    connection = duckdb.connect(config={"threads": 1})
    press = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    press.start()

    with pytest.raises(KeyboardInterrupt), heeding_interrupts():
        connection.execute("SELECT sum(range * 7 % 13) FROM range(100_000_000_000)")

    press.join()
    assert connection.execute("SELECT 1").fetchone() == (1,)
    connection.close()
