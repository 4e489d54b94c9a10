"""The care of a workspace, asked for as a user asks."""

from __future__ import annotations

import pytest

from nbpipe.errors import ConflictError
from nbpipe.services import upkeep


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
