"""Which logs leave: never one that somebody writes, needs, or wrote to a moment ago."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from nbpipe.catalog import retiring
from nbpipe.catalog.catalog import Catalog
from nbpipe.catalog.retiring import retire
from nbpipe.catalog.tails import look
from tests.catalog.histories import Recording, small_run


@pytest.fixture(autouse=True)
def _one_log_is_enough(monkeypatch):
    monkeypatch.setattr(retiring, "_ENOUGH_LOGS", 1)


@pytest.fixture
def log(workspace):
    """The log of a process that is over, all of it published twice."""
    catalog = Catalog(workspace)
    small_run(catalog)
    name = catalog.own_log_name
    catalog.publish()
    catalog.close()
    return name


def held(extents):
    return {log: extent.size for log, extent in extents.items()}


def asked(workspace, extents, **told):
    positions = held(extents)
    return retire(workspace, extents, **{"former": positions, "now": positions, "unsettled": (), **told})


def test_a_log_that_both_published_files_hold_leaves(workspace, log):
    assert asked(workspace, look(workspace)) == 1
    assert log not in look(workspace)


def test_a_log_that_grew_since_it_was_looked_at_stays(workspace, log):
    extents = look(workspace)
    # As if its writer had written a last line and died after the sizes were taken.
    path = extents[log].path
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[-1])

    assert asked(workspace, extents) == 0
    assert path.exists()


def test_a_segment_that_grew_since_it_was_looked_at_stays(workspace, log, monkeypatch):
    monkeypatch.setattr("nbpipe.catalog.operationlog._SEGMENT_BYTES", 100)
    extents = look(workspace)
    catalog = Catalog(workspace)
    small_run(catalog)
    catalog.close()
    (segment,) = (name for name in extents if name.isdecimal())

    asked(workspace, {segment: extents[segment]})
    stayed = segment in look(workspace)
    asked(workspace, {segment: look(workspace)[segment]})

    assert stayed
    assert segment not in look(workspace)


@pytest.mark.parametrize("which", ["former", "now"])
def test_a_log_that_one_published_file_does_not_hold_to_its_end_stays(workspace, log, which):
    extents = look(workspace)
    behind = {**held(extents), log: extents[log].size - 1}

    assert asked(workspace, extents, **{which: behind}) == 0
    assert log in look(workspace)


def test_a_log_that_is_written_stays(workspace, log):
    writing = Catalog(workspace)
    Recording(writing).start()
    extents = {name: extent for name, extent in look(workspace).items() if name == writing.own_log_name}

    assert asked(workspace, extents) == 0
    writing.close()


def test_a_log_with_a_run_that_nobody_ended_stays(workspace, log):
    assert asked(workspace, look(workspace), unsettled={log}) == 0
    assert log in look(workspace)


def test_the_live_segment_stays(workspace, log):
    asked(workspace, look(workspace))

    assert [name for name in look(workspace) if name.isdecimal()] == ["000000000001"]


def test_a_log_that_vanished_is_passed_over(workspace, log):
    extents = look(workspace)
    extents[log] = replace(extents[log], path=extents[log].path.with_name("gone.log"))

    assert asked(workspace, extents) == 0


def test_a_few_short_logs_are_not_worth_a_file(workspace, log, monkeypatch):
    monkeypatch.setattr(retiring, "_ENOUGH_LOGS", 64)

    assert asked(workspace, look(workspace)) == 0


def test_nothing_leaves_for_a_disk_that_is_full(workspace, log):
    script = f"""
import resource, signal
from pathlib import Path
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog import retiring
from nbpipe.catalog.tails import look
retiring._ENOUGH_LOGS = 1
paths = WorkspacePaths(Path({str(workspace.root)!r}))
extents = look(paths)
sizes = {{log: extent.size for log, extent in extents.items()}}
import duckdb
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
print(retiring.retire(paths, extents, former=sizes, now=sizes, unsettled=()))
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=os.getcwd())

    assert done.stdout == "0\n"
    assert log in look(workspace)


def test_a_system_that_refuses_to_list_is_no_trouble(workspace, log, monkeypatch):
    def refuse(folder):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("nbpipe.catalog.memory.saved", refuse)

    assert asked(workspace, look(workspace)) == 0
    assert log in look(workspace)
