"""The doctor: every line sound or with its cure, and nothing changed by looking."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.base import filesystems
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.commands.dispatch import answer
from nbpipe.commands.doctor import Line, numbers, package, workspace
from nbpipe.services import upkeep


def test_a_sound_workspace_is_told_line_by_line(ask):
    ask("run flow.py")

    came = ask("doctor")

    assert came.exit_code == 0, came.text
    assert all(line.startswith("✓ ") for line in came.text.splitlines())
    assert {"Python", "nbpipe", "duckdb", "ipykernel", "workspace", "logs", "blobs", "catalog"} <= {
        row["what"] for row in came.rows
    }


def test_json_says_the_same(ask):
    facts = json.loads(ask("doctor --json").text)

    assert all(set(line) == {"is_sound", "what", "said", "cure"} for line in facts)


def test_what_is_wrong_ends_with_five_and_says_the_cure(ask, workspace):
    ask("tag list")
    (workspace.logs / "9-somebody.log").write_bytes(b"no line of ours\n")

    came = ask("doctor")

    assert came.exit_code == 5
    assert "✗ logs/9-somebody.log: the line at byte 0 is damaged" in came.text
    assert all(row["cure"] for row in came.rows if not row["is_sound"])


def test_looking_makes_no_workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("NBPIPE_HOME", str(tmp_path / "none"))

    came = answer("doctor")

    assert "none yet" in came.text
    assert not (tmp_path / "none").exists()


def test_a_workspace_that_is_a_file_is_told_with_its_cure(tmp_path):
    place = tmp_path / "file"
    place.write_text("no folder")

    (line,) = workspace(WorkspacePaths(place))

    assert not line.is_sound
    assert "NBPIPE_HOME" in line.cure


def test_a_package_is_missing_too_old_or_there():
    missing = list(package("surely-not-installed", "1.0", is_extra=False))
    old = list(package("typer", "999.0", is_extra=False))
    there = list(package("typer", "0.1", is_extra=False))

    assert missing == [
        Line(False, "surely-not-installed", "is not installed", 'pip install "surely-not-installed>=1.0"')
    ]
    assert (old[0].is_sound, old[0].cure) == (False, 'pip install "typer>=999.0"')
    assert there[0].is_sound


def test_an_extra_is_told_only_where_it_is_too_old():
    assert list(package("surely-not-installed", "1.0", is_extra=True)) == []
    assert list(package("pytest", "1.0", is_extra=True)) == []
    assert not next(package("pytest", "999", is_extra=True)).is_sound


@pytest.mark.parametrize(
    ("version", "read"),
    [
        ("7.4.0", (7, 4)),
        ("7.4.0rc1", (7, 4)),
        ("2026.11.20", (2026, 11, 20)),
        ("1.0.dev3", (1,)),
        ("3", (3,)),
        ("", ()),
    ],
)
def test_a_version_is_read_as_the_numbers_it_begins_with(version, read):
    assert numbers(version) == read


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4), st.lists(st.integers(0, 99), min_size=1, max_size=4))
def test_versions_compare_as_their_numbers_do(left, right):
    longest = max(len(left), len(right))
    padded = [[*one, *[0] * (longest - len(one))] for one in (left, right)]

    texts = [".".join(map(str, one)) for one in (left, right)]

    assert (numbers(texts[0]) < numbers(texts[1])) == (padded[0] < padded[1])


def test_it_says_what_each_part_and_each_run_takes(ask):
    ask("run flow.py --set n=3000")

    said = ask("doctor").text

    assert "✓ blobs: " in said
    assert "✓ operations: " in said
    assert "in 1 file\n" in said
    assert "of records and" in said
    assert "of values (1 run)" in said


def test_leftovers_of_killed_processes_are_told_with_what_removes_them(ask, workspace, monkeypatch):
    ask("run flow.py")
    (workspace.logs / ".draft.log").write_bytes(b"half")
    assert "✓ leftovers" not in ask("doctor").text

    monkeypatch.setattr(upkeep, "_YOUNG_S", -3600)
    came = ask("doctor")

    # One that is being published right now may be among them.
    assert "✓ leftovers: " in came.text
    assert "when another process records something" in came.text


def test_a_folder_that_cannot_be_written_is_told(ask, workspace, monkeypatch):
    ask("run flow.py")
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != workspace.logs and may(path, mode))

    came = ask("doctor")

    assert came.exit_code == 5
    assert f"{workspace.logs} is no folder that can be written" in came.text


def test_a_network_file_system_is_told(ask, workspace, monkeypatch, tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {tmp_path} rw - cifs //nas/x rw\n")
    monkeypatch.setattr(filesystems, "_MOUNTS", mounts)

    came = ask("doctor")

    assert came.exit_code == 5
    assert "✗ place: it is on cifs, a network file system" in came.text
