"""Models: found, listed, promoted, compared, renamed and deleted.

What a model is called and which version holds a stage is state, which is at hand; what a version
is worth is metadata. Whatever changes is decided by an operation under its lock, on the version
that was looked at, and nothing that does not exist is ever made by asking for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.models import ModelStages, versions_of
from nbpipe.records.operations import DescribeModel, DescribeModelVersion, RenameModelVersion
from nbpipe.records.refs import Kind, Target
from nbpipe.services.comparison import Comparison, compared_versions
from nbpipe.services.dependents import Dependent
from nbpipe.services.filters import refuse_unknown
from nbpipe.services.gates import GateResult, parse_gates
from nbpipe.services.instants import as_instant
from nbpipe.services.listing import Listing, checked_limit
from nbpipe.services.model_deleting import delete_model, delete_version, dependents_of_versions
from nbpipe.services.model_filters import VersionFilter, bearing, fitting
from nbpipe.services.model_records import ModelRecord, model_record
from nbpipe.services.promoting import Promotion, judged, promoted, taken_back
from nbpipe.services.resolve import resolve
from nbpipe.services.settling import settle_dead_runs
from nbpipe.services.versions import ModelVersion, StageChange, stage_changes, version_in
from nbpipe.services.workspace import Workspace


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
        settle_dead_runs(self._workspace)
        target = resolve(self._workspace, ref, Kind.MODEL)
        name = target.id if target.kind is Kind.MODEL else target.scope
        return model_record(self._workspace, name)

    def list(
        self,
        *,
        tags: Sequence[str] | None = None,
        any_tags: Sequence[str] | None = None,
        tag_prefix: str = "",
        tag_contains: str = "",
        stage: ModelStages | str | None = None,
        failed: bool | None = None,
        where: str | Sequence[str] | None = None,
        metadata: Mapping[Any, Any] | None = None,
        limit: int | None = None,
        **unknown: object,
    ) -> Listing[ModelRecord]:
        """List models, the newest first.

        Args:
            tags: Those that bear all of these; the tags are the models' own, not those of their versions.
            any_tags: Those that bear one of these.
            tag_prefix: Those with a tag that begins so.
            tag_contains: Those with a tag that holds this.
            stage: Those with a version in this stage.
            failed: Those with a version whose run failed, or with one whose run did not.
            where: Those with a version of which this holds: `"evaluation.accuracy > 0.8"`. Stage, failure, metric and
                metadata are asked of one and the same version.
            metadata: Those with a version whose metadata says this, by dotted path.
            limit: How many at most; `None` for all.
            unknown: Whatever is no filter, to be refused.

        Raises:
            BadValueError: A filter that there is not, or one of the wrong form.
        """
        refuse_unknown("Models", self.list, unknown)
        own = VersionFilter(tags=tags, any_tags=any_tags, tag_prefix=tag_prefix, tag_contains=tag_contains)
        of_versions = VersionFilter(stage=stage, failed=failed, where=where, metadata=metadata)
        state = self._workspace.catalog.state()
        # The state goes on changing while others write.
        models = [row for row in [*state.models.values()] if row is not None]
        bearers = bearing(self._workspace, Kind.MODEL, own)
        if bearers is not None:
            models = [row for row in models if row["name"] in bearers]
        if not of_versions.is_empty:
            every = (version for row in models for version in versions_of(state, row["name"]))
            having = {version["model"] for version in fitting(self._workspace, every, of_versions)}
            models = [row for row in models if row["name"] in having]
        models.sort(key=lambda row: (as_instant(row["created"]), row["name"]), reverse=True)
        return Listing(
            (model_record(self._workspace, row["name"]) for row in models[: checked_limit(limit)]), ModelRecord
        )

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

    def versions(
        self,
        name: object,
        *,
        stage: ModelStages | str | None = None,
        failed: bool | None = None,
        tags: Sequence[str] | None = None,
        any_tags: Sequence[str] | None = None,
        tag_prefix: str = "",
        tag_contains: str = "",
        where: str | Sequence[str] | None = None,
        metadata: Mapping[Any, Any] | None = None,
        limit: int | None = None,
        **unknown: object,
    ) -> Listing[ModelVersion]:
        """List a model's versions, the newest first.

        Args:
            name: The model.
            stage: Those in this stage.
            failed: Those whose run failed, or those whose run did not.
            tags: Those that bear all of these.
            any_tags: Those that bear one of these.
            tag_prefix: Those with a tag that begins so.
            tag_contains: Those with a tag that holds this.
            where: Those of which this holds: `"evaluation.accuracy > 0.8"`.
            metadata: Those whose metadata says this, by dotted path.
            limit: How many at most; `None` for all.
            unknown: Whatever is no filter, to be refused.

        Raises:
            NotFoundError: There is no such model.
            BadValueError: A filter that there is not, or one of the wrong form.
        """
        refuse_unknown("Model versions", self.versions, unknown)
        asked = VersionFilter(stage, failed, tags, any_tags, tag_prefix, tag_contains, where, metadata)
        rows = versions_of(self._workspace.catalog.state(), self.get(name).name)
        found = fitting(self._workspace, rows, asked)
        return Listing((version_in(row, self._workspace) for row in found[: checked_limit(limit)]), ModelVersion)

    def promote(
        self,
        ref: object,
        stage: ModelStages | str,
        *,
        force: bool = False,
        replace: bool = False,
        note: str = "",
        gates: Iterable[str] = (),
    ) -> ModelVersion:
        """Move a version to a stage, and give it as it is then; see `move`."""
        return self.move(ref, stage, force=force, replace=replace, note=note, gates=gates).version

    def move(
        self,
        ref: object,
        stage: ModelStages | str,
        *,
        force: bool = False,
        replace: bool = False,
        note: str = "",
        gates: Iterable[str] = (),
        instead_of: str | None = None,
    ) -> Promotion:
        """Move a version to a stage, and tell all that went with it.

        Args:
            ref: Which version.
            stage: Where to; any letter case.
            force: Take the stage from whoever holds it, who is archived, and pass gates that do
                not hold.
            replace: Take the stage from whoever holds it, if all gates hold.
            note: Why; kept in the history, and with it the gates that were passed by force.
            gates: What must hold, as in `"accuracy >= production.accuracy"`. A gate that speaks
                of a stage which nobody holds has nothing to compare with, and holds.
            instead_of: The id of the version that is expected to hold the stage, `""` for nobody;
                if it is another by then, nothing moves. `None` for whoever it is.

        Raises:
            BadValueError: No stage, `latest`, a text that is no gate, or `replace` without gates.
            NotFoundError: There is no such version, or it does not have a gate's metric.
            ConflictError: Another version holds the stage and neither `force` nor `replace` is on,
                or a gate does not hold and `force` is off.
        """
        return promoted(
            self._workspace,
            self.version(ref),
            stage,
            force=force,
            replace=replace,
            note=note,
            gates=gates,
            instead_of=instead_of,
        )

    def judge(self, ref: object, gates: Iterable[str]) -> Listing[GateResult]:
        """Tell which gates a version would pass now; nothing moves.

        Raises:
            BadValueError: A text that is no gate.
            NotFoundError: There is no such version, or it does not have a gate's metric.
        """
        return judged(self._workspace, self.version(ref), parse_gates(gates))

    def undo(self, ref: object, *, note: str = "", of: int | None = None) -> Listing[ModelVersion]:
        """Take back the last change of stages of a model, as one operation.

        Whoever was promoted goes back to the stage it came from, and whoever was archived for it takes the stage
        again. What was undone is not done again by another undo.

        Args:
            ref: The model.
            note: Why; kept in the history.
            of: The number of the `Promotion` that is meant; `None` for the last, whoever made it.

        Returns:
            The versions that moved, as they are then; first the one that had been promoted.

        Raises:
            NotFoundError: There is no such model.
            ConflictError: There is nothing to undo, or somebody has moved or deleted a version since.
        """
        return taken_back(self._workspace, self.get(ref).name, of=of, note=note)

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
        """Put two versions side by side: metrics, and the parameters, data and code that made them.

        Raises:
            NotFoundError: There is no such version.
        """
        return compared_versions(self._workspace, self.version(left), self.version(right))

    def describe(self, ref: object, description: str) -> ModelRecord | ModelVersion:
        """Say what a model is for, or what one of its versions is.

        Raises:
            NotFoundError: There is no such model or version.
        """
        if not isinstance(description, str):
            raise BadValueError(f"description={shorten(description)} is no text.")
        target = resolve(self._workspace, ref, Kind.MODEL)
        transact = self._workspace.catalog.transact
        if target.kind is Kind.MODEL:
            transact(DescribeModel(name=target.id, description=description))
            return model_record(self._workspace, target.id)
        row = transact(DescribeModelVersion(model=target.scope, version=target.id, description=description))
        return version_in(row, self._workspace)

    def dependents(self, ref: object) -> Listing[Dependent]:
        """Say what depends on a model or on one of its versions: what deleting it would do.

        Raises:
            NotFoundError: There is no such model or version.
        """
        target = resolve(self._workspace, ref, Kind.MODEL)
        is_whole = target.kind is Kind.MODEL
        versions = self.versions(target) if is_whole else [self.version(target)]
        found = dependents_of_versions(self._workspace, versions)
        if is_whole and versions:
            count = len(versions)
            said = (
                f"{count:,} version{'' if count == 1 else 's'} of {target.id} {'is' if count == 1 else 'are'} deleted"
            )
            found.insert(0, Dependent("model version", count, said, hinders=False))
        return found

    def rename(self, ref: object, to: str) -> ModelVersion:
        """Give a version another name.

        A model keeps its own: pipelines and snapshots call it by that, and the next run of one would make a new
        model beside the renamed one.

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
        row = delete_version(self._workspace, self.version(self.to_delete(ref)), force=force)
        return version_in(row, self._workspace)

    def delete_model(self, ref: object, *, force: bool = False) -> ModelRecord:
        """Delete a model with all of its versions, and give it as it was; runs and artifacts stay.

        Should a model of that name be made again, its numbers go on from there.

        Raises:
            BadValueError: The reference names one version.
            NotFoundError: There is no such model.
            ConflictError: A version is in production and `force` is off.
        """
        target = self.to_delete(ref, every=True)
        model = model_record(self._workspace, target.id)
        delete_model(self._workspace, model.name, force=force)
        return model

    def to_delete(self, ref: object, *, every: bool = False) -> Target:
        """Say what `delete` would delete, or with `every` what `delete_model` would.

        Raises:
            BadValueError: The reference names a whole model and not one version, or the other way round.
            NotFoundError: There is no such model or version.
        """
        target = resolve(self._workspace, ref, Kind.MODEL)
        if every and target.kind is not Kind.MODEL:
            raise BadValueError(f"{target.label} is one version; name the model to delete all of it: {target.scope!r}.")
        if not every and target.kind is Kind.MODEL:
            raise BadValueError(f"{target.id!r} is a model; say which version, as in '{target.id}@3'.")
        return target

    def _named_version(self, ref: object) -> ModelVersion:
        """Find a version that is really named: what changes a version does not guess at the latest."""
        return self.version(self.to_delete(ref))
