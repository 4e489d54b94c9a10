"""Promotion: a version judged by gates, moved to a stage, and moved back.

Gates are judged on what was logged, before the move; the move itself is decided under the lock,
and refused there should a stage that a gate speaks of have changed hands meanwhile: then the
gates are judged once more, on whoever holds it now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbpipe.errors import BadValueError, ConflictError
from nbpipe.records.models import ModelStages, as_stage, stage_summary
from nbpipe.records.operations import SetStage, UndoPromotion
from nbpipe.services.gates import CANDIDATE, Gate, GateResult, holders_named, parse_gates, results
from nbpipe.services.listing import Listing
from nbpipe.services.versions import ModelVersion, version_in
from nbpipe.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Promotion:
    """A move of a version to a stage, with what went with it.

    Attributes:
        version: The version as it is then.
        from_stage: The stage that it left.
        archived: Who held the stage before and was archived for it, as it was; `None` for nobody.
        gates: What each gate said; those that did not hold were passed by force.
        operation: The move's number, by which it can be taken back.
    """

    version: ModelVersion
    from_stage: ModelStages
    archived: ModelVersion | None
    gates: Listing[GateResult]
    operation: int

    @property
    def overridden(self) -> list[GateResult]:
        """The gates that did not hold."""
        return [result for result in self.gates if not result.passed]

    @property
    def said(self) -> str:
        """The move in a sentence or two."""
        version = self.version
        said = f"{version.label} moved from {self.from_stage.value} to {version.stage.value}"
        if self.from_stage is version.stage:
            said = f"{version.label} is in {version.stage.value} already"
        if self.archived is not None:
            said += f", and {self.archived.label} is archived"
        forced = [f"Forced: {result}." for result in self.overridden]
        return " ".join([f"{said}.", *forced])

    def as_row(self) -> dict[str, Any]:
        """Give the move by column."""
        return {
            **self.version.as_row(),
            "from_stage": self.from_stage.value,
            "archived": self.archived.label if self.archived is not None else None,
            "gates": self.gates.as_rows(),
        }


def judged(workspace: Workspace, version: ModelVersion, gates: Sequence[Gate]) -> Listing[GateResult]:
    """Tell which gates a version passes as things stand.

    Raises:
        NotFoundError: A metric that its version does not have.
        AmbiguousNameError: The end of several metrics' paths.
    """
    return _judged(version, gates, _held(workspace, version.model, gates))


def promoted(
    workspace: Workspace,
    version: ModelVersion,
    stage: ModelStages | str,
    *,
    force: bool,
    replace: bool,
    note: str,
    gates: Iterable[str],
    instead_of: str | None,
) -> Promotion:
    """Move a version to a stage; see `ModelService.move`."""
    wanted, conditions = as_stage(stage), parse_gates(gates)
    if replace and not conditions and not force:
        raise BadValueError("replace takes a stage for a version that passes its gates, and there are none: use force.")
    while True:
        held = _held(workspace, version.model, conditions)
        found = _judged(version, conditions, held)
        failed = [result for result in found if not result.passed]
        if failed and not force:
            said = "; ".join(str(result) for result in failed[:3])
            raise ConflictError(f"{version.label} is not moved to {wanted.value}: {said}. Pass force to do it anyway.")
        looked_at = {stage: holder.id if holder is not None else "" for stage, holder in held.items()}
        announced = {} if instead_of is None else {wanted.value: instead_of}
        asked = SetStage(
            model=version.model,
            version=version.id,
            stage=wanted,
            force=force,
            replace=replace and not force,
            note=_noted(note, failed),
            is_overriding=bool(failed),
            judged={**looked_at, **announced},
        )
        try:
            return _promotion(workspace, workspace.catalog.transact(asked), found)
        except ConflictError:
            now = {stage: one.id if one else "" for stage, one in _held(workspace, version.model, conditions).items()}
            # Had nobody moved, the refusal is not about what was judged, and judging again would not help.
            if now == looked_at:
                raise


def taken_back(workspace: Workspace, model: str, *, of: int | None, note: str) -> Listing[ModelVersion]:
    """Take back the last change of stages of a model; see `ModelService.undo`."""
    answer = workspace.catalog.transact(UndoPromotion(model=model, of=of, note=note))
    return Listing((version_in(row, workspace) for row in answer["versions"]), ModelVersion)


def _promotion(workspace: Workspace, answer: Mapping[str, Any], found: Listing[GateResult]) -> Promotion:
    archived = answer["archived"]
    return Promotion(
        version_in(answer["version"], workspace),
        ModelStages(answer["from_stage"]),
        version_in(archived, workspace) if archived else None,
        found,
        answer["operation"],
    )


def _noted(note: str, failed: Sequence[GateResult]) -> str:
    """Keep with the note which gates were passed by force."""
    if not failed or not isinstance(note, str):
        return note
    said = f"forced past {'; '.join(str(result) for result in failed)}"
    return f"{note} ({said})" if note else said


def _held(workspace: Workspace, model: str, gates: Iterable[Gate]) -> dict[str, ModelVersion | None]:
    """Give who holds each stage that a gate speaks of."""
    held = stage_summary(workspace.catalog.state(), model)
    return {stage: version_in(held[stage], workspace) if stage in held else None for stage in holders_named(gates)}


def _judged(
    version: ModelVersion, gates: Sequence[Gate], held: Mapping[str, ModelVersion | None]
) -> Listing[GateResult]:
    if not gates:
        return Listing(of=GateResult)
    numbers: dict[str, Mapping[str, float] | None] = {CANDIDATE: version.metrics}
    numbers |= {stage: holder.metrics if holder is not None else None for stage, holder in held.items()}
    return Listing(results(gates, numbers), GateResult)
