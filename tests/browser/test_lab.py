"""The harness itself: what the other browser tests lean on does what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.browser.lab import LabError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import OpenNotebook

pytestmark = pytest.mark.browser

BUTTON = """
import ipywidgets
button = ipywidgets.Button(description="Promote")
button.on_click(lambda pressed: setattr(pressed, "description", "Promoted"))
button
"""
SHOWN = """
from IPython.display import HTML
HTML('<script>window.scriptRan = true</script><b class="shown">shown</b>')
"""


def test_a_plain_cell_runs_and_its_output_is_saved(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(["print(6 * 7)"])

    notebook.run_all()
    notebook.save()

    assert notebook.outputs(0) == [{"output_type": "stream", "name": "stdout", "text": "42\n"}]
    assert nbformat.read(notebook.path, as_version=4).cells[0].outputs[0].text == "42\n"
    assert notebook.page_errors == []


def test_a_click_on_a_widget_reaches_the_kernel_and_its_answer_comes_back(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook([BUTTON])
    notebook.run_all()

    notebook.locator("button", has_text="Promote").click()
    notebook.locator("button", has_text="Promoted").wait_for()

    notebook.screenshot(tmp_path / "button.png")
    assert (tmp_path / "button.png").read_bytes().startswith(b"\x89PNG")
    assert notebook.page_errors == []


def test_a_cell_that_raises_stops_run_all_and_is_told(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(["import time\ntime.sleep(0.3)\n1 / 0", "print('later')"])

    with pytest.raises(LabError, match="ZeroDivisionError: division by zero"):
        notebook.run_all()

    assert notebook.run_all(may_fail=True) is False
    assert notebook.outputs(1) == []


def test_a_notebook_has_a_workspace_of_its_own_beside_it(open_notebook: OpenNotebook) -> None:
    asked = "from nbpipe.base.workspace import find_workspace\nprint(find_workspace().root)"
    first, second = open_notebook([asked]), open_notebook([asked])

    first.run_all()
    second.run_all()

    assert first.outputs(0)[0]["text"].strip() == str(first.path.parent.resolve() / ".nbpipe")
    assert second.outputs(0)[0]["text"].strip() == str(second.path.parent.resolve() / ".nbpipe")


def test_a_reopened_notebook_runs_scripts_only_for_the_one_who_ran_it(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SHOWN])
    notebook.run_all()

    notebook.reopen(trusted=True)
    notebook.locator(".shown").wait_for()
    ran_when_trusted = notebook.page.evaluate("() => window.scriptRan === true")
    notebook.reopen(trusted=False)
    notebook.locator("b", has_text="shown").wait_for()
    ran_when_untrusted = notebook.page.evaluate("() => window.scriptRan === true")

    assert ran_when_trusted
    assert not ran_when_untrusted


def test_the_theme_is_switched_and_the_next_notebook_is_light_again(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(["1"])
    background = "() => getComputedStyle(document.body).getPropertyValue('--jp-layout-color0').trim()"
    light = notebook.page.evaluate(background)

    notebook.set_theme("dark")
    dark = notebook.page.evaluate(background)
    after = open_notebook(["1"]).page.evaluate(background)

    assert dark != light
    assert after == light
