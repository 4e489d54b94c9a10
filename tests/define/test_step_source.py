"""What a step is made of is read anew whenever a run is planned, and only if it may have changed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.flows.project import Project

FLOW = """
from nbpipe import step

def scale(x):
    return 3 * x

@step
def total(x: int) -> int:
    return scale(x)
"""
FLOW_WITH_IMPORT = """
from nbpipe import step

@step
def total(x: int) -> int:
    from scaling import scale
    return scale(x)
"""


def test_a_file_that_did_not_change_is_read_once(project: Project) -> None:
    total = project.load(FLOW).total

    assert total.source() is total.source()


def test_an_edit_of_the_file_counts_though_the_step_was_not_imported_again(project: Project) -> None:
    total = project.load(FLOW).total
    before = total.source()

    project.write("flow.py", FLOW.replace("3 * x", "4 * x"))

    assert total.source().digest != before.digest
    assert "4 * x" in total.source().pieces[0].text


def test_an_edit_of_a_local_module_counts(project: Project) -> None:
    project.write("scaling.py", "def scale(x):\n    return 3 * x")
    total = project.load(FLOW_WITH_IMPORT).total
    before = total.source()

    project.write("scaling.py", "def scale(x):\n    return 4 * x")

    assert before.local_modules[0].name == "scaling"
    assert total.source().digest != before.digest


def test_a_local_module_that_was_not_there_before_counts(project: Project) -> None:
    total = project.load(FLOW_WITH_IMPORT).total
    before = total.source()

    project.write("scaling.py", "def scale(x):\n    return 3 * x")

    assert before.local_modules == ()
    assert [module.name for module in total.source().local_modules] == ["scaling"]


def test_a_folder_that_is_searched_from_now_on_counts(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "scaling.py").write_text("def scale(x):\n    return 3 * x\n", encoding="utf-8")
    total = project.load(FLOW_WITH_IMPORT).total
    before = total.source()

    monkeypatch.setattr(sys, "path", [*sys.path, str(elsewhere)])

    assert before.local_modules == ()
    assert [module.name for module in total.source().local_modules] == ["scaling"]
