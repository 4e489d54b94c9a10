"""What has to be known of a pipeline to show it, wherever it comes from.

`define` makes pipelines and `graph` holds them together; this room imports neither, and looks
only at what is said here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from nbpipe.records.definitions import Traced
from nbpipe.records.models import ModelConfig
from nbpipe.records.parameters import Parameters
from nbpipe.records.runs import Status
from nbpipe.records.tags import Tag


class ShownNode(Protocol):
    """What is shown of a node: where its inputs come from (`graph.Origin`), and what it waits for."""

    @property
    def id(self) -> str:
        """Its name in the graph."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Where each argument comes from."""

    @property
    def after(self) -> Sequence[str]:
        """Nodes that come first though nothing flows from them."""

    @property
    def conditions(self) -> Sequence[Any]:
        """What must hold for it to run (`graph.Condition`)."""

    @property
    def mapped(self) -> Sequence[str]:
        """The arguments that are lists, if it is executed once for each item."""


class ShownGraph(Protocol):
    """What is shown of a graph: its nodes."""

    @property
    def nodes(self) -> Sequence[ShownNode]:
        """In the order in which they were written."""


class HasStatus(Protocol):
    """What became of a step, and why."""

    @property
    def status(self) -> Status:
        """What became of it."""

    @property
    def why(self) -> str:
        """Why."""


class ShownDefinition(Protocol):
    """What is shown of a pipeline's definition."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def description(self) -> str:
        """What it is for."""

    @property
    def parameters(self) -> Parameters:
        """What it takes."""

    @property
    def tags(self) -> Sequence[Tag]:
        """Tags of its runs."""

    @property
    def model(self) -> ModelConfig | None:
        """The model its runs work on."""

    def trace(self, values: Mapping[str, Any], context: Any = None, *, partial: bool = False) -> Traced:
        """Say what runs for these values."""
