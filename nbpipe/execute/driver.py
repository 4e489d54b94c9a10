"""The driver: walks a graph, reuses what is recorded, has the rest run, and says what happened.

Nodes are settled in an order in which they can run. A failing node lets independent branches finish
and skips what waits for it. What became of each stands in the books (`execute.books`).

How a step's body comes to run, the driver does not know either: `execute.inline` runs one after
the other in this process, `execute.parallel` hands them to an executor, `execute.foresight` runs none.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from nbpipe.base.clock import now_text
from nbpipe.base.ids import new_id
from nbpipe.errors import NbpipeError
from nbpipe.execute.books import Books
from nbpipe.execute.branches import hindrance, refusal
from nbpipe.execute.calls import Execution, Executions, Fact, PlannedCall, Recorder
from nbpipe.execute.context import RunFacts
from nbpipe.execute.files import move_as, same_folder_afterwards
from nbpipe.execute.glimpses import Glimpses
from nbpipe.execute.mapping import Fan, spread_over
from nbpipe.execute.plan import Keys, mapped_half, reason
from nbpipe.execute.prepared import NOTHING, Inputs, Prepared, facts_of, half_of
from nbpipe.execute.randomness import RandomChain
from nbpipe.execute.repeating import Repeat, repeat_of
from nbpipe.execute.settled import (
    RunOutcome,
    Settled,
    objection,
    objection_to_given,
    reuse_as_json,
    reused,
)
from nbpipe.execute.stop import StopSignal
from nbpipe.graph.graph import Node
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.definitions import Traced
from nbpipe.records.executions import RecordedExecution
from nbpipe.records.runs import Status
from nbpipe.source.places import Places
from nbpipe.store.store import Store

_NO_INPUTS = Inputs()
_CACHING_IS_OFF = "caching is off"
# An enumeration looks its members up at each mention; these are mentioned for each step.
_COMPLETED, _REUSED, _FAILED, _INTERRUPTED = Status.COMPLETED, Status.REUSED, Status.FAILED, Status.INTERRUPTED


class Driver(Books):
    """Runs one traced pipeline, once.

    Args:
        traced: The pipeline for given parameters.
        facts: The run.
        store: Where values are kept.
        executions: What is known of earlier executions.
        recorder: Who keeps facts.
        existing: Artifact versions that are there before the run, by id.
        cache: Whether equal executions may be reused.
        anew: Why not, if they may not.
        stop: How the run is stopped from outside.
        given: Executions that are taken for nodes, by node, as long as they read what the node would and their
            outputs are there; nobody asks by which key they would be found.

    Attributes:
        glimpses: What is to be seen of the steps that run now.
    """

    def __init__(
        self,
        traced: Traced,
        facts: RunFacts,
        *,
        store: Store,
        executions: Executions,
        recorder: Recorder,
        existing: Mapping[str, ArtifactVersion] | None = None,
        cache: bool = True,
        anew: str = _CACHING_IS_OFF,
        stop: StopSignal | None = None,
        given: Mapping[str, RecordedExecution] = MappingProxyType({}),
    ) -> None:
        super().__init__(traced, facts, store=store, executions=executions, recorder=recorder, existing=existing or {})
        self._given = dict(given)
        self._cache, self._anew = cache, anew
        self._stop = stop or StopSignal()
        self._halves: dict[str, str] = {}
        self._random = RandomChain()
        # The mapped nodes that are on their way.
        self._fans: dict[str, Fan] = {}
        # What an earlier run of this pipeline reused; nothing where a run is told what to take, or may not reuse.
        self._former: dict[str, Repeat] = executions.memory_of(facts.pipeline) if cache and not given else {}
        self.glimpses = Glimpses()

    def prepare(self, seen: Places | None = None) -> None:
        """Read what every step is made of; nothing has run or been written when this raises.

        Args:
            seen: What whoever plans the run has looked at so far.

        Raises:
            UncapturedNameError: A step reads a name that is no text.
        """
        by_step: dict[int, Prepared] = {}
        seen, found = seen or Places(), self._prepared
        for node, step in self._traced.steps.items():
            known = by_step.get(id(step))
            if known is None:
                known = by_step[id(step)] = Prepared.of(step, seen)
            found[node] = known
        self._has_cells = any(prepared.is_cell for prepared in by_step.values())

    def run(self, last: Callable[[RunOutcome], Fact] | None = None) -> RunOutcome:
        """Settle every node; whatever the user's code does, this returns.

        Args:
            last: Gives what is to be written last, in one write with what was not written before.
        """
        with same_folder_afterwards():
            try:
                self._settle_all()
                if self._was_stopped and self._outcome.status is not Status.FAILED:
                    self._outcome.status = Status.INTERRUPTED
                if last is not None:
                    self._waiting.append(last(self._outcome))
            finally:
                self._flush()
        return self._outcome

    @abstractmethod
    def _settle_all(self) -> None:
        """Settle every node, each when what it waits for is settled."""

    @abstractmethod
    def _run(self, call: PlannedCall, keys: Keys | None, reason: tuple[str, str]) -> None:
        """Have a node run that cannot be reused.

        Args:
            call: The node.
            keys: What the execution is known by; `None` while an input of it is being stored.
            reason: Why it runs, and against which earlier execution that was found out.
        """

    # One node --------------------------------------------------------------------------------

    def _settle(self, node: Node) -> None:
        if self._stop.is_set:
            self._skip(node, Status.INTERRUPTED, "the run was stopped")
            return
        former = self._former.get(node.id)
        if former is not None and self._is_repeated(former, node):
            self._repeat(former)
            return
        blocked = hindrance(node, self._outcome.settled)
        if not blocked and node.conditions:
            try:
                blocked = refusal(node, self._value_of)
            except NbpipeError as error:
                self._skip(node, Status.FAILED, "whether it is to run cannot be told", error)
                return
        if blocked:
            self._skip(node, Status.SKIPPED, blocked)
            return
        values = self._traced.values.get(node.id, NOTHING)
        inputs = Inputs(values=values) if values else _NO_INPUTS
        half = self._halves.get(node.id) or self._half(node.id)
        call = PlannedCall(node, self._prepared[node.id], half, inputs)
        try:
            self._gather(call)
        except NbpipeError as error:
            self._skip(node, Status.FAILED, "its inputs cannot be had", error)
            return
        if call.awaited:
            self._run(call, None, ("no earlier execution could serve", ""))
            return
        keys, given, lost = call.keys, self._given.get(node.id) if self._given else None, ""
        if given is not None:
            lost = objection_to_given(given, call.inputs, self._store)
            if not lost:
                self._reuse(call, Keys(given["key"], given["half"]), given)
                return
        record = self._known(call.prepared, keys)
        unusable = self._objection(call.prepared, record) if record is not None else lost
        if record is not None and not unusable:
            self._reuse(call, keys, record)
            return
        before = record or given
        why = (unusable, before["id"]) if before and unusable else self._reason(call)
        if node.mapped:
            self._spread(call, why)
        else:
            self._run(call, keys, why)

    def _half(self, node: str) -> str:
        half = self._halves.get(node)
        if half is None:
            values = self._traced.values.get(node, NOTHING)
            half = half_of(self._prepared[node], values, self._store)
            mapped = self._traced.graph.by_id[node].mapped
            self._halves[node] = half = mapped_half(half, mapped) if mapped else half
        return half

    def _reason(self, call: PlannedCall) -> tuple[str, str]:
        """Say why a node runs, and against which earlier execution."""
        if not self._may_reuse(call.prepared):
            return self._anew if call.prepared.step.options.cache else _CACHING_IS_OFF, ""
        before, facts = self._executions.last_facts(self._facts.pipeline, call.node.id) or ("", None)
        if facts is not None and facts.source != call.prepared.source.digest:
            self._describe(call.prepared)
        return reason(facts_of(call.prepared, call.inputs), facts, self._source_of), before

    def _source_of(self, digest: str) -> Mapping[str, Any]:
        return self._executions.source(digest)

    # Reusing ---------------------------------------------------------------------------------

    def _may_reuse(self, prepared: Prepared) -> bool:
        return self._cache and prepared.step.options.cache

    def _known(self, prepared: Prepared, keys: Keys) -> RecordedExecution | None:
        if not self._may_reuse(prepared):
            return None
        for _, body, _, _ in self._executed:
            if body["key"] == keys.key:
                # What this very run executed a moment ago is known only once it is written.
                self._flush()
        return self._executions.find(keys.key, keys.half)

    def _objection(self, prepared: Prepared, record: Mapping[str, Any]) -> str:
        """Say what stands against reusing an execution; nothing, if `""`."""
        if "items" in record and not record["items"]["alike"]:
            return "its items are looked at one by one"
        expired = objection(record, prepared.step.options.expiry_s, self._store)
        return expired or (self._random.objection(record) if prepared.is_cell else "")

    def _reuse(self, call: PlannedCall, keys: Keys, record: RecordedExecution) -> None:
        at = now_text()
        settled = reused(call.node.id, new_id(), record, call.prepared.step)
        settled.item, settled.record = call.item, record
        if call.prepared.is_cell:
            self._random.reuse(record)
        self._move(record)
        self._bind(call, keys, settled)
        body = reuse_as_json(
            self._facts, call.node.step, call.prepared, settled, keys=keys, inputs=call.inputs, at=at, record=record
        )
        self._waiting.append(("step", settled.step_run_id, self._facts.id, body))
        if call.item is None:
            values = self._traced.values.get(call.node.id, NOTHING)
            repeat = repeat_of(call, values, settled, self._outcome.settled)
            if repeat is not None:
                self._former[call.node.id] = repeat
        self._tell(call.node.id, settled)

    def _move(self, record: RecordedExecution) -> None:
        """Go where an execution went that is reused."""
        move_as(record, self._store.workspace)

    def _forget(self, reused: Settled) -> None:
        """Forget the execution that a node reused, since what it gave is gone."""
        self._given.pop(reused.node, None)
        if reused.record is not None:
            self._executions.forget(reused.record["key"])

    def _is_repeated(self, former: Repeat, node: Node) -> bool:
        """Tell whether all that decided that a node is reused is the very same as the last time."""
        values = self._traced.values.get(node.id, NOTHING)
        if node is not former.node or self._prepared[node.id] is not former.prepared:
            return False
        if values is not former.values and not former.has_values(values):
            return False
        settled = self._outcome.settled
        for source, record in former.sources:
            if settled[source].record is not record:
                return False
        if not self._executions.is_newest(former.record):
            return False
        return not former.must_look or not self._objection(former.prepared, former.record)

    def _repeat(self, former: Repeat) -> None:
        """Reuse a node as the last time."""
        node_id, at = former.node.id, now_text().encode()
        settled = Settled(node_id, _REUSED, former.why, new_id(), former.artifacts, record=former.record)
        if self._has_cells:
            self._rebind(former.node, former.artifacts)
        body = b'{"started":"%b","ended":"%b",%b' % (at, at, former.said)
        self._waiting.append(("step", settled.step_run_id, self._facts.id, body))
        self._tell(node_id, settled)

    # The items of a list ---------------------------------------------------------------------

    def _spread(self, call: PlannedCall, reason: tuple[str, str]) -> None:
        """Begin with the items over which a node is mapped."""
        why, against = reason
        settled = Settled(call.node.id, Status.RUNNING, why, new_id(), against=against)
        try:
            fan = spread_over(call, settled, self._store)
        except NbpipeError as error:
            self._skip(call.node, Status.FAILED, "its items cannot be had", error)
            return
        self._describe(call.prepared)
        self._tell(call.node.id, None)
        self._announce(call, settled, 1)
        self._fans[call.node.id] = fan
        fan.tell_by(self.glimpses.begin(call.node.id))
        self._walk(fan)

    def _walk(self, fan: Fan) -> None:
        """Settle the items of a node, one after the other."""
        while not fan.is_all_begun:
            self._begin_item(fan)
        if fan.counts.total == 0:
            self._close(fan)

    def _begin_item(self, fan: Fan) -> None:
        """Begin with the next item, or, if the run was stopped, with none any more."""
        if self._stop.is_set:
            fan.stop()
            if fan.is_settled:
                self._close(fan)
            return
        self._settle_item(fan, fan.begin(self._store))

    def _settle_item(self, fan: Fan, call: PlannedCall) -> None:
        keys = call.keys
        record = self._known(call.prepared, keys)
        unusable = self._objection(call.prepared, record) if record is not None else ""
        if record is not None and not unusable:
            self._reuse(call, keys, record)
            return
        try:
            self._store_items(fan, call)
        except NbpipeError as error:
            self._skip(call.node, Status.FAILED, "its inputs cannot be had", error, item=call.item)
            return
        self._run(call, keys, (unusable or fan.settled.why, ""))

    def _store_items(self, fan: Fan, call: PlannedCall) -> None:
        """Store what an item that is about to run is given, where it cannot be handed over as it is."""
        fan.store_items(call, self._store)

    def _take_item(self, item: tuple[str, int], settled: Settled) -> None:
        fan = self._fans[item[0]]
        fan.take(settled)
        if fan.is_settled:
            self._close(fan)

    def _close(self, fan: Fan) -> None:
        """Write down what became of a mapped node."""
        settled = fan.close(self._store)
        del self._fans[settled.node]
        self.glimpses.end(settled.node)
        self._write(Execution(fan.call, settled, fan.started, now_text(), 1), None)
        self._tell(settled.node, settled)
