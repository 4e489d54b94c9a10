"""What several names share: one list, an array and a view of it, a figure and its axes."""

from __future__ import annotations

import pytest

from nbpipe.services.recorded import Run
from tests.notebook.shells import Notebook
from tests.notebook.test_steps import statuses

GRID = "import numpy as np\ngrid = np.zeros((3, 3))"
PROGRAMS = {
    "a view of an array": ((GRID, "sub = grid[:2]", "sub[0, 0] = 5", "seen = grid.sum() + sub.sum()"), 10.0),
    "an array behind a view": ((GRID, "sub = grid[:2]", "grid[1] = 1", "seen = sub.sum()"), 3.0),
    "a copy": ((GRID, "sub = grid[:2].copy()", "sub[0, 0] = 5", "seen = grid.sum() + sub.sum()"), 5.0),
    "another name": (("a = [1]", "b = a", "b.append(2)", "seen = len(a)"), 2),
    "a list in a dict": (("a = [1]", "box = {'a': a}", "box['a'].append(2)", "seen = len(a)"), 2),
    "a dict around a list": (("a = [1]", "box = {'a': a}", "a.append(2)", "seen = len(box['a'])"), 2),
    "one row thrice": (("rows = [[0]] * 3", "rows[0][0] = 1", "seen = sum(map(sum, rows))"), 3),
    "a name bound anew": (("a = [1]", "b = a", "a = [7]", "b.append(2)", "seen = len(a) + len(b)"), 3),
    "a view of a view": ((GRID, "sub = grid[:2]", "row = sub[0]", "row += 1", "seen = grid.sum()"), 3.0),
    "two in one cell": (("a = [1]\nb = a", "b.append(2)", "a.append(3)", "seen = len(b)"), 3),
}


def steps(cells: tuple[str, ...]) -> tuple[str, ...]:
    """Write a step magic above each cell."""
    return tuple(f"%%step s{n}\n{cell}" for n, cell in enumerate(cells))


def seen_in(run: Run) -> object:
    """Give what the last step of a run saw."""
    return list(run.steps.values())[-1].outputs["seen"].load()


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_names_share_they_share_in_the_notebook_in_a_reuse_and_in_a_run(notebook: Notebook, name: str) -> None:
    cells, expected = PROGRAMS[name]

    notebook.ok(*steps(cells))
    natively = notebook["seen"]
    notebook.ok(*steps(cells))
    reused = notebook["seen"]
    run = notebook.ok("run = %nbpipe run --no-cache\nrun").value

    assert [natively, reused, seen_in(run)] == [expected] * 3
    assert {status for _, status in statuses()[len(cells) :]} == {"reused"}


def test_an_edited_step_works_on_what_is_still_shared(notebook: Notebook) -> None:
    cells = (GRID, "sub = grid[:2]", "seen = 0")
    notebook.ok(*steps(cells))

    notebook.ok(*steps((*cells[:2], "sub[0, 0] = 5\nseen = grid.sum()")))

    assert notebook["seen"] == 5.0


def test_a_view_and_a_copy_of_equal_content_are_not_taken_for_each_other(notebook: Notebook) -> None:
    after = "sub[0, 0] = 5\nseen = float(grid.sum())"
    notebook.ok(*steps((GRID, "sub = grid[:2]", after)))

    notebook.ok(*steps((GRID, "sub = grid[:2].copy()", after)))

    assert notebook["seen"] == 0.0


def test_rows_that_are_one_and_rows_that_are_three_are_not_taken_for_each_other(notebook: Notebook) -> None:
    after = "rows[0][0] = 1\nseen = sum(map(sum, rows))"
    notebook.ok(*steps(("rows = [[0]] * 3", after)))

    notebook.ok(*steps(("rows = [[0] for _ in range(3)]", after)))

    assert notebook["seen"] == 1


def test_an_input_that_shares_nothing_keeps_its_producer(notebook: Notebook) -> None:
    notebook.ok(*steps((GRID + "\nother = [1]", "sub = grid[:2]\nn = len(other)", "seen = 0")))

    run = notebook.ok("run = %nbpipe run\nrun").value

    assert sorted(run.steps["s1"].outputs) == ["grid", "n", "sub"]


def test_a_figure_drawn_on_in_later_cells_has_all_that_was_drawn(notebook: Notebook) -> None:
    cells = (
        "from matplotlib.figure import Figure\nfig = Figure()\nax = fig.add_subplot()",
        "lines = ax.plot([1, 2], [3, 4])",
        "def mark(axes):\n    axes.set_title('done')\nmark(ax)",
        "seen = (len(fig.axes[0].lines), ax.get_title())",
    )

    notebook.ok(*steps(cells))
    notebook.ok(*steps(cells))
    reused = notebook["seen"]
    run = notebook.ok("run = %nbpipe run --no-cache\nrun").value

    assert reused == seen_in(run) == (1, "done")


def test_a_plain_cell_that_changes_what_an_input_shares_is_refused(notebook: Notebook) -> None:
    notebook.ok(*steps((GRID, "sub = grid[:2]")), "grid[2] = 1")

    said = notebook.refused("%%step look\nsub[0] = 1")

    assert "look would read 'grid' as s1 made it, but cell [4] changed it since" in said


def test_a_path_stays_the_path_that_it_is(notebook: Notebook, tmp_path) -> None:
    (tmp_path / "data.txt").write_text("one")
    cells = ("from pathlib import Path\npath = Path('data.txt')\nn = len(path.read_text())", "seen = str(path)")

    notebook.ok(*steps(cells))
    notebook.ok(*steps(cells))

    assert str(notebook["path"]) == notebook["seen"] == "data.txt"
