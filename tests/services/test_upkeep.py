"""What gc keeps, and what check finds in the store."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from nbpipe.base.log import seal
from nbpipe.services import stored_values, upkeep
from nbpipe.services.upkeep import UpkeepService
from nbpipe.store.sweeping import stored
from tests.services.building import record_run

LARGE = list(range(5000))


@pytest.fixture
def care(opened_workspace):
    return UpkeepService(opened_workspace)


@pytest.fixture
def all_is_old(monkeypatch):
    """Have an hour pass at once."""
    monkeypatch.setattr(upkeep, "_YOUNG_S", -3600)


def digests(workspace):
    return {blob.digest for blob in stored(workspace.paths.blobs)}


@pytest.mark.usefixtures("all_is_old")
def test_everything_that_a_record_names_survives(opened_workspace, care, tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("a,b\n" * 3000)
    shared = [1] * 5000
    record_run(opened_workspace, outputs={"large": LARGE, "file": file, "x": {"s": shared}, "y": {"s": shared}})
    record_run(opened_workspace, outputs={"other": "x" * 9000}, status=None)
    body = {"displays": {"blob": opened_workspace.store.blobs.write((b"shown" * 9000,))}}
    run = record_run(opened_workspace)
    opened_workspace.catalog.append("displays", id=run.step_id, run=run.id, body=body)
    before = digests(opened_workspace)
    orphan = opened_workspace.store.blobs.write((b"orphan",))

    done = care.gc()

    assert len(before) >= 5
    assert digests(opened_workspace) == before
    assert orphan not in before
    assert done.blobs == 1
    assert not [one for one in care.check(deep=True) if "blob" in one.what]


@pytest.mark.usefixtures("all_is_old")
def test_it_makes_no_difference_whether_the_records_are_published(opened_workspace, care):
    record_run(opened_workspace, outputs={"large": LARGE})
    opened_workspace.catalog.publish()

    assert care.gc().blobs == 0


@pytest.mark.usefixtures("all_is_old")
@pytest.mark.parametrize("at", [30, None], ids=["beside", "in the digest"])
def test_what_a_damaged_line_mentions_stays(opened_workspace, care, at):
    digest = opened_workspace.store.blobs.write((b"named by a damaged line",))
    line = bytearray(seal({"k": "step", "id": "1", "run": "1", "at": "", "b": {"blob": digest, "more": " " * 99}}))
    line[line.index(digest.encode()) + 5 if at is None else at] ^= 1
    (opened_workspace.paths.logs / "another.log").write_bytes(line)

    assert care.gc().blobs == 0


def test_what_was_made_within_the_hour_stays(opened_workspace, care):
    opened_workspace.store.blobs.write((b"not recorded yet",))

    assert care.gc().blobs == 0


@pytest.mark.usefixtures("all_is_old")
def test_a_copy_of_a_small_file_stays_while_its_record_does(opened_workspace, care, tmp_path):
    small = tmp_path / "small.csv"
    small.write_text("a,b\n")
    kept = opened_workspace.store.keep({"file": small}, made_by="s").settled().versions["file"]
    copy = opened_workspace.store.load(kept)
    with_record = record_run(opened_workspace, outputs={"file": small})

    care.gc()

    assert with_record.artifacts
    assert copy.read_text() == "a,b\n"


def test_a_missing_blob_is_told_with_the_name_of_who_needs_it(opened_workspace, care):
    record_run(opened_workspace, outputs={"large": LARGE})
    place = next(
        path for path in opened_workspace.paths.blobs.rglob("*") if path.is_file() and path.stat().st_size > 9000
    )
    place.unlink()

    (found,) = [one for one in care.check() if "missing" in one.what]

    assert "artifact large" in found.what
    assert found.path == place
    assert not found.is_note


@pytest.mark.parametrize("deep", [False, True])
def test_a_blob_that_somebody_wrote_to_is_told(opened_workspace, care, deep):
    record_run(opened_workspace, outputs={"large": LARGE})
    place = next(
        path for path in opened_workspace.paths.blobs.rglob("*") if path.is_file() and path.stat().st_size > 9000
    )
    data = bytearray(place.read_bytes())
    data[100] ^= 1
    place.write_bytes(data)

    assert [one.path for one in care.check(deep=deep) if not one.is_note] == [place]


def test_bytes_that_changed_with_no_trace_are_found_by_reading_all(opened_workspace, care):
    record_run(opened_workspace, outputs={"large": LARGE})
    opened_workspace.store.blobs._verified.clear()
    place = next(
        path for path in opened_workspace.paths.blobs.rglob("*") if path.is_file() and path.stat().st_size > 9000
    )
    sealed_ns = place.stat().st_mtime_ns
    data = bytearray(place.read_bytes())
    data[100] ^= 1
    place.write_bytes(data)
    os.utime(place, ns=(sealed_ns, sealed_ns))

    assert [one for one in care.check() if not one.is_note] == []
    assert [one.path for one in care.check(deep=True)] == [place]


@pytest.mark.usefixtures("all_is_old")
def test_orphans_are_a_note_and_no_error(opened_workspace, care):
    opened_workspace.store.blobs.write((b"orphan",))

    (found,) = care.check()

    assert found.is_note
    assert "1 blobs" in found.what
    assert "gc" in found.cure


def test_many_missing_blobs_are_told_in_sum(opened_workspace, care, monkeypatch):
    monkeypatch.setattr(stored_values, "_MOST_FINDINGS", 2)
    for n in range(5):
        record_run(opened_workspace, outputs={"large": [n] * 5000})
    for path in opened_workspace.paths.blobs.rglob("*"):
        if path.is_file():
            path.unlink()

    found = care.check()

    assert len(found) == 3
    assert "more blobs are missing" in found[-1].what


def test_two_hours_pass_before_anything_goes(opened_workspace, care, monkeypatch):
    opened_workspace.store.blobs.write((b"orphan",))
    now_ns = time.time_ns()
    monkeypatch.setattr(upkeep.time, "time_ns", lambda: now_ns + 2 * 3600 * 10**9)

    assert care.gc().blobs == 1


REUSER = """
import sys
import time
from pathlib import Path
from nbpipe.base.workspace import WorkspacePaths
from tests.services.building import opened, record_run
with opened(WorkspacePaths(Path(sys.argv[1]))) as workspace:
    print("begun", flush=True)
    sys.stdin.readline()
    for n in range(int(sys.argv[2])):
        time.sleep(0.005)
        record_run(workspace, outputs={"large": [n] * 3000})
"""


def test_what_a_writer_finds_and_refers_to_outlives_sweeps_that_go_on_all_the_time(opened_workspace, care, monkeypatch):
    # A grace of a second, a hundred times what a writer here needs from its look to its record.
    monkeypatch.setattr(upkeep, "_YOUNG_S", 1)
    count = 100
    care.gc()
    for n in range(count):
        opened_workspace.store.keep({"large": [n] * 3000}, made_by="nobody")
    orphans = digests(opened_workspace)
    command = [sys.executable, "-c", REUSER, str(opened_workspace.paths.root), str(count)]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    writer.stdout.readline()
    time.sleep(1.1)

    writer.stdin.write(b"\n")
    writer.stdin.close()
    swept = 0
    while writer.poll() is None:
        swept += care.gc().blobs
    writer.stdout.close()
    care.gc()

    assert writer.returncode == 0
    assert swept > 0, "some went before the writer came to them"
    assert orphans <= digests(opened_workspace)
    assert [one for one in care.check(deep=True) if not one.is_note] == []
