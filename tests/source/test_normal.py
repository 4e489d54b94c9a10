from __future__ import annotations

import ast

import pytest

from nbpipe.source.normal import lines_of, normalise

PLAIN = "def f(a, b=1):\n    return a + b\n\nclass C:\n    n = 'x'\n"


@pytest.mark.parametrize(
    "other",
    [
        "# a comment\ndef f(a, b = 1): # another\n\n    return a + b\nclass C:\n    n = 'x'",
        "'''About.'''\ndef f(a, b=1):\n    '''Add.'''\n    return a + b\nclass C:\n    'Hold.'\n    n = 'x'",
        'def f(\n  a,\n  b=1,\n):\n  return (a +\n     b)\nclass C:\n  n = "x"',
    ],
    ids=["comments", "docstrings", "formatting"],
)
def test_what_a_reader_alone_sees_is_not_in_the_normal_form(other):
    assert normalise(other) == normalise(PLAIN)


def test_the_normal_form_of_a_normal_form_is_itself():
    assert normalise(normalise(PLAIN)) == normalise(PLAIN)


def test_a_tree_has_the_normal_form_of_its_text_and_is_left_as_it_is():
    tree = ast.parse("def f():\n    'About.'\n    return 1")
    before = ast.dump(tree)

    assert normalise(tree) == normalise("def f():\n    return 1")
    assert ast.dump(tree) == before


def test_a_function_that_has_only_a_docstring_does_nothing():
    assert normalise("def f():\n    'About.'") == "def f():\n    pass"


def test_a_text_that_is_the_only_expression_of_a_cell_is_its_result():
    assert normalise("'a'") != normalise("'b'")


@pytest.mark.parametrize("other", ["x = 2", "x = '1'", "x = 1.0", "x = True", "y = 1"])
def test_what_the_text_does_is_in_the_normal_form(other):
    assert normalise(other) != normalise("x = 1")


def test_an_expression_too_deep_to_be_written_has_a_normal_form_without_comments_and_spaces():
    terms = [f"t{n}" for n in range(900)]

    loose = normalise("x = (  # a comment\n    " + "\n    + ".join(terms) + ")\n")

    assert loose == normalise("x = (" + "+".join(terms) + ")")
    assert loose != normalise("x = (" + "+".join(reversed(terms)) + ")")


def test_lines_are_counted_as_python_counts_them():
    assert lines_of("a = '\f\u2028'\r\nb\rc") == ["a = '\f\u2028'\n", "b\n", "c"]
