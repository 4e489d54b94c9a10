"""What a run reuses is mostly what the run before it reused: then nothing is worked out again.

A node that was reused is reused again where all that decided it is the very same: the node and its step as they were
read, its plain values, the executions that its inputs come from, and the execution that its key leads to. That is seen
by looking at identities, without a key being made. What cannot be told so is decided as ever (`execute.driver`).

This module knows when a decision holds again. Where it is remembered, and what is done about it, it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbpipe.execute.calls import PlannedCall
from nbpipe.execute.prepared import Prepared
from nbpipe.execute.settled import Settled
from nbpipe.graph.graph import Node
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.executions import RecordedExecution

_EQUAL_MEANS_SAME = (int, bool, str, type(None))
# What an execution noted, or had to do with the world outside of its inputs, is looked at each time.
_MORE_TO_SAY = ("metadata", "not_carried", "tags", "declared", "triggered", "items", "taken", "random", "moved_to")


@dataclass(frozen=True, slots=True)
class Repeat:
    """A node that was reused, and all that decided it.

    Attributes:
        node: The node.
        prepared: What its step was made of.
        values: The plain values bound to its arguments.
        sources: The executions that its inputs came from, by node.
        record: The execution that was reused.
        artifacts: What that gave, by output.
        why: Why it was reused.
        said: The body of the fact that told of it, as JSON without its beginning (`RecordedExecution.last_reuse`).
        must_look: Whether something may stand against reusing it that is seen in the world only.
    """

    node: Node
    prepared: Prepared
    values: Mapping[str, Any]
    sources: tuple[tuple[str, RecordedExecution], ...]
    record: RecordedExecution
    artifacts: dict[str, ArtifactVersion]
    why: str
    said: bytes
    must_look: bool

    def has_values(self, values: Mapping[str, Any]) -> bool:
        """Tell whether values are equal to these in every way that tells one execution from another.

        `1` is not `True`; of what is not told at once it is said that it differs.
        """
        former = self.values
        return former.keys() == values.keys() and all(
            type(value) is type(former[name]) and type(value) in _EQUAL_MEANS_SAME and value == former[name]
            for name, value in values.items()
        )


def repeat_of(
    call: PlannedCall, values: Mapping[str, Any], settled: Settled, settled_before: Mapping[str, Settled]
) -> Repeat | None:
    """Remember that a node was reused; `None` if that is to be decided anew each time.

    Args:
        call: The node.
        values: The plain values bound to its arguments.
        settled: What became of it.
        settled_before: What became of those before it.
    """
    node, record, artifacts = call.node, settled.record, settled.artifacts
    is_plain = not (node.mapped or node.conditions or node.after or call.prepared.is_cell or settled.tags)
    if record is None or not is_plain or node.places is None or any(record.get(name) for name in _MORE_TO_SAY):
        return None
    sources = []
    for _, (name, _) in node.places:
        source = settled_before[name].record
        if source is None:
            return None
        sources.append((name, source))
    if not all(artifact.token for artifact in artifacts.values()):
        return None
    is_alone = call.prepared.step.options.expiry_s is None and "files" not in record and "written" not in record
    must_look = not is_alone or any(artifact.inline is None for artifact in artifacts.values())
    said = record.last_reuse[1]
    return Repeat(
        node,
        call.prepared,
        values,
        tuple(sources),
        record,
        artifacts,
        settled.why,
        said,
        must_look,
    )
