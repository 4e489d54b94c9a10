"""What became of a step of a run in another process: as much of it as those who watch are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbpipe.execute.settled import ItemCounts, Settled
from nbpipe.records.runs import Status, Triggered

_LONGEST_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class EndedFailure:
    """What a step raised: the type, and what it said."""

    type_name: str
    message: str


@dataclass(frozen=True, slots=True)
class EndedStep:
    """What became of a step.

    Attributes:
        node: Its name in the graph.
        status: How it ended.
        why: Why it ran, was reused or was not reached.
        duration_s: How long it took, in seconds.
        failure: What it raised, if anything.
        triggered: The runs that it asked for, if it was reused.
        items: Of a mapped step, what became of its items.
    """

    node: str
    status: Status
    why: str
    duration_s: float
    failure: EndedFailure | None = None
    triggered: tuple[Triggered, ...] = ()
    items: ItemCounts | None = None

    @staticmethod
    def read(node: str, said: Mapping[str, Any]) -> EndedStep:
        """Read what `said_of` wrote."""
        failure = EndedFailure(*said["failure"]) if said["failure"] is not None else None
        triggered = tuple(Triggered(**one) for one in said["triggered"])
        items = ItemCounts(**said["items"]) if said.get("items") is not None else None
        return EndedStep(node, Status(said["status"]), said["why"], said["duration_s"], failure, triggered, items)


def said_of(settled: Settled) -> dict[str, Any]:
    """Write down what became of a step, as JSON data."""
    failure = settled.failure
    return {
        "status": settled.status.value,
        "why": settled.why,
        "duration_s": settled.duration_s,
        "failure": [failure.type_name, failure.message[:_LONGEST_MESSAGE]] if failure is not None else None,
        "triggered": [one.as_record() for one in settled.triggered] if settled.status is Status.REUSED else [],
        "items": settled.items.as_record() if settled.items is not None else None,
    }
