"""Operations on snapshots: the rows about contents that lie in the store."""

from __future__ import annotations

from typing import Any, ClassVar

from nbpipe.errors import ConflictError, NotFoundError
from nbpipe.records.changes import Decision, key_of
from nbpipe.records.deletion import check_unused, put_deletion
from nbpipe.records.operations.base import Operation
from nbpipe.records.refs import Kind, Target
from nbpipe.records.state import Draft, OperationState
from nbpipe.records.tags import Tag, put_tag


class CreateSnapshot(Operation):
    """Write down a snapshot of a pipeline: a row about a content that lies in the store."""

    kind: ClassVar[str] = "create_snapshot"
    id: str
    pipeline: str
    name: str = ""
    description: str = ""
    digest: str
    replace: bool = False
    run_id: str = ""
    tags: tuple[Tag, ...] = ()

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Take the name; with `replace` its former holder stays reachable by id.

        The same content under the same name once more is the snapshot that is there: running a cell again is no error.
        """
        draft = Draft.over(state)
        former = state.snapshot_names.get(key_of(self.pipeline, self.name)) if self.name else None
        row_there = state.snapshots.get(former) if former is not None else None
        if row_there is not None and row_there["digest"] == self.digest:
            self._put_tags(draft, row_there["id"], at)
            return Decision(tuple(draft.changes), dict(row_there))
        if former is not None:
            if not self.replace:
                raise ConflictError(
                    f"{self.pipeline} has a snapshot named {self.name!r} already. Pass replace, or take another name."
                )
            draft.put("snapshot", former, {**(state.snapshots[former] or {}), "name": ""})
        row = {
            "id": self.id,
            "pipeline": self.pipeline,
            "name": self.name,
            "description": self.description,
            "digest": self.digest,
            "created": at,
            "run_id": self.run_id,
        }
        draft.put("snapshot", self.id, row)
        self._put_tags(draft, self.id, at)
        return Decision(tuple(draft.changes), row)

    def _put_tags(self, draft: Draft, id_: str, at: str) -> None:
        target = Target(Kind.SNAPSHOT, id_, self.pipeline, self.name or id_[:8])
        for tag in self.tags:
            put_tag(draft, tag, target, at)


class ChangeSnapshot(Operation):
    """Rename or describe a snapshot."""

    kind: ClassVar[str] = "change_snapshot"
    id: str
    name: str | None = None
    description: str | None = None

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Change the snapshot's row."""
        row = dict(_snapshot(state, self.id))
        draft = Draft.over(state)
        if self.name is not None:
            holder = state.snapshot_names.get(key_of(row["pipeline"], self.name))
            if holder is not None and holder != self.id:
                raise ConflictError(f"{row['pipeline']} has a snapshot named {self.name!r} already.")
            row["name"] = self.name
        if self.description is not None:
            row["description"] = self.description
        draft.put("snapshot", self.id, row)
        return Decision(tuple(draft.changes), row)


class DeleteSnapshot(Operation):
    """Delete a snapshot; its runs stay."""

    kind: ClassVar[str] = "delete_snapshot"
    id: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Drop the snapshot's row; its tags go with it. One that is scheduled or deployed stays."""
        row = dict(_snapshot(state, self.id))
        check_unused(state, "snapshot_id", self.id)
        draft = Draft.over(state)
        put_deletion(draft, Kind.SNAPSHOT, (self.id,), at, by)
        draft.put("snapshot", self.id, None)
        return Decision(tuple(draft.changes), row)


def _snapshot(state: OperationState, snapshot_id: str) -> Any:
    row = state.snapshots.get(snapshot_id)
    if row is None:
        raise NotFoundError("snapshot", snapshot_id)
    return row
