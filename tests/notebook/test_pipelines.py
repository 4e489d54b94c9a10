"""`%%pipeline`: a body of step calls becomes a pipeline that is left in the notebook."""

from __future__ import annotations

from nbpipe import Client
from nbpipe.errors import StepFailedError
from tests.notebook.shells import Notebook

STEPS = (
    "%%step\ndef load(n: int) -> list[int]:\n    return list(range(n))",
    "%%step\ndef total(rows: list[int], rate: float) -> float:\n    return sum(rows) * rate",
)
TRAINING = (
    "%%pipeline training(n: int = 3, rate: float = 0.5) --tag v1 --tag latest:exclusive --model iris\n"
    "rows = load(n)\ntotal(rows, rate)"
)


def test_a_pipeline_of_function_steps_runs_and_shows_its_graph(notebook: Notebook) -> None:
    card = notebook.ok(*STEPS, TRAINING)

    run = notebook["training"](rate=2.0)

    assert "training: 2 steps, 1 connection" in card.text
    assert run.output == 6.0
    assert sorted(run.tags) == ["latest", "v1"]
    assert run.model_version.model == "iris"


def test_a_return_is_the_pipelines_output(notebook: Notebook) -> None:
    notebook.ok(*STEPS, "%%pipeline training\nrows = load(4)\nreturn rows")

    assert notebook["training"]().output == [0, 1, 2, 3]


def test_computing_cells_are_called_by_name(notebook: Notebook) -> None:
    notebook.ok(
        "%%step load\nrows = list(range(3))",
        "%%step summed\ns = sum(rows)",
        "%%pipeline training\nrows = load()\nsummed(rows)",
    )

    assert notebook["training"]().output == 3
    notebook.ok("%%step load\nrows = list(range(4))")
    assert notebook["training"]().output == 6


def test_an_input_that_is_not_given_is_the_pipelines_parameter(notebook: Notebook) -> None:
    notebook.ok("%%params\nn: int = 3", "%%step load\nrows = list(range(n))", "%%pipeline training(n: int = 2)\nload()")

    assert notebook["training"](n=4).output == [0, 1, 2, 3]


UNWIRABLE = (
    ("%%pipeline training\nrows = lod(3)", "%%pipeline training: NameError: name 'lod' is not defined (line 2)."),
    ("%%pipeline training\nx = 1\nx / 0", "ZeroDivisionError: division by zero (line 3)."),
    ("%%pipeline training(n: int =)\nload(n)", "%%pipeline training does not compile: "),
    ("%%pipeline training(n: int = 'many')\nload(n)", "n"),
    ("%%pipeline training\nload('many')", "training, step load"),
    ("%%pipeline training\nload()\nload(1, 2)", "load"),
    ("%%pipeline training --tag a:exclusiv\nload(1)", "Did you mean 'exclusive'?"),
    ("%%pipeline training --taag v1\nload(1)", "Did you mean --tag?"),
    ("%%pipeline\nload(1)", "write %%pipeline NAME(rate: float = 0.1)"),
)


def test_a_body_that_cannot_be_wired_is_refused_and_leaves_the_former(notebook: Notebook) -> None:
    notebook.ok(*STEPS, TRAINING)
    former = notebook["training"]

    for cell, said in UNWIRABLE:
        refused = notebook.refused(cell)

        assert said in refused, cell
        assert notebook["training"] is former, cell
    assert notebook["training"]().output == 1.5


def test_two_steps_of_one_name_in_a_body_are_refused(notebook: Notebook) -> None:
    notebook.ok(*STEPS, "%%step load\ndef other(n: int) -> int:\n    return n")

    said = notebook.refused("%%pipeline training\nload(1)\nother(2)")

    assert "training calls two different steps named 'load'; give one another name" in said


def test_a_step_that_is_called_twice_makes_two_nodes(notebook: Notebook) -> None:
    notebook.ok(*STEPS, "%%pipeline training\na = load(1)\nb = load(2)\nreturn a, b")

    assert list(notebook["training"]().steps) == ["load", "load_2"]


def test_a_failing_step_of_a_run_shows_the_users_own_line_and_no_frame_of_ours(notebook: Notebook) -> None:
    notebook.ok("%%step\ndef half(n: int) -> float:\n    return n / 0", "%%pipeline training(n: int = 1)\nhalf(n)")

    called, run = notebook.run("training()"), notebook.run("%nbpipe run training")

    for cell in (called, run):
        assert isinstance(cell.error, StepFailedError)
        assert "return n / 0" in cell.said
        assert cell.errors[-1] == "StepFailedError: Step 'half' failed: ZeroDivisionError: division by zero"
        assert "/nbpipe/" not in cell.said
        assert len(cell.errors) <= 8
    assert [run.status for run in Client().runs.list()] == ["failed", "failed"]


def test_a_failing_cell_of_a_run_shows_its_own_line(notebook: Notebook) -> None:
    notebook.ok("%%params\nn: int = 1", "%%step half\nx = 2\nm = x / n")

    cell = notebook.run("%nbpipe run --set n=0")

    assert "m = x / n" in cell.said
    assert "/nbpipe/" not in cell.said
    assert cell.errors[-1] == "StepFailedError: Step 'half' failed: ZeroDivisionError: division by zero"


def test_a_mistyped_call_is_two_lines(notebook: Notebook) -> None:
    notebook.ok(*STEPS, TRAINING)

    assert "rate" in notebook.refused("training(raet=1)")
    assert "given 'n' twice" in notebook.refused("training(1, n=2)")


def test_a_redefined_function_step_is_what_the_pipeline_calls(notebook: Notebook) -> None:
    notebook.ok(*STEPS, TRAINING, "%%step\ndef total(rows: list[int], rate: float) -> float:\n    return 100.0")

    assert notebook["training"]().output == 100.0


def test_a_helper_of_a_plain_cell_is_part_of_a_function_step(notebook: Notebook) -> None:
    notebook.ok(
        "FACTOR = 2\ndef scale(x):\n    return x * FACTOR",
        "%%step\ndef a(n: int) -> int:\n    return scale(n)",
        "%%pipeline p(n: int = 1)\na(n)",
    )
    notebook["p"]()

    notebook.ok("FACTOR = 5")
    run = notebook["p"]()

    assert (run.output, run.steps["a"].status) == (5, "completed")


def test_a_named_function_step_goes_by_that_name(notebook: Notebook) -> None:
    notebook.ok("%%step clean --retries 2 --tag tidy\ndef f(n: int) -> int:\n    return n", "%%pipeline p\nf(1)")

    assert list(notebook["p"]().steps) == ["clean"]
    assert Client().runs.list()[0].steps["clean"].outputs["output"].tags == ["tidy"]


def test_a_run_in_a_cell_shows_no_ids_and_no_times_where_nobody_looks(notebook: Notebook) -> None:
    notebook.ok(*STEPS, TRAINING)
    run = notebook["training"]()

    shown = [notebook.ok("training()"), notebook.ok("%nbpipe run training")]

    for cell in shown:
        assert "completed" in cell.text
        assert run.id[:8] not in cell.text
        assert "took" not in cell.text
