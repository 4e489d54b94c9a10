"""`nbpipe adopt` on a small notebook, and all that it refuses before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from nbpipe.commands.dispatch import answer
from nbpipe.errors import BadValueError, ConflictError, NbpipeError, SourceNotFoundError

CELLS = ("SIZE = 3", "xs = list(range(SIZE))", "g = (x for x in xs)\nfirst = next(g)", "total = sum(xs) + first\ntotal")


def written(path: Path, *cells: str, language: str = "python") -> Path:
    """Write a notebook of these cells."""
    made = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    made.metadata["kernelspec"] = {"name": "python3", "language": language, "display_name": "any"}
    nbformat.write(made, path)
    return path


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_notebook_is_copied_with_steps_and_found_equal(tmp_path: Path) -> None:
    source = written(tmp_path / "small.ipynb", "# not a heading", *CELLS)
    before = source.read_bytes()

    came = answer("adopt small.ipynb --params")

    facts = came.rows
    copied = nbformat.read(tmp_path / "small_pipeline.ipynb", as_version=4)
    texts = [cell.source for cell in copied.cells]
    assert texts[:2] == ["%load_ext nbpipe", "%%params\nSIZE: int = 3"]
    assert [text.partition("\n")[0] for text in texts[3:]] == ["%%step make_xs", "%%step make_g", "%%step make_total"]
    assert (came.exit_code, came.record.is_equal, facts["is_equal"]) == (0, True, True)
    assert "generator" in facts["cells"][3]["not_carried"]["g"]
    assert "an iterator cannot be stored" in came.text
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".ipynb") == [
        "small.ipynb", "small_pipeline.ipynb",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ("adopt missing.ipynb", SourceNotFoundError, "There is no notebook"),
        ("adopt", BadValueError, "Say which notebook"),
        ("adopt text.txt", BadValueError, "is no notebook that can be read"),
        ("adopt julia.ipynb", BadValueError, "is a notebook of 'julia'"),
        ("adopt empty.ipynb", BadValueError, "has no code cell"),
        ("adopt stepped.ipynb", BadValueError, "has steps already"),
        ("adopt good.ipynb --to good.ipynb", BadValueError, "is never written over"),
        ("adopt good.ipynb --to taken.ipynb", ConflictError, "is there already"),
        ("adopt good.ipynb --to copy.txt", BadValueError, "let it end in .ipynb"),
        ("adopt good.ipynb --to nowhere/copy.ipynb", BadValueError, "There is no folder"),
        ("adopt good.ipynb --timeout 0", BadValueError, "gives a cell no time"),
        ("adopt good.ipynb --to ../<script>.ipynb --frce", BadValueError, "Did you mean --force?"),
    ],
)
def test_what_cannot_be_adopted_is_refused_before_anything_runs(
    tmp_path: Path, line: str, error: type[NbpipeError], said: str
) -> None:
    (tmp_path / "text.txt").write_text("no notebook")
    (tmp_path / "empty.ipynb").write_text(json.dumps(v4.new_notebook()))
    written(tmp_path / "julia.ipynb", "x = 1", language="julia")
    written(tmp_path / "stepped.ipynb", "%load_ext nbpipe", "%%step a\nx = [1]")
    written(tmp_path / "good.ipynb", "x = [1]")
    written(tmp_path / "taken.ipynb", "x = [1]")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}

    with pytest.raises(error) as raised:
        answer(line)

    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (("x = [1]", "y = 1 / 0"), "Cell 2 of bad.ipynb fails by itself: ZeroDivisionError: division by zero"),
        (("import os\nos._exit(3)",), "fails by itself"),
        (("def f(:\n    pass",), "Cell 1 of bad.ipynb fails by itself: SyntaxError"),
        (("def f():\n    return 1",), "has no cell that could be a step"),
    ],
    ids=["raises", "ends the kernel", "no Python", "defines only"],
)
def test_a_notebook_that_fails_by_itself_is_told_so_and_nothing_is_written(
    tmp_path: Path, cells: tuple[str, ...], said: str
) -> None:
    written(tmp_path / "bad.ipynb", *cells)

    with pytest.raises(NbpipeError) as raised:
        answer("adopt bad.ipynb --timeout 20")

    assert said in str(raised.value)
    assert not (tmp_path / "bad_pipeline.ipynb").exists()
