"""Notebook files as sources: run, shown and frozen from the command line, with nothing of them executed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from nbpipe.errors import AmbiguousNameError, BadValueError, SourceNotFoundError
from tests.notebook.kernels import LiveKernel

COLOURS = "from enum import Enum\nimport random\nimport beside\nclass Color(Enum):\n    RED = 'red'\n    BLUE = 'blue'"
CELLS = [
    "%load_ext nbpipe",
    COLOURS,
    "%%params --tag nightly\nn: int = 5\ncolor: Color = Color.RED",
    "n = 4",
    "def double(x):\n    return 2 * x + OFFSET\nOFFSET = 1",
    "print('a plain cell ran')\nopen('ran.txt', 'w').close()",
    "%%step load --tag v1\nnumbers = [beside.twice(i) for i in range(n)]",
    "numbers[:2]",
    "%%step\ntotal = sum(map(double, numbers))\ntotal",
    "def double(x):\n    return 0",
    "%%step report(total, color) -> text\nfrom textwrap import dedent\ntext = dedent(f'{color.value} {total}')\ntext",
    "%%step drawn\nrandom.seed(3)\npicked = random.random()",
    "%nbpipe runs list",
]
FUNCTIONS = [
    "from nbpipe import pipeline, step\nRATE = 3",
    "@step\ndef load(n: int) -> int:\n    return n * RATE",
    "%%step\ndef add(a: int, b: int) -> int:\n    return a + b",
    "@pipeline\ndef training(n: int = 2):\n    return add(load(n), 1)",
    "%%pipeline other(m: int = 3) --tag v1\nadd(load(m), 2)",
]


def write(folder: Path, cells, name="notebook.ipynb") -> Path:
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells]), folder / name)
    return folder / name


@pytest.fixture
def book(project):
    """Give the folder with a notebook of cells and a module beside it."""
    (project / "beside.py").write_text("def twice(x):\n    return 2 * x\n")
    write(project, CELLS)
    yield project
    for name in [name for name in sys.modules if name == "beside" or name.startswith("nbpipe_notebook_")]:
        del sys.modules[name]


def statuses(run):
    return {name: step.status.value for name, step in run.steps.items()}


def shell(folder: Path, *words: str, code: int = 0) -> str:
    """Ask in a new process; give what it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "nbpipe", *words],
        cwd=folder,
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_notebook_is_run_without_a_plain_cell_of_it(ask, book):
    run = ask("run notebook.ipynb").record

    assert run.pipeline == "notebook"
    assert run.tags == ["nightly"]
    assert run.steps["report"].outputs["text"].load() == "red 28"
    assert not (book / "ran.txt").exists()


def test_values_can_be_set_and_are_checked(ask, book):
    run = ask("run notebook.ipynb --set n=1 --set color=blue").record

    assert run.steps["report"].outputs["text"].load() == "blue 1"
    with pytest.raises(BadValueError, match="did you mean 'color'"):
        ask("run notebook.ipynb --set colour=blue")


def test_what_a_kernel_has_run_is_reused_from_the_command_line_and_by_the_snapshot(ask, book):
    kernel = LiveKernel(str(book))
    try:
        kernel.ok(*CELLS)
    finally:
        kernel.close()

    made = ask("snapshot create notebook.ipynb --name nightly").record
    run = ask("run notebook.ipynb").record
    frozen = ask("snapshot run nightly").record

    assert set(statuses(run).values()) == {"reused"}, statuses(run)
    assert set(statuses(frozen).values()) == {"reused"}, statuses(frozen)
    assert made.pipeline == "notebook"


def test_function_pipelines_of_a_kernel_are_reused_too(ask, project):
    write(project, FUNCTIONS)
    kernel = LiveKernel(str(project))
    try:
        kernel.ok("%load_ext nbpipe", *FUNCTIONS, "training()", "%nbpipe run other")
    finally:
        kernel.close()

    for name in ("training", "other"):
        run = ask(f"run notebook.ipynb:{name}").record
        assert set(statuses(run).values()) == {"reused"}, (name, statuses(run))


def test_a_snapshot_of_a_notebook_runs_in_a_new_shell_when_the_notebook_is_gone(ask, book):
    ask("snapshot create notebook.ipynb --name nightly")
    (book / "notebook.ipynb").unlink()
    (book / "beside.py").unlink()

    assert "color  blue" in shell(book, "snapshot", "run", "nightly", "--set", "n=2", "--set", "color=blue")


def test_a_notebook_elsewhere_works_in_its_own_folder(ask, book):
    folder = book / "deep er"
    folder.mkdir()
    (folder / "near.py").write_text("RATE = 2\n")
    (folder / "data.txt").write_text("7")
    write(folder, ["from near import RATE", "%%step a\nx = RATE * int(open('data.txt').read())"], "far.ipynb")

    said = shell(book, "run", "deep er/../deep er/far.ipynb")
    ask('snapshot create "deep er/far.ipynb" --name far')

    assert "completed" in said
    assert not (folder / ".nbpipe").exists(), "the workspace is the one of the folder in which the command was given"
    assert "completed" in shell(book, "snapshot", "run", "far", "--no-cache")


def test_a_notebooks_pipeline_is_shown_with_its_own_values(ask, book):
    facts = ask("pipeline show notebook.ipynb").rows

    assert facts["name"] == "notebook"
    assert facts["steps"] == ["load", "step_1", "report", "drawn"]
    assert [one["name"] for one in facts["parameters"]] == ["n", "color"]
    assert facts["parameters"][0]["value"] == 4


def test_several_pipelines_want_a_name_and_each_answers_to_its_own(ask, book):
    write(book, [*CELLS[:3], CELLS[6], *FUNCTIONS], "several.ipynb")

    with pytest.raises(AmbiguousNameError) as caught:
        ask("pipeline show several.ipynb")

    for name in ("several", "training", "other"):
        assert f"several.ipynb:{name}" in str(caught.value)
        assert ask(f"pipeline show several.ipynb:{name}").rows["name"] == name
    with pytest.raises(SourceNotFoundError, match=r"several\.ipynb:training"):
        ask("pipeline show several.ipynb:trainin")


def test_a_name_given_by_params_names_the_pipeline(ask, book):
    write(book, ["%%params --name iris\nn: int = 1", "%%step a\nx = [n]"], "some.ipynb")

    assert ask("run some.ipynb:iris").record.pipeline == "iris"


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([], "has no code"),
        (["  \n"], "has no code"),
        (["import math\nx = math.sqrt(2)"], "nbpipe adopt plain.ipynb"),
        (["%%params\nn: int = 1"], "no cell begins with %%step"),
        (["%%step a\nx = ["], "plain.ipynb, cell 1: it is not Python"),
        (["limit = input()", "%%step a\nx = [limit]"], "computed in cell 1"),
        (["import nothing_of_that_name as n", "def f():\n    return n", "%%step a\nx = f()"], "not installed"),
    ],
)
def test_what_cannot_be_run_is_refused_and_nothing_is_written(ask, project, cells, said):
    write(project, cells, "plain.ipynb")

    for command in ("run {}", "snapshot create {} --name s", "pipeline show {}"):
        with pytest.raises(Exception, match=said.replace("(", r"\(")) as caught:
            ask(command.format("plain.ipynb"))
        assert len(str(caught.value).splitlines()) <= 2, command

    assert ask("runs list").rows == []
    assert ask("snapshot list").rows == []


@pytest.mark.parametrize(
    "source", ["analisys.ipynb", "../notebook.ipynb", "folder.ipynb", "<b>'; DROP.ipynb:x", "📓.ipynb"]
)
def test_a_notebook_that_is_not_there_is_told_in_a_line(ask, project, source):
    (project / "folder.ipynb").mkdir()

    with pytest.raises((SourceNotFoundError, BadValueError)) as caught:
        ask(f'run "{source}"')

    assert len(str(caught.value).splitlines()) <= 2
