"""A notebook file as pipelines: read in order, with nothing computed, and the kernel's own digests."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from nbpipe.define.notebooks import read_pipelines
from nbpipe.define.pipeline import FunctionPipeline
from nbpipe.errors import DefinitionError, EnvironmentMismatchError, NbpipeError, UncapturedNameError


@pytest.fixture(autouse=True)
def _forget_modules():
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("nbpipe_notebook_"):
            del sys.modules[name]


@pytest.fixture
def read(tmp_path: Path):
    """Give the reader of a notebook made of these cells."""

    def read(*cells, name="book.ipynb"):
        made = v4.new_notebook(cells=[v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells])
        nbformat.write(made, tmp_path / name)
        return read_pipelines(tmp_path / name)

    return read


def raising(text):
    return v4.new_code_cell(text, metadata={"tags": ["raises-exception"]})


def checked(found, definition=None):
    wanted = definition or found.own
    found.check(wanted)
    return wanted.trace({}, partial=True)


def refusal(found, definition=None, kind=NbpipeError):
    with pytest.raises(kind) as caught:
        checked(found, definition)
    said = str(caught.value)
    assert len(said.splitlines()) <= 2
    return said


LOAD = "%%step load\nnumbers = list(range(n))"
PARAMS = "%%params\nn: int = 5"


def test_computing_cells_become_steps_and_none_of_them_runs(read, capsys):
    found = read("%load_ext nbpipe", PARAMS, f"{LOAD}\nprint('a step ran')", "print('a plain cell ran')", "numbers[:2]")

    traced = checked(found)

    assert [node.id for node in traced.graph.nodes] == ["load"]
    assert traced.values == {"load": {"n": 5}}
    assert capsys.readouterr().out == ""


def test_magics_stand_behind_blank_lines_and_time_as_in_a_kernel(read):
    found = read("\n\n  %%params --name nightly --tag v1\n  n: int = 5", f"%%time\n{LOAD}")

    assert found.own.name == "nightly"
    assert [tag.name for tag in found.own.tags] == ["v1"]
    assert checked(found).values == {"load": {"n": 5}}


def test_options_and_signatures_of_a_first_line_count(read):
    found = read(
        "%%step a --retries 2 --no-cache --tag v1\nx = sum([1])", "%%step b(x) -> y --after a\ny = x + 1; z = 3"
    )

    a, b = checked(found).steps.values()

    assert (a.options.retries, a.options.cache, [tag.name for tag in a.options.tags]) == (2, False, ["v1"])
    assert (b.takes, b.gives, b.options.after) == (("x",), ("y",), ("a",))


def test_a_step_without_a_name_is_numbered(read):
    assert list(checked(read("%%step\nx = [1]", "%%step step_2\ny = [1]", "%%step\nz = [1]")).steps) == [
        "step_1",
        "step_2",
        "step_3",
    ]


def test_a_step_leans_on_what_stands_above_it(read):
    found = read("def f():\n    return 1", "%%step a\nx = f()", "def f():\n    return 2", "%%step b\ny = f()")

    sources = {name: step.source() for name, step in checked(found).steps.items()}

    assert "return 1" in sources["a"].pieces[0].text
    assert "return 2" in sources["b"].pieces[0].text


def test_the_last_step_of_a_name_takes_the_place_of_the_first_and_that_is_told(read):
    found = read("%%step a\nx = [1]", "%%step b\ny = x", "%%step a\nx = [2]")

    assert [(step.name, step.text.strip()) for step in checked(found).steps.values()] == [
        ("a", "x = [2]"),
        ("b", "y = x"),
    ]
    assert "more than one step" in found.remarks[0]


def test_types_of_parameters_may_be_defined_in_cells(read):
    found = read(
        "from enum import Enum\nclass Color(Enum):\n    RED = 'red'\nHIGHEST = 9",
        "%%params\ncolor: Color = Color.RED\nn: int = Field(3, le=HIGHEST)",
        "%%step a\nx = color.value * n",
    )

    assert checked(found).parameters["color"].value == "red"
    assert found.own.parameters_source() is not None


def test_a_constant_below_params_gives_a_parameter_its_value(read):
    found = read(PARAMS, "n = 7", LOAD)

    assert found.given == {"n": 7}
    assert read(PARAMS, "n = 5", LOAD).given == {}


def test_a_parameter_that_a_plain_cell_computes_is_told(read):
    assert "cell 2 computes the parameter 'n'" in read(PARAMS, "n = int(input())", LOAD).remarks[0]


def test_what_a_plain_cell_computes_is_told_by_name_to_the_step_that_needs_it(read):
    found = read("import math", "limit = math.factorial(5)", "%%step a\nx = limit")

    said = refusal(found, kind=UncapturedNameError)

    assert "a reads 'limit' (line 2), which is computed in cell 2" in said
    assert "%%step" in said


def test_a_constant_that_is_computed_anew_is_a_constant_no_more(read):
    found = read("limit = 5", "limit = open('x').read()", "%%step a\nx = limit")

    assert "computed in cell 2" in refusal(found)


def test_a_definition_that_computes_by_a_function_of_the_notebook_is_not_executed(read, capsys):
    read(
        "def load():\n    print('loaded')\n    return 3", "def f(x=load()):\n    return x\nclass A:\n    data = load()"
    )

    assert capsys.readouterr().out == ""


def test_a_missing_package_hinders_only_those_that_need_it(read):
    cells = ["import nothing_of_that_name", "def f():\n    return nothing_of_that_name.x()", "%%step a\nx = [1]"]

    checked(read(*cells))

    needing = read(*cells, "%%step b\ny = f()")
    assert "cell 1 imports 'nothing_of_that_name', which is not installed" in refusal(
        needing, kind=EnvironmentMismatchError
    )


def test_a_missing_package_is_told_to_the_parameters_that_need_it(read):
    with pytest.raises(EnvironmentMismatchError, match="nothing_of_that_name"):
        read("from nothing_of_that_name import Kind", "%%params\nkind: Kind = 1")


FUNCTIONS = """from nbpipe import pipeline, step

@step
def load(n: int) -> int:
    return n + OFFSET

@pipeline(tags=["v1"])
def training(n: int = 2):
    return load(n)
"""


def test_function_pipelines_of_cells_are_found(read):
    found = read("OFFSET = 1", FUNCTIONS)
    definition = found.namespace["training"].definition

    traced = checked(found, definition)

    assert found.own is None
    assert [node.id for node in traced.graph.nodes] == ["load"]
    assert [piece.text for piece in traced.steps["load"].source().pieces] == ["OFFSET = 1"]


def test_a_function_step_that_needs_what_is_computed_is_told_so(read):
    found = read("OFFSET = max([1, 2])", FUNCTIONS)

    assert "which is computed in cell 1" in refusal(found, found.namespace["training"].definition)


def test_a_step_cell_of_functions_makes_steps_for_a_pipeline_cell(read):
    found = read(
        "%%step --tag v1\ndef load(n: int) -> int:\n    return n",
        "%%pipeline training(n: int = 3) --tag v2\nload(n)",
    )
    definition = found.namespace["training"]

    assert isinstance(definition, FunctionPipeline)
    traced = checked(found, definition)
    assert [tag.name for tag in definition.tags] == ["v2"]
    assert [tag.name for tag in traced.steps["load"].options.tags] == ["v1"]


def test_a_pipeline_cell_may_call_computing_cells(read):
    found = read(PARAMS, LOAD, "%%step total\nresult = sum(numbers)", "%%pipeline both(n: int = 4)\ntotal(load(n))")

    assert [node.id for node in checked(found, found.namespace["both"]).graph.nodes] == ["load", "total"]


def test_a_pipeline_cell_that_calls_a_refused_step_says_what_was_refused(read):
    found = read(
        "limit = max([1])", "%%step a\nx = limit", "%%step b\ny = [1]", "%%pipeline p()\na()", "%%pipeline q()\nb()"
    )

    assert "which is computed in cell 1" in refusal(found, found.namespace["p"])
    checked(found, found.namespace["q"])


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("x = = 1", "cell 2: it is not Python: invalid syntax (line 1: x = = 1)"),
        ("x = 1\npip install pandas", "line 2: pip install pandas"),
        ("%%step a\nx = (", "cell 2: it is not Python"),
        ("%%step a --tga v1\nx = 1", "Did you mean --tag?"),
        ("%%step a\n!touch file", "cannot be replayed"),
        ("%%params\nn = 5", "annotated assignments only"),
        ("%%params\nn: int = 'five'", "cell 2"),
        ("%%pipeline\nx = 1", "it has no name"),
        ("%%pipeline p(n: Nothing)\nn", "name 'Nothing' is not defined"),
        ("from nbpipe import step\n@step(retries=-1)\ndef f(): ...", "cell 2"),
    ],
)
def test_a_cell_that_is_written_wrongly_is_named(read, cell, said):
    with pytest.raises(NbpipeError) as caught:
        read("%load_ext nbpipe", cell)

    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


def test_a_cell_that_raises_on_purpose_hinders_nobody(read):
    found = read(raising("x = = 1"), raising("%%step a --nope\nx = 1"), raising("%%step b\nz = nowhere"), LOAD, PARAMS)

    assert list(found.own.trace({}).steps) == ["load"]


def test_other_magics_and_shell_lines_are_ignored_and_those_that_did_something_are_told(read):
    found = read(
        "%load_ext autoreload\n%autoreload 2\n%matplotlib inline\n%pip install x\n%nbpipe runs list",
        "%%bash\necho hi",
        "!cp a b\nlen?",
        "%%html\n<b>",
        "%%catalog df\nSELECT 1",
        "%%step a -h",
        "%%unheard_of\nx y z",
        LOAD,
        PARAMS,
    )

    assert found.remarks == (
        "not carried out: %%bash (cell 2), !cp a b (cell 3), %%html (cell 4), %%unheard_of (cell 7).",
    )


def test_a_plain_cell_that_seeds_is_told(read):
    assert "cell 1 seeds random numbers" in read("import random\nrandom.seed(1)", LOAD, PARAMS).remarks[0]


def test_a_notebook_of_plain_cells_and_an_empty_one_have_no_pipeline(read):
    assert read("x = 1").own is None
    assert read("x = 1").has_code
    assert not read().has_code


def test_names_of_every_kind_are_taken(read):
    found = read("größe = '🐧'", "%%step prüfung\nergebnis = [größe]", name="Übung 数据.ipynb")

    assert found.own.name == "Übung_数据"
    assert list(checked(found).steps) == ["prüfung"]


def test_an_edited_step_that_no_longer_parses_says_its_line(read):
    with pytest.raises(DefinitionError, match=r"book.ipynb, cell 1: .*line 3: y = \("):
        read("%%step a\nx = 1\ny = (\n")
