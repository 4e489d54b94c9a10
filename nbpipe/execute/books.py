"""The books of a run: what became of each node, told to whoever listens and written down as one fact.

Facts are gathered and written together, at the latest before a step's body runs: a process that is killed
leaves what was done before. Who keeps them is not known here; nor is why a node runs, or how.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from nbpipe.base.clock import now_text
from nbpipe.base.ids import new_id
from nbpipe.base.log import plain_json
from nbpipe.errors import NbpipeError
from nbpipe.execute.calls import Executed, Execution, Executions, Fact, PlannedCall, Recorder
from nbpipe.execute.context import RunFacts
from nbpipe.execute.feeding import Feeder
from nbpipe.execute.plan import Keys
from nbpipe.execute.prepared import Prepared
from nbpipe.execute.settled import RunOutcome, Settled, body_of
from nbpipe.execute.sources import described
from nbpipe.execute.worker import failure_of
from nbpipe.graph.graph import Node
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.definitions import Traced
from nbpipe.records.executions import Facts
from nbpipe.records.runs import Status
from nbpipe.store.store import Store

Listener = Callable[[str, Settled | None], None]

# An enumeration looks its members up at each mention; these are mentioned for each step.
_COMPLETED, _FAILED, _INTERRUPTED = Status.COMPLETED, Status.FAILED, Status.INTERRUPTED


class Books(Feeder, ABC):
    """Keeps the books of one run.

    Args:
        traced: The pipeline for given parameters.
        facts: The run.
        store: Where values are kept.
        executions: What is known of earlier executions.
        recorder: Who keeps facts.
        existing: Artifact versions that are there before the run, by id.
    """

    def __init__(
        self,
        traced: Traced,
        facts: RunFacts,
        *,
        store: Store,
        executions: Executions,
        recorder: Recorder,
        existing: Mapping[str, ArtifactVersion],
    ) -> None:
        super().__init__(traced, store, existing)
        self._facts = facts
        self._executions = executions
        self._recorder = recorder
        self._listeners: tuple[Listener, ...] = ()
        self._waiting: list[Fact] = []
        self._executed: list[Executed] = []
        self._described: set[str] = set()
        self._was_stopped = False

    def take_facts(self, facts: RunFacts) -> None:
        """Take what is known of the run only once nothing can be refused any more."""
        self._facts = facts

    def begin_with(self, fact: Fact) -> None:
        """Have a fact written before all others, with the first of them."""
        self._waiting.insert(0, fact)

    def listen(self, listeners: Sequence[Listener]) -> None:
        """Have each called with a node's name when it starts (and `None`), and when it is settled."""
        self._listeners = tuple(listeners)

    def record(self) -> None:
        """Have what was settled so far written down: for a listener that is about to speak of it."""
        self._flush()

    @property
    def outcome(self) -> RunOutcome:
        """What became of the run so far."""
        return self._outcome

    @abstractmethod
    def _take_item(self, item: tuple[str, int], settled: Settled) -> None:
        """Take what became of one item of a list to the node that it belongs to."""

    def _describe(self, prepared: Prepared) -> None:
        """Write down once what the step is made of."""
        digest = prepared.source.digest
        if digest in self._described:
            return
        self._described.add(digest)
        if not self._executions.knows_source(digest):
            body = described(prepared.source)
            self._executions.remember_source(digest, body)
            self._waiting.append(("source", digest, self._facts.id, body))

    def _announce(self, call: PlannedCall, settled: Settled, attempt: int) -> None:
        """Write down which step runs, in one write with what was settled before: no step's body runs in between."""
        body = {"node": settled.node, "step": call.node.step, "attempt": attempt}
        if call.item is not None:
            body["item_of"], body["item"] = call.item
        self._waiting.append(("step_started", settled.step_run_id, self._facts.id, body))
        self._flush()

    def _write(self, execution: Execution, keys: Keys | None) -> None:
        call, settled = execution.call, execution.settled
        keys = keys or call.keys
        self._bind(call, keys, settled)
        body = body_of(
            self._facts,
            call.node.step,
            call.prepared,
            settled,
            keys=keys,
            inputs=call.inputs,
            started=execution.started,
            ended=execution.ended,
            attempt=execution.attempt,
        )
        written = plain_json(body)
        self._waiting.append(("step", settled.step_run_id, self._facts.id, written))
        if settled.status is _COMPLETED and keys.key:
            facts = Facts(body["source"], body["parameters"], call.inputs.digests)
            self._executed.append((settled.step_run_id, body, written, facts))

    def _skip(
        self,
        node: Node,
        status: Status,
        why: str,
        error: NbpipeError | None = None,
        *,
        item: tuple[str, int] | None = None,
    ) -> None:
        failure = failure_of(error) if error is not None else None
        settled = Settled(node.id, status, why, new_id(), failure=failure, item=item)
        at, prepared = now_text(), self._prepared[item[0] if item is not None else node.id]
        body = body_of(self._facts, node.step, prepared, settled, started=at, ended=at)
        self._waiting.append(("step", settled.step_run_id, self._facts.id, body))
        self._tell(node.id, settled)

    def _tell(self, node: str, settled: Settled | None) -> None:
        if settled is not None and settled.item is not None:
            self._take_item(settled.item, settled)
            return
        if settled is not None:
            self._outcome.settled[node] = settled
            if settled.status is _INTERRUPTED:
                self._was_stopped = True
            elif settled.status is _FAILED and self._outcome.failed is None:
                self._outcome.failed = settled
                self._outcome.status = Status.FAILED
        if self._listeners:
            for listener in self._listeners:
                listener(node, settled)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        executed, self._executed = self._executed, []
        if waiting:
            self._recorder.append_lines(waiting)
        for step_run_id, body, written, facts in executed:
            self._executions.remember(self._facts.pipeline, step_run_id, body, written, facts)
