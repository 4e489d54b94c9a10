"""Files and folders that a step answers with their path."""

from __future__ import annotations

import json
import os
import stat
import struct
from pathlib import Path

import pytest

from nbpipe.errors import BadValueError
from nbpipe.store import files
from nbpipe.store.buffers import joined
from nbpipe.store.files import Files
from tests.store.trials import loading


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "report" / "inner").mkdir(parents=True)
    (tmp_path / "report" / "a.txt").write_text("a")
    (tmp_path / "report" / "inner" / "b.bin").write_bytes(b"\0\1")
    return tmp_path / "report"


def stored(path: Path, unpacked: Path) -> Path:
    return Files().decode(memoryview(joined(Files().encode(path))), loading(unpacked))


def test_a_file_comes_back_as_a_read_only_copy_with_its_ending(folder, tmp_path):
    copy = stored(folder / "a.txt", tmp_path / "unpacked")

    assert copy.read_text() == "a"
    assert copy.suffix == ".txt"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o400
    assert copy.is_relative_to(tmp_path / "unpacked")


def test_a_folder_comes_back_with_all_that_was_in_it(folder, tmp_path):
    copy = stored(folder, tmp_path / "unpacked")

    assert {path.relative_to(copy).as_posix() for path in copy.rglob("*")} == {"a.txt", "inner", "inner/b.bin"}
    assert (copy / "inner" / "b.bin").read_bytes() == b"\0\1"


def test_the_copy_stays_when_the_original_changes_and_is_laid_out_once(folder, tmp_path):
    first = stored(folder / "a.txt", tmp_path / "unpacked")
    again = stored(folder / "a.txt", tmp_path / "unpacked")
    (folder / "a.txt").write_text("other")

    assert first == again
    assert first.read_text() == "a"
    assert stored(folder / "a.txt", tmp_path / "unpacked") != first


def test_a_path_where_nothing_lies_comes_back_as_the_path(tmp_path):
    assert stored(Path("nothing/here.csv"), tmp_path) == Path("nothing/here.csv")


def test_no_part_of_a_file_name_but_a_plain_ending_is_used(tmp_path):
    odd = tmp_path / "x.$(rm -rf)"
    odd.write_text("a")

    assert stored(odd, tmp_path / "unpacked").name == "content"


def test_a_link_in_a_folder_and_a_folder_that_is_too_large_are_refused(folder, monkeypatch):
    monkeypatch.setattr(files, "MAX_FILES", 1)
    with pytest.raises(BadValueError, match="more than 1 files"):
        Files().encode(folder)

    monkeypatch.setattr(files, "MAX_BYTES", 2)
    with pytest.raises(BadValueError, match="1 GiB"):
        Files().encode(folder)

    (folder / "a.txt").unlink()
    os.symlink("/", folder / "a.txt")
    with pytest.raises(BadValueError, match="link"):
        Files().encode(folder)


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "..", "", ".", "a\\..\\out", "C:out", "a\0b"])
def test_a_name_that_leads_out_of_its_folder_is_refused_and_nothing_is_left(name, tmp_path):
    header = json.dumps({"folder": [["fine.txt", 1], [name, 1]]}).encode()

    with pytest.raises(ValueError, match="leads out"):
        Files().decode(memoryview(struct.pack("<q", len(header)) + header + b"xy"), loading(tmp_path / "unpacked"))

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("ending", ["/../../out", ".a/b", "out", ".", ".a\n"])
def test_an_ending_that_is_none_is_refused(ending, tmp_path):
    header = json.dumps({"file": ending}).encode()

    with pytest.raises(ValueError, match="ending"):
        Files().decode(memoryview(struct.pack("<q", len(header)) + header + b"xy"), loading(tmp_path))
