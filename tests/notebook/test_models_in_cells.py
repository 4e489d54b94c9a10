"""Models in cells: an interactive run makes no version, and %nbpipe run does, with what the cells said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbpipe import Client

if TYPE_CHECKING:
    from tests.notebook.shells import Notebook

CELLS = [
    "from nbpipe import get_pipeline_context, get_step_context, log_metadata",
    "%%params --name notes --model iris\nrate: float = 0.5",
    '%%step train\nmodel = [rate]\nlog_metadata({"accuracy": rate}, infer_model=True)',
]


def test_an_interactive_run_makes_no_version_and_a_run_of_the_notebook_does_with_its_metrics(
    notebook: Notebook,
) -> None:
    notebook.ok(*CELLS)
    by_hand = Client().models.list()

    notebook.ok("%nbpipe run")

    assert by_hand == []
    assert Client().models.version("iris@1").metadata == {"accuracy": 0.5}
    assert [version.number for version in Client().models.versions("iris")] == [1]


def test_a_cell_run_by_hand_is_told_that_it_has_no_version(notebook: Notebook) -> None:
    notebook.ok(*CELLS[:2])

    told = notebook.run("%%step ask\nname = get_step_context().model.name")

    assert "makes no version of iris; %nbpipe run does" in told.said


def test_a_declared_pipeline_that_loads_from_a_stage_is_drawn_and_refused_by_name_until_somebody_holds_it(
    notebook: Notebook,
) -> None:
    notebook.ok(*CELLS, "%nbpipe run")

    shown = notebook.ok(
        "%%step\ndef predict(model: list) -> float:\n    return sum(model)",
        "%%pipeline inference --model iris@production\n"
        'predict(get_pipeline_context().model.get_model_artifact("model"))',
    )
    refused = notebook.run("inference()")
    notebook.ok('%nbpipe model promote iris@1 production --note "go"')
    done = notebook.ok("inference().output")

    assert "predict" in shown.text
    assert "No model version is named 'iris@production'" in refused.said
    assert done.value == 0.5
