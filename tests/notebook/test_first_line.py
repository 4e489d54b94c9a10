"""The first line of a cell becomes a marker, and nothing else changes."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.define.first_line import MAGICS, as_marked, magic_on
from nbpipe.notebook.first_line import mark_first_line, marker_in

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
