"""Models: found, listed, promoted, compared, renamed and deleted.

What a model is called and which version holds a stage is state, which is at hand; what a version
is worth is metadata. Whatever changes is decided by an operation under its lock, on the version
that was looked at, and nothing that does not exist is ever made by asking for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from nbpipe.errors import BadValueError, ConflictError, NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.models import ModelStages, as_stage, stage_summary, versions_of
from nbpipe.records.operations import DeleteModelVersion, DescribeModel, RenameModelVersion
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.services.comparison import Comparison, compared
from nbpipe.services.displaying import Displayed
from nbpipe.services.filters import bears
from nbpipe.services.gates import CANDIDATE, Gate, holders_named, parse_gates, refusals
from nbpipe.services.instants import as_instant
from nbpipe.services.listing import Listing, checked_limit
from nbpipe.services.resolve import resolve
from nbpipe.services.tags import tags_of
from nbpipe.services.versions import ModelVersion, StageChange, stage_changes, version_in
from nbpipe.services.workspace import Workspace

TAGGED = "SELECT DISTINCT entity_id FROM tags WHERE {tagged}"


@dataclass(frozen=True, slots=True)
class ModelRecord(Displayed):
    """A model.

    Attributes:
        name: Its name.
        description: What it is for.
        created: When it was made.
        stages: The name of the version that holds each stage of one holder.
        count: How many versions it has.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "name": "text",
        "description": "text",
        "versions": "int",
        "staging": "text",
        "production": "text",
        "created": "instant",
    }

    name: str
    description: str
    created: datetime
    stages: Mapping[str, str]
    count: int
    _workspace: Workspace = field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<ModelRecord {shorten(self.name)}: {self.count:,} versions>"

    @property
    def ref(self) -> EntityRef:
        """What points at this model."""
        return EntityRef(Kind.MODEL, self.name)

    @property
    def versions(self) -> Listing[ModelVersion]:
        """Its versions as they are now, the newest first."""
        return _versions(self._workspace, self.name)

    @property
    def tags(self) -> list[str]:
        """The tags that the model itself bears now."""
        return tags_of(self._workspace, Kind.MODEL, self.name)

    def as_row(self) -> dict[str, Any]:
        """Give the model's facts by column."""
        return {
            "name": self.name,
            "description": self.description,
            "versions": self.count,
            "staging": self.stages.get("staging"),
            "production": self.stages.get("production"),
            "created": self.created,
        }


class ModelService:
    """What may be asked of models.

    A version is pointed at by `iris@3`, `iris@1.2.3`, `iris@production`, `iris@latest`, by a pair
    (name, version), by an id or the beginning of one, or by a record; a model's name alone means
    its latest version.

    Args:
        workspace: Where they are kept.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def get(self, ref: object) -> ModelRecord:
        """Give a model, by its name or by one of its versions.

        Raises:
            NotFoundError: There is none.
        """
        target = resolve(self._workspace, ref, Kind.MODEL)
        name = target.id if target.kind is Kind.MODEL else target.scope
        return self._record(name)

    def list(
        self,
        *,
        tags: Sequence[str] | None = None,
        any_tags: Sequence[str] | None = None,
        tag_prefix: str = "",
        tag_contains: str = "",
        limit: int | None = None,
    ) -> Listing[ModelRecord]:
        """List models, the newest first; filters look at the tags of the models themselves.

        Raises:
            BadValueError: A filter of the wrong form.
        """
        tagged = bears(
            Kind.MODEL, "entity_id", tags=tags, any_tags=any_tags, tag_prefix=tag_prefix, tag_contains=tag_contains
        )
        # The state goes on changing while others write.
        models = [row for row in [*self._workspace.catalog.state().models.values()] if row is not None]
        if tagged.parameters:
            sql = TAGGED.format(tagged=f"entity_kind = $tagged_kind AND {tagged.sql}")
            bearers = {row["entity_id"] for row in self._workspace.catalog.rows(sql, tagged.parameters)}
            models = [row for row in models if row["name"] in bearers]
        models.sort(key=lambda row: (as_instant(row["created"]), row["name"]), reverse=True)
        return Listing((self._record(row["name"]) for row in models[: checked_limit(limit)]), ModelRecord)

    def version(self, ref: object) -> ModelVersion:
        """Give one version.

        Raises:
            NotFoundError: There is no such model or version, or nobody holds the stage.
            AmbiguousNameError: Several ids begin so.
        """
        target = resolve(self._workspace, ref, Kind.MODEL_VERSION)
        row = self._workspace.catalog.state().versions.get(target.id)
        if row is None:
            raise NotFoundError("model version", target.label)
        return version_in(row, self._workspace)

    def versions(self, name: object) -> Listing[ModelVersion]:
        """List a model's versions, the newest first.

        Raises:
            NotFoundError: There is no such model.
        """
        return self.get(name).versions

    def promote(
        self,
        ref: object,
        stage: ModelStages | str,
        *,
        force: bool = False,
        note: str = "",
        gates: Iterable[str] = (),
    ) -> ModelVersion:
        """Move a version to a stage.

        Args:
            ref: Which version.
            stage: Where to; any letter case.
            force: Take the stage from whoever holds it, who is archived, and pass gates that do
                not hold.
            note: Why; kept in the history.
            gates: What must hold, as in `"accuracy >= production.accuracy"`. A gate that speaks
                of a stage which nobody holds has nothing to compare with, and holds.

        Returns:
            The version as it is then.

        Raises:
            BadValueError: No stage, `latest`, or a text that is no gate.
            NotFoundError: There is no such version, or it does not have a gate's metric.
            ConflictError: Another version holds the stage, or a gate does not hold, and `force` is off.
        """
        wanted, conditions = as_stage(stage), parse_gates(gates)
        version = self.version(ref)
        refused = refusals(conditions, self._numbers_for(version, conditions)) if conditions else []
        if refused and not force:
            said = "; ".join(str(refusal) for refusal in refused[:3])
            raise ConflictError(f"{version.label} is not moved to {wanted.value}: {said}. Pass force to do it anyway.")
        return version.set_stage(wanted, force=force, note=note)

    def history(self, ref: object) -> Listing[StageChange]:
        """List the moves of a model's versions, or of one version, the newest first.

        Raises:
            NotFoundError: There is no such model or version.
        """
        target = resolve(self._workspace, ref, Kind.MODEL)
        if target.kind is Kind.MODEL:
            return stage_changes(self._workspace, target.id)
        return stage_changes(self._workspace, target.scope, target.id)

    def metrics(self, ref: object) -> dict[str, float]:
        """Give the numbers in a version's metadata, by dotted path.

        Raises:
            NotFoundError: There is no such version.
        """
        return self.version(ref).metrics

    def compare(self, left: object, right: object) -> Comparison:
        """Put two versions side by side.

        Raises:
            NotFoundError: There is no such version.
        """
        first, second = self.version(left), self.version(right)
        return Comparison(first, second, compared(first.metrics, second.metrics))

    def describe(self, name: object, description: str) -> ModelRecord:
        """Say what a model is for.

        Raises:
            NotFoundError: There is no such model.
        """
        model = self.get(name)
        self._workspace.catalog.transact(DescribeModel(name=model.name, description=description))
        return self._record(model.name)

    def rename(self, ref: object, to: str) -> ModelVersion:
        """Give a version another name; models keep theirs.

        Raises:
            BadValueError: The reference names no version, or the new name is digits or a stage.
            NotFoundError: There is no such version.
            ConflictError: Another version of the model has that name.
        """
        version = self._named_version(ref)
        wanted = RenameModelVersion(model=version.model, version=version.id, to=to)
        return version_in(self._workspace.catalog.transact(wanted), self._workspace)

    def delete(self, ref: object, *, force: bool = False) -> ModelVersion:
        """Delete a version, and give it as it was; its runs and artifacts stay.

        Raises:
            BadValueError: The reference names no version.
            NotFoundError: There is no such version.
            ConflictError: It is in production and `force` is off.
        """
        version = self._named_version(ref)
        wanted = DeleteModelVersion(model=version.model, version=version.id, force=force)
        return version_in(self._workspace.catalog.transact(wanted), self._workspace)

    def _named_version(self, ref: object) -> ModelVersion:
        """Find a version that is really named: what changes a version does not guess at the latest."""
        target = resolve(self._workspace, ref, Kind.MODEL)
        if target.kind is Kind.MODEL:
            raise BadValueError(f"{target.id!r} is a model; say which version, as in '{target.id}@3'.")
        return self.version(target)

    def _numbers_for(self, version: ModelVersion, gates: Sequence[Gate]) -> dict[str, Mapping[str, float] | None]:
        numbers: dict[str, Mapping[str, float] | None] = {CANDIDATE: version.metrics}
        held = stage_summary(self._workspace.catalog.state(), version.model)
        for stage in holders_named(gates):
            numbers[stage] = version_in(held[stage], self._workspace).metrics if stage in held else None
        return numbers

    def _record(self, name: str) -> ModelRecord:
        state = self._workspace.catalog.state()
        row = state.models.get(name)
        if row is None:
            raise NotFoundError("model", name)
        stages = {stage: held["name"] for stage, held in stage_summary(state, name).items()}
        count = sum(1 for _ in versions_of(state, name))
        return ModelRecord(name, row["description"], as_instant(row["created"]), stages, count, self._workspace)


def _versions(workspace: Workspace, model: str) -> Listing[ModelVersion]:
    return Listing((version_in(row, workspace) for row in versions_of(workspace.catalog.state(), model)), ModelVersion)
