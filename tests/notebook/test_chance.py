"""Cells that draw random numbers: what they start from, and what they leave."""

from __future__ import annotations

import pytest

from nbpipe import Client
from tests.notebook.shells import Notebook
from tests.notebook.test_steps import statuses

SEEDED = (
    "%%step seed\nimport random\nrandom.seed(3)",
    "%%step a\nx = random.random()",
    "%%step b\ny = random.random()",
)
NUMPY = (
    "%%step seed\nimport numpy as np\nnp.random.seed(3)",
    "%%step a\nx = float(np.random.normal())",
    "%%step b\ny = float(np.random.normal())",
)


def reasons() -> list[str]:
    """Say why each execution of a cell ran, oldest first."""
    return list(Client().query("select why from steps order by started").why)


@pytest.mark.parametrize("cells", [SEEDED, NUMPY], ids=["random", "numpy"])
def test_cells_that_draw_from_a_seed_are_reused_with_the_numbers_that_they_drew(
    notebook: Notebook, cells: tuple[str, ...]
) -> None:
    notebook.ok(*cells)
    first = notebook["x"], notebook["y"]

    notebook.ok(*cells)

    assert (notebook["x"], notebook["y"]) == first
    assert [status for _, status in statuses()] == ["completed"] * 3 + ["reused"] * 3


def test_another_seed_runs_whoever_draws_after_it(notebook: Notebook) -> None:
    notebook.ok(*SEEDED, "%%step apart\nn = len('a')")
    first = notebook["x"]

    notebook.ok(SEEDED[0].replace("3", "4"), *SEEDED[1:], "%%step apart\nn = len('a')")

    assert notebook["x"] != first
    assert [status for _, status in statuses()[4:]] == ["completed"] * 3 + ["reused"]
    assert reasons()[5] == "the state of random that it starts from changed"


def test_a_cell_run_alone_again_draws_the_same_numbers_again(notebook: Notebook) -> None:
    notebook.ok(*(cell.replace("\n", " --no-cache\n", 1) for cell in NUMPY))
    first = notebook["x"], notebook["y"]

    notebook.ok("%%step a --no-cache\nx = float(np.random.normal())")
    notebook.ok("%%step b --no-cache\ny = float(np.random.normal())")

    assert (notebook["x"], notebook["y"]) == first


def test_after_a_reuse_the_next_cell_draws_what_it_would_have_drawn(notebook: Notebook) -> None:
    notebook.ok(*SEEDED)
    first = notebook["y"]

    notebook.ok(*SEEDED[:2], "%%step b\ny = random.random() * 1.0")

    assert notebook["y"] == first


def test_a_run_draws_what_the_cells_drew(notebook: Notebook) -> None:
    notebook.ok(*NUMPY)

    run = notebook.ok("import random\nrandom.seed(9)\nnp.random.seed(9)\nrun = %nbpipe run --no-cache\nrun").value
    half = notebook.ok("%%step b\ny = float(np.random.normal()) * 1.0", "run = %nbpipe run\nrun").value

    assert run.steps["b"].outputs["y"].load() == half.steps["b"].outputs["y"].load() == notebook["y"]
    assert half.steps["a"].status == "reused"


def test_a_seed_in_a_plain_cell_counts_for_the_steps_after_it(notebook: Notebook) -> None:
    step = "%%step a\nx = random.random()"
    notebook.ok("import random\nrandom.seed(1)", step)
    first = notebook["x"]

    notebook.ok("import random\nrandom.seed(2)", step)
    second = notebook["x"]
    notebook.ok("import random\nrandom.seed(1)", step)

    assert second != first
    assert notebook["x"] == first


def test_a_cell_that_draws_nothing_keeps_no_state(notebook: Notebook) -> None:
    notebook.ok("import random", "%%step a\nx = len('a')", "random.seed(5)", "%%step a\nx = len('a')")

    assert [status for _, status in statuses()] == ["completed", "reused"]
