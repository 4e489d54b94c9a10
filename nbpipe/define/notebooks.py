"""A notebook file as pipelines: its cells are read in the file's order, and what computes is not run.

What the cells define is executed in a module of its own (`define.definitions`) as on an import: the
modules that they import run, and so do bodies of classes, decorators, and defaults and constants
that are plain calls. A step is read as text. It leans on what stands above it, as it does when the
notebook is run from top to bottom: so it has the digest that it has in a live kernel, and finds the
executions that were made there.

What a `.ipynb` is made of is `source.notebook_files`; which pipeline is meant is not decided here.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

from nbpipe.define import grammar
from nbpipe.define.body import pipeline_from_body, place_of, said_in
from nbpipe.define.cells import CellCall, CellStep, with_step
from nbpipe.define.definitions import Definitions
from nbpipe.define.first_line import as_marked, asks_for_help, magic_on
from nbpipe.define.params import parameters_from_text
from nbpipe.define.pipeline import CellPipeline, FunctionPipeline, PipelineDefinition
from nbpipe.define.step import Step
from nbpipe.define.texts import CELLS, Surroundings
from nbpipe.errors import DefinitionError, EnvironmentMismatchError, NbpipeError, UncapturedNameError
from nbpipe.records.parameters import as_json, parameters_of
from nbpipe.source.corpus import Corpus
from nbpipe.source.magics import DroppedLine, refuse_unreplayable, strip_magics
from nbpipe.source.names import names_of
from nbpipe.source.notebook_files import NotebookCell, name_of_file, read_cells
from nbpipe.source.pieces import Statement, Unit, definitions_in, read_unit
from nbpipe.source.syntax import syntax_tree

# Lines of IPython's that say nothing to whoever only reads the file.
_FOR_THE_NOTEBOOK = re.compile(r"%nbpipe\b|[%!]+\s*(pip|conda|mamba|uv)\b")
_SEEDS = re.compile(r"\b(seed|manual_seed|set_seed|set_random_seed)\(")


@dataclass(frozen=True)
class NotebookPipelines:
    """The pipelines of one notebook file.

    Attributes:
        path: The file.
        own: Its computing cells in their order; `None` if it has none.
        given: The values that plain cells give the parameters of `own`.
        namespace: What its cells define; a `%%pipeline` is a `FunctionPipeline` there.
        module: The name of the module that holds it.
        has_code: Whether anything stands in its code cells.
        remarks: What a run from outside does otherwise than the notebook, a sentence each.
    """

    path: Path
    own: CellPipeline | None
    given: Mapping[str, Any]
    namespace: Mapping[str, Any]
    module: str
    has_code: bool
    remarks: tuple[str, ...]
    _definitions: Definitions = field(repr=False, compare=False)

    def check(self, definition: PipelineDefinition) -> None:
        """Refuse a pipeline that needs what the file does not define.

        Raises:
            UncapturedNameError: It needs what a plain cell computes.
            EnvironmentMismatchError: It needs a package that is not installed.
            DefinitionError: What it needs cannot be defined.
        """
        if isinstance(definition, CellPipeline):
            for step in definition.cells:
                # One that could not be read when its cell was met is read now, and refused now.
                self._definitions.refuse_failed(step.frozen or step.source())
            source = definition.parameters_source()
            if source is not None:
                self._definitions.refuse_failed(source)
        elif isinstance(definition, FunctionPipeline) and definition.body.__globals__ is self.namespace:
            self._check_body(definition)

    def _check_body(self, definition: FunctionPipeline) -> None:
        reads = names_of(syntax_tree(definition.text)).reads
        self._definitions.refuse_absent(reads.items(), definition.name)
        for name in reads:
            value = self.namespace.get(name)
            if isinstance(value, _Refused):
                raise value.error
            if isinstance(value, Step):
                self._definitions.refuse_failed(value.source())
            elif isinstance(value, CellCall):
                self._definitions.refuse_failed(value.step.source())
        self._definitions.refuse_failed(definition.source())


def read_pipelines(path: Path) -> NotebookPipelines:
    """Read the pipelines of a notebook file.

    Args:
        path: The file; what lies in its folder can be imported by then.

    Raises:
        SourceNotFoundError: There is no such file.
        BadValueError: It is no notebook of Python.
        DefinitionError: A cell is no Python, or its magic is written wrongly; the cell is named.
    """
    reader = _Reader(path)
    for number, cell in enumerate(read_cells(path), 1):
        if cell.is_code and cell.text.strip():
            reader.read(number, cell)
    return reader.close()


class _Refused:
    """Stands for a step that cannot be read, where a pipeline's body may call it."""

    def __init__(self, error: NbpipeError) -> None:
        self.error = error

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        raise self.error


class _Reader:
    """One walk through the cells of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._definitions = Definitions(path)
        self._line = grammar.ParamsLine(name=name_of_file(path))
        self._parameters = parameters_of(self._line.name, {})
        self._parameters_text = ""
        self._steps: dict[str, CellStep] = {}
        self._refused: dict[str, NbpipeError] = {}
        self._units: list[Unit] = []
        self._made_at: dict[str, int] = {}
        self._corpus = Corpus([])
        self._has_code = False
        self._dropped: list[str] = []
        self._seeding: list[str] = []
        self._computed: dict[str, str] = {}
        self._again: list[str] = []

    # Cells -----------------------------------------------------------------------------------

    def read(self, number: int, cell: NotebookCell) -> None:
        """Take in one code cell.

        Raises:
            DefinitionError: It is no Python, or its magic is written wrongly.
        """
        self._has_code = True
        text = as_marked(cell.text)
        first, _, body = text.partition("\n")
        magic, arguments = magic_on(first)
        if magic and (asks_for_help(arguments) or (magic == "step" and not body.strip())):
            return
        with self._named(number, may_raise=cell.may_raise):
            match magic:
                case "step":
                    self._step(number, grammar.parse_step(arguments), "\n" + body, may_raise=cell.may_raise)
                case "params":
                    self._params(grammar.parse_params(arguments), "\n" + body)
                case "pipeline":
                    self._pipeline(grammar.parse_pipeline(arguments), body)
                case "":
                    self._plain(number, text)

    @contextmanager
    def _named(self, number: int, *, may_raise: bool) -> Iterator[None]:
        """Say in which cell something is wrong; one that raises on purpose may."""
        try:
            yield
        except (UncapturedNameError, EnvironmentMismatchError):
            if not may_raise:
                raise
        except NbpipeError as error:
            if not may_raise:
                raise DefinitionError(f"{self._path.name}, cell {number}: {error}") from None

    def _plain(self, number: int, text: str) -> None:
        python, dropped = strip_magics(text)
        _parsed(python)
        self._note_dropped(number, dropped)
        unit = read_unit(f"cell {number}", text)
        for statement in self._take_in(unit):
            self._note_left(statement)

    def _step(self, number: int, line: grammar.StepLine, text: str, *, may_raise: bool) -> None:
        stripped, dropped = strip_magics(text)
        tree = _parsed(stripped)
        merely_defines = self._corpus.merely_defines(tree)
        is_signed = line.takes is not None or line.gives is not None
        if merely_defines and not is_signed and all(one.is_harmless for one in dropped):
            self._take_in(read_unit(f"cell {number}", stripped))
            self._wrap(tree, line)
            return
        name = line.name or next(free for n in count(1) if (free := f"step_{n}") not in self._steps)
        refuse_unreplayable(name, dropped, cell=f"cell {number}")
        if name in self._steps:
            self._again.append(f"{name!r} (cell {number})")
        self._compute(
            CellStep(
                name=name,
                text=stripped,
                options=line.options,
                takes=line.takes,
                gives=line.gives,
                namespace={CELLS: self._surroundings(dict(self._definitions.namespace))},
            ),
            may_raise=may_raise,
        )
        self._made_at[name] = len(self._units)
        left = stripped if merely_defines else definitions_in(stripped, self._corpus.imported)
        if left.strip():
            self._take_in(read_unit(f"cell {number}", left))

    def _compute(self, cell: CellStep, *, may_raise: bool) -> None:
        """Take in a computing step: it leans on what stands above it."""
        cell = replace(cell, as_text=self._defined_since(cell))
        available: dict[str, Any] = dict.fromkeys(self._parameters.names)
        for earlier in self._earlier(cell.name):
            available |= dict.fromkeys(earlier.outputs)
        self._refused.pop(cell.name, None)
        try:
            cell = cell.placed(available, self._parameters)
        except NbpipeError as error:
            if may_raise:
                return
            self._refused[cell.name] = error
        self._steps = with_step(self._steps, cell)

    def _earlier(self, name: str) -> list[CellStep]:
        names = list(self._steps)
        return [self._steps[other] for other in names[: names.index(name) if name in names else None]]

    def _defined_since(self, cell: CellStep) -> frozenset[str]:
        """Name what earlier steps give and a plain cell above this one defines since."""
        found = set()
        for name in cell.names.reads:
            makers = [step.name for step in self._earlier(cell.name) if name in step.outputs]
            if makers and self._corpus.is_defined_in(name, self._units[self._made_at[makers[-1]] :]):
                found.add(name)
        return frozenset(found)

    def _wrap(self, tree: ast.Module, line: grammar.StepLine) -> None:
        """Make a step of each function that a `%%step` cell defines."""
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        for name in names:
            value = self._definitions.namespace.get(name)
            if inspect.isfunction(value):
                title = line.name if line.name and len(names) == 1 else name
                self._definitions.bind({name: Step(value, name=title, options=line.options)})

    def _params(self, line: grammar.ParamsLine, text: str) -> None:
        self._definitions.refuse_absent(names_of(_parsed(text)).reads.items(), "%%params")
        name = line.name or self._line.name
        self._parameters = parameters_from_text(name, text, self._definitions.namespace)
        self._parameters_text, self._line = text, replace(line, name=name)
        self._computed.clear()
        self._definitions.bind(self._parameters.check({}, partial=True))

    def _pipeline(self, line: grammar.PipelineLine, body: str) -> None:
        try:
            definition = pipeline_from_body(line, body, self._definitions.namespace)
        except NbpipeError:
            raise
        except Exception as error:  # noqa: BLE001 — whatever the user's own defaults and annotations raise
            if isinstance(error, NameError):
                self._definitions.refuse_absent([(error.name or "", 1)], f"%%pipeline {line.name}")
            raise DefinitionError(f"%%pipeline {line.name}: {said_in(error, place_of(line))}") from None
        self._definitions.bind({line.name: definition})

    # What stands above -----------------------------------------------------------------------

    def _take_in(self, unit: Unit) -> list[Statement]:
        self._units.append(unit)
        self._corpus = Corpus(self._units)
        return self._definitions.execute(unit)

    def _surroundings(self, namespace: Mapping[str, Any]) -> Surroundings:
        return Surroundings(self._corpus, namespace.__getitem__, (str(self._path.parent),))

    # The end ---------------------------------------------------------------------------------

    def close(self) -> NotebookPipelines:
        """Give what was read."""
        namespace = self._definitions.namespace
        given = self._given()
        for name, step in self._steps.items():
            if name.isidentifier() and name not in namespace:
                error = self._refused.get(name)
                namespace[name] = CellCall(step) if error is None else _Refused(error)
        namespace[CELLS] = self._surroundings(namespace)
        return NotebookPipelines(
            path=self._path,
            own=self._own() if self._steps else None,
            given=given,
            namespace=namespace,
            module=self._definitions.module.__name__,
            has_code=self._has_code,
            remarks=tuple(self._remarks()),
            _definitions=self._definitions,
        )

    def _own(self) -> CellPipeline:
        return CellPipeline(
            name=self._line.name,
            parameters=replace(self._parameters, subject=self._line.name),
            tags=self._line.tags,
            model=self._line.model,
            cells=list(self._steps.values()),
            parameters_text=self._parameters_text,
            namespace=self._definitions.namespace,
        )

    def _given(self) -> dict[str, Any]:
        """Give the values that plain cells give parameters after `%%params`, where they are not the defaults."""
        defaults = self._parameters.check({}, partial=True)
        namespace = self._definitions.namespace
        found = {name: namespace[name] for name in self._parameters.names if name in namespace}
        return {name: value for name, value in found.items() if name not in defaults or _differ(value, defaults[name])}

    # What a run from outside does otherwise --------------------------------------------------

    def _note_dropped(self, number: int, dropped: list[DroppedLine]) -> None:
        for line in dropped:
            if not (line.is_harmless or _FOR_THE_NOTEBOOK.match(line.text)):
                first = line.text.partition("\n")[0]
                self._dropped.append(f"{first if len(first) <= 40 else f'{first[:39]}…'} (cell {number})")

    def _note_left(self, statement: Statement) -> None:
        cell = statement.unit.name
        if _SEEDS.search(statement.text) and not isinstance(statement.node, ast.FunctionDef | ast.ClassDef):
            self._seeding.append(cell)
        for name in statement.names.binds.keys() & set(self._parameters.names):
            self._computed[name] = cell

    def _remarks(self) -> Iterator[str]:
        if self._dropped:
            yield f"not carried out: {', '.join(dict.fromkeys(self._dropped))}."
        if self._seeding:
            cells = ", ".join(dict.fromkeys(self._seeding))
            yield f"{cells} seeds random numbers and is not run; seed them in the step that draws them."
        for name, cell in self._computed.items():
            yield f"{cell} computes the parameter {name!r} and is not run; its default holds, or --set {name}=…"
        if self._again:
            yield f"there is more than one step of a name, and the last one counts: {', '.join(self._again)}."


def _parsed(text: str) -> ast.Module:
    try:
        return syntax_tree(text)
    except SyntaxError as error:
        lines = text.splitlines()
        number = error.lineno or 1
        line = lines[number - 1].strip() if number <= len(lines) else ""
        shown = f": {line if len(line) <= 60 else f'{line[:59]}…'}" if line else ""
        raise DefinitionError(f"it is not Python: {error.msg} (line {number}{shown}).") from None
    except ValueError as error:
        raise DefinitionError(f"it is not Python: {error}.") from None


def _differ(value: Any, default: Any) -> bool:
    if as_json(value) != as_json(default):
        return True
    try:
        # Secrets look alike when they are written.
        return bool(value != default)
    except (TypeError, ValueError):
        return False
