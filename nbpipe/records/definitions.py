"""Definitions as they are passed along: what a step takes and gives, and a pipeline wired for given values.

What reads a signature, traces a body or wires cells is `define`; what runs the result is
`execute`. Both know only these shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import GenericAlias
from typing import Any, Protocol

from nbpipe.graph.graph import Graph
from nbpipe.records.parameters import REQUIRED, Parameters, is_required, parameters_of
from nbpipe.records.steps import StepOptions
from nbpipe.records.tags import Tag
from nbpipe.source.closure import Source
from nbpipe.source.places import Places


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a step.

    Attributes:
        name: Its name among the step's outputs.
        artifact: The name its artifact goes by.
        tags: Tags that each version of it gets.
        annotation: Its type, for people.
    """

    name: str
    artifact: str
    tags: tuple[Tag, ...] = ()
    annotation: Any = Any


@dataclass(frozen=True, slots=True)
class StepSignature:
    """What a step takes and gives.

    Attributes:
        inputs: Its arguments in order, each with annotation and default (`REQUIRED` for none).
        outputs: Its outputs in order; none if it returns nothing.
        is_tuple: Whether the function returns a tuple with one item for each output.
        pointers: The arguments that ask for a pointer instead of a value.
        filled: The defaults that are written as `Field(…)`: Python itself would hand the `Field` in.
        required: The arguments that have no default.
    """

    inputs: dict[str, tuple[Any, Any]]
    outputs: tuple[Output, ...]
    is_tuple: bool = False
    pointers: frozenset[str] = frozenset()
    filled: Mapping[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = field(init=False)
    _parameters: dict[tuple[str, ...], Parameters] = field(default_factory=dict, init=False, repr=False, compare=False)
    _mapped: dict[tuple[str, ...], StepSignature] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        required = tuple(name for name, (_, default) in self.inputs.items() if is_required(default))
        object.__setattr__(self, "required", required)

    def parameters(self, subject: str, names: tuple[str, ...]) -> Parameters:
        """Give the parameters made of these arguments; a model is made once, since that takes a millisecond."""
        known = self._parameters.get((subject, *names))
        if known is None:
            known = parameters_of(subject, {name: self.inputs[name] for name in names})
            self._parameters[subject, *names] = known
        return known

    def mapped(self, names: tuple[str, ...]) -> StepSignature:
        """Give the signature of a call for each item of the lists that these arguments are: lists in, lists out."""
        if not names:
            return self
        known = self._mapped.get(names)
        if known is None:
            inputs = {
                name: (_list_of(annotation), REQUIRED) if name in names else (annotation, default)
                for name, (annotation, default) in self.inputs.items()
            }
            outputs = tuple(replace(output, annotation=_list_of(output.annotation)) for output in self.outputs)
            filled = {name: value for name, value in self.filled.items() if name not in names}
            known = self._mapped[names] = replace(self, inputs=inputs, outputs=outputs, filled=filled)
        return known

    def output(self, name: str) -> Output | None:
        """Find an output by name."""
        return next((output for output in self.outputs if output.name == name), None)


def _list_of(annotation: Any) -> Any:
    """Give the type of a list of such; an argument without annotation takes anything."""
    return GenericAlias(list, (Any if annotation is REQUIRED else annotation,))


class AnyStep(Protocol):
    """What a pipeline needs to know of a step, whether function or cell."""

    @property
    def kind(self) -> str:
        """`"function"` or `"cell"`."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def signature(self) -> StepSignature:
        """What it takes and gives."""

    @property
    def options(self) -> StepOptions:
        """How it is run."""

    @property
    def changed(self) -> frozenset[str]:
        """For a cell: the inputs that its last execution changed in place."""

    @property
    def identity(self) -> str:
        """Tells it from another step of the same name."""

    def source(self, seen: Places | None = None) -> Source:
        """Read what it is made of.

        Args:
            seen: When files were changed last, as far as whoever asks many steps at once has looked.
        """


@dataclass(frozen=True, slots=True)
class Traced:
    """A pipeline for given values of its parameters.

    Attributes:
        pipeline: Its name.
        graph: The nodes and what flows between them.
        steps: The step behind each node.
        values: The plain values bound to each node's arguments, each of its declared type.
        parameters: The checked values of the pipeline's parameters.
    """

    pipeline: str
    graph: Graph
    steps: Mapping[str, AnyStep]
    values: Mapping[str, Mapping[str, Any]]
    parameters: Mapping[str, Any]

    def signature(self, node: str) -> StepSignature:
        """Give what one node takes and gives: lists, where it is mapped over them."""
        return self.steps[node].signature.mapped(self.graph.by_id[node].mapped)
