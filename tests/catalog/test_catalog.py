"""The catalog as its callers have it: light to open, quick to write, and tidy about the dead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from nbpipe.catalog import catalog as module
from nbpipe.catalog import generations
from nbpipe.catalog.catalog import Catalog
from nbpipe.errors import CatalogError
from nbpipe.records.operations import EndRun
from nbpipe.records.runs import Status
from tests.base.small_disk import files_of_at_most
from tests.catalog.histories import Recording, small_run


def run_script(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=os.getcwd())
    return done.stdout.strip()


def test_opening_makes_no_file(workspace):
    before = sorted(workspace.root.rglob("*"))

    Catalog(workspace).close()

    assert sorted(workspace.root.rglob("*")) == before


def test_a_process_that_only_records_never_loads_the_engine_nor_other_heavy_libraries(workspace):
    script = """
import sys
import nbpipe.catalog.catalog
from nbpipe.base.workspace import find_workspace
from tests.catalog.histories import small_run
catalog = nbpipe.catalog.catalog.Catalog(find_workspace())
small_run(catalog)
catalog.append_lines([("metadata", "a", "", {"kind": "run", "values": {}})])
catalog.state()
assert list(catalog.facts_since({}))
catalog.sync()
catalog.close()
print([name for name in ("duckdb", "pandas", "numpy", "pyarrow") if name in sys.modules])
"""

    assert run_script(script) == "[]"


def test_a_handful_of_logs_is_not_worth_publishing_again_at_once(catalog):
    small_run(catalog)
    first = catalog.publish_if_worth()
    small_run(catalog)

    assert first is not None
    assert catalog.publish_if_worth() is None


def test_a_long_tail_is_worth_publishing(catalog, monkeypatch):
    small_run(catalog)
    catalog.publish()
    monkeypatch.setattr(module, "_SHARE", 0)
    Recording(catalog).start(name="x" * 2**20)

    assert catalog.publish_if_worth() is not None
    assert catalog.publish_if_worth() is None


def test_a_failure_to_publish_is_nobodys_trouble_and_is_tried_again_later(catalog, monkeypatch):
    small_run(catalog)
    with files_of_at_most(10_000):
        first = catalog.publish_if_worth()
    at_once = catalog.publish_if_worth()
    later = module.time.monotonic() + 3600
    monkeypatch.setattr(module.time, "monotonic", lambda: later)

    assert (first, at_once) == (None, None)
    assert catalog.publish_if_worth() is not None


def test_facts_are_walked_from_kept_positions_in_every_log(catalog, open_catalog):
    other = open_catalog()
    run = Recording(catalog).start()
    theirs = Recording(other).start()
    positions: dict[str, int] = {}
    first = []
    for log, end, fact in catalog.facts_since(positions):
        first.append(fact["id"])
        positions[log] = end
    run.log({"x": 1})

    later = list(catalog.facts_since(positions))

    assert sorted(first) == sorted([run.id, theirs.id])
    assert [(log, fact["k"], fact["b"]["values"]) for log, _, fact in later] == [
        (catalog.own_log_name, "metadata", {"x": 1})
    ]
    assert [fact["id"] for _, _, fact in catalog.facts_since({}, skip=catalog.own_log_name)] == [theirs.id]
    assert [fact["k"] for _, _, fact in catalog.own_facts()] == ["run_started", "metadata"]


def test_a_process_that_recorded_nothing_has_no_facts_of_its_own(catalog, open_catalog):
    small_run(open_catalog())

    assert catalog.own_log_name is None
    assert list(catalog.own_facts()) == []


KILLED = """
import os
from nbpipe.base.workspace import find_workspace
from nbpipe.catalog.catalog import Catalog
from tests.catalog.histories import Recording, small_run
catalog = Catalog(find_workspace())
small_run(catalog)
run = Recording(catalog).start()
run.step("clean")
run.begin_step("train")
print(run.id, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def dead_run(workspace) -> str:
    """The id of a run whose process was killed."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED], check=False, stdout=subprocess.PIPE, text=True, cwd=os.getcwd()
    )
    return done.stdout.strip()


def test_a_dead_run_is_settled_once_with_the_facts_it_left(catalog, dead_run):
    told: list[tuple[str, list[str]]] = []

    def end(run_id, facts, numbered):
        assert numbered == set()
        told.append((run_id, [fact["k"] for fact in facts]))
        catalog.transact(
            EndRun(request_id=f"interrupted-{run_id}", run_id=run_id, pipeline="training", status=Status.INTERRUPTED)
        )

    assert [catalog.settle_dead(end), catalog.settle_dead(end)] == [1, 0]
    assert told == [(dead_run, ["run_started", "step_started", "step", "step_started"])]
    (row,) = catalog.rows("SELECT status, ended FROM runs WHERE id = $id", {"id": dead_run})
    assert row["status"] == "interrupted"
    assert row["ended"] is not None


def test_publishing_settles_the_dead_if_somebody_is_there_to_end_them(catalog, dead_run):
    told: list[str] = []
    catalog.on_dead_run = lambda run_id, *_: told.append(run_id)

    catalog.publish()

    assert told == [dead_run]


def test_a_run_of_a_living_process_is_never_settled(catalog, open_catalog):
    Recording(open_catalog()).start()

    assert catalog.settle_dead(lambda *_: pytest.fail("it lives")) == 0


def test_whoever_leaves_many_unpublished_logs_publishes_them(workspace, monkeypatch):
    monkeypatch.setattr(module, "_DEAD_LOGS", 3)
    for n in range(4):
        catalog = Catalog(workspace)
        small_run(catalog)
        catalog.close()
        assert workspace.published.exists() == (n == 3)


def test_a_sound_workspace_has_no_findings(workspace, catalog):
    small_run(catalog)
    catalog.publish()
    small_run(catalog)

    assert catalog.check() == []


def test_what_is_damaged_is_found(workspace, catalog):
    small_run(catalog)
    catalog.publish()
    (log,) = workspace.logs.glob("*.log")
    log.write_bytes(log.read_bytes().replace(b"clean", b"klean").replace(b"training", b"draining"))
    (operations,) = workspace.operations.glob("*.log")
    opened, ended = operations.read_bytes().splitlines(keepends=True)
    operations.write_bytes(opened + ended + ended)
    (workspace.catalog / "stamps.json").unlink()
    workspace.quarantine.mkdir()
    (workspace.quarantine / "x-1.line").touch()

    found = [(finding.path.name, finding.what) for finding in catalog.check()]

    assert (operations.name, f"operation 2 is missing before byte {len(opened) + 2 * len(ended)}") in found
    assert any(name == log.name and "is damaged" in what for name, what in found)
    assert ("00000001.duckdb", "was changed by another program") in found
    assert ("x-1.line", "was put aside as damaged") in found


def test_there_is_nothing_to_rebuild_without_logs(catalog):
    with pytest.raises(CatalogError, match="no logs"):
        catalog.rebuild()


def test_a_catalog_is_closed_though_a_query_of_another_thread_goes_on(catalog):
    catalog.rows("SELECT 1")
    found, cursors = [], []

    def ask():
        with catalog.moment() as moment:
            cursors.append(moment)
            found.extend(moment.rows("SELECT count(*) AS n FROM range(100000000) AS t(i) WHERE i % 7 = 3", {}))

    thread = threading.Thread(target=ask)
    thread.start()
    while not cursors:
        time.sleep(0.001)
    time.sleep(0.05)

    catalog.close()
    thread.join()

    assert found == [{"n": 14285714}]
    assert catalog.rows("SELECT 2 AS two") == [{"two": 2}]


def test_a_closed_catalog_can_be_used_again(catalog):
    small_run(catalog)
    catalog.close()
    small_run(catalog)

    assert catalog.rows("SELECT count(*) AS n FROM runs") == [{"n": 2}]


def test_a_clock_that_was_set_back_does_not_keep_anybody_from_publishing(workspace, catalog):
    small_run(catalog)
    catalog.publish()
    tomorrow = module.time.time() + 86_400
    path = generations.path_of(workspace.catalog, 1)
    stamps = json.loads((workspace.catalog / "stamps.json").read_text())
    os.utime(path, (tomorrow, tomorrow))
    stamps[path.name]["mtime_ns"] = path.stat().st_mtime_ns
    (workspace.catalog / "stamps.json").write_text(json.dumps(stamps))
    small_run(catalog)

    made = catalog.publish_if_worth()

    assert made is not None
    assert made.rebuilt == ""
    assert catalog.rows("SELECT count(*) AS n FROM runs") == [{"n": 2}]
