"""The care of a workspace, asked for as a user asks."""

from __future__ import annotations

import duckdb
import pytest

from nbpipe.catalog.views import COLUMNS
from nbpipe.errors import BadValueError, ConflictError
from nbpipe.services import upkeep
from nbpipe.services.workspace import open_workspace


@pytest.fixture
def all_is_old(monkeypatch):
    """Have an hour pass at once."""
    monkeypatch.setattr(upkeep, "_YOUNG_S", -3600)


@pytest.mark.usefixtures("all_is_old")
def test_what_a_run_and_a_snapshot_left_is_all_referred_to(ask):
    ask("run flow.py --set n=3000")
    ask("snapshot create flow.py --name nightly")

    swept = ask("catalog gc")

    assert swept.rows["blobs"] == 0
    assert swept.rows["kept"] >= 3
    assert ask("catalog check --deep").rows == []
    ask("snapshot run nightly")


@pytest.mark.usefixtures("all_is_old")
def test_gc_counts_first_and_removes_then(ask, workspace):
    ask("run flow.py")
    folder = workspace.blobs / "ab"
    folder.mkdir(exist_ok=True)
    (folder / ("0" * 62)).write_bytes(b"nobody's")

    would = ask("catalog gc --dry-run")
    assert (would.rows["blobs"], would.rows["size_bytes"], would.rows["dry_run"]) == (1, 8, True)
    assert "would be removed" in would.text
    checked = ask("catalog check")
    assert checked.exit_code == 0
    assert checked.rows[0]["is_note"]

    assert ask("catalog gc").rows["blobs"] == 1
    assert ask("catalog gc").rows["blobs"] == 0
    assert ask("catalog check").text == "The catalog is sound."


def test_a_missing_blob_makes_check_fail(ask, workspace):
    ask("run flow.py --set n=3000")
    for path in workspace.blobs.rglob("*"):
        if path.is_file():
            path.unlink()

    came = ask("catalog check")

    assert came.exit_code == 5
    assert "is missing" in came.text


def test_a_backup_comes_back_where_nothing_is(ask, workspace, tmp_path, monkeypatch):
    ask("run flow.py --set n=3000")
    kept = tmp_path / "kept.tar.gz"

    made = ask(f"catalog backup {kept}")
    monkeypatch.setenv("NBPIPE_HOME", str(tmp_path / "other" / ".nbpipe"))
    back = ask(f"catalog recover --from {kept}")

    assert "was read back" in made.text
    assert back.rows["lines"] == made.rows["lines"]
    assert len(ask("runs list").rows) == 1
    assert ask("catalog check --deep").exit_code == 0
    with pytest.raises(ConflictError, match="is not empty"):
        ask(f"catalog recover --from {kept}")


def changed(path, places):
    data = bytearray(path.read_bytes())
    for place in places:
        data[place] ^= 1
    path.write_bytes(data)


def operations_of(workspace):
    return next(workspace.operations.glob("*.log"))


def test_a_flipped_byte_is_mended_and_told(ask, workspace):
    ask("run flow.py")
    whole = operations_of(workspace).read_bytes()
    changed(operations_of(workspace), [200])

    assert ask("catalog check").exit_code == 5
    came = ask("catalog recover")

    assert came.exit_code == 0
    assert "the line at byte 0 whole again (corrected)" in came.text
    assert operations_of(workspace).read_bytes() == whole
    assert ask("catalog check").exit_code == 0
    assert ask("tag list").rows


def test_what_cannot_be_mended_is_told_and_can_be_given_up(ask, workspace):
    ask("run flow.py")
    changed(operations_of(workspace), [200, 201, 202])

    told = ask("catalog recover")
    given_up = ask("catalog recover --drop")

    assert told.exit_code == 5
    assert "--drop" in told.text
    assert given_up.exit_code == 0
    assert "says nothing" in given_up.text
    assert ask("catalog check").exit_code == 0
    ask("run flow.py --set n=7")


def test_lines_and_values_come_back_from_a_backup(ask, workspace):
    ask("run flow.py --set n=3000")
    ask("catalog backup")
    before = {path: path.read_bytes() for path in workspace.blobs.rglob("*") if path.is_file()}
    for path, data in before.items():
        path.unlink() if len(data) % 2 else path.write_bytes(b"x" * len(data))
    whole = operations_of(workspace).read_bytes()
    changed(operations_of(workspace), [200, 201, 202])

    came = ask("catalog recover")

    assert came.exit_code == 0
    assert "from a backup" in came.text
    assert operations_of(workspace).read_bytes() == whole
    assert {path: path.read_bytes() for path in before} == before
    assert ask("catalog check --deep").exit_code == 0


def test_values_that_are_in_no_backup_are_told(ask, workspace):
    ask("run flow.py --set n=3000")
    for path in workspace.blobs.rglob("*"):
        if path.is_file():
            path.unlink()

    came = ask("catalog recover")

    assert came.exit_code == 5
    assert "in no backup" in came.text


def test_a_damaged_backup_is_told_and_passed_over(ask, workspace):
    ask("run flow.py")
    made = ask("catalog backup")
    older = made.rows["path"]
    older.write_bytes(older.read_bytes()[:500])
    changed(operations_of(workspace), [200, 201, 202])

    came = ask("catalog recover")

    assert came.exit_code == 5
    assert "is damaged" in came.text


def test_a_sound_workspace_and_an_empty_one_recover_to_what_they_are(ask):
    assert "no line is damaged" in ask("catalog recover").text
    ask("run flow.py")
    came = ask("catalog recover --json")
    assert (came.exit_code, came.rows["mended"], came.rows["published"]["damaged"]) == (0, [], 0)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_every_view_is_exported_as_a_file_that_others_read(ask, tmp_path, form):
    ask("run flow.py")
    ask("tag add \"a, 'b'\" --pipeline training")
    folder = tmp_path / "tables"

    came = ask(f"catalog export {folder} --format {form}")

    assert {path.name for path in folder.iterdir()} == {f"{view}.{form}" for view in COLUMNS}
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    with duckdb.connect() as engine:
        for view, columns in COLUMNS.items():
            read = engine.execute(f"FROM '{folder}/{view}.{form}'")
            assert [column for column, *_ in read.description] == list(columns)
            assert len(read.fetchall()) == came.rows["rows"][view]
    assert came.rows["rows"]["runs"] == 1
    assert came.rows["rows"]["steps"] == 2


def test_only_some_views_are_exported_if_they_are_named(ask, tmp_path):
    ask("run flow.py")
    (tmp_path / "empty").mkdir()

    ask(f"catalog export {tmp_path / 'empty'} --views runs,steps")

    assert {path.stem for path in (tmp_path / "empty").iterdir()} == {"runs", "steps"}


def test_an_export_writes_over_nothing(ask, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("mine")

    with pytest.raises(ConflictError, match="no empty folder"):
        ask(f"catalog export {tmp_path / 'mine'}")
    with pytest.raises(ConflictError, match="no empty folder"):
        ask(f"catalog export {tmp_path / 'mine' / 'notes'}")
    with pytest.raises(BadValueError, match="Did you mean 'steps'"):
        ask(f"catalog export {tmp_path / 'new'} --views step")
    with pytest.raises(BadValueError, match="parquet or csv"):
        ask(f"catalog export {tmp_path / 'new'} --format xlsx")
    assert not (tmp_path / "new").exists()


def test_check_tells_all_it_finds_though_operations_are_damaged(ask, workspace):
    ask("run flow.py --set n=3000")
    changed(operations_of(workspace), [200])
    open_workspace(workspace).close()

    came = ask("catalog check")

    assert came.exit_code == 5
    assert "the line at byte 0 is damaged" in came.text
