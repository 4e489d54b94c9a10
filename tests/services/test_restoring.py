"""What was kept comes back, and only where nothing is."""

from __future__ import annotations

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import ConflictError
from nbpipe.services.restoring import restore
from nbpipe.services.upkeep import UpkeepService
from nbpipe.services.workspace import open_workspace
from tests.catalog.keeping import known_columns, said_by, write_history
from tests.services.building import record_run

COUNTS = "SELECT (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM artifacts) AS artifacts"


def test_what_was_kept_comes_back(full, target, elsewhere):
    made = UpkeepService(full).backup(target)
    back = open_workspace(elsewhere)
    found = UpkeepService(back).restore(target)

    assert (found.lines, found.blobs, found.logs) == (made.lines, made.blobs, made.logs)
    assert back.catalog.rows(COUNTS) == full.catalog.rows(COUNTS) == [{"runs": 6, "artifacts": 11}]
    assert [one for one in UpkeepService(back).check(deep=True) if not one.is_note] == []
    assert record_run(back).name


def test_archives_are_part_of_it(full, target, elsewhere):
    (full.paths.archive / "2026").mkdir(parents=True)
    (full.paths.archive / "000001.parquet").write_bytes(b"PAR1")
    (full.paths.archive / "2026" / "steps-1.parquet").write_bytes(b"PAR1 more")
    (full.paths.archive / ".draft").write_bytes(b"half")

    assert UpkeepService(full).backup(target).archives == 2
    restore(elsewhere, target)

    assert (elsewhere.archive / "2026" / "steps-1.parquet").read_bytes() == b"PAR1 more"
    assert not (elsewhere.archive / ".draft").exists()


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


def test_a_workspace_in_which_anything_is_is_not_restored_over(full, target):
    UpkeepService(full).backup(target)

    with pytest.raises(ConflictError, match=r"it has (logs|operations|blobs|catalog)"):
        restore(full.paths, target)


def test_an_empty_workspace_that_was_made_is_restored_into(full, target, tmp_path):
    UpkeepService(full).backup(target)
    made = WorkspacePaths(tmp_path / "made").ensure()

    restore(made, target)

    assert list(made.logs.glob("*.log"))


def test_a_workspace_with_an_archive_comes_back_as_it_was(tmp_path):
    paths, elsewhere = (WorkspacePaths(tmp_path / name / ".nbpipe") for name in ("here", "there"))
    write_history(paths)
    here, there = open_workspace(paths), open_workspace(elsewhere)
    made = UpkeepService(here).backup(tmp_path / "b.tar.gz")

    UpkeepService(there).restore(made.path)

    assert made.archives == 1
    assert said_by(there.catalog, known_columns()) == said_by(here.catalog, known_columns())
    assert there.catalog.state().to_json() == here.catalog.state().to_json()
