"""`nbpipe demo`: a small notebook in a real kernel, and what is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest
from nbformat import v4

from nbpipe.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def write_source(folder: Path, *cells: str) -> Path:
    folder.mkdir()
    path = folder / "small.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(text) for text in cells]), path)
    return path


def test_what_each_cell_showed_is_told_and_kept_in_the_executed_copy_and_the_source_stays_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = ("print('one')\nprint('two')", "import os\nprint(os.getcwd())", "6 * 7")
    source = write_source(tmp_path / "lessons", *cells)
    before = source.read_bytes()
    (source.parent / ".nbpipe").mkdir()

    code = main(["demo", str(source), "--to", str(tmp_path / "executed" / "small.ipynb")])

    executed = nbformat.read(tmp_path / "executed" / "small.ipynb", as_version=4)
    assert executed.cells[2].outputs[0].data["text/plain"] == "42"
    assert source.read_bytes() == before
    assert code == 0
    folder = source.parent.resolve()
    assert capsys.readouterr().out.splitlines() == [
        "[1] print('one')",
        "      one",
        "      two",
        "[2] import os",
        f"      {folder}",
        "[3] 6 * 7",
        "      42",
        "",
        f"notebook   {tmp_path / 'executed' / 'small.ipynb'}",
        f"workspace  {folder / '.nbpipe'}",
        f"catalog    {folder / '.nbpipe' / 'catalog.duckdb'}",
    ]


def test_a_cell_that_raises_is_told_and_what_ran_before_it_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_source(tmp_path / "lessons", "print('before')", "1 / 0")

    code = main(["demo", str(source), "--to", str(tmp_path / "small.ipynb")])

    assert "ZeroDivisionError: division by zero" in capsys.readouterr().err
    assert nbformat.read(tmp_path / "small.ipynb", as_version=4).cells[0].outputs[0].text == "before\n"
    assert code == 1


@pytest.mark.parametrize(("executed", "said"), [("small.ipynb", "overwritten"), ("other.ipynb", "no notebook")])
def test_a_path_that_cannot_be_meant_is_refused_before_anything_is_run(
    executed: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_source(tmp_path / "lessons", "open('ran', 'w')")
    if executed != source.name:
        source.unlink()

    code = main(["demo", str(source), "--to", str(source.parent / executed)])

    assert said in capsys.readouterr().err
    assert not (source.parent / "ran").exists()
    assert code == 2


def test_without_a_notebook_the_starter_is_told_from_top_to_bottom(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("NBPIPE_HOME", raising=False)

    code = main(["demo"])

    told = capsys.readouterr().out
    assert code == 0
    assert "pipeline run of demo: 4 reused" in told
    assert "pipeline run of demo: 2 completed, 2 reused" in told
    assert "degree 2 → 1" in told
    (folder,) = tmp_path.glob("nbpipe-demo-*")
    assert {place.name for place in folder.iterdir()} >= {"demo.ipynb", "demo_executed.ipynb", ".nbpipe"}
