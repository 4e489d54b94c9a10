"""Loading, unloading, and the magics as IPython knows them."""

from __future__ import annotations

import ast
import sys
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter

from nbpipe import Client
from nbpipe.notebook.usage import USAGE
from tests.notebook.shells import KeepingShell, Notebook


def state_of(shell: KeepingShell) -> dict[str, Any]:
    """Tell everything about a shell that loading changes."""
    return {
        "cleanup": list(shell.input_transformers_cleanup),
        "trees": list(shell.ast_transformers),
        "events": {name: list(found) for name, found in shell.events.callbacks.items()},
        "magics": {kind: sorted(found) for kind, found in shell.magics_manager.magics.items()},
        "registry": sorted(name for name in shell.magics_manager.registry if "nbpipe" in name.casefold()),
        "matchers": list(shell.Completer.custom_matchers),
        "formatters": {name: list(one.type_printers) for name, one in shell.display_formatter.formatters.items()},
        "names": {name for name in shell.user_ns if "nbpipe" in name},
        "hidden": {name for name in shell.user_ns_hidden if "nbpipe" in name},
    }


def completed(notebook: Notebook, line: str) -> set[str]:
    """Give what Tab offers at the end of a line."""
    with provisionalcompleter():
        return {found.text for found in notebook.shell.Completer.completions(line, len(line))}


def test_unloading_leaves_the_shell_as_it_was(shell: KeepingShell) -> None:
    notebook = Notebook(shell)
    notebook.ok("1")
    before = state_of(shell)

    notebook.ok("%load_ext nbpipe", "%%step a\nx = len('a')", "%unload_ext nbpipe")

    assert state_of(shell) == before
    assert notebook.run("%%step a\nx = 1").said == ""
    assert "UsageError: Cell magic `%%step` not found" in notebook.run("%%step a\nx = 1").text


def test_loading_twice_changes_nothing(notebook: Notebook) -> None:
    once = state_of(notebook.shell)
    kernel = notebook["__nbpipe_cell__"]

    notebook.ok("%load_ext nbpipe")
    notebook.shell.extension_manager.loaded.discard("nbpipe")
    notebook.ok("%load_ext nbpipe")

    assert state_of(notebook.shell) == once
    assert notebook["__nbpipe_cell__"] is kernel


def test_reloading_ends_the_run_and_begins_anew(notebook: Notebook) -> None:
    notebook.ok("%%step a\nx = len('a')", "%reload_ext nbpipe", "%%step b\ny = len('b')")

    assert sorted(run.status for run in Client().runs.list()) == ["completed", "running"]


@pytest.mark.parametrize("magic", sorted(USAGE))
@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_help_is_shown_and_nothing_runs(notebook: Notebook, magic: str, asked: str) -> None:
    cell = notebook.ok(f"%%{magic} {asked}\nmade = 1")

    assert cell.text == USAGE[magic] + "\n"
    assert "made" not in notebook


@pytest.mark.parametrize("question", ["%%step?", "%step?", "%%pipeline?", "%nbpipe?"])
def test_a_question_shows_the_usage(notebook: Notebook, question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("IPython.core.page.page", lambda text, *_, **__: shown.append(str(text)))

    notebook.ok(question)

    assert question.strip("?") in "".join(shown)


def test_a_script_made_of_a_notebook_runs(notebook: Notebook) -> None:
    notebook.ok(
        "get_ipython().run_cell_magic('params', '', 'n: int = 3\\n')",
        "get_ipython().run_cell_magic('step', 'load', 'rows = list(range(n))\\n')",
        "get_ipython().run_cell_magic('step', 'total', 'value = sum(rows)\\n')",
        "get_ipython().run_cell_magic('catalog', 'found', 'select node from steps order by started\\n')",
    )

    run = notebook.ok("run = %nbpipe run\nrun").value

    assert notebook["value"] == 3
    assert list(notebook["found"].node) == ["load", "total"]
    assert list(run.steps) == ["load", "total"]


def test_a_script_is_told_that_it_cannot_await(notebook: Notebook) -> None:
    notebook.ok("import asyncio")

    said = notebook.refused("get_ipython().run_cell_magic('step', 'a', 'x = await asyncio.sleep(0)')")

    assert "await works in a cell of a notebook, not through run_cell_magic" in said


def test_a_script_that_fails_shows_its_own_line_and_none_of_ours(notebook: Notebook) -> None:
    cell = notebook.run("get_ipython().run_cell_magic('step', 'a', 'x = len(\"a\")\\ny = 1 / (x - 1)\\n')")

    assert isinstance(cell.error, ZeroDivisionError)
    assert "y = 1 / (x - 1)" in cell.said
    assert "kernel.py" not in cell.said


def test_an_error_in_a_transformer_never_unregisters_it(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> list[ast.stmt]:
        raise RuntimeError("unforeseen")

    with monkeypatch.context() as patched:
        patched.setattr(type(notebook["__nbpipe_cell__"]), "_step", fail)
        cell = notebook.run("%%step a\nx = len('a')")

    assert isinstance(cell.error, RuntimeError)
    notebook.ok("%%step a\nx = len('a')")
    assert notebook["x"] == 1


def test_importing_nbpipe_touches_no_shell() -> None:
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", "import sys, nbpipe; print('IPython' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%%step loa", {"load"}),
        ("%%step load --a", {"--after"}),
        ("%%step new --after ", {"load"}),
        ("%%pipeline p --t", {"--tag"}),
        ("%%params --n", {"--name"}),
        ("%nbpipe sna", {"snapshot"}),
        ("%nbpipe run tra", {"training"}),
    ],
)
def test_tab_completes_words_flags_and_names(notebook: Notebook, line: str, expected: set[str]) -> None:
    notebook.ok("%%step load\nx = len('a')", "%%step\ndef f() -> int:\n    return 1", "%%pipeline training\nf()")

    assert expected <= completed(notebook, line)


def test_tab_elsewhere_is_pythons(notebook: Notebook) -> None:
    assert "print" in completed(notebook, "pri")
