"""A backup holds all that is truth, as of one moment, whoever writes meanwhile."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import threading
import time

import pytest

from nbpipe.base.locks import PolledLock
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError, CatalogBusyError, ConflictError, NotFoundError
from nbpipe.services import backing_up
from nbpipe.services.backing_up import write_backup
from nbpipe.services.backups import read_through
from nbpipe.services.restoring import restore
from nbpipe.services.upkeep import UpkeepService
from nbpipe.services.workspace import open_workspace
from tests.services.building import lines_written, record_run


def files_of(path):
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


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


def test_unfinished_lines_are_left_out(full, target):
    log = next(full.paths.logs.glob("*.log"))
    whole = log.read_bytes()
    with log.open("ab") as file:
        file.write(b'{"c":"00000000","k":"half')

    UpkeepService(full).backup(target)

    assert files_of(target)[f"logs/{log.name}"] == whole


WRITER = """
import sys
import time
from pathlib import Path
from nbpipe.base.workspace import WorkspacePaths
from tests.services.building import opened, record_run
with opened(WorkspacePaths(Path(sys.argv[1]))) as workspace:
    print("begun", flush=True)
    n = 0
    while True:
        # Others have to come by something of the processors, too.
        time.sleep(0.01)
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
        made = [write_backup(full.paths, tmp_path / "0.tar.gz", values=True)]
        written = lines_written(full)
        while lines_written(full) == written:
            time.sleep(0.01)
        made.append(write_backup(full.paths, tmp_path / "1.tar.gz", values=True))
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
    monkeypatch.setattr(backing_up, "_PATIENCE_S", 0.05)
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


def test_nothing_is_published_while_the_logs_are_copied(full, target, monkeypatch):
    seen = []
    add = backing_up._Writer.add

    def watched(self, name, path, size):
        if name.startswith("logs/"):
            publishing = threading.Thread(target=lambda: seen.append(full.catalog.publish()))
            publishing.start()
            publishing.join()
        return add(self, name, path, size)

    monkeypatch.setattr(backing_up._Writer, "add", watched)
    record_run(full)
    UpkeepService(full).backup(target)

    assert seen
    assert set(seen) == {None}


def test_a_last_line_whose_line_break_was_changed_is_copied_and_counted_as_damaged(full, tmp_path):
    (path,) = full.paths.operations.glob("*.log")
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"x")

    made = write_backup(full.paths, tmp_path / "b.tar.gz", values=False)

    assert made.damaged_lines == 1
    with tarfile.open(made.path) as tar:
        copied = tar.extractfile(f"operations/{path.name}")
        assert copied is not None
        assert copied.read() == data[:-1] + b"x"
