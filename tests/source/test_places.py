"""Files and folders are looked at once a plan, and any change of one is seen by the next."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nbpipe.source.places import Places


def stamped(path: Path, second: int) -> None:
    os.utime(path, ns=(second * 10**9, second * 10**9))


def test_what_stands_as_it_did_is_current_and_what_changed_is_not(tmp_path: Path) -> None:
    file = tmp_path / "flow.py"
    file.write_text("x = 1")
    stamped(file, 1)
    stamps = Places().stamps([str(file), str(tmp_path)])

    assert Places().is_current(stamps)
    stamped(file, 2)
    assert not Places().is_current(stamps)
    stamped(file, 1)
    assert Places().is_current(stamps)
    file.unlink()
    assert not Places().is_current(stamps)


def test_a_file_that_appears_changes_its_folder(tmp_path: Path) -> None:
    stamped(tmp_path, 1)
    stamps = Places().stamps([str(tmp_path), str(tmp_path / "not yet.py")])

    assert Places().is_current(stamps)
    (tmp_path / "not yet.py").touch()
    assert not Places().is_current(stamps)


def test_another_search_path_may_find_other_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = Places().stamps([str(tmp_path)])

    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    assert not Places().is_current(stamps)


def test_one_plan_sees_one_moment(tmp_path: Path) -> None:
    stamped(tmp_path, 1)
    places = Places()
    stamps = places.stamps([str(tmp_path)])

    stamped(tmp_path, 2)

    assert places.is_current(stamps)
    assert places.stamps([str(tmp_path)]) is stamps
