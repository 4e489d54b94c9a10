"""What a step's cell shows is kept, and a reused cell shows it again in the same order."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from nbpipe.notebook.outputs import Recorder, Replayed, plain
from tests.notebook.shells import KeepingShell, Notebook


def shown_twice(notebook: Notebook, body: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Run a step twice; give what each showed."""
    first = notebook.ok(f"%%step a\nx = len('a')\n{body}")
    second = notebook.ok(f"%%step a\nx = len('a')\n{body}")
    assert first.html == second.html
    return first.outputs, second.outputs


@pytest.mark.parametrize(
    "body",
    [
        "print('one')\nprint('two')",
        "x",
        "print('one')\nx",
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('out again')\nx",
        "display(x)\nprint('between')\ndisplay({'text/plain': 'raw'}, raw=True)\n[x]",
        "import pandas as pd\npd.DataFrame({'a': [x]})",
        "print('quiet')\nx;",
        "print('no newline', end='')",
        "x\nNone",
    ],
)
def test_a_reused_cell_shows_what_it_showed(notebook: Notebook, body: str) -> None:
    first, second = shown_twice(notebook, body)

    assert second == first


def test_a_reused_cell_does_not_run(notebook: Notebook) -> None:
    notebook.ok("import os", *["%%step a\nx = len(os.listdir('.'))\nos.mkdir(f'made{x}')\nprint('made')"] * 2)

    assert notebook.ok("[name for name in os.listdir('.') if name.startswith('made')]").value == [
        f"made{notebook['x']}"
    ]


def test_an_updated_display_is_shown_in_its_last_form(notebook: Notebook) -> None:
    body = "%%step a\nhandle = display('first', display_id=True)\nx = len('a')\nhandle.update('second')\ndel handle"
    notebook.ok(body)

    assert notebook.ok(body).outputs == [("display", "'second'")]


def test_what_was_cleared_is_not_shown_again(notebook: Notebook) -> None:
    body = "%%step a\nx = len('a')\nprint('gone')\nclear_output(wait=True)\nprint('here')"
    notebook.ok("from IPython.display import clear_output", body)

    assert notebook.ok(body).outputs == [("stdout", "here\n")]


def test_log_records_that_go_to_a_stream_held_before_are_kept(
    shell: KeepingShell, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    logger = logging.Logger("held")
    logger.addHandler(handler)
    recorder = Recorder(shell)

    recorder.start()
    logger.warning("careful")
    outputs = recorder.stop()
    logger.warning("later")

    assert outputs == [{"output_type": "stream", "name": "stderr", "text": "careful\n"}]
    assert capsys.readouterr().err == "careful\nlater\n"


def test_a_recorder_leaves_the_shell_as_it_found_it(shell: KeepingShell) -> None:
    things = (sys.stdout, sys.stderr, shell.display_pub, shell.displayhook)
    before = [dict(vars(thing)) for thing in things]
    recorder = Recorder(shell)

    recorder.start()
    recorder.stop()

    assert [dict(vars(thing)) for thing in things] == before


def test_text_beyond_a_megabyte_is_passed_on_and_not_kept(
    shell: KeepingShell, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = Recorder(shell)

    recorder.start()
    for _ in range(30):
        print("x" * 100_000)
    outputs = recorder.stop()

    assert len(outputs) == 1
    assert len(outputs[0]["text"]) < 1_300_000
    assert outputs[0]["text"].endswith("… the rest was left out …\n")
    assert len(capsys.readouterr().out) == 30 * 100_001


def test_a_display_is_kept_as_json_can_hold_it() -> None:
    data = plain(
        {
            "image/png": b"\x89PNG",
            "text/plain": "a",
            "application/json": {"a": [1]},
            "odd/kind": object(),
            "application/vnd.jupyter.widget-view+json": {"model_id": "x"},
        }
    )

    assert json.loads(json.dumps(data)) == {"image/png": "iVBORw==", "text/plain": "a", "application/json": {"a": [1]}}


def test_a_replayed_result_says_what_it_said() -> None:
    replayed = Replayed(
        {"data": {"text/plain": "42", "text/html": "<b>42</b>"}, "metadata": {"text/html": {"isolated": True}}}
    )

    assert repr(replayed) == "42"
    assert replayed._repr_mimebundle_() == (
        {"text/plain": "42", "text/html": "<b>42</b>"},
        {"text/html": {"isolated": True}},
    )


def test_a_failing_step_lets_go_of_the_streams(notebook: Notebook) -> None:
    notebook.run("%%step a\nx = len('a')\nprint('before')\n1 / (1 - x)")

    assert "write" not in vars(sys.stdout)
    assert notebook.ok("print('after')").outputs == [("stdout", "after\n")]
