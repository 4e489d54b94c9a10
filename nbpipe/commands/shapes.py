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
