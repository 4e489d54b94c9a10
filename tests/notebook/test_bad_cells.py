"""Cells that do what no step should: each is recorded, refused or survived, and the session goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nbpipe import Client
from tests.notebook.kernels import execute
from tests.notebook.shells import Notebook
from tests.notebook.test_steps import statuses


@pytest.mark.filterwarnings("ignore:To exit")
@pytest.mark.parametrize("leave", ["import sys\nsys.exit(3)", "raise SystemExit"])
def test_a_cell_that_exits_fails_as_a_step_and_the_session_goes_on(notebook: Notebook, leave: str) -> None:
    cell = notebook.run(f"%%step a\nx = len('a')\n{leave}")

    notebook.ok("%%step b\ny = len('b')")

    assert isinstance(cell.error, SystemExit)
    assert statuses() == [("a", "failed"), ("b", "completed")]


def test_a_cell_that_changes_the_directory_has_changed_it_after_a_reuse_too(notebook: Notebook, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    cells = ("%%step go\nimport os\nos.chdir('sub')\nx = len('a')", "%%step look\nhere = os.path.basename(os.getcwd())")
    notebook.ok(*cells)

    os.chdir(tmp_path)
    notebook.ok(cells[0], "%%step look\nhere = os.path.basename(os.getcwd()) + '!'")
    left_in = Path.cwd()
    os.chdir(tmp_path)
    run = notebook.ok("run = %nbpipe run --no-cache\nrun").value

    assert notebook["here"] == run.steps["look"].outputs["here"].load() == "sub!"
    assert left_in == tmp_path / "sub"
    assert Path.cwd() == tmp_path


def test_a_directory_that_is_gone_runs_the_cell_that_went_there(notebook: Notebook, tmp_path: Path) -> None:
    cell = "%%step go\nimport os\nos.makedirs('sub', exist_ok=True)\nos.chdir('sub')\nx = len('a')"
    notebook.ok(cell)
    os.chdir(tmp_path)
    (tmp_path / "sub").rmdir()

    notebook.ok(cell)

    assert Path.cwd() == tmp_path / "sub"
    os.chdir(tmp_path)


def test_fifty_megabytes_of_print_are_kept_as_two(notebook: Notebook) -> None:
    cell = "%%step loud\nfor n in range(50):\n    print('x' * 1_000_000)\nz = len('z')"

    first, again = notebook.ok(cell), notebook.ok(cell)

    assert len(first.text) == 50 * 1_000_001
    assert 1_000_000 < len(again.text) < 3_000_000
    assert "left out" in again.text


def test_a_cell_may_start_threads(notebook: Notebook) -> None:
    body = (
        "import threading\nout = []\nworkers = [threading.Thread(target=out.append, args=(n,)) for n in range(3)]\n"
        "for worker in workers:\n    worker.start()\nfor worker in workers:\n    worker.join()\nout.sort()"
    )
    notebook.ok(f"%%step spread\n{body}", "%%step count\nn = len(out)")

    run = notebook.ok("run = %nbpipe run --no-cache\nrun").value

    assert notebook["n"] == run.steps["count"].outputs["n"].load() == 3


def test_a_module_that_a_cell_patches_is_the_kernels_own_affair(notebook: Notebook) -> None:
    notebook.ok("%%step patch\nimport math\nformer = math.sqrt\nmath.sqrt = lambda v: 42\nr = math.sqrt(4)")

    notebook.ok("math.sqrt = former", "%%step patch\nimport math\nformer = math.sqrt\nr = math.sqrt(4)")

    assert notebook["r"] == 2.0
    assert statuses() == [("patch", "completed"), ("patch", "completed")]


def test_names_bound_by_exec_and_globals_are_outputs(notebook: Notebook) -> None:
    cells = (
        "%%step make\nexec('a = 5')\nglobals()['b'] = [a]\nw = a + 1",
        "%%step use\nc = [*b, w]\nc",
    )
    notebook.ok(*cells)
    notebook.ok("del a, b, w", *cells)

    run = notebook.ok("run = %nbpipe run --no-cache\nrun").value

    assert notebook["c"] == run.steps["use"].outputs["c"].load() == [5, 6]
    assert [status for _, status in statuses()[2:]] == ["reused", "reused"]


def test_a_deleted_function_is_missed_with_the_cell_that_deleted_it(notebook: Notebook) -> None:
    notebook.ok("def scale(v):\n    return v + 1", "%%step use\nu = scale(1)", "del scale")

    said = notebook.refused("%%step use\nu = scale(1)")

    assert "use reads 'scale' (line 2), which is deleted in cell [4]" in said
    assert "is deleted in cell [4]" in notebook.refused("%nbpipe run")


def test_a_redefinition_that_does_not_compile_leaves_the_former(notebook: Notebook) -> None:
    notebook.ok("def scale(v):\n    return v + 1", "%%step use\nu = scale(1)")
    broken = notebook.run("def scale(v:\n    return v + 2")

    notebook.ok("%%step use\nu = scale(1)")

    assert isinstance(broken.error, SyntaxError)
    assert notebook["u"] == 2
    assert [status for _, status in statuses()] == ["completed", "reused"]


def test_objects_that_hold_themselves_are_handed_on_as_they_are(notebook: Notebook) -> None:
    cells = (
        "%%step knot\nloop = []\nloop.append(loop)\nouter = {'me': loop}",
        "%%step pull\nloop.append(2)\nn = len(loop[0])",
    )
    notebook.ok(*cells, *cells)

    run = notebook.ok("run = %nbpipe run --no-cache\nrun").value

    assert notebook["n"] == run.steps["pull"].outputs["n"].load() == 2
    assert notebook["loop"][0] is notebook["loop"] is notebook["outer"]["me"]


def test_a_function_defined_after_a_step_bound_its_name_is_what_the_name_means(notebook: Notebook) -> None:
    notebook.ok(
        "%%step read\nwith open('file.txt', 'w') as f:\n    f.write('a')\nn = len('a')",
        "def f(v):\n    return v + 1",
        "%%step use\nu = f(n)",
    )

    run = notebook.ok("run = %nbpipe run --no-cache\nrun").value

    assert notebook["u"] == run.steps["use"].outputs["u"].load() == 2


def test_a_notebook_that_prints_exits_and_fails_is_told_in_a_real_kernel(tmp_path: Path, workspace: object) -> None:
    outputs = execute(
        ["%load_ext nbpipe", "%%step a\nprint('x' * 3_000_000)\nx = len('a')", "%%step b\ny = x + 1\ny"], str(tmp_path)
    )

    assert outputs[2][0]["data"]["text/plain"] == "2"
    assert [run.kind for run in Client().runs.list()] == ["interactive"]


MISTYPED = (
    ("%%step late --after laod\nx = len('a')", "'load'"),
    ("%%step late(rws) -> x\nx = len(rws)", "'rows'"),
    ("%%pipeline trying\nfti(0.1)", "'fit'"),
    ("%%pipeline trying\nfit(raet=0.1)", "'rate'"),
    ("%%step late --tga v1\nx = len('a')", "--tag"),
    ("%nbpipe run fiting", "'fitting'"),
    ("%nbpipe run --set n_row=3", "'n_rows'"),
    ("%nbpipe run --from laod", "'load'"),
    ("%nbpipe snapshot run nihgtly", "'nightly'"),
    ("%nbpipe runs lst", "'list'"),
    ("%%catalog\nselect * from rns", '"runs"'),
)


def test_a_mistyped_name_of_any_kind_is_answered_with_the_nearest(notebook: Notebook) -> None:
    notebook.ok(
        "%%params\nn_rows: int = 2",
        "%%step load\nrows = list(range(n_rows))",
        "%%step\ndef fit(rate: float = 0.1) -> float:\n    return rate",
        "%%pipeline fitting(rate: float = 0.1)\nfit(rate)",
        "%nbpipe snapshot create fitting --name nightly",
    )

    for cell, meant in MISTYPED:
        assert f"id you mean {meant}" in notebook.refused(cell), cell
