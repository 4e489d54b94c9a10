"""A plain cell that defines something anew and runs what leans on it: what runs is what stands there by then."""

from __future__ import annotations

from tests.notebook.shells import Notebook

PIPELINE = """
from nbpipe import pipeline, step
FACTOR = 2
def grown(x):
    return x + 1
@step
def scaled(x: int = 1) -> int:
    return grown(x) * FACTOR
@pipeline
def scaling():
    return scaled()
first = scaling().output
"""


def test_a_cell_may_define_a_step_with_all_that_it_leans_on_and_run_it(notebook: Notebook) -> None:
    notebook.ok(PIPELINE)

    assert notebook["first"] == 4


def test_what_a_cell_redefines_above_the_run_counts_and_what_it_redefines_below_does_not(notebook: Notebook) -> None:
    notebook.ok(PIPELINE)

    notebook.ok(
        "FACTOR = 3\nabove = scaling().output\nFACTOR = 5\nbetween = scaling().output\ndef grown(x):\n    return 0"
    )

    assert (notebook["above"], notebook["between"], notebook.ok("scaling().output").value) == (6, 10, 0)


WAYS = {
    "plain": "\n\nFACTOR = {n}\nseen = scaling().output",
    "time": "%%time\nFACTOR = {n}\nseen = scaling().output",
    "command": "FACTOR = {n}\nrun = %nbpipe run scaling\nseen = run.output",
    "await": "FACTOR = {n}\nseen = (await scaling.run_async()).output",
    "comprehension": "FACTOR = {n}\nseen = [scaling().output for _ in range(1)][0]",
    "loop": "FACTOR = {n}\nfor _ in range(2):\n    seen = scaling().output",
    "function": "FACTOR = {n}\ndef run():\n    return scaling().output\nseen = run()",
}


def test_it_does_not_matter_how_the_cell_runs_it(notebook: Notebook) -> None:
    notebook.ok(PIPELINE)

    # Another factor each time, or the run before it would be reused.
    for n, (way, cell) in enumerate(WAYS.items(), 7):
        notebook.ok(cell.format(n=n))
        assert notebook["seen"] == 2 * n, way


def test_what_a_loop_binds_while_it_goes_on_is_refused_and_not_taken_for_what_it_was(notebook: Notebook) -> None:
    notebook.ok(PIPELINE)

    said = notebook.refused("for FACTOR in (10, 20):\n    scaling()")

    assert "'FACTOR'" in said
    assert "is bound by a loop or a block that is not over" in said
    assert "pass it as a parameter" in said
