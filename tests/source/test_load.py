from __future__ import annotations

import asyncio
import inspect
import linecache
import pickle
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from nbpipe.source.closure import Source, close_over
from nbpipe.source.load import LAST, load_cell, load_function, load_library
from nbpipe.source.pieces import read_unit


@pytest.fixture(autouse=True)
def _forget_what_was_loaded():
    """Leave `sys.modules` as it was, so that no test finds another's modules."""
    before = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(before):
        if name.startswith(("lib", "near", "pack")):
            del sys.modules[name]


def source(text: str, *cells: str, kind: Any = "cell", entry: str = "", step: str = "train", **options: Any) -> Source:
    units = [read_unit(f"cell {number}", cell) for number, cell in enumerate(cells, start=1)]
    return close_over(text, kind=kind, entry=entry, step=step, units=units, **options)


def library(from_source: Source, name: str = "lib"):
    return load_library(from_source.pieces, from_source.local_modules, name=name)


def run(text: str, *cells: str, outputs: tuple[str, ...] = (), inputs: dict[str, Any] | None = None, **options: Any):
    """Run a step cell that stands after `cells`."""
    loaded = source(text, *cells, provided=inputs or {}, **options)
    return load_cell(loaded, library(loaded), outputs=outputs)(inputs or {})


def failure(function: Any, *arguments: Any) -> traceback.TracebackException:
    """Give the traceback with which a call fails."""
    try:
        function(*arguments)
    except Exception as error:
        return traceback.TracebackException.from_exception(error)
    raise AssertionError("it did not fail")


# --- functions ---------------------------------------------------------------------------


def test_a_function_runs_without_our_decorators_and_with_those_of_others():
    loaded = source(
        "@nb.step(cache=False)\n@twice\n@task\ndef train(x):\n    return x + N\n",
        "import nbpipe as nb\nfrom nbpipe import step as task",
        "N = 1\ndef twice(f):\n    return lambda x: 2 * f(x)",
        kind="function",
        entry="train",
    )

    assert load_function(loaded, library(loaded))(3) == 8
    assert "nbpipe" not in str([piece.text for piece in loaded.pieces])


def test_an_error_in_a_function_shows_the_text_and_the_line_as_it_was_written():
    loaded = source(
        "@step\ndef train(x):\n    # about\n    return x / 0\n", kind="function", entry="train", step="halve"
    )

    last = failure(load_function(loaded, library(loaded)), 1).stack[-1]

    assert (last.filename, last.lineno, last.line) == ("<nbpipe halve>", 4, "return x / 0")


def test_an_error_in_a_piece_shows_the_line_of_its_cell():
    loaded = source("y = half(1)", "import math\n\n\ndef half(x):\n    return x / 0")

    last = failure(load_cell(loaded, library(loaded), outputs=()), {}).stack[-1]

    assert (last.filename.startswith("<nbpipe cell 1"), last.lineno, last.line) == (True, 5, "return x / 0")


def test_older_code_still_shows_its_own_text_after_its_step_was_edited():
    first = source("def edited(x):\n    return x / 0\n", kind="function", entry="edited")
    older = load_function(first, library(first))
    second = source("def edited(x):\n    return x / 0 + 1\n", kind="function", entry="edited")
    newer = load_function(second, library(second))

    assert failure(older, 1).stack[-1].line == "return x / 0"
    assert failure(newer, 1).stack[-1].line == "return x / 0 + 1"


def test_listings_outlive_a_check_of_the_cache():
    loaded = source("def train(x):\n    return x\n", kind="function", entry="train")
    function = load_function(loaded, library(loaded))

    linecache.checkcache()

    assert inspect.getsource(function) == "def train(x):\n    return x\n"


def test_an_asynchronous_function_stays_one():
    loaded = source("async def train(x):\n    return x\n", kind="function", entry="train")

    assert asyncio.run(load_function(loaded, library(loaded))(3)) == 3


# --- libraries ---------------------------------------------------------------------------


def test_a_class_of_a_library_can_be_pickled_and_resolves_its_annotations():
    loaded = source(
        "y = Tree(leaf=Leaf(n=1))",
        "from __future__ import annotations\nfrom pydantic import BaseModel\n"
        "class Tree(BaseModel):\n    leaf: Leaf\nclass Leaf(BaseModel):\n    n: int",
    )

    tree = load_cell(loaded, library(loaded), outputs=["y"])({})["y"]

    assert pickle.loads(pickle.dumps(tree)) == tree
    assert type(tree).__module__ == "lib"


def test_annotations_are_evaluated_unless_the_text_says_otherwise():
    text = "def train(x: int): ..."
    eager, lazy = source(text, kind="function", entry="train"), source(
        text, "from __future__ import annotations", kind="function", entry="train"
    )  # fmt: skip

    assert load_function(eager, library(eager)).__annotations__ == {"x": int}
    assert load_function(lazy, library(lazy)).__annotations__ == {"x": "int"}


def test_a_piece_that_fails_leaves_no_library_behind():
    loaded = source("y = n", "n = int('x')")

    with pytest.raises(ValueError, match="invalid literal"):
        library(loaded)

    assert "lib" not in sys.modules


# --- cells -------------------------------------------------------------------------------


def test_a_cell_answers_its_outputs_its_inputs_and_its_last_expression():
    rows = [1]

    answer = run("rows.append(2)\ntotal = sum(rows)\nhidden = 0\ntotal + 1", outputs=("total",), inputs={"rows": rows})

    assert answer == {"rows": [1, 2], "total": 3, LAST: 4}
    assert answer["rows"] is rows


def test_an_input_that_is_bound_anew_is_answered_as_it_was_unless_it_is_an_output():
    assert run("x = x + 1", inputs={"x": 1})["x"] == 1
    assert run("x = x + 1", outputs=("x",), inputs={"x": 1})["x"] == 2


@pytest.mark.parametrize("text", ["x = 1", "x = 1\nx;", "x = 1\nx;  # shown?", "def x(): ..."])
def test_a_cell_that_shows_nothing_has_no_last_value(text):
    assert run(text)[LAST] is None


def test_a_cell_runs_afresh_each_time():
    loaded = source("try:\n    n += 1\nexcept NameError:\n    n = 0\n")
    cell = load_cell(loaded, library(loaded), outputs=["n"])

    assert [cell({})["n"], cell({})["n"]] == [0, 0]


def test_functions_see_what_the_cell_is_given_and_binds():
    answer = run(
        "rate = 5\ny = scaled(2)\ncount()\ncount()\nz = hits",
        "rate = 1\ndef scaled(x):\n    return x * rate + len(df)",
        "hits = 0\ndef count():\n    global hits\n    hits += 1",
        outputs=("y", "z"),
        inputs={"df": [1, 2, 3]},
    )

    assert (answer["y"], answer["z"]) == (13, 2)


@pytest.mark.parametrize("text", ["await asyncio.sleep(0)\nx = 3", "async def f():\n    return 3\nx = await f()"])
def test_a_cell_may_await_with_and_without_a_running_loop(text):
    async def inside() -> dict[str, Any]:
        return run(text, "import asyncio", outputs=("x",))

    assert run(text, "import asyncio", outputs=("x",))["x"] == 3
    assert asyncio.run(inside())["x"] == 3


def test_an_error_in_a_cell_shows_the_line_under_its_magic():
    loaded = source("\n\nx = 1\nx / 0", provided=())

    last = failure(load_cell(loaded, library(loaded), outputs=()), {}).stack[-1]

    assert (last.lineno, last.line) == (4, "x / 0")


def test_display_shows_text_where_there_is_no_notebook(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython.display", raising=False)

    run("display(1, 'a')")

    assert capsys.readouterr().out == "1\na\n"


# --- local modules -----------------------------------------------------------------------


def local(folder: Path, **texts: str) -> list[str]:
    for name, text in texts.items():
        path = folder / (name.replace("_in_", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [str(folder)]


def test_local_modules_and_packages_are_imported_from_their_text_alone(tmp_path):
    path = local(
        tmp_path,
        near="from pack.deep import base\nimport pack.other as other\nclass Box:\n    n = base + other.one()\n",
        pack_in_deep="from . import other\nbase = 2\n",
        pack_in_other="def one():\n    from pack.deep import base\n    return base - 1\n",
    )
    loaded = source("import near, pack.deep\nfrom near import *\nb = Box()\ny = b.n + pack.deep.base", search_path=path)
    for file in tmp_path.rglob("*.py"):
        file.unlink()

    answer = load_cell(loaded, library(loaded), outputs=["b", "y"])({})

    assert answer["y"] == 5
    assert type(pickle.loads(pickle.dumps(answer["b"]))) is type(answer["b"])


def test_a_module_that_python_finds_with_the_same_text_is_the_one_that_is_used(tmp_path, monkeypatch):
    path = local(tmp_path, near="x = []\n")
    monkeypatch.syspath_prepend(path[0])
    loaded = source("import near\ny = near.x")

    answer = load_cell(loaded, library(loaded), outputs=["y"])({})

    assert answer["y"] is sys.modules["near"].x


def test_a_library_keeps_the_text_it_was_captured_with_and_leaves_the_notebook_its_own(tmp_path, monkeypatch):
    path = local(tmp_path, near="x = 'older'\n", near2="def f():\n    import near\n    return near.x\n")
    monkeypatch.syspath_prepend(path[0])
    loaded = source("import near2\nimport near\ny = near.x, near2.f()")
    local(tmp_path, near="x = 'newer text'\n")
    import near

    answer = load_cell(loaded, library(loaded), outputs=["y"])({})

    assert answer["y"] == ("older", "older")
    assert sys.modules["near"] is near
    assert near.x == "newer text"


def test_an_error_in_a_local_module_shows_its_text(tmp_path):
    loaded = source("import near\nnear.f()", search_path=local(tmp_path, near="def f():\n    return 1 / 0\n"))

    last = failure(load_cell(loaded, library(loaded), outputs=()), {}).stack[-1]

    assert (last.filename.startswith("<nbpipe near.py"), last.line) == (True, "return 1 / 0")


def test_a_local_module_that_fails_does_so_where_it_is_imported(tmp_path):
    text = "try:\n    import near\nexcept ZeroDivisionError:\n    y = 'caught'\n"
    loaded = source(text, search_path=local(tmp_path, near="1 / 0\n"))

    assert load_cell(loaded, library(loaded), outputs=["y"])({})["y"] == "caught"
