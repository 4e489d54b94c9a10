"""Loading, unloading, and the magics as IPython knows them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter

from nbpipe import Client
from nbpipe.commands.grammar import Noun, command_in, names_in, options_of, root
from nbpipe.define.grammar import parse_params, parse_pipeline, parse_step
from nbpipe.notebook.completion import OPTIONS
from nbpipe.notebook.usage import USAGE
from tests.notebook.shells import KeepingShell, Notebook, end_shell, make_shell


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


@pytest.mark.parametrize("question", ["%%step?", "%step?", "%%pipeline?", "?%%params", "%%catalog?"])
def test_a_question_shows_the_usage(notebook: Notebook, question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("IPython.core.page.page", lambda said, *_, **__: shown.append(said["text/plain"]))

    notebook.ok(question)

    said = "".join(shown)
    assert question.strip("?%") in said
    assert said.count("\n") > 4


@pytest.mark.parametrize("question", ["%%step load?", "%%step ?", "#| step load?", "%%pipeline p?", "%%catalog ?"])
def test_a_question_behind_a_name_shows_the_usage_too(notebook: Notebook, question: str) -> None:
    assert notebook.ok(question).text == USAGE[question.strip("%#| ").split()[0]] + "\n"


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("%nbpipe run?", "Usage: nbpipe run [OPTIONS]"),
        ("%nbpipe runs list?", "Usage: nbpipe runs list"),
        ("?%nbpipe snapshot", "Usage: nbpipe snapshot [OPTIONS] COMMAND"),
        ("%nbpipe?", "Usage: nbpipe [OPTIONS] COMMAND"),
        ("%nbpipe run training??", "Usage: nbpipe run [OPTIONS]"),
    ],
)
def test_a_question_behind_a_command_is_answered_by_the_command(notebook: Notebook, question: str, words: str) -> None:
    assert words in notebook.ok(question).text


def test_a_question_mark_in_a_value_asks_for_nothing(notebook: Notebook) -> None:
    found = notebook.ok("%nbpipe catalog query \"select 'why?' as asked\"").text
    notebook.ok('text = """\n%nbpipe run?\n"""')

    assert "why?" in found
    assert notebook["text"] == "\n%nbpipe run?\n"


def commands_below(path: tuple[str, ...], command: object) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, Noun):
        for name in names_in(command):
            inner = command_in(command, name)
            # A noun within a noun is the same as by itself.
            if not (path and isinstance(inner, Noun)):
                yield from commands_below((*path, name), inner)


def test_every_command_explains_itself_however_it_is_asked(notebook: Notebook) -> None:
    for path in commands_below((), root()):
        line = " ".join(("%nbpipe", *path))
        said = notebook.ok(f"{line} --help").text
        command = root()
        for name in path:
            command = command_in(command, name)

        assert said.startswith(f"Usage: {' '.join(('nbpipe', *path))}"), line
        assert said == notebook.ok(f"{line} -h").text == notebook.ok(f"{line}?").text, line
        assert [option for option in options_of(command) if option not in said] == [], line
        assert [name for name in (names_in(command) if isinstance(command, Noun) else ()) if name not in said] == []
        assert all(one.help for one in command.params if not getattr(one, "hidden", False)), line
        assert isinstance(command, Noun) or "Examples:" in said, line
        assert max(map(len, said.splitlines())) <= 110, line


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


OFFERED: tuple[tuple[str, set[str]], ...] = (
    ("%%step loa", {"load"}),
    ("%%step load --a", {"--after"}),
    ("%%step new --after ", {"load"}),
    ("%%step new --tag ", {"exp", "v1"}),
    ("%%pipeline p --t", {"--tag"}),
    ("%%pipeline p(rate: float = 0.1) --model ", {"birds"}),
    ("%%params --n", {"--name"}),
    ("%%params --tag v", {"v1"}),
    ("  %%params --mo", {"--model"}),
    ("#| ", {"params", "pipeline", "step"}),
    ("#| step lo", {"load"}),
    ("%nbpipe sna", {"snapshot"}),
    ("%nbpipe run tra", {"training"}),
    ("run = %nbpipe run tra", {"training"}),
    ("%nbpipe run --only ", {"load"}),
    ("%nbpipe run training --set ", {"rate="}),
    ("%nbpipe snapshot form ", {"nightly"}),
    ("%nbpipe snapshot form 'two w", {"'two words'"}),
    ("%nbpipe model promote bi", {"birds"}),
    ("%nbpipe tag delete ", {"exp", "v1"}),
    ("%%catalog found\nselect stat", {"status"}),
    ("%%catalog\nselect * from sna", {"snapshots"}),
    ("%%catalog\nselect r.error_t\nfrom runs as r\nwhere r.na", {"name"}),
)


def test_tab_offers_words_flags_and_names_and_nothing_else(cells: Notebook) -> None:
    for line, expected in OFFERED:
        assert completed(cells, line) >= expected, line
        assert completed(cells, line) & {"print", "%run", "and"} == set(), line


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """Give a notebook with something of each kind that has a name."""
    folder = tmp_path_factory.mktemp("named")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("NBPIPE_HOME", str(folder / ".nbpipe"))
        patched.chdir(folder)
        shell = make_shell(str(folder / "ipython"))
        notebook = Notebook(shell)
        notebook.ok(
            "%load_ext nbpipe",
            "%%step load\nx = len('a')",
            "%%step\ndef f(rate: float = 0.1) -> float:\n    return rate",
            "%%pipeline training(rate: float = 0.1) --tag v1 --tag exp:cascade --model birds\nf(rate)",
            "training()",
            "%nbpipe snapshot create training --name nightly",
            "%nbpipe snapshot create training --name 'two words'",
        )
        yield notebook
        end_shell(shell)


def test_where_nothing_is_known_in_our_line_the_word_stays_and_python_offers_nothing(cells: Notebook) -> None:
    for line in ("%nbpipe run training --tag zz", "%%step a --retries 3", "%%catalog\nselect zz", "%nbpipe nope x"):
        assert completed(cells, line) == {line.split()[-1]}


def test_the_options_that_tab_offers_are_those_that_the_grammar_reads() -> None:
    for magic, read in (("step", parse_step), ("params", parse_params), ("pipeline", parse_pipeline)):
        for option, value in OPTIONS[magic].items():
            read(f"{'p ' if magic == 'pipeline' else ''}{option}{' 1' if value == 'TEXT' else ' a' if value else ''}")
        assert set(re.findall(r"(?<!\S)--[a-z-]+", USAGE[magic])) == set(OPTIONS[magic])


def test_tab_elsewhere_is_pythons(notebook: Notebook) -> None:
    assert "print" in completed(notebook, "pri")
    assert "print" in completed(notebook, "%%step a\npri")
