"""What a cell shows where a front end looks, and where none does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nbpipe.notebook import frontend
from nbpipe.notebook.frontend import (
    KERNEL_FROM,
    cell_underway,
    is_watched,
    notebook_name,
    remark_on_kernel,
    takes_widgets,
)
from tests.notebook.shells import Cell, KeepingShell, Notebook

STEPS = (
    "import time",
    "%%step\ndef slow() -> int:\n    time.sleep(0.6)\n    return 1",
    "%%pipeline training\nslow()",
)


def test_a_cell_is_watched_if_it_has_a_name_or_the_setting_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_watched("one")
    assert not is_watched(None)
    monkeypatch.setenv("NBPIPE_DISPLAY", "static")
    assert not is_watched("one")
    monkeypatch.setenv("NBPIPE_DISPLAY", "live")
    assert is_watched(None)


def test_the_cell_that_loads_the_extension_is_watched_if_its_request_names_it(shell: KeepingShell) -> None:
    shell.get_parent = lambda: {"metadata": {"cellId": "one"}}
    notebook = Notebook(shell)

    notebook.run("%load_ext nbpipe\nwatched = get_ipython().user_ns['__nbpipe_cell__'].is_watched", cell_id="one")
    notebook.run("later = __nbpipe_cell__.is_watched")

    assert (notebook["watched"], notebook["later"]) == (True, False)
    assert cell_underway(object()) is None


def test_an_older_kernel_is_told_with_what_it_does_without_and_a_recent_one_is_not() -> None:
    needed = re.search(r'"ipykernel>=([\d.]+)"', (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))

    said = remark_on_kernel((6, 29, 5))

    assert "ipykernel 6.29.5" in said and "Stop" in said and 'pip install "ipykernel>=7.4"' in said
    assert [remark_on_kernel(version) for version in ((7, 4, 0), (7, 10, 1), (8, 0, 0, "a1"), None)] == [""] * 4
    assert needed is not None and needed[1] == ".".join(map(str, KERNEL_FROM))


def test_a_view_is_a_widget_in_jupyterlab_and_a_picture_where_none_can_be_counted_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not takes_widgets("one", {})
    monkeypatch.setattr(frontend, "has_front_end", lambda: True)

    assert takes_widgets("one", {})
    assert not takes_widgets(None, {})
    assert not takes_widgets("one", {"__vsc_ipynb_file__": "/home/me/iris.ipynb"})
    monkeypatch.setenv("NBPIPE_DISPLAY", "live")
    assert takes_widgets("one", {"__vsc_ipynb_file__": "/home/me/iris.ipynb"})
    monkeypatch.setenv("NBPIPE_DISPLAY", "static")
    assert not takes_widgets("one", {})


@pytest.mark.parametrize(
    ("session", "path", "name"),
    [
        ("/home/me/Iris study (2).ipynb", "", "Iris_study_2"),
        ("", "/home/me/iris.ipynb", "iris"),
        ("6f9c0b4e-console", "", "notebook"),
        ("", "", "notebook"),
        ("/home/me/---.ipynb", "", "notebook"),
    ],
)
def test_a_notebook_is_named_after_its_file(
    session: str, path: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", session)

    assert notebook_name({"__vsc_ipynb_file__": path} if path else {}) == name


def test_a_watched_run_is_drawn_as_it_goes_on_and_its_card_does_not_repeat_the_graph(notebook: Notebook) -> None:
    notebook.ok(*STEPS)

    cell = notebook.run("training()", cell_id="one")

    kinds = [kind for kind, _ in cell.outputs]
    drawn = [text for kind, text in cell.outputs if kind in ("display", "update")]
    assert kinds[0] == "display"
    assert kinds[-1] == "result"
    assert "pending" in drawn[0]
    assert "running" in drawn[1]
    assert "completed" in drawn[-1]
    assert "data:image" in cell.html[0]
    assert "data:image" not in cell.html[-1]


COUNTING = """%%step
def slow() -> int:
    print("begun")
    for n in nbpipe.progress(range(200), note="<b>rows</b>"):
        time.sleep(0.004)
    return 1"""


def test_a_watched_run_shows_how_far_its_steps_are_and_ends_with_the_graph_alone(notebook: Notebook) -> None:
    notebook.ok("import nbpipe, time", COUNTING, "%%pipeline training\nslow()")

    cell = notebook.run("training()", cell_id="one")

    shown = [text for kind, text in cell.outputs if kind in ("display", "update")]
    assert any(" of 200  <b>rows</b>\n  begun" in text for text in shown)
    assert any("&lt;b&gt;rows&lt;/b&gt;" in html for html in cell.html)
    assert "of 200" not in shown[-1]


def test_a_run_that_nobody_watches_says_nothing_of_how_far_it_is(notebook: Notebook) -> None:
    notebook.ok("import nbpipe, time", COUNTING, "%%pipeline training\nslow()")

    cell = notebook.run("training()")

    assert [kind for kind, _ in cell.outputs if kind != "stdout"] == ["result"]


def test_a_watched_run_whose_step_fails_stays_as_it_ended(notebook: Notebook) -> None:
    notebook.ok("import nbpipe", "%%step\ndef bad() -> int:\n    nbpipe.progress(1, 2)\n    return 1 // 0")
    notebook.ok("%%pipeline training\nbad()")

    cell = notebook.run("training()", cell_id="one")

    assert cell.error is not None
    assert "failed" in [text for kind, text in cell.outputs if kind in ("display", "update")][-1]


CELL = """%%step crawl
for n in nbpipe.progress(range(40), note="<b>pages</b>"):
    time.sleep(0.01)
print("done")"""


def bars(cell: Cell) -> list[str]:
    return [text for kind, text in cell.outputs if kind in ("display", "update") and "of 40" in text]


def test_a_watched_step_cell_shows_how_far_it_is_and_a_reused_one_does_not(notebook: Notebook) -> None:
    notebook.ok("import nbpipe, time")

    first = notebook.run(CELL, cell_id="one")
    again = notebook.run(CELL, cell_id="one")

    assert len(bars(first)) >= 2
    assert re.search(r"◐ crawl  \d s", bars(first)[0])
    assert "<b>pages</b>" in bars(first)[0]
    assert re.search(r"✓ crawl  \d s  ━━━━━━━━━━━━━━━━━━━━  100 %, 40 of 40", bars(first)[-1])
    assert any("&lt;b&gt;pages&lt;/b&gt;" in html for html in first.html)
    assert bars(again) == []
    assert "done" in again.text


def test_a_watched_step_cell_that_fails_shows_how_far_it_came(notebook: Notebook) -> None:
    notebook.ok("import nbpipe")

    cell = notebook.run("%%step crawl\nnbpipe.progress(3, 40)\n1 // 0", cell_id="one")

    assert cell.error is not None
    assert re.match(r"✗ crawl  \d s  ━───────────────────  7 %, 3 of 40", bars(cell)[-1])


@pytest.mark.parametrize(
    ("text", "cell_id"),
    [(CELL, None), ("%%step crawl\nn = 1", "one"), ("for n in nbpipe.progress(range(40)): pass", "one")],
    ids=["nobody looks", "nothing is said", "no step"],
)
def test_there_is_no_bar_where_nobody_looks_or_nothing_is_said(
    notebook: Notebook, text: str, cell_id: str | None
) -> None:
    notebook.ok("import nbpipe, time")

    assert bars(notebook.run(text, cell_id=cell_id)) == []


def test_a_run_shown_in_a_later_cell_has_its_graph(notebook: Notebook) -> None:
    notebook.ok(*STEPS)
    notebook.run("run = training()", cell_id="one")

    cell = notebook.run("run", cell_id="two")

    assert "data:image" in cell.html[0]
    assert "took" in cell.text


def test_a_run_that_nobody_watches_is_shown_once_and_without_what_moves(notebook: Notebook) -> None:
    notebook.ok(*STEPS)

    cell = notebook.run("training()")

    assert [kind for kind, _ in cell.outputs] == ["result"]
    assert "data:image" in cell.html[0]


def test_a_watched_cell_that_is_reused_says_so(notebook: Notebook) -> None:
    notebook.run("%%step a\nx = len('a')\nprint(x)", cell_id="one")

    cell = notebook.run("%%step a\nx = len('a')\nprint(x)", cell_id="one")

    assert cell.outputs == [("display", "↺ a reused: nothing it depends on changed"), ("stdout", "1\n")]


def test_a_pipelines_card_and_a_steps_card_are_shown_the_same_way_twice(notebook: Notebook) -> None:
    notebook.ok(*STEPS)

    cards = [notebook.ok("training").text, notebook.ok("training").text]

    assert cards[0] == cards[1]
    assert "training" in cards[0]
