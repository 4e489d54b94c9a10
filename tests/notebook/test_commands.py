"""`%nbpipe` and `%%catalog` in a notebook: what the command line says, answered with records and tables."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from nbpipe import Client
from nbpipe.services.runs import Run
from nbpipe.widgets import RunComparison
from tests.notebook.shells import Notebook

CELLS = (
    "%%params\nn: int = 3",
    "def scale(x):\n    return x * 2",
    "%%step load\nprint('loading')\nrows = list(range(n))\nrows",
    "%%step total\nvalue = scale(sum(rows))\nvalue",
)


def test_a_notebook_of_computing_cells_is_a_pipeline(notebook: Notebook) -> None:
    notebook.ok(*CELLS)

    run = notebook.ok("%nbpipe run").value

    assert isinstance(run, Run)
    assert [(step.node, step.status) for step in run.steps.values()] == [("load", "reused"), ("total", "reused")]
    assert run.steps["total"].outputs["value"].load() == notebook["value"] == 6


def test_the_notebooks_own_pipeline_goes_by_its_name(notebook: Notebook) -> None:
    notebook.ok(*CELLS)

    assert notebook.ok("%nbpipe run notebook").value.pipeline == "notebook"
    assert Client().get_snapshot(notebook.ok("%nbpipe snapshot create notebook --name a").value.id).name == "a"


def test_a_run_with_another_value_leaves_the_notebooks_variables_alone(notebook: Notebook) -> None:
    notebook.ok(*CELLS)

    run = notebook.ok("%nbpipe run --set n=4").value

    assert run.steps["total"].outputs["value"].load() == 12
    assert (notebook["n"], notebook["value"]) == (3, 6)


def test_a_cell_reuses_what_a_run_has_executed_and_shows_what_it_can(notebook: Notebook) -> None:
    notebook.ok(*CELLS, "%nbpipe run --set n=4", "n = 4")

    cell = notebook.ok(CELLS[2])

    rows = Client().query("select s.status from steps s join runs r on r.id = s.run_id where r.kind = 'interactive'")
    assert list(rows.status)[-1] == "reused"
    assert notebook["rows"] == [0, 1, 2, 3]
    assert cell.outputs == [("stdout", "loading\n"), ("result", "[0, 1, 2, 3]")]


def test_the_pipeline_is_shown(notebook: Notebook) -> None:
    notebook.ok(*CELLS)

    assert "notebook: 2 steps, 1 connection" in notebook.ok("%nbpipe pipeline show").text


def test_a_snapshot_of_the_notebook_runs_in_a_shell_and_gives_the_same(notebook: Notebook) -> None:
    notebook.ok(*CELLS, "%nbpipe snapshot create --name nightly")
    notebook.ok("n = 5", *CELLS[2:])
    here = notebook["value"]

    done = subprocess.run(
        [sys.executable, "-m", "nbpipe", "snapshot", "run", "nightly", "--set", "n=5"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    run = Client().runs.list()[0]
    assert run.steps["total"].outputs["value"].load() == here == 20
    assert [step.status for step in run.steps.values()] == ["reused", "reused"]


@pytest.mark.parametrize("line", ["--help", "run --help", "snapshot --help", "snapshot create --help"])
def test_every_word_has_help(notebook: Notebook, line: str) -> None:
    assert "Usage" in notebook.ok(f"%nbpipe {line}").text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("snapshto list", "Did you mean 'snapshot'?"),
        ("snapshot creat", "Did you mean 'create'?"),
        ("run --sett n=1", "Did you mean --set?"),
        ("run nowhere", "nowhere"),
        ("run --set m=1", "m"),
        ("run --set 'n=1", "quotation mark is never closed"),
    ],
)
def test_a_mistyped_line_is_answered_in_a_line_or_two(notebook: Notebook, line: str, said: str) -> None:
    notebook.ok(*CELLS)

    refused = notebook.refused(f"%nbpipe {line}")

    assert said in refused
    assert "/nbpipe/" not in refused


def test_an_empty_notebook_says_that_there_is_nothing_to_run(notebook: Notebook) -> None:
    assert "run a %%step cell that computes, or a %%pipeline cell" in notebook.refused("%nbpipe run")


def test_steps_that_only_define_make_no_pipeline_and_the_answer_says_what_does(notebook: Notebook) -> None:
    notebook.ok("%%step\ndef double(x: int = 1) -> int:\n    return 2 * x")

    assert "This notebook has no pipeline yet" in notebook.refused("%nbpipe run")

    notebook.ok("%%pipeline p\ndouble()", "%nbpipe run")


def test_a_query_is_a_table(notebook: Notebook) -> None:
    notebook.ok(*CELLS)

    cell = notebook.ok("%%catalog\nselect node, status\nfrom steps\norder by node")

    assert cell.outputs[0][0] == "result"
    assert list(cell.value.node) == ["load", "total"]


def test_a_query_binds_its_table_to_a_name(notebook: Notebook) -> None:
    notebook.ok(*CELLS, "%%catalog found\nselect count(*) as many from steps")

    assert isinstance(notebook["found"], pd.DataFrame)
    assert notebook["found"].many[0] == 2


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%%catalog\ndelete from runs", "SELECT"),
        ("%%catalog\nselect nothing from runs", "nothing"),
        ("%%catalog\n", ""),
        ("%%catalog two words\nselect 1", "is no name of a variable; write %%catalog df"),
    ],
)
def test_a_query_that_is_refused_says_so_shortly(notebook: Notebook, cell: str, said: str) -> None:
    refused = notebook.refused(cell)

    assert said in refused
    assert "/nbpipe/" not in refused


def test_runs_are_compared_in_a_page_of_their_own(notebook: Notebook) -> None:
    notebook.ok(*CELLS)
    ids = [notebook.ok(f"%nbpipe run --set n={n}").value.id[:8] for n in (3, 4, 5)]

    cell = notebook.ok(f"%nbpipe runs compare {' '.join(ids)} --all")
    plain = notebook.ok(f"%nbpipe runs compare {' '.join(ids)} --json")
    record = notebook.ok("from nbpipe import Client", f"Client().runs.compare({ids[0]!r}, {ids[1]!r})")

    assert isinstance(cell.value, RunComparison)
    assert cell.value.only_differences is False
    assert [ref[:8] for ref in cell.value.refs] == ids
    assert "run 1" in cell.html[0]
    assert '"only_differences": true' in plain.text
    assert "run 2" in record.html[0]
