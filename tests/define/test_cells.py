"""Steps made of cells: what they take, give and change, and how their order wires them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nbpipe.define.cells import CellCall, CellStep
from nbpipe.define.params import parameters_from_text
from nbpipe.define.pipeline import CellPipeline, wire_cells
from nbpipe.define.texts import follow_notebook
from nbpipe.errors import DefinitionError, ParameterError, UncapturedNameError
from nbpipe.graph.graph import OutputOf, ParameterOf
from nbpipe.records.parameters import parameters_of
from nbpipe.records.steps import StepOptions
from nbpipe.source.corpus import Corpus
from nbpipe.source.pieces import read_unit


class Notebook:
    """Cells as a notebook session tells of them."""

    def __init__(self, *cells: str) -> None:
        self._corpus = Corpus([read_unit(f"cell {n}", cell) for n, cell in enumerate(cells, 1)])
        self._values: dict[str, object] = {}
        for cell in cells:
            exec(cell, self._values)

    def corpus(self) -> Corpus:
        return self._corpus

    def value_of(self, name: str) -> object:
        return self._values[name]


@pytest.fixture(autouse=True)
def _notebook() -> Iterator[None]:
    follow_notebook(Notebook("LIMIT = 3", "def doubled():\n    return data * 2"))
    yield
    follow_notebook(None)


def cell(name: str, text: str, **facts: Any) -> CellStep:
    return CellStep(name=name, text=text, **facts)


@pytest.mark.parametrize(
    ("text", "outputs"),
    [
        ("x = 1", ["x"]),
        ("x = 1\ny = x", ["x", "y"]),
        ("import numpy as np\nx = np.zeros(3)", ["x"]),
        ("def f():\n    return 1\nx = f()", ["x"]),
        ("f = 1\ndef f(): ...", ["f"]),
        ("x = 1\ndel x", []),
        ("for i in range(3):\n    total = i", ["i", "total"]),
        ("with open('a') as file:\n    text = file.read()", ["file", "text"]),
        ("a, (b, *c) = 1, (2, 3)", ["a", "b", "c"]),
        ("[y for y in range(3)]", []),
        ("x: int = 1", ["x"]),
        ("if (n := 3) > 2:\n    m = n", ["n", "m"]),
        ("class Point: ...\np = Point()", ["p"]),
        ("__hidden__ = 1", []),
    ],
)
def test_a_cell_gives_the_names_that_it_binds_to_values(text: str, outputs: list[str]) -> None:
    assert sorted(cell("c", text).outputs) == sorted(outputs)


def test_a_cell_takes_what_it_reads_before_it_binds_it() -> None:
    available = {"data", "rate", "n"}

    assert cell("c", "y = data * rate").inputs(available) == ("data", "rate")
    assert cell("c", "data = 1\ny = data").inputs(available) == ()
    assert set(cell("c", "def f(n):\n    return n + rate\ny = f(1)").inputs(available)) == {"rate"}
    assert cell("c", "y = LIMIT").inputs(available) == ()


def test_a_first_line_that_names_inputs_and_outputs_is_believed() -> None:
    step = cell("c", "model = fit(df)\nscratch = 1", takes=("df",), gives=("model",))

    assert step.inputs({"df", "other"}) == ("df",)
    assert step.outputs == ("model",)
    with pytest.raises(DefinitionError, match="takes 'df'"):
        step.inputs({"other"})


def test_a_cell_that_is_not_python_is_refused_with_its_line() -> None:
    with pytest.raises(DefinitionError, match=r"'c' does not compile: .* \(line 2\)"):
        _ = cell("c", "x = 1\ny = = 2").outputs


def wired(*cells: CellStep, **parameters: Any) -> Any:
    fields = {name: (int, value) for name, value in parameters.items()}
    return wire_cells(cells, parameters_of("notebook", fields))[0]


def test_each_input_comes_from_the_latest_earlier_cell_or_from_a_parameter() -> None:
    graph = wired(
        cell("load", "data = list(range(n))"),
        cell("again", "data = data + [n]"),
        cell("total", "value = sum(data)"),
        n=3,
    )

    assert graph.by_id["load"].inputs == {"n": ParameterOf(name="n")}
    assert graph.by_id["again"].inputs["data"] == OutputOf(node="load", output="data")
    assert graph.by_id["total"].inputs == {"data": OutputOf(node="again", output="data")}


def test_an_input_that_a_cell_changed_comes_from_that_cell_for_all_that_follow() -> None:
    graph = wired(
        cell("load", "data = [1]"),
        cell("change", "data.append(2)", changed=frozenset({"data"})),
        cell("look", "n = len(data)"),
    )

    assert graph.by_id["look"].inputs == {"data": OutputOf(node="change", output="data")}


def test_a_function_that_reads_what_a_cell_is_given_makes_it_an_input() -> None:
    graph = wired(cell("load", "data = 3"), cell("use", "value = doubled()"))

    assert graph.by_id["use"].inputs == {"data": OutputOf(node="load", output="data")}


def test_what_nothing_provides_is_refused_by_name() -> None:
    with pytest.raises(UncapturedNameError, match="nowhere"):
        wired(cell("use", "x = nowhere"))


def test_two_cells_of_one_name_and_a_wait_for_nobody_are_refused() -> None:
    with pytest.raises(DefinitionError, match="'a'"):
        wired(cell("a", "x = 1"), cell("a", "x = 2"))
    with pytest.raises(DefinitionError, match="'ghost'"):
        wired(cell("a", "x = 1", options=StepOptions(after=("ghost",))))
    assert wired(cell("a", "x = 1"), cell("b", "y = 1", options=StepOptions(after=("a",)))).edges == (("a", "b"),)


def test_a_cells_own_comments_are_no_part_of_what_tells_it_from_another() -> None:
    one, same, other = cell("c", "x = 1"), cell("c", "# why\nx  =  1\n"), cell("c", "x = 2")

    assert one.identity == same.identity != other.identity
    assert one.source().digest == same.source().digest != other.source().digest


def test_a_pipeline_of_cells_checks_its_parameters_and_binds_them_typed() -> None:
    parameters = parameters_from_text("notebook", "n: int = 3\nrate: float = Field(0.5, gt=0)", {})
    definition = CellPipeline(name="notebook", parameters=parameters, cells=[cell("load", "x = n * rate")])

    traced = definition.trace({"rate": 1})

    assert traced.values == {"load": {"n": 3, "rate": 1.0}}
    assert isinstance(traced.values["load"]["rate"], float)
    with pytest.raises(ParameterError, match="greater than 0"):
        definition.trace({"rate": -1})


def test_a_cell_called_by_its_name_outside_of_a_pipeline_is_refused() -> None:
    with pytest.raises(DefinitionError, match="run its cell"):
        CellCall(cell("load", "x = 1").placed((), parameters_of("notebook", {})))()


# %%params


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("n = 5", "annotated assignments only"),
        ("n: int = 5\nprint(n)", "line 2"),
        ("n: int = ", "does not compile"),
        ("n: Unknown = 5", "NameError"),
        ("self.n: int = 5", "annotated assignments only"),
        ("n: int = 1 / 0", "ZeroDivisionError"),
    ],
)
def test_parameters_that_are_written_wrongly_are_refused_in_a_line_or_two(text: str, said: str) -> None:
    with pytest.raises(DefinitionError, match=said) as refused:
        parameters_from_text("notebook", text, {})

    assert len(str(refused.value).splitlines()) <= 2


def test_a_default_that_does_not_fit_its_type_is_refused_with_the_name() -> None:
    with pytest.raises(ParameterError, match="n"):
        parameters_from_text("notebook", "n: int = 'many'", {})


def test_types_dates_and_the_notebooks_own_names_are_there_without_an_import() -> None:
    text = """
    'Words for people.'
    n: Literal[1, 2] = 1
    day: date = date(2026, 1, 2)
    place: Path = Path("a")
    colour: Colour = "red"
    many: Annotated[list[int], Field(max_length=LIMIT)] = [1]
    needed: int
    """.replace("\n    ", "\n")
    from enum import Enum

    colour = Enum("Colour", {"RED": "red"})
    parameters = parameters_from_text("notebook", text, {"Colour": colour, "LIMIT": 2})

    assert parameters.names == ("n", "day", "place", "colour", "many", "needed")
    assert parameters.required == ("needed",)
    assert parameters.check({"needed": 1})["colour"] is colour.RED
    with pytest.raises(ParameterError, match="many"):
        parameters.check({"needed": 1, "many": [1, 2, 3]})
    assert parameters_from_text("notebook", "", {}).names == ()
