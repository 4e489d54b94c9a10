"""What a driver works with: a node as it is about to be settled, an attempt at it, and who keeps and knows the facts.

These are shapes; what is done with them is the drivers' (`execute.driver` and those after it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from nbpipe.execute.plan import Keys, full_key
from nbpipe.execute.prepared import Inputs, Prepared
from nbpipe.execute.settled import Settled
from nbpipe.graph.graph import Node
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.executions import Facts, RecordedExecution

Fact = tuple[str, str, str, dict[str, Any] | bytes]
Executed = tuple[str, dict[str, Any], bytes, Facts]
Place = tuple[str, str]


class Recorder(Protocol):
    """Who keeps facts."""

    def append_lines(self, facts: Sequence[Fact]) -> None:
        """Keep several facts, in one write."""


class Executions(Protocol):
    """Who knows earlier executions of steps."""

    def find(self, key: str, half: str = "") -> RecordedExecution | None:
        """Give the newest execution of this key; the half key helps to look."""

    def may_know(self, half: str) -> bool:
        """Tell whether any execution has this half key."""

    def last(self, pipeline: str, node: str) -> RecordedExecution | None:
        """Give the newest execution of a node of this name that ran."""

    def last_facts(self, pipeline: str, node: str) -> tuple[str, Facts] | None:
        """Say of that one its id, and what it ran with."""

    def knows_source(self, digest: str) -> bool:
        """Tell whether it is written down what the digest of a source stands for."""

    def source(self, digest: str) -> Mapping[str, Any]:
        """Give what the digest of a source stands for, as `execute.sources` wrote it; empty if nobody knows."""

    def remember_source(self, digest: str, body: Mapping[str, Any]) -> None:
        """Take in what this process wrote down of a source."""

    def is_newest(self, record: RecordedExecution) -> bool:
        """Tell whether this very one is what would be found by its key, as far as that is told at once."""

    def memory_of(self, pipeline: str) -> dict[str, Any]:
        """Give what whoever plans a pipeline here keeps between its runs."""

    def forget(self, key: str) -> None:
        """Drop an execution whose stored values are gone."""

    def remember(
        self,
        pipeline: str,
        step_run_id: str,
        body: Mapping[str, Any],
        written: bytes = b"",
        facts: Facts | None = None,
    ) -> None:
        """Take in an execution of this process; it may be there as JSON already, and what it ran with."""


@dataclass(slots=True)
class PlannedCall:
    """One node as it is about to be settled.

    Attributes:
        node: The node.
        prepared: What its step is made of.
        half: Its half key.
        inputs: Its inputs, as far as they are stored.
        awaited: Inputs whose storing still goes on, by argument.
        before: For a cell: what tells whether it changed an input in place.
        item: Of a call for one item of a list, the mapped node and the item's place; `None` for a node.
        loose: Of such a call, what is stored before it runs, by argument.
    """

    node: Node
    prepared: Prepared
    half: str
    inputs: Inputs
    awaited: dict[str, Place] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    item: tuple[str, int] | None = None
    loose: Mapping[str, Any] = field(default_factory=dict)

    @property
    def keys(self) -> Keys:
        """What the call is known by, as far as its inputs are."""
        return Keys(full_key(self.half, self.inputs.digests), self.half)


@dataclass(slots=True)
class Execution:
    """One attempt at a node.

    Attributes:
        call: The node.
        settled: What became of it.
        started: When it began, ISO 8601.
        ended: When it was over.
        attempt: Which attempt it was, from 1.
        pending: Those of its outputs that are still being stored.
    """

    call: PlannedCall
    settled: Settled
    started: str
    ended: str
    attempt: int
    pending: Mapping[str, Future[ArtifactVersion]] = field(default_factory=dict)
