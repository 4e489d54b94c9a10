"""What the nodes of a run are given: where each input's value lies, and what identifies it.

A cell may change an input in place: whoever reads that name later is given the new version. What shares something with
an input goes with it. This module finds; it runs nothing and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nbpipe.errors import NotStorableError
from nbpipe.execute.branches import is_good, taken_one
from nbpipe.execute.calls import Place, PlannedCall
from nbpipe.execute.plan import Keys
from nbpipe.execute.prepared import NOTHING, Inputs, Prepared
from nbpipe.execute.settled import RunOutcome, Settled
from nbpipe.graph.graph import Constant, ExistingArtifact, Node, Origin, OutputOf, ParameterOf, outputs_behind
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.definitions import Traced
from nbpipe.records.runs import Status
from nbpipe.store.store import Store


class Feeder:
    """Knows what the nodes of one run are given.

    Args:
        traced: The pipeline for given parameters.
        store: Where values are kept.
        existing: Artifact versions that are there before the run, by id.
    """

    def __init__(self, traced: Traced, store: Store, existing: Mapping[str, ArtifactVersion]) -> None:
        self._traced = traced
        self._store = store
        self._existing = existing
        self._outcome = RunOutcome(Status.COMPLETED)
        self._prepared: dict[str, Prepared] = {}
        self._rebound: dict[Place, Place] = {}
        self._tokens: dict[str, str] = {}
        self._latest: dict[str, Place] = {}
        # Only a cell changes what it is given; without one, nothing of that need be followed.
        self._has_cells = False

    def result(self, origin: Origin) -> Any:
        """Give a value that the pipeline returns, once all nodes are settled; `None` if no step that gives it ran.

        Raises:
            ArtifactError: It cannot be read.
            NotStorableError: It was not kept.
        """
        behind = outputs_behind(origin)
        if behind and not any(is_good(self._outcome.settled[output.node]) for output in behind):
            return None
        return self._value_of(origin)

    def _value_of(self, origin: Origin) -> Any:
        """Give a value that decides whether a node runs."""
        if isinstance(origin, ParameterOf):
            return self._traced.parameters[origin.name]
        if isinstance(origin, Constant):
            return origin.value
        if isinstance(origin, ExistingArtifact):
            return self._store.load(self._existing[origin.id], trust=True)
        taken = taken_one(origin, self._outcome.settled)
        assert taken is not None, "every other value comes from a node"
        return self._store.load(self._stored_at(self._place_of(taken), "its condition"), trust=True)

    def _gather(self, call: PlannedCall) -> None:
        """Find the artifact behind each input."""
        artifacts: dict[str, ArtifactVersion] = {}
        places = dict(call.node.places) if call.node.places is not None else self._places(call.node, artifacts)
        if self._rebound:
            places = {name: self._followed(place) for name, place in places.items()}
        awaited = call.awaited = self._unstored(call, places)
        for name, place in places.items():
            if name not in awaited:
                artifacts[name] = self._stored_at(place, call.node.id)
        if call.prepared.is_cell:
            artifacts |= self._companions(artifacts, places)
        if artifacts:
            digests = {name: artifact.token or self._token(artifact) for name, artifact in artifacts.items()}
            call.inputs = Inputs(artifacts, call.inputs.values, digests, NOTHING)

    def _places(self, node: Node, artifacts: dict[str, ArtifactVersion]) -> dict[str, Place]:
        """Find where each input comes from; one that is there before the run goes to `artifacts`."""
        places: dict[str, Place] = {}
        for name, origin in node.inputs.items():
            if isinstance(origin, ExistingArtifact):
                artifacts[name] = self._existing[origin.id]
            elif (taken := taken_one(origin, self._outcome.settled)) is not None and taken.output:
                places[name] = taken.node, taken.output
        return places

    def _unstored(self, call: PlannedCall, places: Mapping[str, Place]) -> dict[str, Place]:  # noqa: ARG002
        """Name the inputs that are still being stored and that the step need not know."""
        return {}

    def _companions(
        self, artifacts: Mapping[str, ArtifactVersion], places: Mapping[str, Place]
    ) -> dict[str, ArtifactVersion]:
        """Find what shares something with an input and is still what its name means: to change one changes it, too."""
        found = {}
        for name, artifact in artifacts.items():
            if artifact.member is None or name not in places:
                continue
            node, _ = places[name]
            for other, fellow in self._outcome.settled[node].artifacts.items():
                if other in artifacts or not fellow.is_bundled_with(artifact):
                    continue
                if self._latest.get(other) == (node, other):
                    found[other] = fellow
        return found

    def _place_of(self, origin: OutputOf) -> Place:
        return self._followed((origin.node, origin.output))

    def _followed(self, place: Place) -> Place:
        """Give the place where what lay at `place` lies since a cell changed it."""
        while place in self._rebound:
            place = self._rebound[place]
        return place

    def _stored_at(self, place: Place, reader: str) -> ArtifactVersion:
        node, output = place
        settled = self._outcome.settled[node]
        found = settled.artifacts.get(output)
        if found is not None:
            return found
        lost = settled.not_carried.get(output)
        if lost is not None:
            cure = f"{node} gives it and {reader} reads it: make it in {reader}, or give data to make it from."
            raise NotStorableError(output, lost.type_name, f"{lost.why}.\n{cure}")
        raise NotStorableError(output, "name without a value", f"{node} ended without binding it")

    def _token(self, artifact: ArtifactVersion) -> str:
        return artifact.token or self._tokens.get(artifact.id) or artifact.id

    def _bind(self, call: PlannedCall, keys: Keys, settled: Settled) -> None:
        for name, artifact in settled.artifacts.items():
            if not artifact.token:
                self._tokens[artifact.id] = f"{keys.key}/{name}"
        if self._has_cells and call.item is None:
            self._rebind(call.node, settled.artifacts)

    def _rebind(self, node: Node, outputs: Iterable[str]) -> None:
        """Where a cell changed its input in place, let whoever comes later read the new version."""
        node_id = node.id
        prepared = self._prepared[node_id]
        for name in outputs:
            here = node_id, name
            if prepared.is_cell:
                place = self._changed_place(node, name, prepared)
                if place is not None and place != here:
                    self._rebound[place] = here
            self._latest[name] = here

    def _changed_place(self, node: Node, name: str, prepared: Prepared) -> Place | None:
        origin = node.inputs.get(name)
        if isinstance(origin, OutputOf):
            return self._place_of(origin)
        # A companion: it came with an input, and its name meant this.
        return self._latest.get(name) if origin is None and name not in prepared.declared else None
