"""Operations on models: versions opened, promoted, taken back, renamed, described and deleted."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from nbpipe.errors import NotFoundError
from nbpipe.records.changes import Decision, Moment
from nbpipe.records.models import (
    ModelConfig,
    ModelStages,
    describe_version,
    find_version,
    known_model,
    open_version,
    rename_version,
    version_target,
)
from nbpipe.records.operations.base import Operation
from nbpipe.records.promotion import check_unmoved, delete_model, delete_version, set_stage, take_back
from nbpipe.records.state import Draft, OperationState
from nbpipe.records.tags import is_exclusive, put_tag


class OpenModelVersion(Operation):
    """Give a run the model version that it works on.

    Attributes:
        model: The model as the pipeline declares it.
        version: The version's name, or a look-up; `None` for the next number.
        run_id: The run.
        pipeline: Its pipeline.
        version_id: The version that was looked up for the run already: it is that one, whoever has been promoted since.
    """

    kind: ClassVar[str] = "open_model_version"
    model: ModelConfig
    version: str | None
    run_id: str
    pipeline: str = ""
    version_id: str = ""

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Make the version, or find it."""
        draft = Draft.over(state)
        if self.version_id:
            found = state.versions.get(self.version_id)
            if found is None:
                raise NotFoundError("model version", f"{self.model.name}@{self.version}", hint="It was just deleted.")
            row = found
        else:
            row = open_version(draft, self.model, self.version, self.run_id, at, pipeline=self.pipeline)
        for tag in self.model.tags:
            # An exclusive one moves when the run succeeds.
            if not is_exclusive(draft, tag):
                put_tag(draft, tag, version_target(row), at, from_pipeline=True)
        return Decision(tuple(draft.changes), dict(row))


class SetStage(Operation):
    """Move a model version to a stage.

    Attributes:
        model: The model.
        version: The version: a number, a name, a stage or an id; `None` for the latest.
        stage: Where to.
        force: Whether the stage may be taken from its holder, who is archived.
        replace: Whether it may be taken by one that passed its gates, which needs no force.
        note: Why.
        is_overriding: Whether a gate that does not hold is passed by force.
        judged: Who held the stages that gates were judged against, by id; `""` for nobody. If one has changed
            hands since, nothing moves.
    """

    kind: ClassVar[str] = "set_stage"
    model: str
    version: str | None
    stage: ModelStages
    force: bool = False
    replace: bool = False
    note: str = ""
    is_overriding: bool = False
    judged: dict[str, str] = Field(default_factory=dict)

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:
        """Find the version, archive who holds the stage, move."""
        draft = Draft.over(state)
        row = find_version(state, self.model, self.version)
        check_unmoved(state, self.model, self.judged)
        moved = set_stage(
            draft,
            row,
            self.stage,
            Moment(n, at, by),
            force=self.force,
            note=self.note,
            is_overriding=self.is_overriding,
            replace=self.replace,
        )
        now = draft.state.versions[row["id"]]
        answer = {
            "version": dict(now or {}),
            "from_stage": row["stage"],
            "archived": dict(moved) if moved else None,
            "operation": n,
        }
        return Decision(tuple(draft.changes), answer)


class UndoPromotion(Operation):
    """Take back the last change of stages of a model.

    Attributes:
        model: The model.
        of: The operation that is to be taken back; `None` for the last, whichever it is.
        note: Why.
    """

    kind: ClassVar[str] = "undo_promotion"
    model: str
    of: int | None = None
    note: str = ""

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:
        """Move back all that moved together, unless somebody moved anything since."""
        known_model(state, self.model)
        draft = Draft.over(state)
        moved = take_back(draft, self.model, Moment(n, at, by), of=self.of, note=self.note)
        return Decision(tuple(draft.changes), {"versions": [dict(row) for row in moved], "operation": n})


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


class DescribeModelVersion(Operation):
    """Say what a model version is."""

    kind: ClassVar[str] = "describe_model_version"
    model: str
    version: str
    description: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Change the version's row."""
        draft = Draft.over(state)
        row = find_version(state, self.model, self.version)
        describe_version(draft, row, self.description)
        return Decision(tuple(draft.changes), dict(draft.state.versions[row["id"]] or {}))


class DeleteModelVersion(Operation):
    """Delete a model version; runs and artifacts stay.

    Attributes:
        model: The model.
        version: The version.
        force: Whether it may be in production.
    """

    kind: ClassVar[str] = "delete_model_version"
    model: str
    version: str
    force: bool = False

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:
        """Drop the version's row; its tags go with it. A version in production needs force."""
        draft = Draft.over(state)
        row = find_version(state, self.model, self.version)
        delete_version(draft, row, Moment(n, at, by), force=self.force)
        return Decision(tuple(draft.changes), dict(row))


class DeleteModel(Operation):
    """Delete a model with all of its versions; runs and artifacts stay.

    Attributes:
        name: The model.
        force: Whether one of its versions may be in production.
    """

    kind: ClassVar[str] = "delete_model"
    name: str
    force: bool = False

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:
        """Drop the model's row and those of its versions; their tags go with them. One in production needs force."""
        known_model(state, self.name)
        draft = Draft.over(state)
        former = dict(state.models[self.name] or {})
        gone = delete_model(draft, self.name, Moment(n, at, by), force=self.force)
        return Decision(tuple(draft.changes), {"model": former, "versions": [row["id"] for row in gone]})


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
