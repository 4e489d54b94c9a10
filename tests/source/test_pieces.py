from __future__ import annotations

import ast

import pytest
from pydantic import ValidationError

from nbpipe.errors import DefinitionError
from nbpipe.source.pieces import definitions_in, is_defining, read_unit


def pieces(text: str, **options: object):
    return [statement.piece for statement in read_unit("cell 1", text, **options).statements()]


def test_every_top_level_statement_is_a_piece_with_its_own_text_and_line():
    found = pieces("a = 1; b = 2  # two\n\n@cache\ndef f():\n    # about\n    return a\nclass C: pass")

    assert [(piece.text, piece.line, piece.binds) for piece in found] == [
        ("a = 1", 1, ("a",)),
        ("b = 2", 1, ("b",)),
        ("@cache\ndef f():\n    # about\n    return a", 3, ("f",)),
        ("class C: pass", 7, ("C",)),
    ]


def test_an_import_of_several_names_is_one_piece_a_name():
    assert [piece.text for piece in pieces("import a.b, c as d\nfrom e import (f,\n g as h)")] == [
        "import a.b",
        "import c as d",
        "from e import f",
        "from e import g as h",
    ]


def test_columns_are_counted_in_bytes_where_a_line_holds_other_letters():
    assert [piece.text for piece in pieces("s = 'äöü'; t = 'ß'; u = 1")] == ["s = 'äöü'", "t = 'ß'", "u = 1"]


def test_a_relative_import_of_a_file_becomes_absolute():
    assert [piece.text for piece in pieces("from .near import a\nfrom .. import b", is_file=True, package="p.q")] == [
        "from p.q.near import a",
        "from p import b",
    ]


def test_a_relative_import_without_a_package_is_refused_with_the_cure():
    with pytest.raises(DefinitionError, match=r"cell 1 imports a from '.near' \(line 1\).* Write the full name"):
        pieces("from .near import a")


def test_the_main_guard_of_a_file_is_not_part_of_it():
    assert [piece.text for piece in pieces("a = 1\nif __name__ == '__main__':\n    a = 2", is_file=True)] == ["a = 1"]


def test_lazy_annotations_hold_for_every_piece_of_their_unit_and_count():
    lazy = pieces("from __future__ import annotations\ndef f(a: int): ...")
    eager = pieces("def f(a: int): ...")

    assert [piece.lazy_annotations for piece in lazy] == [True]
    assert lazy[0].digest != eager[0].digest


def test_a_cell_that_is_not_python_binds_nothing():
    assert pieces("a = 1\nthis is no Python (") == []


def test_a_magic_leaves_the_rest_of_its_cell():
    assert [piece.text for piece in pieces("%matplotlib inline\n!ls\nimport a")][-1] == "import a"


def test_a_piece_cannot_be_changed_and_survives_json():
    piece = pieces("a = 1")[0]

    assert type(piece).model_validate_json(piece.model_dump_json()) == piece
    with pytest.raises(ValidationError):
        piece.text = "a = 2"


@pytest.mark.parametrize(
    "text",
    [
        "import a\nfrom b import c",
        "def f(): ...\nasync def g(): ...\nclass C: ...",
        "'''About.'''\npass",
        "a = 1\nb = -1.5\nc = (1, 'x', None, (True,))\nd = e = 2\nf, g = 1, 2",
        "a = 1\nb = a\nc = a + 1 if a > 2 else -a\nd = f'{a:>3}'",
        "from pathlib import Path\np = Path('x') / 'y'\nq = Path.home()",
        "import re, datetime as dt\nr = re.compile('x')\nd = dt.date(2026, 1, 1)",
        "from typing import TypeVar, Optional\nT = TypeVar('T')\nU = Optional[int]\nV = list[str] | None",
        "import math\npi = math.pi",
        "half = lambda x: x / 2",
        "s = frozenset({'a', 'b'})\nt = tuple([1, 2])\nr = range(3)",
        "x: int\ny: int = 3",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a",
        "try:\n    import a\nexcept ImportError:\n    a = None",
        "",
    ],
)
def test_a_cell_of_imports_functions_classes_and_constants_defines(text):
    assert is_defining(ast.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "a = [1, 2]",
        "a = {}",
        "a = load()",
        "print(1)",
        "a = b",
        "a = df * 2",
        "a = 1\na += 1",
        "for a in (1, 2): pass",
        "from datetime import datetime\nnow = datetime.now()",
        "x.y = 1",
        "del a",
        "a = await b",
        "import pandas as pd\ndf = pd.read_csv('x')",
        "from datasets import digits\na = digits.load()",
        "if x:\n    import a",
        "a = (1, [2])",
    ],
)
def test_a_cell_with_any_other_statement_computes(text):
    assert not is_defining(ast.parse(text))


def test_names_that_earlier_cells_have_defined_are_constant_too():
    assert is_defining(ast.parse("path = BASE / 'x.csv'"), constants={"BASE"})


def test_only_definitions_are_left_of_a_steps_body_and_keep_their_lines():
    text = "\nimport math\nx = 1\n@cache\ndef f():\n    return x\nprint(x)\nclass A:\n    y = 2"

    assert definitions_in(text) == "\nimport math\n\n@cache\ndef f():\n    return x\n\nclass A:\n    y = 2"
