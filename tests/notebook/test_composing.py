"""Pipelines put together in a notebook: what a real shell offers, and whether what is written runs there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from nbpipe.commands.dispatch import answer
from nbpipe.errors import BadValueError
from nbpipe.widgets import PipelineComposer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.notebook.shells import Notebook

FUNCTIONS = """%%step
def load(n: int = 3) -> list:
    return list(range(n))

def total(numbers: list, factor: float = 2.0) -> float:
    return sum(numbers) * factor"""


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give a module with a step, on the path."""
    (tmp_path / "birdflow.py").write_text(
        "from nbpipe import step\n\n@step\ndef fetch(count: int = 4) -> list:\n    return [1] * count\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "birdflow"
    sys.modules.pop("birdflow", None)


def compose(notebook: Notebook, name: str = "") -> PipelineComposer:
    made: Any = notebook.ok(f"%nbpipe pipeline compose {name}").value
    assert isinstance(made, PipelineComposer)
    return made


def test_functions_under_step_are_wired_and_what_is_written_runs(notebook: Notebook) -> None:
    notebook.ok(FUNCTIONS)
    made = compose(notebook)
    made.name = "summing"
    made.add("load")
    made.add("total")

    notebook.ok(made.text, "run = summing(n=5)")

    assert notebook["run"].output == 20.0
    assert notebook["run"].parameters == {"n": 5, "factor": 2.0}
    assert compose(notebook, "summing").text == made.text


def test_cells_are_steps_too(notebook: Notebook) -> None:
    notebook.ok(
        "%%params\nsize: int = 3",
        "%%step rows\nrows_made = list(range(size))",
        "%%step count\ncounted = len(rows_made)",
    )
    made = compose(notebook)
    made.name = "counting"

    assert made.steps[:2] == ["rows", "count"]
    made.add("rows")
    made.add("count")
    assert made.text == "%%pipeline counting(size: int = 3)\nrows_made = rows(size=size)\ncount(rows_made)"
    notebook.ok(made.text, "run = counting(size=7)")
    assert notebook["run"].output == 7
    assert compose(notebook, "counting").text == made.text


def test_steps_of_an_imported_module_are_offered_and_imported_by_the_cell(notebook: Notebook, flow: str) -> None:
    notebook.ok(FUNCTIONS, f"import {flow}")
    made = compose(notebook)
    made.name = "fetching"
    made.add(f"{flow}.fetch")
    made.add("total")
    made.wire("total", "numbers", "fetch")

    notebook.ok(made.text, "run = fetching(count=6)")

    assert notebook["run"].output == 12.0
    assert compose(notebook, "fetching").text == made.text


def test_without_a_front_end_the_static_face_is_shown(notebook: Notebook) -> None:
    notebook.ok(FUNCTIONS)
    notebook.ok(compose_text := "%%pipeline summing\ntotal(load())")

    shown = notebook.ok("%nbpipe pipeline compose summing")

    assert compose_text.partition("\n")[0] in shown.text
    assert "total(numbers)" in shown.text


def test_a_pipeline_that_is_not_there_is_refused_with_the_nearest(notebook: Notebook) -> None:
    notebook.ok(FUNCTIONS, "%%pipeline summing\ntotal(load())")

    assert "Did you mean 'summing'?" in notebook.refused("%nbpipe pipeline compose sumning")


def test_a_terminal_is_told_that_it_is_for_notebooks() -> None:
    with pytest.raises(BadValueError, match="is composed in a notebook"):
        answer("pipeline compose")


def test_a_composer_made_by_hand_sees_the_notebook_that_the_extension_is_loaded_in(notebook: Notebook) -> None:
    notebook.ok(FUNCTIONS, "from nbpipe.widgets import PipelineComposer", "composer = PipelineComposer()")

    assert notebook["composer"].steps[:2] == ["load", "total"]
