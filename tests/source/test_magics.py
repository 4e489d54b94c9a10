from __future__ import annotations

import ast

import pytest

from nbpipe.errors import DefinitionError
from nbpipe.source.magics import refuse_unreplayable, strip_magics


@pytest.mark.parametrize(
    "text",
    [
        "x = 7\ny = (x\n% 3)\n",
        "text = '''\n%time x\n!ls\n'''\n",
        "x = 7 \\\n  % 3\n",
        "# %matplotlib inline\n",
        "x %= 3\n",
        "x = 1; y = 2",
        "",
    ],
)
def test_python_is_given_back_as_it_is(text):
    assert strip_magics(text) == (text, [])


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("%matplotlib inline", "pass"),
        ("%config InlineBackend.figure_format = 'svg'", "pass"),
        ("%load_ext autoreload", "pass"),
        ("%autoreload 2", "pass"),
        ("%timeit f(x)", "pass"),
        ("%time y = f(x)", "y = f(x)"),
        ("%time", "pass"),
        ("df.head?", "pass"),
        ("?df", "pass"),
        ("df??", "pass"),
    ],
)
def test_a_line_that_only_shows_or_times_is_dropped_and_harmless(line, left):
    text, (dropped,) = strip_magics(f"x = 1\n{line}\ny = 2\n")

    assert text == f"x = 1\n{left}\ny = 2\n"
    assert (dropped.line, dropped.text, dropped.is_harmless) == (2, line, True)


@pytest.mark.parametrize(
    "line",
    [
        "!pip install x",
        "%pip install x",
        "files = !ls",
        "files = %sx ls",
        "%run other.ipynb",
        "%cd ..",
        "!!ls",
        "%env A=1",
    ],
)
def test_a_line_that_cannot_be_replayed_is_told(line):
    text, (dropped,) = strip_magics(f"if x:\n    {line}\n")

    assert text == "if x:\n    pass\n"
    assert (dropped.line, dropped.text, dropped.is_harmless) == (2, line, False)


def test_a_shell_line_goes_as_far_as_its_backslashes_and_the_lines_keep_their_numbers():
    text, (dropped,) = strip_magics("!pip install \\\n  a \\\n  b\nx = 1\n")

    assert ast.parse(text).body[-1].lineno == 4
    assert dropped.text == "!pip install \\\n  a \\\n  b"


def test_percent_signs_inside_texts_and_brackets_are_python_though_a_magic_stands_beside_them():
    source = "%matplotlib inline\nx = '''\n%time a\n!ls\n'''\ny = (7\n% 3)\n"

    text, dropped = strip_magics(source)

    assert text == source.replace("%matplotlib inline", "pass")
    assert [line.line for line in dropped] == [1]


@pytest.mark.parametrize("magic", ["%%time", "%%capture"])
def test_a_cell_under_a_magic_that_runs_it_as_it_is_keeps_its_lines(magic):
    text, (dropped,) = strip_magics(f"{magic}\nx = 1\n")

    assert text == "\nx = 1\n"
    assert dropped.is_harmless


@pytest.mark.parametrize("magic", ["%%bash", "%%timeit", "%%capture out", "%%sql"])
def test_a_cell_under_any_other_magic_leaves_nothing_and_is_told(magic):
    text, (dropped,) = strip_magics(f"{magic}\nx = 1\n")

    assert not text.strip()
    assert (dropped.line, dropped.is_harmless) == (1, False)


def test_a_step_with_a_line_that_cannot_be_replayed_is_refused_by_cell_and_line():
    _, dropped = strip_magics("%matplotlib inline\n\n!pip install x\n")

    with pytest.raises(DefinitionError, match=r"train holds '!pip install x' \(cell 3, line 3\), which cannot"):
        refuse_unreplayable("train", dropped, cell="cell 3")


def test_a_step_with_harmless_lines_is_not_refused():
    refuse_unreplayable("train", strip_magics("%matplotlib inline\n%time x = 1")[1])
