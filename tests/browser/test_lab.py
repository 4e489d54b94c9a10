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


def test_cells_run_are_saved_answer_a_click_and_end_at_the_one_that_raises(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    cells = ["print(6 * 7)", BUTTON, "import time\ntime.sleep(0.3)\n1 / 0", "print('later')"]
    notebook = open_notebook(cells, is_pictured=True)

    with pytest.raises(LabError, match="ZeroDivisionError: division by zero"):
        notebook.run_all()
    assert notebook.run_all(may_fail=True) is False
    notebook.locator("button", has_text="Promote").click()
    notebook.locator("button", has_text="Promoted").wait_for()
    notebook.look(notebook.cell(1), tmp_path, "button")
    notebook.save()

    assert notebook.outputs(0) == [{"output_type": "stream", "name": "stdout", "text": "42\n"}]
    assert notebook.outputs(3) == []
    assert nbformat.read(notebook.path, as_version=4).cells[0].outputs[0].text == "42\n"
    light, dark = ((tmp_path / f"button_{theme}.png").read_bytes() for theme in ("light", "dark"))
    assert light.startswith(b"\x89PNG")
    assert dark.startswith(b"\x89PNG")
    assert light != dark
    assert notebook.page_errors == []


def test_a_notebook_has_a_workspace_beside_it_and_a_theme_that_the_next_one_does_not_take_over(
    open_notebook: OpenNotebook,
) -> None:
    asked = "from nbpipe.base.workspace import find_workspace\nprint(find_workspace().root)"
    background = "() => getComputedStyle(document.body).getPropertyValue('--jp-layout-color0').trim()"
    first = open_notebook([asked])
    light = first.page.evaluate(background)

    first.set_theme("dark")
    dark = first.page.evaluate(background)
    second = open_notebook([asked])
    first.run_all()
    second.run_all()

    assert dark != light
    assert second.page.evaluate(background) == light
    assert first.outputs(0)[0]["text"].strip() == str(first.path.parent.resolve() / ".nbpipe")
    assert second.outputs(0)[0]["text"].strip() == str(second.path.parent.resolve() / ".nbpipe")


def test_a_reopened_notebook_runs_scripts_only_for_the_one_who_ran_it(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SHOWN])
    notebook.run_all()

    notebook.reopen(trusted=True, in_new_page=True)
    notebook.locator(".shown").wait_for()
    ran_when_trusted = notebook.page.evaluate("() => window.scriptRan === true")
    notebook.reopen(trusted=False, in_new_page=True)
    notebook.locator("b", has_text="shown").wait_for()
    ran_when_untrusted = notebook.page.evaluate("() => window.scriptRan === true")

    assert ran_when_trusted
    assert not ran_when_untrusted
