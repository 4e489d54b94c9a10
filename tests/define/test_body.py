"""A pipeline's body as a function, line for line; a step's definitions, line for line."""

from __future__ import annotations

from typing import Any

import pytest

from nbpipe.define.body import function_text


def call(body: str, signature: str = "", *arguments: Any) -> Any:
    namespace: dict[str, Any] = {"double": lambda x: x * 2}
    exec(compile(function_text("made", signature, body), "<made>", "exec"), namespace)
    return namespace["made"](*arguments)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("double(2)", 4),
        ("x = double(2)\nx", 4),
        ("return double(2)", 4),
        ("x = double(2)\nif x > 3:\n    return 'big'\nreturn 'small'", "big"),
        ("x = double(\n    2\n)\n(x,\n x)", (4, 4)),
        ("é = 1; é", 1),
        ("x = double(2)", None),
        ("", None),
        ("# only a comment", None),
        ('"""only a text"""', None),
        ("x = '''a\n  b'''\nx", "a\n  b"),
        ("x = f'''a\n{double(1)}'''\nx", "a\n2"),
        ("if True:\n\n    x = 1\nx", 1),
    ],
)
def test_the_last_expression_or_the_return_is_what_the_body_gives(body: str, answer: object) -> None:
    assert call(body) == answer


def test_parameters_are_those_of_the_signature() -> None:
    assert call("double(n)", "n: int = 1", 5) == 10


def test_an_error_in_the_body_has_the_line_of_the_cell() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        call("x = 1\ny = '''\n'''\nx / 0")

    # The first line of the cell is the magic's, as that of the function is its `def`.
    assert raised.traceback[-1].lineno + 1 == 5


def test_a_body_that_is_no_python_is_a_syntax_error() -> None:
    with pytest.raises(SyntaxError):
        function_text("made", "", "x = (")
