"""A backup holds all that is truth, is what it was, and comes back only where nothing is."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import zlib

import pytest

from nbpipe.base.locks import PolledLock
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError, CatalogBusyError, CatalogDamagedError, ConflictError, NotFoundError
from nbpipe.services import backups
from nbpipe.services.backups import read_through, restore, write_backup
from nbpipe.services.upkeep import UpkeepService
from nbpipe.services.workspace import open_workspace
from tests.services.building import record_run

COUNTS = "SELECT (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM artifacts) AS artifacts"


@pytest.fixture
def target(tmp_path):
    return tmp_path / "kept.tar.gz"


@pytest.fixture
def elsewhere(tmp_path):
    return WorkspacePaths(tmp_path / "elsewhere" / ".nbpipe")


@pytest.fixture
def full(opened_workspace):
    for n in range(5):
        record_run(opened_workspace, outputs={"large": [n] * 5000, "small": n})
    opened_workspace.catalog.publish()
    record_run(opened_workspace, outputs={"other": "x" * 9000})
    return opened_workspace


def files_of(path):
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_what_was_kept_comes_back(full, target, elsewhere):
    made = UpkeepService(full).backup(target)
    back = open_workspace(elsewhere)
    found = UpkeepService(back).restore(target)

    assert (found.lines, found.blobs, found.logs) == (made.lines, made.blobs, made.logs)
    assert back.catalog.rows(COUNTS) == full.catalog.rows(COUNTS) == [{"runs": 6, "artifacts": 11}]
    assert [one for one in UpkeepService(back).check(deep=True) if not one.is_note] == []
    assert record_run(back).name


def test_nothing_derived_is_in_it_and_nobody_else_may_read_it(full, target):
    UpkeepService(full).backup(target)

    folders = {name.partition("/")[0] for name in files_of(target)}

    assert folders == {"operations", "logs", "blobs", "manifest.json"}
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in target.parent.iterdir() if path.name.startswith(".") and path.is_file()] == []


def test_values_may_be_left_out(full, target, elsewhere):
    made = UpkeepService(full).backup(target, values=False)
    restore(elsewhere, target)

    assert made.blobs == 0
    assert not any(name.startswith("blobs/") for name in files_of(target))
    found = UpkeepService(open_workspace(elsewhere)).check()
    assert len([one for one in found if "missing" in one.what]) == 6


def test_without_a_name_it_goes_by_the_time_into_the_workspace(full):
    made = UpkeepService(full).backup()

    assert made.path.parent == full.paths.backups
    assert made.path.parent.stat().st_mode & 0o777 == 0o700
    read_through(made.path)


def test_archives_are_part_of_it(full, target, elsewhere):
    (full.paths.archive / "2026").mkdir(parents=True)
    (full.paths.archive / "000001.parquet").write_bytes(b"PAR1")
    (full.paths.archive / "2026" / "steps-1.parquet").write_bytes(b"PAR1 more")
    (full.paths.archive / ".draft").write_bytes(b"half")

    assert UpkeepService(full).backup(target).archives == 2
    restore(elsewhere, target)

    assert (elsewhere.archive / "2026" / "steps-1.parquet").read_bytes() == b"PAR1 more"
    assert not (elsewhere.archive / ".draft").exists()


def test_unfinished_lines_are_left_out(full, target):
    log = next(full.paths.logs.glob("*.log"))
    whole = log.read_bytes()
    with log.open("ab") as file:
        file.write(b'{"c":"00000000","k":"half')

    UpkeepService(full).backup(target)

    assert files_of(target)[f"logs/{log.name}"] == whole


def test_damaged_lines_and_values_are_kept_and_told(full, target, elsewhere):
    (full.paths.logs / "other.log").write_bytes(b"no line of ours\n")
    (full.paths.blobs / "ab").mkdir(exist_ok=True)
    (full.paths.blobs / "ab" / ("0" * 62)).write_bytes(b"no such bytes")

    made = UpkeepService(full).backup(target)
    found = restore(elsewhere, target)

    assert (made.damaged_lines, made.damaged_blobs) == (1, ["ab" + "0" * 62])
    assert (elsewhere.logs / "other.log").read_bytes() == b"no line of ours\n"
    assert not (elsewhere.blobs / "ab" / ("0" * 62)).exists()
    assert found.damaged_lines == 1


WRITER = """
import sys
from pathlib import Path
from nbpipe.base.workspace import WorkspacePaths
from tests.services.building import opened, record_run
with opened(WorkspacePaths(Path(sys.argv[1]))) as workspace:
    print("begun", flush=True)
    n = 0
    while True:
        record_run(workspace, outputs={"large": [n] * 3000})
        n += 1
        if n % 20 == 0:
            workspace.catalog.publish()
"""


def test_it_is_whole_while_others_write_and_publish(full, tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(full.paths.root)], stdout=subprocess.PIPE) for _ in range(2)
    ]
    try:
        for writer in writers:
            writer.stdout.readline()
        made = [write_backup(full.paths, tmp_path / f"{n}.tar.gz", values=True) for n in range(3)]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            writer.stdout.close()

    assert made[0].lines < made[-1].lines
    for n, one in enumerate(made):
        back = open_workspace(WorkspacePaths(tmp_path / f"w{n}" / ".nbpipe"))
        UpkeepService(back).restore(one.path)
        assert one.damaged_lines == 0
        assert [found for found in UpkeepService(back).check() if not found.is_note] == []
        ended = back.catalog.rows("SELECT id FROM runs WHERE ended IS NOT NULL AND name IS NULL")
        assert ended == [], "a run's end without its beginning"


def test_a_publisher_that_goes_on_for_too_long_is_told(full, target, monkeypatch):
    monkeypatch.setattr(backups, "_PATIENCE_S", 0.05)
    held = PolledLock(full.paths.catalog / "publish.lock")

    with held, pytest.raises(CatalogBusyError):
        UpkeepService(full).backup(target)
    held.close()

    assert not target.exists()


def test_a_file_that_is_there_is_not_written_over(full, target):
    target.write_text("mine")

    with pytest.raises(ConflictError, match="there already"):
        UpkeepService(full).backup(target)
    with pytest.raises(BadValueError, match="is a folder"):
        UpkeepService(full).backup(target.parent)

    assert target.read_text() == "mine"


def test_a_workspace_that_is_not_there_has_no_backup(elsewhere, target):
    with pytest.raises(NotFoundError, match="workspace"):
        write_backup(elsewhere, target, values=True)


def test_a_workspace_in_which_anything_is_is_not_restored_over(full, target):
    UpkeepService(full).backup(target)

    with pytest.raises(ConflictError, match=r"it has (logs|operations|blobs|catalog)"):
        restore(full.paths, target)


def test_an_empty_workspace_that_was_made_is_restored_into(full, target, tmp_path):
    UpkeepService(full).backup(target)
    made = WorkspacePaths(tmp_path / "made").ensure()

    restore(made, target)

    assert list(made.logs.glob("*.log"))


def unpacked(data):
    """Give what was packed; nothing if it cannot be had."""
    try:
        return gzip.decompress(bytes(data))
    except (OSError, EOFError, zlib.error):
        return None


def test_every_changed_byte_of_a_backup_is_noticed(full, target, elsewhere):
    UpkeepService(full).backup(target)
    whole = target.read_bytes()
    # Of the packing's header nobody reads what follows its first three bytes: when it was made, and how.
    for place in [0, 1, 2, *range(10, len(whole), max(1, len(whole) // 60)), len(whole) - 1]:
        changed = bytearray(whole)
        changed[place] ^= 0x10
        target.write_bytes(changed)
        # Zeros may be packed in several ways.
        if unpacked(changed) == unpacked(whole):
            continue
        with pytest.raises(CatalogDamagedError, match="is damaged"):
            restore(elsewhere, target)
        assert list(elsewhere.root.parent.glob("*")) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_backup_that_was_cut_off_is_noticed(full, target, elsewhere, share):
    UpkeepService(full).backup(target)
    whole = target.read_bytes()
    target.write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(CatalogDamagedError):
        restore(elsewhere, target)

    assert list(elsewhere.root.parent.glob("*")) == []


def crafted(target, *members):
    """Write a tar of these members: (name, type, link)."""
    with tarfile.open(target, "w:gz") as tar:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            data = b"evil" if kind == tarfile.REGTYPE else b""
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        manifest = json.dumps({"schema": 1, "files": {}, "counts": {}}).encode()
        member = tarfile.TarInfo("manifest.json")
        member.size = len(manifest)
        tar.addfile(member, io.BytesIO(manifest))


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../../evil.log", tarfile.REGTYPE, ""),
        ("/tmp/evil.log", tarfile.REGTYPE, ""),
        ("logs/../../evil.log", tarfile.REGTYPE, ""),
        ("logs/.hidden.log", tarfile.REGTYPE, ""),
        ("logs/a.log/../x.log", tarfile.REGTYPE, ""),
        ("archive/../../evil", tarfile.REGTYPE, ""),
        ("archive/a/.x", tarfile.REGTYPE, ""),
        ("catalog/00000001.duckdb", tarfile.REGTYPE, ""),
        (".gitignore", tarfile.REGTYPE, ""),
        ("blobs/ab/evil", tarfile.REGTYPE, ""),
        ("logs/a.log\n", tarfile.REGTYPE, ""),
        ("logs/a.log", tarfile.SYMTYPE, "/etc/passwd"),
        ("logs/a.log", tarfile.LNKTYPE, "/etc/passwd"),
        ("archive/pipe", tarfile.FIFOTYPE, ""),
        ("archive/device", tarfile.CHRTYPE, ""),
        ("archive/folder", tarfile.DIRTYPE, ""),
    ],
)
def test_what_does_not_belong_in_a_backup_is_refused(target, elsewhere, name, kind, link):
    crafted(target, (name, kind, link))

    with pytest.raises(CatalogDamagedError, match="does not belong"):
        restore(elsewhere, target)

    assert list(elsewhere.root.parent.glob("*")) == []
    assert not os.path.exists("/tmp/evil.log")


def test_a_file_that_is_no_backup_is_told(target, elsewhere):
    with pytest.raises(NotFoundError, match="backup file"):
        restore(elsewhere, target)
    target.write_text("no tar")
    with pytest.raises(CatalogDamagedError):
        restore(elsewhere, target)
    crafted(target)
    with pytest.raises(CatalogDamagedError, match="counts"):
        restore(elsewhere, target)


def test_nothing_is_published_while_the_logs_are_copied(full, target, monkeypatch):
    seen = []
    add = backups._Writer.add

    def watched(self, name, path, size):
        if name.startswith("logs/"):
            publishing = threading.Thread(target=lambda: seen.append(full.catalog.publish()))
            publishing.start()
            publishing.join()
        return add(self, name, path, size)

    monkeypatch.setattr(backups._Writer, "add", watched)
    record_run(full)
    UpkeepService(full).backup(target)

    assert seen
    assert set(seen) == {None}
