"""Operations on what was recorded as a fact: runs renamed; runs, artifact versions and pipelines deleted.

A fact is never changed. What a run is called now, and that something is in no listing any more,
is state that lies over it. What else depends on it, services look at; that it is not in use, they
have seen, and the operation asks once more.
"""

from __future__ import annotations

from typing import ClassVar

from nbpipe.records.changes import Decision
from nbpipe.records.deletion import check_out_of_use, check_unused, put_deletion
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
    """Delete runs with their steps; the artifact versions that they made stay.

    Attributes:
        ids: The runs.
        versions: The model versions that they belong to, none of which may be in use; empty where that is no matter.
    """

    kind: ClassVar[str] = "delete_runs"
    ids: tuple[str, ...]
    versions: tuple[str, ...] = ()

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Write each deletion down; its tags and its links to model versions go with it."""
        check_out_of_use(state, self.versions)
        draft = Draft.over(state)
        put_deletion(draft, Kind.RUN, self.ids, at, by)
        return Decision(tuple(draft.changes), {"deleted": list(self.ids)})


class DeleteArtifacts(Operation):
    """Delete artifact versions; their numbers are not given out again, and no step is reused for them.

    Attributes:
        ids: The versions.
        versions: The model versions that they belong to, none of which may be in use; empty where that is no matter.
        names: The artifacts of which none is left; they lose the tags that they bear themselves.
    """

    kind: ClassVar[str] = "delete_artifacts"
    ids: tuple[str, ...]
    versions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Write each deletion down; its tags and its links to model versions go with it."""
        check_out_of_use(state, self.versions)
        draft = Draft.over(state)
        put_deletion(draft, Kind.ARTIFACT_VERSION, self.ids, at, by)
        put_deletion(draft, Kind.ARTIFACT, self.names, at, by)
        return Decision(tuple(draft.changes), {"deleted": list(self.ids)})


class DeletePipeline(Operation):
    """Delete a pipeline with its snapshots and with runs of it, all at once.

    Attributes:
        name: The pipeline.
        runs: Its runs.
        versions: The model versions that its runs belong to, none of which may be in use.
    """

    kind: ClassVar[str] = "delete_pipeline"
    name: str
    runs: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Write each deletion down, and drop the rows of all snapshots that there are by now."""
        check_unused(state, "pipeline", self.name)
        check_out_of_use(state, self.versions)
        draft = Draft.over(state)
        known = state.snapshots.items()
        snapshots = [key for key, row in known if row is not None and row["pipeline"] == self.name]
        put_deletion(draft, Kind.SNAPSHOT, snapshots, at, by)
        for snapshot_id in snapshots:
            draft.put("snapshot", snapshot_id, None)
        put_deletion(draft, Kind.RUN, self.runs, at, by)
        put_deletion(draft, Kind.PIPELINE, (self.name,), at, by)
        return Decision(tuple(draft.changes), {"runs": list(self.runs), "snapshots": snapshots})
