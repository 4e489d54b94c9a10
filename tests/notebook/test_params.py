"""`%%params`: typed parameters, bound in the notebook."""

from __future__ import annotations

import pytest

from nbpipe import Client
from nbpipe.errors import BadValueError, DefinitionError, ParameterError
from nbpipe.notebook.form import own_form
from nbpipe.notebook.surroundings import OwnPipeline
from tests.notebook.shells import Notebook

PARAMS = (
    '%%params\nn: int = 3\nrate: float = Field(0.1, gt=0, lt=1, description="share")\nkind: Literal["a", "b"] = "a"'
)


def test_the_values_are_bound_and_a_form_is_shown(notebook: Notebook) -> None:
    cell = notebook.ok(PARAMS)

    assert (notebook["n"], notebook["rate"], notebook["kind"]) == (3, 0.1, "a")
    assert "share" in cell.text
    assert "float (> 0, < 1)" in cell.text


def test_values_have_their_declared_types(notebook: Notebook) -> None:
    notebook.ok(
        '%%params\nwhen: date = "2026-01-02"\nwhere: Path = "a/b"\nmaybe: Optional[int] = None\nsize: float = 1'
    )

    assert notebook.ok("(when.year, where.name, maybe, type(size))").value == (2026, "b", None, float)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("n: int = 'many'", "n  "),
        ("rate: float = Field(2, lt=1)", "rate  "),
        ('kind: Literal["a"] = "z"', "kind  "),
        ("n = 3", "annotated assignments only, as in `rate: float = 0.1` (line 2)"),
        ("n: int = 1\nprint(n)", "(line 3)"),
        ("n: Nowhere = 3", "NameError"),
    ],
)
def test_what_is_refused_leaves_the_former_parameters(notebook: Notebook, body: str, said: str) -> None:
    notebook.ok(PARAMS)

    cell = notebook.run(f"%%params --name other\n{body}")

    assert isinstance(cell.error, DefinitionError | ParameterError)
    assert said in cell.said
    assert "nbpipe/" not in cell.said
    assert notebook["n"] == 3
    assert notebook.ok("%%step use\nm = n + len('a')\nm").value.__repr__() == "4"
    assert notebook["__nbpipe_cell__"].session.name == "notebook"


def test_a_plain_assignment_after_it_wins_and_is_converted(notebook: Notebook) -> None:
    notebook.ok(PARAMS, "n = 7\nkind = 'b'", "%%step use\nm = n + len(kind)")

    run = notebook.ok("run = %nbpipe run\nrun").value

    assert notebook["m"] == 8
    assert run.parameters == {"n": 7, "rate": 0.1, "kind": "b"}
    assert run.steps["use"].status == "reused"


def test_a_plain_assignment_that_does_not_fit_is_refused_at_the_next_step_and_run(notebook: Notebook) -> None:
    notebook.ok(PARAMS, "%%step use\nm = n + len('a')", "rate = 5")

    at_step = notebook.refused("%%step use\nm = n + len('a')")
    at_run = notebook.refused("%nbpipe run")

    assert "rate" in at_step
    assert at_run == at_step


def test_a_setting_wins_over_a_plain_assignment(notebook: Notebook) -> None:
    notebook.ok(PARAMS, "n = 7", "%%step use\nm = n + len('a')")

    run = notebook.ok("run = %nbpipe run --set n=20\nrun").value

    assert run.steps["use"].outputs["m"].load() == 21
    assert notebook["m"] == 8


def test_running_it_again_brings_the_defaults_back(notebook: Notebook) -> None:
    notebook.ok(PARAMS, "n = 7", PARAMS, "%%step use\nm = n + len('a')")

    assert notebook["m"] == 4


def test_a_changed_value_runs_what_reads_it(notebook: Notebook) -> None:
    steps = ("%%step a\nx = n + len('a')", "%%step b\ny = len(kind)")
    notebook.ok(PARAMS, *steps, "n = 4", *steps)

    rows = Client().query("select node, status from steps order by started")

    assert [tuple(row) for row in rows.values] == [
        ("a", "completed"),
        ("b", "completed"),
        ("a", "completed"),
        ("b", "reused"),
    ]


def test_a_name_is_that_of_the_notebooks_pipeline(notebook: Notebook) -> None:
    notebook.ok("%%params --name iris\nn: int = 1", "%%step a\nx = n + len('a')")

    run = notebook.ok("run = %nbpipe run\nrun").value

    assert run.pipeline == "iris"
    assert [run.pipeline for run in Client().runs.list()] == ["iris", "iris"]


def test_the_form_runs_what_the_notebook_holds_when_it_is_pressed(notebook: Notebook) -> None:
    kernel = notebook["__nbpipe_cell__"]
    notebook.ok(PARAMS)
    form = own_form(OwnPipeline(lambda: kernel.session, kernel.own), static=True)
    notebook.ok("%%step use\nm = n + len('a')")

    form.set("n", 10)
    form.run_button.click()
    answer = form.wait(30)

    assert answer.record.steps["use"].outputs["m"].load() == 11
    assert "completed" in answer.text


def test_a_form_of_a_notebook_without_steps_has_nothing_to_run(notebook: Notebook) -> None:
    kernel = notebook["__nbpipe_cell__"]
    notebook.ok(PARAMS)
    form = own_form(OwnPipeline(lambda: kernel.session, kernel.own), static=True)

    form.run_button.click()

    with pytest.raises(BadValueError, match="This notebook has nothing to run yet; run a %%step cell first"):
        form.wait(30)
