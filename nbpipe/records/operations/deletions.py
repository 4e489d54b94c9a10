"""Operations on what was recorded as a fact: runs renamed, runs and artifact versions deleted.

A fact is never changed. What a run is called now, and that something is in no listing any more,
is state that lies over it. What hinders a deletion, and what else depends on it, services look at.
"""

from __future__ import annotations

from typing import ClassVar

from nbpipe.records.changes import Decision, key_of
from nbpipe.records.operations.base import Operation
from nbpipe.records.refs import Kind
from nbpipe.records.state import Draft, OperationState


class RenameRun(Operation):
    """Give a run another name; names of runs need not differ."""

    kind: ClassVar[str] = "rename_run"
    id: str
    to: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Write the name down."""
        draft = Draft.over(state)
        draft.put("run_name", self.id, {"id": self.id, "name": self.to})
        return Decision(tuple(draft.changes), {"id": self.id, "name": self.to})


class DeleteRuns(Operation):
    """Delete runs with their steps; the artifact versions that they made stay."""

    kind: ClassVar[str] = "delete_runs"
    ids: tuple[str, ...]

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Write each deletion down; its tags and its links to model versions go with it."""
        return _deleted(state, Kind.RUN, self.ids, at, by)


class DeleteArtifacts(Operation):
    """Delete artifact versions; their numbers are not given out again, and no step is reused for them."""

    kind: ClassVar[str] = "delete_artifacts"
    ids: tuple[str, ...]

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Write each deletion down; its tags and its links to model versions go with it."""
        return _deleted(state, Kind.ARTIFACT_VERSION, self.ids, at, by)


def _deleted(state: OperationState, kind: Kind, ids: tuple[str, ...], at: str, by: str) -> Decision:
    draft = Draft.over(state)
    gone = set(ids)
    held = [place for place, holder in state.holders.items() if holder in gone and place.split("\0")[1] == kind.value]
    for place in held:
        tag_id, holder = place.split("\0")[0], state.holders[place]
        draft.put("tagging", key_of(tag_id, kind.value, str(holder)), None)
    for entity_id in dict.fromkeys(ids):
        row = {"entity_kind": kind.value, "entity_id": entity_id, "at": at, "by": by}
        draft.put("deletion", key_of(kind.value, entity_id), row)
    return Decision(tuple(draft.changes), {"deleted": list(ids)})
