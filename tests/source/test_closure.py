from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nbpipe.errors import DefinitionError, UncapturedNameError
from nbpipe.source.closure import Source, close_over
from nbpipe.source.corpus import Corpus
from nbpipe.source.load import load_function, load_library
from nbpipe.source.pieces import read_unit

STEP = "def train(x):\n    return x + a()\n"


def units(*cells: str):
    return [read_unit(f"cell {number}", text) for number, text in enumerate(cells, start=1)]


def executed(*cells: str) -> dict[str, Any]:
    """Execute cells as a notebook does, and give its namespace."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for text in cells:
        exec(compile(text, "<cell>", "exec", dont_inherit=True), namespace)
    return namespace


def function(*cells: str, text: str = STEP, live: Mapping[str, Any] | None = None, **options: Any) -> Source:
    """Close over the function `train` that stands after `cells`."""
    value_of = live.__getitem__ if live is not None else None
    return close_over(
        text, kind="function", entry="train", step="train", units=units(*cells), value_of=value_of, **options
    )


def cell(text: str, *cells: str, live: Mapping[str, Any] | None = None, **options: Any) -> Source:
    """Close over the step cell `text` that stands after `cells`."""
    value_of = live.__getitem__ if live is not None else None
    return close_over(text, kind="cell", entry="", step="train", units=units(*cells), value_of=value_of, **options)


def texts(source: Source) -> list[str]:
    return [piece.text for piece in source.pieces]


# --- what is carried ---------------------------------------------------------------------


def test_a_step_carries_what_it_leans_on_and_nothing_else():
    source = function(
        "import json, math\nN = 2\nM = 3",
        "def a():\n    return b() + N",
        "def b():\n    return math.pi",
        "def unused():\n    return M",
    )

    assert texts(source) == ["import math", "N = 2", "def a():\n    return b() + N", "def b():\n    return math.pi"]


def test_functions_may_call_one_another_and_themselves():
    source = function("def a():\n    return b()", "def b():\n    return a() or train(1) or b()")

    assert len(source.pieces) == 2


def test_a_step_that_calls_itself_does_not_carry_itself():
    source = function(STEP, text="def train(x):\n    return train(x - 1) if x else 0")

    assert source.pieces == ()


def test_another_step_is_carried_as_the_plain_function_it_is():
    source = function(
        "from nbpipe import step", "import functools\n@step(cache=False)\n@functools.cache\ndef a():\n    return 1"
    )

    assert texts(source) == ["import functools", "@functools.cache\ndef a():\n    return 1"]
    assert source.pieces[1].line == 3


def test_what_a_step_is_given_is_not_carried():
    source = cell("y = df + n", "n = 1", "df = load()", provided={"df", "n"})

    assert source.pieces == ()


def test_inputs_are_what_a_cell_reads_of_what_it_is_given_also_through_a_function():
    source = cell("y = fit(x)", "def fit(x):\n    return x + df.sum()", provided={"df", "x", "other"})

    assert source.inputs == ("df", "x")


def test_what_a_function_is_given_does_not_stand_for_a_name_that_its_helpers_read():
    assert "'df'" in str(refusal("def a():\n    return df", of=function, provided={"df"}))


def test_the_last_cell_that_binds_a_name_wins():
    assert texts(cell("y = n", "n = 1", "n = 2")) == ["n = 2"]


def test_what_a_constant_was_made_of_keeps_the_meaning_it_had_there():
    assert texts(cell("y = m", "n = 1", "m = n * 2", "n = 3")) == ["n = 1", "m = n * 2"]


def test_a_function_kept_under_another_name_calls_what_has_its_name_now():
    cells = ["def f(k):\n    return k and f(k - 1)", "g = (lambda h: h)(f)", "def f(k):\n    return 5"]

    assert texts(cell("y = g(1)", *cells, live=executed(*cells))) == cells


def test_a_cell_that_was_executed_again_after_its_reader_still_comes_first():
    assert texts(cell("y = m", "m = n * 2", "n = 1")) == ["n = 1", "m = n * 2"]


def test_a_definition_under_a_condition_travels_whole_and_with_what_it_may_replace():
    source = cell("y = n", "n = 1\nFAST = True", "if FAST:\n    n = 2\n    k = 3")

    assert texts(source) == ["n = 1", "FAST = True", "if FAST:\n    n = 2\n    k = 3"]


def test_an_import_with_a_fallback_travels_whole():
    text = "try:\n    import fast as engine\nexcept ImportError:\n    engine = None"

    assert texts(cell("y = engine", text)) == [text]


def test_a_closure_is_carried_by_the_statement_that_made_it():
    cells = ["def times(n):\n    return lambda x: x * n", "ten_times = times(10)"]

    assert texts(cell("y = ten_times(2)", *cells, live=executed(*cells))) == [cells[0], "ten_times = times(10)"]


@pytest.mark.parametrize(
    "binding",
    [
        "v = None",
        "v = (1, 'a', b'b', 2.5, 3j, frozenset({1}))",
        "from pathlib import Path\nv = Path('x').resolve()",
        "import re\nv = re.compile('x')",
        "import datetime\nv = (datetime.date(2026, 1, 1), datetime.timedelta(1), datetime.timezone.utc)",
        "import decimal, uuid\nv = (decimal.Decimal('1.5'), uuid.UUID(int=1), range(3))",
        "import enum\nclass E(enum.Enum):\n    A = 1\nv = E.A",
        "import logging\nv = logging.getLogger('x')",
        "from functools import lru_cache, partial\n@lru_cache\ndef f(n): return n\nv = partial(f, n=1)",
        "from typing import Optional\nv = (Optional[int], list[int], int | None)",
        "import numpy as np\nv = (np.float64(1), np.int32(2), np.dtype('i4'), np.bool_(True))",
        "import pandas as pd\nv = (pd.Timestamp('2026-01-01'), pd.Timedelta('1D'))",
        "v = sum([1, 2, 3])",
        "v = max",
        "for i in range(3):\n    v = i",
    ],
)
def test_a_live_value_that_nobody_can_change_is_carried_by_its_statement(binding):
    source = cell("y = v", binding, live=executed(binding))

    assert binding.splitlines()[-1] in texts(source)[-1]


def test_attributes_set_on_a_function_or_a_class_belong_to_it():
    source = cell("y = f.limit", "def f(): ...\nf.limit = 3", "print(f.limit)")

    assert texts(source) == ["def f(): ...", "f.limit = 3"]


def test_everything_at_the_top_of_a_file_can_be_carried_with_what_fills_its_tables():
    file = "table = {}\nn = 1\nn += 1\ndef note(k):\n    table[k] = n\nnote('a')\ntable.update(b=2)\ntable['c'] = n\n"
    unit = read_unit("flow.py", file, is_file=True)

    source = close_over("y = table", kind="cell", entry="", step="s", units=[unit])

    assert texts(source) == ["table = {}", "n = 1", "n += 1", "table.update(b=2)", "table['c'] = n"]


def test_a_star_import_provides_what_it_really_exports_and_stands_before_builtins():
    source = cell("y = pow(tau, 2)", "from math import *")

    assert texts(source) == ["from math import *"]
    with pytest.raises(UncapturedNameError, match="'tua'"):
        cell("y = tua", "from math import *")


def test_what_only_annotations_name_is_carried_if_it_can_be():
    source = function("class Row: ...\ntable = []", text="def train(x: 'Row', y: 'table', z: 'Nobody'): ...")

    assert texts(source) == ["class Row: ..."]


def test_display_and_builtins_are_always_there():
    assert cell("display(len([1]))\nprint(__name__)").pieces == ()


def test_a_name_that_only_the_body_may_bind_is_its_own_affair():
    assert cell("for i in range(3):\n    last = i\nprint(last)").pieces == ()


def test_functions_that_see_what_a_cell_is_given_or_binds_are_late():
    cells = [
        "rate = 1\nother = 2\nimport math",
        "def scaled(x):\n    return x * rate * math.e\ndef fit():\n    return df.sum()\ndef plain():\n    return other",
        "def both():\n    return scaled(1) + fit()\nhits = 0\ndef count():\n    global hits\n    hits += 1",
    ]

    source = cell("import math\nrate = 5\ny = both() + plain()\ncount()", *cells, provided={"df"})

    assert [piece.binds[0] for piece in source.pieces] == ["rate", "other", "math", "plain"]
    assert [piece.binds for piece in source.late_pieces] == [
        ("scaled",), ("fit",), ("both",), ("hits",), ("count", "hits")
    ]  # fmt: skip


def test_modules_are_told_wherever_they_are_imported(tmp_path):
    (tmp_path / "near.py").write_text("import yaml\n")

    source = function(
        "import numpy as np\ndef a():\n    import pandas.api\n    from near import y\n    return np",
        search_path=[str(tmp_path)],
    )

    assert [use.name for use in source.modules] == ["numpy", "pandas", "yaml"]
    assert [module.name for module in source.local_modules] == ["near"]


# --- what is refused ---------------------------------------------------------------------


def refusal(*args: Any, of: Any = cell, **options: Any) -> UncapturedNameError:
    with pytest.raises(UncapturedNameError) as caught:
        of(*args, **options)
    return caught.value


def test_a_live_object_is_refused_with_its_name_line_type_cell_and_cure():
    error = refusal("x = 1\ny = df.sum()", "n = 1", "df = load()", live={"df": pd.DataFrame()})

    assert (error.step, error.name, error.line) == ("train", "df", 2)
    assert str(error) == (
        "train reads 'df' (line 2), which is a live DataFrame from cell 2. "
        "Make that cell a step (%%step), or pass it as a parameter."
    )


def test_a_live_object_behind_a_function_is_refused_with_the_way_to_it():
    error = refusal("df = []", "def a():\n    return len(df)", live={"df": []}, of=function)

    assert str(error).startswith(
        "train reads 'df' (line 2), which 'a' of cell 2 leans on. It is a live list from cell 1. Make"
    )


def test_without_live_values_what_is_computed_is_refused():
    assert "which is computed in cell 1. Make that cell a step" in str(refusal("y = df", "df = load()"))


def test_a_name_that_nobody_binds_is_refused_with_the_nearest_one():
    error = refusal("y = reuslt", "result = 1")

    assert str(error) == (
        "train reads 'reuslt' (line 1), which is not defined anywhere. "
        "Define it in a cell above, or make it a parameter. Did you mean 'result'?"
    )


@pytest.mark.parametrize("change", ["n += 1", "n = n + 1", "for i in range(3):\n    n = n + i"])
def test_a_constant_that_is_counted_up_is_refused(change):
    cells = ["n = 1", change]

    error = refusal("y = n", *cells, live=executed(*cells))

    assert "which is changed in place by cell 2." in str(error)


def test_a_function_that_is_wrapped_again_is_carried_with_its_wrapping():
    cells = ["def wrap(f):\n    return lambda: f() + 1\ndef a():\n    return 1", "a = wrap(a)"]

    assert texts(cell("y = a()", *cells, live=executed(*cells)))[1:] == ["def a():\n    return 1", "a = wrap(a)"]


@pytest.mark.parametrize("name", ["get_ipython", "In", "Out", "_", "_3", "_i"])
def test_what_belongs_to_the_session_is_refused(name):
    assert "belongs to the notebook session" in str(refusal(f"y = {name}", live={name: []}))


def test_a_deleted_name_is_refused_with_the_cell_that_deletes_it():
    assert "is deleted in cell 2" in str(refusal("y = n", "n = 1", "del n"))


def test_a_live_value_that_no_text_binds_is_refused():
    assert "is a live list that no plain cell binds" in str(refusal("y = files", live={"files": []}))


def test_a_value_that_was_awaited_is_refused():
    assert "is awaited in cell 1" in str(refusal("y = n", "n = await f()", live={"n": 1}))


def test_a_text_that_is_not_python_is_refused_with_its_line():
    with pytest.raises(DefinitionError, match=r"train is not Python: .* \(line 2\)"):
        cell("x = 1\ny = = 2")


@pytest.mark.parametrize("text", ["x = 1", "def other(): ...", "def train(): ...\nx = 1"])
def test_a_text_that_is_not_the_function_is_refused(text):
    with pytest.raises(DefinitionError, match="not the definition of a function named 'train'"):
        function(text=text)


# --- the digest --------------------------------------------------------------------------

CELLS = ("import math\nN = 2\nM = 3", "def a():\n    'One.'\n    return b() * N", "def b():\n    return math.floor(M)")


def test_our_own_decorators_do_not_count_however_they_are_called():
    plain = function(*CELLS).digest

    assert function(*CELLS, text=f"@step\n{STEP}").digest == plain
    assert function(*CELLS, text=f"@step(cache=False,\n   retries=3)\n{STEP}").digest == plain
    assert function(*CELLS, "import nbpipe as nb", text=f"@nb.step(tags=['x'])\n{STEP}").digest == plain
    assert function(*CELLS, "from nbpipe import step as task", text=f"@task\n{STEP}").digest == plain


def test_other_decorators_count():
    cells = (*CELLS, "def step(f):\n    return f")

    assert function(*cells, text=f"@step\n{STEP}").digest != function(*cells).digest


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("change", [("2", "4"), ("floor", "ceil"), ("3", "3.0"), ("return", "return 1 +")])
def test_a_change_anywhere_in_what_a_step_leans_on_counts(place, change):
    changed = list(CELLS)
    changed[place] = changed[place].replace(*change)
    assume_changed = changed != list(CELLS)

    assert (function(*changed).digest != function(*CELLS).digest) is assume_changed


def test_the_order_in_which_a_name_is_bound_counts_if_it_is_bound_twice():
    first = cell("y = m, n", "n = 1", "m = n", "n = 2")
    second = cell("y = m, n", "n = 2", "m = n", "n = 1")

    assert first.digest != second.digest


def test_versions_and_local_texts_count(tmp_path, monkeypatch):
    def digest(text: str) -> str:
        (tmp_path / "near.py").write_text(text)
        return cell("import near", search_path=[str(tmp_path)]).digest

    assert digest("x = 1") == digest("x = 1  # one") != digest("x = 22")


def _dressed(text: str, comment: str, doc: str) -> str:
    """Change what only a reader sees."""
    lines = [f"{line}  # {comment}" for line in ast.unparse(ast.parse(text)).splitlines()]
    dressed = "\n\n".join([f"# {comment}", *lines])
    return re.sub(r"(?m)^(def \w+\(.*?\):)(.*)$", rf'\1\2\n    """{doc}"""', dressed)


@given(st.text("abc xyz#'", max_size=8), st.text("abc xyz\n", max_size=12))
def test_comments_docstrings_blank_lines_and_formatting_never_change_the_digest(comment, doc):
    bare = [text.replace("    'One.'\n", "") for text in CELLS]

    dressed = [_dressed(text, comment, doc) for text in bare]

    assert function(*dressed, text=_dressed(STEP, comment, doc)).digest == function(*CELLS).digest


@given(st.from_regex(r"unused_[a-z]{1,5}", fullmatch=True), st.integers(0, 3))
def test_what_is_not_leaned_on_never_changes_the_digest(name, place):
    cells = list(CELLS)
    cells.insert(place, f"import {name}_module\ndef {name}():\n    return N\n{name}_list = []")

    assert function(*cells).digest == function(*CELLS).digest


# --- the closure does what the notebook did ----------------------------------------------

NAMES = st.sampled_from("abcdef")


@st.composite
def notebooks(draw: st.DrawFn) -> list[str]:
    """Draw cells that bind and rebind constants and functions, each reading what is bound before it."""
    cells: list[str] = []
    numbers: list[str] = []
    functions: list[str] = []
    for _ in range(draw(st.integers(1, 12))):
        name = draw(NAMES)
        kind = draw(st.sampled_from(["number", "sum", "call", "def", "branch", "wrap"]))
        if kind == "number" or not numbers:
            cells.append(f"n_{name} = {draw(st.integers(0, 9))}")
            numbers.append(f"n_{name}")
        elif kind == "sum":
            cells.append(f"n_{name} = {draw(st.sampled_from(numbers))} * 3 + 1")
            numbers.append(f"n_{name}")
        elif kind == "branch":
            cells.append(f"if {draw(st.sampled_from(numbers))} % 2:\n    n_{name} = 5\nelse:\n    n_{name} = 7")
            numbers.append(f"n_{name}")
        elif kind == "def" or not functions:
            inner = f" + {draw(st.sampled_from(functions))}(k - 1)" if functions and draw(st.booleans()) else ""
            cells.append(
                f"def f_{name}(k):\n    if k <= 0: return 0\n    return k + {draw(st.sampled_from(numbers))}{inner}"
            )
            functions.append(f"f_{name}")
        elif kind == "call":
            cells.append(f"n_{name} = {draw(st.sampled_from(functions))}(2)")
            numbers.append(f"n_{name}")
        else:
            cells.append(f"f_{name} = (lambda g, n: lambda k: g(k) + n)({draw(st.sampled_from(functions))}, 1)")
            functions.append(f"f_{name}")
    reads = draw(st.lists(st.sampled_from(numbers + [f"{f}(3)" for f in functions]), min_size=1, max_size=3))
    return [*cells, f"def train():\n    return [{', '.join(reads)}]"]


@given(notebooks())
def test_a_closure_in_a_fresh_namespace_answers_what_the_notebook_answers(cells):
    *above, text = cells
    live = executed(*cells)

    try:
        source = function(*above, text=text, live=live)
    except UncapturedNameError as refused:
        # What a constant was before it was bound anew is refused if it was computed.
        assert sum(f"{refused.name} = " in text or f"def {refused.name}(" in text for text in above) > 1
        assume(False)
    library = load_library(source.pieces, source.local_modules, name="nbpipe_test_library")

    assert load_function(source, library)() == live["train"]()


def test_one_corpus_serves_many_steps():
    corpus = Corpus(units(*CELLS))

    sources = [close_over(STEP, kind="function", entry="train", step=name, units=corpus) for name in ("one", "two")]

    assert sources[0].digest == sources[1].digest == function(*CELLS).digest


def test_a_source_survives_json():
    source = function(*CELLS)

    assert Source.model_validate_json(source.model_dump_json()) == source
