"""Operations on models: versions opened, promoted, renamed, deleted."""

from __future__ import annotations

from typing import ClassVar

from nbpipe.records.changes import Decision
from nbpipe.records.models import (
    ModelConfig,
    ModelStages,
    delete_version,
    find_version,
    open_version,
    rename_version,
    set_stage,
    version_target,
)
from nbpipe.records.operations.base import Operation
from nbpipe.records.state import Draft, OperationState
from nbpipe.records.tags import is_exclusive, put_tag


class OpenModelVersion(Operation):
    """Give a run the model version that it works on."""

    kind: ClassVar[str] = "open_model_version"
    model: ModelConfig
    version: str | None
    run_id: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Make the version, or find it."""
        draft = Draft.over(state)
        row = open_version(draft, self.model, self.version, self.run_id, at)
        for tag in self.model.tags:
            # An exclusive one moves when the run succeeds.
            if not is_exclusive(draft, tag):
                put_tag(draft, tag, version_target(row), at, from_pipeline=True)
        return Decision(tuple(draft.changes), dict(row))


class SetStage(Operation):
    """Move a model version to a stage."""

    kind: ClassVar[str] = "set_stage"
    model: str
    version: str | None
    stage: ModelStages
    force: bool = False
    note: str = ""

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:
        """Find the version, archive who holds the stage, move."""
        draft = Draft.over(state)
        row = find_version(state, self.model, self.version)
        moved = set_stage(draft, row, self.stage, force=self.force, note=self.note, n=n, at=at, by=by)
        now = draft.state.versions[row["id"]]
        return Decision(tuple(draft.changes), {"version": dict(now or {}), "archived": dict(moved) if moved else None})


class RenameModelVersion(Operation):
    """Give a model version another name."""

    kind: ClassVar[str] = "rename_model_version"
    model: str
    version: str
    to: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Change the version's row."""
        draft = Draft.over(state)
        row = find_version(state, self.model, self.version)
        rename_version(draft, row, self.to)
        return Decision(tuple(draft.changes), dict(draft.state.versions[row["id"]] or {}))


class DeleteModelVersion(Operation):
    """Delete a model version; runs and artifacts stay."""

    kind: ClassVar[str] = "delete_model_version"
    model: str
    version: str
    force: bool = False

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Drop the version's row; a version in production needs force."""
        draft = Draft.over(state)
        row = find_version(state, self.model, self.version)
        delete_version(draft, row, force=self.force)
        return Decision(tuple(draft.changes), dict(row))


class DescribeModel(Operation):
    """Make a model, or change what it is said to be for."""

    kind: ClassVar[str] = "describe_model"
    name: str
    description: str = ""

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Write the model's row."""
        draft = Draft.over(state)
        former = state.models.get(self.name)
        created = former["created"] if former is not None else at
        row = {"name": self.name, "description": self.description, "created": created}
        draft.put("model", self.name, row)
        return Decision(tuple(draft.changes), row)
