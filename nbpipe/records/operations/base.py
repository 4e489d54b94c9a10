"""What every operation of the log is: a record with a pure rule, and a request id that makes it happen once.

`decide` is called under the log's lock with the state before it; what it returns is appended as
one line. An operation that is refused raises and leaves nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field

from nbpipe.base.ids import new_id
from nbpipe.records.base import Record
from nbpipe.records.changes import Decision
from nbpipe.records.refs import Kind, Target
from nbpipe.records.state import OperationState


class Operation(Record):
    """Base of all operations."""

    kind: ClassVar[str] = ""
    request_id: str = Field(default_factory=new_id)

    @abstractmethod
    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:
        """Decide what changes.

        Args:
            state: The state before; it is left as it is.
            n: The number that the operation will have in the log.
            at: The instant, ISO 8601 in UTC.
            by: The user who asks.
        """


class PointedAt(Record):
    """A resolved target as an operation carries it."""

    kind: Kind
    id: str
    scope: str = ""
    label: str = ""

    @classmethod
    def of(cls, target: Target) -> PointedAt:
        """Write a target down."""
        return cls(kind=target.kind, id=target.id, scope=target.scope, label=target.label)

    @classmethod
    def each(cls, targets: Iterable[Target]) -> tuple[PointedAt, ...]:
        """Write several targets down."""
        return tuple(map(cls.of, targets))

    def target(self) -> Target:
        """Give the target back."""
        return Target(self.kind, self.id, self.scope, self.label)
