"""What a run would do now, without running anything: which nodes would be reused, and why others would run.

It is the driver's own walk with two things left out: no step's body runs and nothing is written. A
node that ran before and would run again is stale, and so is whatever waits for it, for until it
has run nobody knows whether it will give the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbpipe.execute.calls import PlannedCall
from nbpipe.execute.driver import Driver
from nbpipe.execute.mapping import Fan
from nbpipe.execute.plan import Keys
from nbpipe.execute.prepared import Prepared
from nbpipe.execute.settled import Settled
from nbpipe.execute.sources import described
from nbpipe.records.executions import RecordedExecution
from nbpipe.records.runs import NOT_TAKEN, Status


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a run would do with one node.

    Attributes:
        standing: `"reused"`, `"stale"` if it ran before and would run again, `"pending"` if it never ran, or
            `"not taken"` if its condition does not hold.
        why: Why.
    """

    standing: str
    why: str


class Foresight(Driver):
    """A driver that only looks ahead."""

    def foresee(self) -> dict[str, Foreseen]:
        """Say of each node what a run would do with it.

        Raises:
            UncapturedNameError: A step reads a name that is no text.
        """
        self.prepare()
        self.run()
        return {node: self._foreseen(settled) for node, settled in self._outcome.settled.items()}

    def _settle_all(self) -> None:
        for node in self._traced.graph.ordered:
            self._settle(node)

    def _foreseen(self, settled: Settled) -> Foreseen:
        if settled.status is Status.REUSED:
            return Foreseen("reused", settled.why)
        if settled.is_not_taken:
            return Foreseen(NOT_TAKEN, settled.why)
        has_run = self._executions.last(self._facts.pipeline, settled.node) is not None
        why = settled.why.replace(" did not succeed", " is stale") if settled.status is Status.SKIPPED else settled.why
        return Foreseen("stale" if has_run else "pending", why)

    def _describe(self, prepared: Prepared) -> None:
        """Leave what a step is made of unwritten; that it is known here must not be believed by a run."""

    def _source_of(self, digest: str) -> Mapping[str, Any]:
        known = {prepared.source.digest: prepared.source for prepared in self._prepared.values()}
        return described(known[digest]) if digest in known else super()._source_of(digest)

    def _run(self, call: PlannedCall, keys: Keys | None, reason: tuple[str, str]) -> None:  # noqa: ARG002
        why, against = reason
        settled = Settled(call.node.id, Status.INTERRUPTED, why, against=against, item=call.item)
        self._tell(call.node.id, settled)

    def _move(self, record: RecordedExecution) -> None:
        """Stay: this is often another thread than the user's, and all threads share one working directory."""

    def _store_items(self, fan: Fan, call: PlannedCall) -> None:
        """Store nothing."""

    def _close(self, fan: Fan) -> None:
        """Say of a mapped node how many of its items would run."""
        counts, settled = fan.counts, fan.close(self._store, is_written=False)
        del self._fans[settled.node]
        if counts.interrupted:
            settled.why = f"{counts.interrupted:,} of {counts.total:,} items would run: {settled.why}"
        else:
            settled.status = Status.REUSED
        self._bind(fan.call, fan.call.keys, settled)
        self._tell(settled.node, settled)

    def _flush(self) -> None:
        self._waiting, self._executed = [], []
