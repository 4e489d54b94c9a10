"""Pipelines: a body of step calls, or the cells of a notebook in their order.

Both give the same thing for given values of their parameters: a graph, the step behind each
node, and the plain values bound to its arguments.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbpipe.define.cells import CellCall, CellStep
from nbpipe.define.hooks import NO_HOOKS, Hooks
from nbpipe.define.params import GIVEN
from nbpipe.define.reading import Reading, read_source
from nbpipe.define.references import Reference
from nbpipe.define.signature import check_arguments
from nbpipe.define.step import Step
from nbpipe.define.texts import Surroundings, notebook_surroundings, text_of
from nbpipe.define.trace import Trace, TracedCalls, traced_by
from nbpipe.errors import DefinitionError, meant
from nbpipe.graph.graph import Graph, Node, Origin, OutputOf, ParameterOf
from nbpipe.records.base import plain_name
from nbpipe.records.definitions import AnyStep, Traced
from nbpipe.records.models import ModelConfig
from nbpipe.records.parameters import Parameters, parameters_of, signature_fields
from nbpipe.records.tags import Tag
from nbpipe.source.closure import Source, close_over
from nbpipe.source.places import Places


@dataclass(frozen=True)
class PipelineDefinition(ABC):
    """What every pipeline has.

    Attributes:
        name: Its name.
        parameters: What it takes.
        tags: Tags of its runs.
        model: The model its runs work on, if any.
        cache: Whether equal executions of its steps may be reused.
        description: What it is for: the first line of its docstring.
        hooks: What is called when a run of it has ended.
    """

    name: str
    parameters: Parameters
    tags: tuple[Tag, ...] = ()
    model: ModelConfig | None = None
    cache: bool = True
    description: str = ""
    hooks: Hooks = NO_HOOKS

    @abstractmethod
    def trace(self, values: Mapping[str, Any], context: Any = None, *, partial: bool = False) -> Traced:
        """Say what runs for these values of the parameters.

        Args:
            values: Some of the parameters' values; the others take their defaults.
            partial: Let a required parameter without a value stand open: good to look at, not to run.
            context: What `get_pipeline_context().model` answers in the body.

        Raises:
            ParameterError: Values that do not fit.
            DefinitionError: The body is written wrongly.
        """


@dataclass(frozen=True)
class FunctionPipeline(PipelineDefinition):
    """A pipeline whose body is a function that calls steps.

    Attributes:
        body: The function.
        text: Its text, decorators included.
        frozen: What it leans on, where that is fixed: the pipeline of a snapshot.
    """

    body: Callable[..., Any] = field(kw_only=True)
    text: str = field(kw_only=True)
    frozen: Source | None = field(default=None, kw_only=True)
    # What the body called the last time, alone in a list: the definition itself never changes.
    _last: list[TracedCalls] = field(
        default_factory=lambda: [TracedCalls()], init=False, repr=False, compare=False, kw_only=True
    )
    # The steps that were in reach when the body was read the last time, and that reading; likewise.
    _last_reading: list[tuple[tuple[str, ...], Reading | None]] = field(
        default_factory=lambda: [((), None)], init=False, repr=False, compare=False, kw_only=True
    )

    @classmethod
    def of(
        cls, body: Callable[..., Any], *, name: str | None = None, text: str | None = None, **options: Any
    ) -> FunctionPipeline:
        """Read a function as a pipeline.

        Raises:
            DefinitionError: It has no text, or takes `*args` or `**kwargs`.
            BadValueError: A name that is none.
        """
        title = body.__name__ if name is None else plain_name("pipeline", name)
        check_arguments(body, f"Pipeline {title!r}")
        document = (body.__doc__ or "").strip().partition("\n")[0]
        return cls(
            name=title,
            parameters=parameters_of(title, signature_fields(body)),
            description=document,
            body=body,
            text=text if text is not None else text_of(body, "pipeline"),
            **options,
        )

    def trace(self, values: Mapping[str, Any], context: Any = None, *, partial: bool = False) -> Traced:
        """Run the body with these values; the steps it calls become nodes."""
        checked = self.parameters.check(values, partial=partial)
        code = getattr(inspect.unwrap(self.body), "__code__", None)
        trace = Trace(self.name, checked, context, self._last[0], code)
        open_ones = {name: Reference(ParameterOf(name=name)) for name in self.parameters.names if name not in checked}
        returned = traced_by(trace, self.body, {**checked, **open_ones})
        traced = self._last[0] = trace.close(returned)
        return Traced(self.name, traced.graph, traced.steps, traced.values, checked)

    def steps_in_reach(self) -> dict[str, AnyStep]:
        """Give the steps that the body could call, by the name that it calls them by."""
        found: dict[str, AnyStep] = {}
        for name, value in self.body.__globals__.items():
            if isinstance(value, (Step, CellCall)):
                found[name] = value if isinstance(value, Step) else value.step
        return found

    def source(self, seen: Places | None = None) -> Source:
        """Read what the body leans on besides the steps that it calls.

        Args:
            seen: When files and folders were changed last, for whoever asks several at once.

        Raises:
            UncapturedNameError: It reads a name that is no text.
        """
        if self.frozen is not None:
            return self.frozen
        seen, provided = seen or Places(), tuple(self.steps_in_reach())
        known, reading = self._last_reading[0]
        if reading is not None and known == provided and seen.is_current(reading.stamps):
            return reading.source

        def read(around: Surroundings) -> Source:
            return close_over(
                self.text,
                kind="function",
                entry=self.body.__name__,
                step=self.name,
                units=around.corpus,
                provided=provided,
                value_of=around.value_of,
                search_path=around.search_path,
            )

        source, reading = read_source(self.body, read, seen)
        self._last_reading[0] = provided, reading
        return source


@dataclass(frozen=True)
class CellPipeline(PipelineDefinition):
    """A pipeline whose steps are the computing cells of a notebook, in their order.

    Attributes:
        cells: The cells.
        parameters_text: The body of `%%params`.
        namespace: Says what that can lean on, where it is not the live notebook's cells.
    """

    cells: Sequence[CellStep] = field(kw_only=True)
    parameters_text: str = field(default="", kw_only=True)
    namespace: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False, kw_only=True)

    def parameters_source(self) -> Source | None:
        """Read what the body of `%%params` leans on; `None` for the pipeline of a snapshot, which has it already.

        Raises:
            UncapturedNameError: It reads a name that is no text.
        """
        is_of_a_snapshot = not self.namespace and any(cell.frozen is not None for cell in self.cells)
        if not self.parameters_text.strip() or is_of_a_snapshot:
            return None
        around = notebook_surroundings(self.namespace)
        given = [name for name in GIVEN if not around.corpus.binding(name).binders]
        return close_over(
            self.parameters_text,
            kind="cell",
            entry="",
            step="%%params",
            units=around.corpus,
            provided=given,
            value_of=around.value_of,
            search_path=around.search_path,
        )

    def trace(
        self,
        values: Mapping[str, Any],
        context: Any = None,  # noqa: ARG002 — cells have no body that could ask
        *,
        partial: bool = False,
    ) -> Traced:
        """Wire each cell's inputs to the parameter or the latest earlier cell that provides them."""
        checked = self.parameters.check(values, partial=partial)
        graph, placed = wire_cells(self.cells, self.parameters)
        bound = {
            node.id: {
                name: checked[name]
                for name, origin in node.inputs.items()
                if isinstance(origin, ParameterOf) and name in checked
            }
            for node in graph.nodes
        }
        return Traced(self.name, graph, placed, bound, checked)


def wire_cells(cells: Sequence[CellStep], parameters: Parameters) -> tuple[Graph, dict[str, CellStep]]:
    """Make the graph of cells in their order.

    Raises:
        DefinitionError: Two cells of one name, or an input or `--after` that nothing provides.
    """
    available: dict[str, Origin] = {name: ParameterOf(name=name) for name in parameters.names}
    nodes: list[Node] = []
    placed: dict[str, CellStep] = {}
    for cell in cells:
        if cell.name in placed:
            raise DefinitionError(f"Two cells are named {cell.name!r}; give one another name: %%step {cell.name}_2.")
        for other in cell.options.after:
            if other not in placed:
                raise DefinitionError(
                    f"Step {cell.name!r} comes --after {other!r}, which is no step before it.{meant(other, placed)}"
                )
        here = cell.placed(available, parameters)
        placed[cell.name] = here
        inputs = {name: available[name] for name in here.provided}
        nodes.append(Node(id=cell.name, step=cell.name, inputs=inputs, after=cell.options.after))
        for name in here.outputs:
            available[name] = OutputOf(node=cell.name, output=name)
    return Graph(nodes=tuple(nodes)), placed
