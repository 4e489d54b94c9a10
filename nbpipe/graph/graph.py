"""A pipeline as data: named calls of steps and what flows between them.

A node is one call of a step. Each of its inputs says where its value comes from: an output of
another node, a parameter of the pipeline, a constant written in the pipeline's body, or an
artifact that exists already. A graph cannot change and cannot hold a circle or a loose end.

This module knows shape. It does not know what a step does, what it is made of or whether it
has run.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nbpipe.base.digest import canonical_json, quick
from nbpipe.errors import DefinitionError
from nbpipe.graph.order import cycle_in, in_order


def _is_empty(said: tuple[Any, ...]) -> bool:
    return not said


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class OutputOf(_Written):
    """The value that another node gives under this output name."""

    kind: Literal["output"] = "output"
    node: str
    output: str


class ParameterOf(_Written):
    """The value of a parameter of the pipeline."""

    kind: Literal["parameter"] = "parameter"
    name: str


class Constant(_Written):
    """A plain value bound in the pipeline's body, as JSON."""

    kind: Literal["constant"] = "constant"
    value: Any


class ExistingArtifact(_Written):
    """An artifact version that is there before the run, by its id."""

    kind: Literal["artifact"] = "artifact"
    id: str
    name: str


class EitherOf(_Written):
    """The value that the first of several branches gives that was taken."""

    kind: Literal["either"] = "either"
    of: tuple[OutputOf, ...]


Origin = Annotated[OutputOf | ParameterOf | Constant | ExistingArtifact | EitherOf, Field(discriminator="kind")]


def outputs_behind(origin: Origin) -> tuple[OutputOf, ...]:
    """Give the outputs of nodes from which a value may come; none if it comes from elsewhere."""
    if isinstance(origin, EitherOf):
        return origin.of
    return (origin,) if isinstance(origin, OutputOf) else ()


class Condition(_Written):
    """What a value must be for a node to run.

    Attributes:
        origin: Where the value comes from.
        equals: What it must be equal to, alone in a tuple; empty if it must be true.
        negated: Whether it must not.
    """

    origin: Origin
    equals: tuple[Any, ...] = ()
    negated: bool = False

    @property
    def said(self) -> str:
        """The condition in few words, without where the value comes from: `if`, `unless`, `if 'b'`."""
        word = "unless" if self.negated else "if"
        return f"{word} {self.equals[0]!r}" if self.equals else word


class Node(_Written):
    """One call of a step.

    Attributes:
        id: Its name in the graph: the step's, with `_2`, `_3`, … for later calls.
        step: The step that is called.
        inputs: Where each argument comes from; those left out have defaults.
        after: Nodes that must be done first though nothing flows from them.
        conditions: All that must hold for it to run; they are no part of what it is known by.
        mapped: The arguments that are lists, walked side by side: the step is executed once for each item.
    """

    id: str
    step: str
    inputs: dict[str, Origin] = {}
    after: tuple[str, ...] = ()
    # Left out where there is nothing to say: a graph without it is written as it always was.
    mapped: tuple[str, ...] = Field(default=(), exclude_if=_is_empty)
    conditions: tuple[Condition, ...] = Field(default=(), exclude_if=_is_empty)

    @cached_property
    def upstream(self) -> tuple[str, ...]:
        """The nodes that this one waits for, each once, in the order of its inputs."""
        origins = *self.inputs.values(), *(condition.origin for condition in self.conditions)
        sources = [output.node for origin in origins for output in outputs_behind(origin)]
        return tuple(dict.fromkeys((*sources, *self.after)))

    @cached_property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Of each of these groups of nodes one must have given what it was to give, or this one cannot run."""
        origins = *self.inputs.values(), *(condition.origin for condition in self.conditions)
        groups = [tuple(output.node for output in found) for origin in origins if (found := outputs_behind(origin))]
        return *groups, *((name,) for name in self.after)

    @cached_property
    def places(self) -> tuple[tuple[str, tuple[str, str]], ...] | None:
        """The node and the output from which each argument comes that comes from a node.

        `None` where there is more to say: branches of which one is taken, or artifacts that are there before.
        """
        if any(isinstance(origin, EitherOf | ExistingArtifact) for origin in self.inputs.values()):
            return None
        fed = {name: origin for name, origin in self.inputs.items() if isinstance(origin, OutputOf) and origin.output}
        return tuple((name, (origin.node, origin.output)) for name, origin in fed.items())


class Graph(_Written):
    """An immutable directed acyclic graph of nodes.

    Attributes:
        nodes: In the order in which they were written.
        results: What the pipeline itself returns, by name.

    Raises:
        DefinitionError: Two nodes of one id, an edge from nowhere, or a circle.
    """

    nodes: tuple[Node, ...] = ()
    results: dict[str, Origin] = {}

    @model_validator(mode="after")
    def _is_sound(self) -> Graph:
        ids = [node.id for node in self.nodes]
        if len(set(ids)) != len(ids):
            twice = next(name for name in ids if ids.count(name) > 1)
            raise DefinitionError(f"Two steps of the pipeline are named {twice!r}; give one another name.")
        if self._is_written_in_order():
            return self
        known = set(ids)
        for node in self.nodes:
            for source in node.upstream:
                if source not in known:
                    raise DefinitionError(f"Step {node.id!r} waits for {source!r}, which the pipeline does not call.")
        circle = cycle_in({node.id: node.upstream for node in self.nodes})
        if circle:
            raise DefinitionError(f"The pipeline runs in a circle: {' → '.join(circle)}.")
        return self

    def _is_written_in_order(self) -> bool:
        """Tell whether each node waits only for nodes before it: then there is no circle and no loose end."""
        before: set[str] = set()
        for node in self.nodes:
            if not before.issuperset(node.upstream):
                return False
            before.add(node.id)
        return True

    @cached_property
    def by_id(self) -> dict[str, Node]:
        """Each node under its id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def upstream(self) -> dict[str, tuple[str, ...]]:
        """What each node waits for, in the order in which the nodes were written."""
        return {node.id: node.upstream for node in self.nodes}

    @cached_property
    def downstream(self) -> dict[str, tuple[str, ...]]:
        """Who waits for each node, in the order in which the nodes were written."""
        found: dict[str, list[str]] = {node.id: [] for node in self.nodes}
        for source, node_id in self.edges:
            found[source].append(node_id)
        return {name: tuple(waiting) for name, waiting in found.items()}

    @cached_property
    def ordered(self) -> tuple[Node, ...]:
        """The nodes in an order in which they can run; as written, where that is one."""
        if self._is_written_in_order():
            return self.nodes
        return tuple(self.by_id[name] for name in in_order(self.upstream))

    @cached_property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """The pairs (from, to), each once."""
        return tuple((source, node.id) for node in self.nodes for source in node.upstream)

    @cached_property
    def as_json(self) -> bytes:
        """The graph as it is kept."""
        return self.model_dump_json().encode()

    @cached_property
    def name_of_json(self) -> str:
        """The SHA-256 of the graph as it is kept: the name under which that lies."""
        return hashlib.sha256(self.as_json).hexdigest()

    @cached_property
    def existing(self) -> tuple[str, ...]:
        """The artifact versions, by id, that are read and not made by a node."""
        origins = [
            origin
            for node in self.nodes
            for origin in (*node.inputs.values(), *(condition.origin for condition in node.conditions))
        ]
        return tuple(dict.fromkeys(origin.id for origin in origins if isinstance(origin, ExistingArtifact)))

    @cached_property
    def digest(self) -> str:
        """The digest of this shape; equal graphs have equal ones."""
        return quick("graph", canonical_json(self.model_dump(mode="json")))
