"""A step on its way through the items of lists: which item comes next, what became of those before, and the whole.

The lists are known once what they come from is settled. Each item is then an execution of its own, with a key made of
its own content: it is reused, retried and stopped by itself, and its failure is no other item's affair. What they
give is one list for each output, which names what each item gave and holds none of it.

Items that are stored already (what another mapped step gave) are passed on by reference. Of any other list the items
are taken out: small plain ones are handed over as values, and the rest is stored when its turn comes.

This module knows items and keeps count. Who runs them is the driver's affair.
"""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from nbpipe.base.clock import now_text
from nbpipe.errors import BadValueError, ItemsFailedError
from nbpipe.execute.calls import PlannedCall
from nbpipe.execute.context import RUN
from nbpipe.execute.glimpses import Progress
from nbpipe.execute.plan import item_half
from nbpipe.execute.prepared import Inputs, half_of
from nbpipe.execute.settled import ItemCounts, Settled
from nbpipe.execute.worker import Failure
from nbpipe.graph.graph import Node
from nbpipe.records.artifacts import ArtifactVersion, NotCarried
from nbpipe.records.mapping import check_lengths, items_in, not_mappable
from nbpipe.records.metadata import merge
from nbpipe.records.parameters import is_plain
from nbpipe.records.runs import Status, Triggered
from nbpipe.store.collected import COLLECTED
from nbpipe.store.handover import is_immutable
from nbpipe.store.store import Store

_MOST_TOLD = 5
_LONGEST_PLAIN = 1000


@dataclass(frozen=True, slots=True)
class _Items:
    """The items of one list.

    Attributes:
        source: The artifact that the list is; `None` for a plain list.
        token: What identifies the content of the whole.
        stored: The items, where each is an artifact version.
        loose: The items, where they are values.
    """

    source: ArtifactVersion | None
    token: str
    stored: Sequence[ArtifactVersion] = ()
    loose: Sequence[Any] = ()

    def __len__(self) -> int:
        return len(self.stored) or len(self.loose)


class Fan:
    """The items of one node, from the first that begins to the last that is settled.

    Args:
        call: The node.
        settled: What becomes of it.
        columns: The items by argument.
        length: How many there are of each.
        half: The half key of an item.
        fixed: The plain values that are the same for every item.

    Attributes:
        call: The node.
        settled: What becomes of it; finished by `close`.
        started: When it began, ISO 8601.
    """

    def __init__(
        self,
        call: PlannedCall,
        settled: Settled,
        columns: Mapping[str, _Items],
        *,
        length: int,
        half: str,
        fixed: Mapping[str, Any],
    ) -> None:
        self.call, self.settled, self.started = call, settled, now_text()
        self._began = time.perf_counter()
        self.counts = settled.items = ItemCounts(total=length)
        self._columns, self._half = columns, half
        self._fixed_values = fixed
        self._fixed = {name: one for name, one in call.inputs.artifacts.items() if name not in columns}
        self._origins = {name: origin for name, origin in call.node.inputs.items() if name not in columns}
        self._begun = self._taken = 0
        self._given: dict[str, list[ArtifactVersion | None]] = {
            name: [None] * length for name in call.prepared.declared
        }
        self._failures: list[tuple[int, Failure]] = []
        self._lost: dict[str, NotCarried] = {}
        self._triggered: list[Triggered] = []
        self._tell: Callable[[Progress], None] | None = None

    def tell_by(self, tell: Callable[[Progress], None]) -> None:
        """Have it told, from now on, how many of them are settled."""
        self._tell = tell

    # Beginning -------------------------------------------------------------------------------

    @property
    def is_all_begun(self) -> bool:
        """Whether every item has begun."""
        return self._begun == self.counts.total

    @property
    def is_settled(self) -> bool:
        """Whether every item that began is settled, and none is left to begin."""
        return self.is_all_begun and self._taken == self.counts.total

    def begin(self, store: Store) -> PlannedCall:
        """Give the next item as a call of its own, as far as it takes to know whether it can be reused."""
        place, node, call = self._begun, self.call.node, self.call
        self._begun += 1
        artifacts, values, out_of = dict(self._fixed), dict(self._fixed_values), {}
        digests = {name: call.inputs.digests[name] for name in artifacts}
        loose: dict[str, Any] = {}
        for name, items in self._columns.items():
            out_of[name] = items.source.id if items.source is not None else ""
            if items.stored:
                artifacts[name] = stored = items.stored[place]
                digests[name] = stored.token or f"{items.token}[{place}]"
                out_of[name] = stored.id
                continue
            value = items.loose[place]
            content = store.content(value)
            is_known = content.digest is not None
            digests[name] = f"{content.digest}{content.mutables.aliases}" if is_known else f"{items.token}[{place}]"
            (values if _is_handed_over(value) else loose)[name] = value
        item = Node.model_construct(id=f"{node.id}[{place}]", step=node.step, inputs=self._origins)
        inputs = Inputs(artifacts, values, digests, out_of)
        return PlannedCall(item, call.prepared, self._half, inputs, item=(node.id, place), loose=loose)

    def store_items(self, call: PlannedCall, store: Store) -> None:
        """Store those items of a call that is about to run which cannot be handed over as they are.

        Raises:
            BadValueError: One cannot be stored.
        """
        if not call.loose:
            return
        kept = store.keep(call.loose, made_by=call.node.id, paths_as_files=False)
        for lost in kept.not_carried:
            raise BadValueError(
                f"{call.node.id} cannot have its item of {lost.name!r}, which is not stored: {lost.why}."
            )
        artifacts = {**call.inputs.artifacts, **kept.versions}
        call.inputs = Inputs(artifacts, call.inputs.values, call.inputs.digests, call.inputs.out_of)

    # Taking in -------------------------------------------------------------------------------

    def take(self, settled: Settled) -> None:
        """Take in what became of an item."""
        assert settled.item is not None, "it is an item's"
        place, counts = settled.item[1], self.counts
        self._taken += 1
        if self._tell is not None:
            self._tell(Progress(self._taken, counts.total))
        match settled.status:
            case Status.COMPLETED:
                counts.completed += 1
            case Status.REUSED:
                counts.reused += 1
            case Status.FAILED:
                counts.failed += 1
                if settled.failure is not None:
                    # Which of them ended first depends on who ran them; those that are told do not.
                    insort(self._failures, (place, settled.failure), key=itemgetter(0))
                    del self._failures[_MOST_TOLD:]
            case _:
                counts.interrupted += 1
        for name, artifact in settled.artifacts.items():
            self._given[name][place] = artifact
        for name, lost in settled.not_carried.items():
            self._lost.setdefault(name, NotCarried(name, lost.type_name, f"item {place}: {lost.why}"))
        self._take_notes(settled)

    def _take_notes(self, settled: Settled) -> None:
        """Take in what an item said of others than itself."""
        files = settled.files
        if settled.metadata or settled.triggered or files.read or files.written or files.moved_to:
            self.counts.alike = False
        if RUN in settled.metadata:
            self.counts.noted = merge(self.counts.noted, settled.metadata[RUN])
        self._triggered += settled.triggered
        for target, given in settled.tags.items():
            # What its definition declares for its outputs, the node itself says of the whole.
            own = given[: len(given) - settled.declared.get(target, 0)]
            if own:
                self.counts.alike = False
                held = self.settled.tags.setdefault(target, [])
                held += [tag for tag in own if tag not in held]

    def stop(self) -> None:
        """Let no further item begin."""
        left = self.counts.total - self._begun
        self._begun += left
        self._taken += left
        self.counts.interrupted += left

    def close(self, store: Store, *, is_written: bool = True) -> Settled:
        """Say what became of the whole.

        Args:
            store: Where the items are kept.
            is_written: Whether the lists are stored; else they only stand in what is answered.
        """
        settled, counts = self.settled, self.counts
        settled.triggered = tuple(self._triggered)
        settled.duration_s = time.perf_counter() - self._began
        if counts.failed:
            settled.status = Status.FAILED
            settled.failure = self._failure()
        elif counts.interrupted:
            settled.status = Status.INTERRUPTED
        else:
            settled.status = Status.COMPLETED
            if counts.reused == counts.total and counts.total:
                settled.why = f"{settled.why}; all {counts.total:,} items were reused"
            settled.not_carried = self._lost
            settled.artifacts = {
                name: self._collected(name, given, store, is_written=is_written)
                for name, given in self._given.items()
                if name not in self._lost
            }
            settled.declare(self.call.prepared.step, list(settled.artifacts))
        return settled

    def _collected(
        self, name: str, given: Sequence[ArtifactVersion | None], store: Store, *, is_written: bool
    ) -> ArtifactVersion:
        items = [item for item in given if item is not None]
        return store.collect(
            self.call.prepared.artifact_names[name],
            name,
            items,
            made_by=self.settled.step_run_id,
            is_written=is_written,
        )

    def _failure(self) -> Failure:
        """Make one failure of those of the items; the first one's frames stand for all."""
        told = [(place, failure.type_name, failure.message) for place, failure in self._failures]
        error = ItemsFailedError(self.call.node.id, self.counts.failed, self.counts.total, told)
        first = self._failures[0][1] if self._failures else None
        error.__cause__ = first.exception if first is not None else None
        frames = first.traceback_text if first is not None else ""
        return Failure(error, type(error).__name__, error.said, frames, is_users_own=True)


def spread_over(call: PlannedCall, settled: Settled, store: Store) -> Fan:
    """Take the lists apart over which a node is mapped.

    Args:
        call: The node, with its inputs known.
        settled: What becomes of it.
        store: Where its lists are kept.

    Raises:
        NbpipeError: A list cannot be had, is none, or two differ in length.
    """
    mapped = call.node.mapped
    columns = {name: _items_of(name, call, store) for name in mapped}
    check_lengths(call.node.id, {name: len(items) for name, items in columns.items()})
    fixed = {name: value for name, value in call.inputs.values.items() if name not in columns}
    half = item_half(half_of(call.prepared, fixed, store), mapped)
    length = len(columns[mapped[0]])
    return Fan(call, settled, columns, length=length, half=half, fixed=fixed)


def _items_of(name: str, call: PlannedCall, store: Store) -> _Items:
    artifact = call.inputs.artifacts.get(name)
    if artifact is None:
        return _Items(None, "", loose=call.inputs.values[name])
    token = call.inputs.digests[name]
    if artifact.materializer == COLLECTED:
        return _Items(artifact, token, stored=store.items(artifact))
    value = store.load(artifact, trust=True)
    found = items_in(value)
    if found is None:
        kind = type(value).__name__
        raise BadValueError(not_mappable(call.node.id, name, kind, said=f"{artifact.name} is"))
    return _Items(artifact, token, loose=found)


def _is_handed_over(value: Any) -> bool:
    """Tell whether an item is handed over as it is and recorded as a parameter: it is plain and small."""
    if type(value) in (int, float, bool):
        return True
    if not is_immutable(value) or not is_plain(value):
        return False
    return len(value if isinstance(value, (str, bytes)) else repr(value)) <= _LONGEST_PLAIN
