"""Freezing and thawing: what runs from a snapshot is what was frozen, by the same digests."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import Any

import pytest

from nbpipe.define.cells import CellStep
from nbpipe.define.params import parameters_from_text
from nbpipe.define.pipeline import CellPipeline
from nbpipe.define.texts import follow_notebook
from nbpipe.errors import DefinitionError, UncapturedNameError
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.records.snapshots import SnapshotContent
from nbpipe.snapshot.environment import this_environment
from nbpipe.snapshot.freeze import freeze
from nbpipe.snapshot.module_text import module_text
from nbpipe.snapshot.thaw import thaw
from nbpipe.source.corpus import Corpus
from nbpipe.source.pieces import read_unit
from tests.flows.project import Project

FLOW = """
import math
from helpers import offset

FACTOR = 3

class Point:
    def __init__(self, x):
        self.x = x

def scale(x):
    return Point(x * FACTOR).x + offset()

@step
def load(n: int = 5) -> list:
    print("loading", n)
    return list(range(n))

@step(tags=["v1"], retries=2, name="sum up")
def total(data: list, rate: float = 0.1) -> Annotated[float, ArtifactConfig(name="total", tags=["best"])]:
    log_metadata({"rows": len(data)})
    return math.fsum(scale(x) for x in data) * rate

another = total.with_options(name="another")

@pipeline(tags=["t", Tag(name="latest", exclusive=True)], model=Model(name="iris"))
def training(n: int = 5, rate: float = 0.1):
    \"\"\"Sum it up.\"\"\"
    data = load(n)
    another(data)
    return total(data, rate)
"""
HELPERS = "from deeper import ONE\n\ndef offset():\n    return ONE\n"


@pytest.fixture
def flow(project: Project) -> Any:
    project.write("deeper.py", "ONE = 1")
    project.write("helpers.py", HELPERS)
    return project.load(FLOW)


def frozen(flow: Any, **parameters: Any) -> SnapshotContent:
    return freeze(flow.training.definition, PipelineRunConfiguration(parameters=parameters), this_environment())


def test_a_thawed_pipeline_has_the_digests_and_the_graph_that_it_had(flow: Any) -> None:
    content = frozen(flow)

    definition = thaw(SnapshotContent.read(content.model_dump(mode="json")))
    before, after = flow.training.definition.trace({}), definition.trace({})

    assert after.graph == before.graph
    for node, step in before.steps.items():
        assert after.steps[node].source().digest == step.source().digest
        assert after.steps[node].options == step.options
        assert after.steps[node].name == step.name
    assert (definition.name, definition.tags) == ("training", flow.training.definition.tags)
    assert definition.model is not None
    assert definition.model.model_dump() == flow.training.definition.model.model_dump()


def test_freezing_twice_gives_one_digest_and_an_edit_gives_another(project: Project, flow: Any) -> None:
    one, other = frozen(flow), frozen(flow)
    assert one.to_bytes() == other.to_bytes()
    assert frozen(flow, rate=0.2).to_bytes() != one.to_bytes()

    project.write("deeper.py", "ONE = 2")
    edited = frozen(project.load(FLOW))

    assert edited.to_bytes() != one.to_bytes()


def test_what_was_frozen_does_not_change_with_the_files(project: Project, flow: Any) -> None:
    content = frozen(flow)
    project.write("deeper.py", "ONE = 1000")
    project.write("flow.py", "raise SystemExit")
    project.forget_helpers()

    traced = thaw(content).trace({"n": 3})
    source = traced.steps["sum up"].source()

    assert {module.name for module in source.local_modules} == {"deeper", "helpers"}
    assert next(module.text for module in source.local_modules if module.name == "deeper").strip() == "ONE = 1"


def test_a_content_holds_no_path_of_this_machine(project: Project, flow: Any) -> None:
    data = frozen(flow).to_bytes().decode()

    assert str(project.folder) not in data
    assert str(project.folder.parent) not in data


def test_the_template_names_every_parameter_of_every_call_at_its_value(flow: Any) -> None:
    template = frozen(flow, rate=0.5).config_template()

    assert template.parameters == {"n": 5, "rate": 0.5}
    assert template.step_values == {"load": {"n": 5}, "another": {"rate": 0.1}, "sum up": {"rate": 0.5}}


def test_the_code_of_functions_runs_by_itself_in_plain_python(flow: Any, tmp_path_factory: Any) -> None:
    text = module_text(frozen(flow, n=4))
    place = tmp_path_factory.mktemp("elsewhere") / "frozen.py"
    place.write_text(text)

    done = subprocess.run([sys.executable, str(place)], check=False, capture_output=True, text=True, cwd=place.parent)

    assert done.stdout == f"loading 4\n{22.0 * 0.1}\n", done.stderr
    assert "@step" not in text
    assert text.index("def scale") < text.index("def total")


def test_a_required_parameter_stays_open(project: Project) -> None:
    flow = project.load("""
    @step
    def load(n: int, unit: str) -> list:
        return [unit] * n

    @pipeline
    def training(n: int):
        return load(n)
    """)

    content = frozen(flow)

    assert [(field.name, field.required) for field in content.parameters] == [("n", True)]
    assert {field.name: field.required for field in content.step_parameters["load"]} == {"n": True, "unit": True}
    assert content.config_template().parameters == {}


def test_values_of_every_kind_are_written_as_plain_data(project: Project) -> None:
    flow = project.load("""
    from datetime import date

    @step
    def show(day: date, limit: float, names: set) -> str:
        return f"{day:%d.%m.} {limit} {sorted(names)}"

    @pipeline
    def training(day: date, limit: float = 1.0, names: set[str] = frozenset()):
        return show(day, limit, names)
    """)
    content = frozen(flow, day=date(2026, 11, 20), limit=float("inf"), names={"a", "b"})
    definition = thaw(content)
    traced = definition.trace(content.configuration.parameters)

    assert traced.values["show"] == {"day": date(2026, 11, 20), "limit": float("inf"), "names": {"a", "b"}}


def test_a_step_that_leans_on_something_alive_cannot_be_frozen(project: Project) -> None:
    flow = project.load("""
    @step
    def load() -> Any:
        return nowhere

    @pipeline
    def training():
        return load()
    """)

    with pytest.raises(UncapturedNameError, match="nowhere"):
        frozen(flow)


def test_a_step_that_the_body_calls_by_no_name_of_its_own_is_refused(project: Project) -> None:
    flow = project.load("""
    @step
    def load() -> int:
        return 1

    STEPS = [load.with_options(name="hidden")]

    @pipeline
    def training():
        return STEPS[0]()
    """)

    with pytest.raises(DefinitionError, match="hidden"):
        frozen(flow)


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


@pytest.fixture
def notebook() -> Any:
    follow_notebook(Notebook("import math", "FACTOR = 2", "def scale(x):\n    return x * FACTOR"))
    yield
    follow_notebook(None)


def cells_of(*cells: tuple[str, str]) -> CellPipeline:
    text = "n: int = 4\nrate: float = Field(0.5, gt=0, description='share')"
    steps = [CellStep(name=name, text=body) for name, body in cells]
    return CellPipeline(
        name="notebook", parameters=parameters_from_text("notebook", text, {}), cells=steps, parameters_text=text
    )


CELLS = (
    ("load", "data = list(range(n))"),
    ("change", "data.append(scale(n))\nsize = len(data)"),
    ("total", "import json\nvalue = math.fsum(data) * rate\nprint(json.dumps([value, size]))"),
)


def test_thawed_cells_have_the_digests_and_the_graph_that_they_had(notebook: Any) -> None:
    definition = cells_of(*CELLS)

    content = freeze(definition, PipelineRunConfiguration(parameters={"rate": 2}), this_environment())
    follow_notebook(None)
    again = thaw(SnapshotContent.read(content.model_dump(mode="json")))
    after = again.trace(content.configuration.parameters)

    follow_notebook(Notebook("import math", "FACTOR = 2", "def scale(x):\n    return x * FACTOR"))
    before = definition.trace({"rate": 2})
    assert after.graph == before.graph
    assert {node: step.source().digest for node, step in after.steps.items()} == {
        node: step.source().digest for node, step in before.steps.items()
    }
    assert again.parameters.model.model_fields["rate"].description == "share"


def test_the_code_of_cells_runs_by_itself_and_is_cut_at_each_cell(notebook: Any, tmp_path: Any) -> None:
    content = freeze(cells_of(*CELLS), PipelineRunConfiguration(), this_environment())
    place = tmp_path / "frozen.py"
    place.write_text(module_text(content))

    done = subprocess.run([sys.executable, str(place)], check=False, capture_output=True, text=True, cwd=tmp_path)

    assert done.stdout == "[7.0, 5]\n", done.stderr
    marks = [line for line in place.read_text().splitlines() if line.startswith("# %%")]
    assert marks == ["# %% parameters", "# %% load", "# %% change", "# %% total"]
