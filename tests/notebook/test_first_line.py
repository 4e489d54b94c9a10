"""The first line of a cell becomes a marker, and nothing else changes."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import v4

from nbpipe import Client
from nbpipe.define.first_line import MAGICS, as_marked, magic_on
from nbpipe.define.notebooks import read_pipelines
from nbpipe.notebook.first_line import await_commands, mark_first_line, marker_in
from tests.notebook.shells import Notebook

LINES = st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc"))).map("{}\n".format), max_size=5)
ARGUMENTS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"))).map(str.strip)


@given(LINES)
def test_a_cell_without_our_magic_is_left_as_it_is(lines: list[str]) -> None:
    if not (lines and magic_on(lines[0])[0]):
        assert mark_first_line(lines) == lines


@given(st.sampled_from(MAGICS), ARGUMENTS, st.lists(st.just("x = 1\n"), max_size=4))
def test_a_marker_says_the_magic_and_its_arguments_and_every_line_keeps_its_number(
    magic: str, arguments: str, body: list[str]
) -> None:
    marked = mark_first_line([f"%%{magic} {arguments}\n", *body])

    tree = ast.parse("".join(marked))

    assert len(marked) == len(body) + 1
    assert marker_in(tree) == (magic, arguments, "".join(body) if magic == "catalog" else "")
    assert [node.lineno for node in tree.body[1:]] == ([] if magic == "catalog" else list(range(2, len(body) + 2)))


@given(st.sampled_from(MAGICS), ARGUMENTS)
def test_marking_a_marked_cell_changes_nothing_more(magic: str, arguments: str) -> None:
    once = mark_first_line([f"%%{magic} {arguments}\n", "x = 1\n"])

    assert mark_first_line(once) == once


@pytest.mark.parametrize("line", ["%%steps a\n", "%step a\n", "%%step?\n", "%%bash\n", "step\n", "%%\n"])
def test_other_magics_and_questions_are_not_ours(line: str) -> None:
    assert mark_first_line([line]) == [line]


@pytest.mark.parametrize(
    "cell",
    [
        "%%step a\nx = 1",
        "\n\n%%step a\nx = 1",
        "  %%step a\n  x = 1",
        "%%time\n%%step a\nx = 1",
        "%%time\n\n%%step a\nx = 1",
    ],
)
def test_a_cell_is_read_from_our_magic_on(cell: str) -> None:
    assert as_marked(cell) == "%%step a\nx = 1"


def test_a_plain_cell_is_read_as_a_whole() -> None:
    assert as_marked("%%time\nx = 1") == "%%time\nx = 1"


@pytest.mark.parametrize("text", ["", "x = 1", "__nbpipe__", "print('step')", "f().g()"])
def test_a_cell_without_a_marker_has_none(text: str) -> None:
    assert marker_in(ast.parse(text)) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("#| step train --tag v1", ("step", "train --tag v1")),
        ("#|step train", ("step", "train")),
        ("#| params", ("params", "")),
        ("#|  pipeline nightly(n: int = 1)", ("pipeline", "nightly(n: int = 1)")),
        ("#| step: train", ("", "")),
        ("#| steps", ("", "")),
        ("#| catalog", ("", "")),
        ("#| label: fig-1", ("", "")),
        ("# | step train", ("", "")),
        ("# step train", ("", "")),
    ],
)
def test_a_magic_may_stand_as_a_comment(line: str, said: tuple[str, str]) -> None:
    assert magic_on(line) == said


def test_a_cell_that_is_marked_by_a_comment_does_what_one_with_the_magic_does(notebook: Notebook) -> None:
    notebook.ok("#| params --name commented\nn: int = 3", "\n#| step load --tag raw\nrows = list(range(n))")
    run = notebook.ok("%%step load --tag raw\nrows = list(range(n))", "%nbpipe run --set n=4")

    assert notebook["rows"] == [0, 1, 2]
    assert "run commented: completed" in run.text
    statuses = Client().query("SELECT s.status FROM steps AS s WHERE s.node = 'load' ORDER BY s.started")["status"]
    assert list(statuses) == ["completed", "reused", "completed"]
    assert Client().query("SELECT count(DISTINCT source) AS n FROM steps WHERE node = 'load'")["n"][0] == 1


def test_a_notebook_file_is_read_with_magics_that_stand_as_comments(tmp_path: Path) -> None:
    texts = ["#| params --name commented\nn: int = 3", "#| step load\nrows = list(range(n))", "#| label: plain\nx = 1"]
    path = tmp_path / "commented.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(text) for text in texts]), path)

    own = read_pipelines(path).own

    assert own is not None
    assert (own.name, [cell.name for cell in own.cells], own.parameters.names) == ("commented", ["load"], ("n",))


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("%nbpipe run", "await __nbpipe_cell__.awaited('run')"),
        ("%nbpipe", "await __nbpipe_cell__.awaited('')"),
        ("run = %nbpipe run 'my flow' --set q=\"it's\"", None),
        ("%nbpipe?", "%nbpipe?"),
        ("%nbpipe runs list?", "%nbpipe runs list?"),
        ("%nbpipe run \\", "%nbpipe run \\"),
        ("%nbpiper run", "%nbpiper run"),
    ],
)
def test_a_cell_of_commands_awaits_them_and_help_is_left_to_ipython(line: str, becomes: str | None) -> None:
    (changed, *rest) = await_commands([f"{line}\n", "\n", "# a remark\n"])

    becomes = becomes or f"run = await __nbpipe_cell__.awaited({line.partition('%nbpipe ')[2]!r})"
    assert (changed, rest) == (f"{becomes}\n", ["\n", "# a remark\n"])


@given(LINES, st.integers(0, 5))
def test_a_cell_with_code_beside_its_commands_awaits_nothing(lines: list[str], place: int) -> None:
    cell = [*lines[:place], "%nbpipe run\n", "total = 1\n", *lines[place:]]

    assert await_commands(cell) == cell
