"""What can be asked of the operation log: each operation is a record with a pure rule.

`decide` is called under the log's lock with the state before it; what it returns is appended as
one line. An operation that is refused raises and leaves nothing. The request id makes an
operation happen once however often it is sent.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from nbpipe.base.ids import new_id
from nbpipe.errors import ConflictError, NotFoundError
from nbpipe.records.base import Record
from nbpipe.records.changes import Decision, key_of
from nbpipe.records.models import (
    ModelConfig,
    ModelStages,
    delete_version,
    find_version,
    mark_outcome,
    open_version,
    rename_version,
    set_stage,
)
from nbpipe.records.refs import Kind, Target
from nbpipe.records.runs import Status
from nbpipe.records.state import Draft, OperationState, Row
from nbpipe.records.tags import Tag, as_tag, delete_tag, put_tag, remove_tag, rename_tag


class Operation(Record):
    """Base of all operations."""

    kind: ClassVar[str] = ""
    request_id: str = Field(default_factory=new_id)

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:
        """Decide what changes.

        Args:
            state: The state before; it is left as it is.
            n: The number that the operation will have in the log.
            at: The instant, ISO 8601 in UTC.
            by: The user who asks.
        """
        raise NotImplementedError


class NamedArtifact(Record):
    """An artifact version and the name under which it gets its number."""

    id: str
    name: str


class ArtifactTags(Record):
    """Tags that a step's output gets."""

    id: str
    name: str
    tags: tuple[Tag, ...]


class NumberArtifacts(Operation):
    """Give artifact versions their numbers: what an interactive run does after each step.

    Attributes:
        run_id: The run.
        pipeline: Its pipeline.
        made: The artifact versions that the step made, in order.
        tagged: Tags of single outputs.
        tags: Tags that the step gave the run.
    """

    kind: ClassVar[str] = "number_artifacts"
    run_id: str = ""
    pipeline: str = ""
    made: tuple[NamedArtifact, ...] = ()
    tagged: tuple[ArtifactTags, ...] = ()
    tags: tuple[Tag, ...] = ()

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Number each version after the last of its name, and put on all tags that are not exclusive."""
        draft = Draft.over(state)
        numbers = _number(draft, self.made)
        _tag_artifacts(draft, self.tagged, at, succeeded=False)
        run = Target(Kind.RUN, self.run_id, self.pipeline, self.run_id[:8])
        for tag in self.tags:
            if not _is_exclusive(draft, tag):
                put_tag(draft, tag, run, at)
        return Decision(tuple(draft.changes), {"numbers": numbers})


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
            if not _is_exclusive(draft, tag):
                put_tag(draft, tag, _version_target(row), at)
        return Decision(tuple(draft.changes), dict(row))


class EndRun(Operation):
    """Record how a run ended, with all that moves at that moment.

    Attributes:
        run_id: The run.
        pipeline: Its pipeline: the scope of its exclusive tags.
        status: How it ended.
        tags: The run's tags: the pipeline's own and those given in its steps.
        made: The artifact versions it made that have no number yet, in order.
        reached: Every artifact version it made or reused, in order: what cascading tags reach.
        tagged: Tags of single outputs.
        model_version_id: The model version it worked on, or `""`.
        model_tags: Tags of that version.
        error_step, error_type, error_message: What went wrong.
    """

    kind: ClassVar[str] = "end_run"
    run_id: str
    pipeline: str
    status: Status
    tags: tuple[Tag, ...] = ()
    made: tuple[NamedArtifact, ...] = ()
    reached: tuple[NamedArtifact, ...] = ()
    tagged: tuple[ArtifactTags, ...] = ()
    model_version_id: str = ""
    model_tags: tuple[Tag, ...] = ()
    error_step: str = ""
    error_type: str = ""
    error_message: str = ""

    @classmethod
    def request_id_for(cls, run_id: str) -> str:
        """Give the one request id of a run's end: a run ends once, whoever says so."""
        return f"end-{run_id}"

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Move exclusive tags only if the run succeeded; keep everything else in any case."""
        draft = Draft.over(state)
        succeeded = self.status is Status.COMPLETED
        numbers = _number(draft, self.made)
        lost = self._tag_run(draft, at, succeeded=succeeded)
        _tag_artifacts(draft, self.tagged, at, succeeded=succeeded)
        self._cascade(draft, at, succeeded=succeeded)
        self._link_model(draft, at, succeeded=succeeded)
        row = {
            "id": self.run_id,
            "status": self.status.value,
            "ended": at,
            "error_step": self.error_step,
            "error_type": self.error_type,
            "error_message": self.error_message,
            "model_version_id": self.model_version_id,
        }
        draft.put("run_state", self.run_id, row)
        return Decision(tuple(draft.changes), {"numbers": numbers, "lost": lost})

    def _tag_run(self, draft: Draft, at: str, *, succeeded: bool) -> dict[str, str]:
        target = Target(Kind.RUN, self.run_id, self.pipeline, self.run_id[:8])
        lost = {}
        for tag in self.tags:
            if not succeeded and _is_exclusive(draft, tag):
                continue
            holder = put_tag(draft, tag, target, at, from_pipeline=True)
            if holder:
                lost[tag.name] = holder
        return lost

    def _cascade(self, draft: Draft, at: str, *, succeeded: bool) -> None:
        for tag in self.tags:
            row = draft.state.tags.get(draft.state.tag_ids.get(tag.name) or "")
            cascades = row["cascade"] if row is not None else tag.cascade
            if not cascades or (not succeeded and _is_exclusive(draft, tag)):
                continue
            for artifact in self.reached:
                target = Target(Kind.ARTIFACT_VERSION, artifact.id, artifact.name, artifact.name)
                put_tag(draft, tag, target, at, from_pipeline=True)

    def _link_model(self, draft: Draft, at: str, *, succeeded: bool) -> None:
        version = self.model_version_id
        if not version:
            return
        linked = [(Kind.RUN, self.run_id, self.pipeline)]
        linked += [(Kind.ARTIFACT_VERSION, artifact.id, artifact.name) for artifact in self.reached]
        for kind, entity_id, name in linked:
            row = {"version_id": version, "kind": kind.value, "entity_id": entity_id, "name": name}
            draft.put("model_link", key_of(version, kind.value, entity_id), row)
        mark_outcome(draft, version, self.run_id, succeeded=succeeded)
        made = draft.state.versions.get(version)
        if made is not None and succeeded:
            for tag in self.model_tags:
                put_tag(draft, tag, _version_target(made), at)


def _is_exclusive(draft: Draft, tag: Tag) -> bool:
    row = draft.state.tags.get(draft.state.tag_ids.get(tag.name) or "")
    return bool(row["exclusive"]) if row is not None else tag.exclusive


def _version_target(row: Row) -> Target:
    return Target(Kind.MODEL_VERSION, row["id"], row["model"], f"{row['model']}@{row['name']}")


def _number(draft: Draft, made: tuple[NamedArtifact, ...]) -> dict[str, int]:
    numbers = {}
    for artifact in made:
        number = draft.state.artifact_numbers.get(artifact.name, 0) + 1
        draft.put("artifact_number", artifact.id, {"id": artifact.id, "name": artifact.name, "number": number})
        numbers[artifact.id] = number
    return numbers


def _tag_artifacts(draft: Draft, tagged: tuple[ArtifactTags, ...], at: str, *, succeeded: bool) -> None:
    for output in tagged:
        target = Target(Kind.ARTIFACT_VERSION, output.id, output.name, output.name)
        for tag in output.tags:
            if succeeded or not _is_exclusive(draft, tag):
                put_tag(draft, tag, target, at)


class PointedAt(Record):
    """A resolved target as an operation carries it."""

    kind: Kind
    id: str
    scope: str = ""
    label: str = ""

    @classmethod
    def of(cls, target: Target) -> PointedAt:
        """Write a target down."""
        return cls(kind=target.kind, id=target.id, scope=target.scope, label=target.label)

    def target(self) -> Target:
        """Give the target back."""
        return Target(self.kind, self.id, self.scope, self.label)


class AddTags(Operation):
    """Put tags on one or several targets: all or none."""

    kind: ClassVar[str] = "add_tags"
    tags: tuple[Tag, ...]
    targets: tuple[PointedAt, ...]

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Put each tag on each target; say who lost an exclusive one."""
        draft = Draft.over(state)
        lost = {}
        for pointed in self.targets:
            for tag in self.tags:
                holder = put_tag(draft, tag, pointed.target(), at)
                if holder:
                    lost[tag.name] = holder
        return Decision(tuple(draft.changes), {"lost": lost})


class RemoveTags(Operation):
    """Take tags from one or several targets."""

    kind: ClassVar[str] = "remove_tags"
    names: tuple[str, ...]
    targets: tuple[PointedAt, ...]

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Take each tag from each target; one that is not there is no error."""
        draft = Draft.over(state)
        for pointed in self.targets:
            for name in self.names:
                remove_tag(draft, name, pointed.target())
        return Decision(tuple(draft.changes), {})


class RenameTag(Operation):
    """Rename a tag on everything that bears it."""

    kind: ClassVar[str] = "rename_tag"
    name: str
    to: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Change the tag's one row."""
        return Decision(rename_tag(state, self.name, as_tag(self.to)), {})


class DeleteTag(Operation):
    """Delete a tag; everything that bears it loses it."""

    kind: ClassVar[str] = "delete_tag"
    name: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Drop the tag's one row."""
        return Decision(delete_tag(state, self.name), {})


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
            return Decision((), dict(row_there))
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
        target = Target(Kind.SNAPSHOT, self.id, self.pipeline, self.name or self.id[:8])
        for tag in self.tags:
            put_tag(draft, tag, target, at)
        return Decision(tuple(draft.changes), row)


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
        """Drop the snapshot's row."""
        row = dict(_snapshot(state, self.id))
        draft = Draft.over(state)
        draft.put("snapshot", self.id, None)
        return Decision(tuple(draft.changes), row)


def _snapshot(state: OperationState, snapshot_id: str) -> Any:
    row = state.snapshots.get(snapshot_id)
    if row is None:
        raise NotFoundError("snapshot", snapshot_id)
    return row
