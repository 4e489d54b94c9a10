"""Edits of what a step leans on: whatever a notebook can hold, exactly what depends on it runs again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.notebook.shells import Notebook

CLASSES = {
    "plain": "class Scorer:\n    def score(self):\n        return {n}",
    "dataclass": "@dataclass\nclass Scorer:\n    by: int = 0\n    def score(self):\n        return {n}",
}


def value_of_last_run(notebook: Notebook, step: str) -> object:
    run = notebook.ok("%nbpipe run").value
    return run.steps[step].output.load()


@pytest.mark.parametrize("text", CLASSES.values(), ids=CLASSES)
def test_every_edit_of_a_class_reaches_those_who_use_its_instances(notebook: Notebook, text: str) -> None:
    notebook.ok("from dataclasses import dataclass")
    notebook.ok(text.format(n=1))
    notebook.ok("%%step make\nscorer = Scorer()")
    notebook.ok("%%step use\nresult = scorer.score()")

    seen = [value_of_last_run(notebook, "use")]
    for n in (2, 3):
        notebook.ok(text.format(n=n))
        seen.append(value_of_last_run(notebook, "use"))

    assert seen == [1, 2, 3]


def test_an_edited_local_module_is_what_runs_and_not_the_one_that_was_imported_before(
    notebook: Notebook, tmp_path: Path
) -> None:
    module = tmp_path / "localmod.py"
    module.write_text("def grown(x):\n    return x + 1\n")
    notebook.ok("import sys; sys.path.insert(0, '.')\nimport localmod")
    notebook.ok("%%step grow\ngrown = localmod.grown(len('ab'))")
    before = value_of_last_run(notebook, "grow")

    module.write_text("def grown(x):\n    return x + 5\n")
    os.utime(module, (2_000_000_000, 2_000_000_000))

    assert (before, value_of_last_run(notebook, "grow")) == (3, 7)


def test_a_name_made_anew_from_a_constant_of_a_plain_cell_is_the_same_however_often(notebook: Notebook) -> None:
    notebook.ok("x = 1")

    for _ in range(3):
        notebook.ok("%%step inc\nx = x + 1")

    assert notebook.ok("x").value == 2


def test_a_plain_change_of_a_steps_own_former_output_does_not_stand_in_its_way(notebook: Notebook) -> None:
    notebook.ok("%%step make\nitems = list(range(3))")
    notebook.ok("%%step grow\nitems.append(9)")
    notebook.ok("items.append(100)")

    notebook.ok("%%step grow\nitems.append(9)")

    assert notebook.ok("items").value == [0, 1, 2, 9]


def test_a_shell_line_in_a_step_is_refused_also_where_the_cell_looks_like_a_definition(notebook: Notebook) -> None:
    refused = notebook.run("%%step listing\nout_ = !ls")

    assert "listing" in refused.said
    assert "!ls" in refused.said


def test_parameters_may_lean_on_what_other_cells_define_also_in_a_snapshot(notebook: Notebook) -> None:
    notebook.ok("import datetime\nTOP = 0.25")
    notebook.ok("%%params\nlr: float = TOP\nday: datetime.date = datetime.date(2020, 1, 2)")
    notebook.ok("%%step year\nfound = day.year + lr")
    notebook.ok("%nbpipe snapshot create --name frozen")

    run = notebook.ok("%nbpipe snapshot run frozen --set day=2021-03-04").value

    assert run.steps["year"].output.load() == 2021.25


def test_the_pipeline_and_the_step_card_mark_what_is_stale(notebook: Notebook) -> None:
    notebook.ok("RATE = 2", "%%step load\nx = len('abc')", "%%step scale\ny = x * RATE", "%%step report\nz = str(y)")
    fresh = notebook.ok("%nbpipe pipeline show").text

    notebook.ok("RATE = 3")
    shown, card = notebook.ok("%nbpipe pipeline show").text, notebook.ok("%%step scale\n").text

    assert "stale" not in fresh
    assert "△ scale" in shown
    assert "△ load" not in shown
    assert "source of RATE changed" in shown
    assert "scale is stale" in shown
    assert "stale" in card
    assert "source of RATE changed" in card


CHAIN = (
    "n = 1",
    "%%step load\nrows = list(range(n + 1))",
    "%%step total\nvalue = sum(rows)",
    "%%step last\nend = value",
)


def watched(notebook: Notebook, *cells: tuple[str, str]) -> str:
    """Run cells, each with its id, where somebody looks; give what the last one showed."""
    for cell_id, text in cells:
        cell = notebook.run(text, cell_id=cell_id)
        assert cell.error is None, cell.said
    return cell.text


def test_a_step_that_is_defined_again_says_what_is_stale(notebook: Notebook) -> None:
    watched(notebook, *((str(number), text) for number, text in enumerate(CHAIN)))

    said = watched(notebook, ("1", "%%step load\nrows = list(range(n + 5))"))
    again = watched(notebook, ("1", "%%step load\nrows = list(range(n + 5))  # a comment"))

    assert "△ load is defined anew; stale by now: total" in said
    assert "defined anew" not in again


def test_a_step_whose_new_text_gives_the_same_makes_nothing_stale_and_says_nothing(notebook: Notebook) -> None:
    watched(notebook, *((str(number), text) for number, text in enumerate(CHAIN)))

    assert watched(notebook, ("1", "%%step load\nrows = [*range(n + 1)]")) == ""


def test_a_copied_cell_that_keeps_the_name_says_that_it_takes_the_place_of_the_other(notebook: Notebook) -> None:
    watched(notebook, *((str(number), text) for number, text in enumerate(CHAIN)))

    said = watched(notebook, ("9", "%%step load\nother = list(range(n + 7))"))
    again = watched(notebook, ("9", "%%step load\nother = list(range(n + 8))"))

    assert "△ load is defined anew; another cell was this step before, and is none now" in said
    assert "another cell" not in again


def test_where_nobody_looks_nothing_is_said_of_it(notebook: Notebook) -> None:
    notebook.ok(*CHAIN)

    assert notebook.ok("%%step load\nrows = list(range(n + 5))").text == ""
