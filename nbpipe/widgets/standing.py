"""How the versions of a model stand: who is the candidate, who holds the stage, and what follows.

Pure: versions and what gates say go in, decisions come out. Whether a promotion is allowed is
decided by the service, under its lock; what stands here is what a reader is told beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbpipe.errors import UserError
from nbpipe.records.models import SINGLE_HOLDER, ModelStages
from nbpipe.views.amounts import shorten
from nbpipe.views.versions import GateFacts

if TYPE_CHECKING:
    from nbpipe.services.gates import GateResult
    from nbpipe.services.versions import ModelVersion

TARGETS = (ModelStages.STAGING, ModelStages.PRODUCTION, ModelStages.ARCHIVED)


@dataclass(frozen=True, slots=True)
class Judged:
    """What one gate says of the candidate.

    Attributes:
        facts: As it is shown.
        is_unknown: Whether it cannot be judged, for a version lacks the metric: not even force passes it.
    """

    facts: GateFacts
    is_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What a promotion would mean now.

    Attributes:
        candidate: Who would be promoted.
        holder: Who would be archived for it, if anybody.
        obstacle: Why it cannot be done as things are; empty if it can.
        gates: What each gate says.
    """

    candidate: ModelVersion | None
    holder: ModelVersion | None
    obstacle: str
    gates: tuple[Judged, ...] = ()

    @property
    def failing(self) -> tuple[str, ...]:
        """The gates that would be passed by force."""
        return tuple(one.facts.text for one in self.gates if not one.facts.passed)

    @property
    def to_confirm(self) -> tuple[object, ...] | None:
        """What must be announced before it is done; `None` if nobody loses a stage and nothing speaks against it."""
        if self.candidate is None:
            return None
        holder = self.holder.number if self.holder is not None else None
        has_reason = holder is not None or self.failing or self.candidate.failed
        return (self.candidate.number, holder, self.failing) if has_reason else None

    @property
    def announcement(self) -> str:
        """What would be done, for the button that confirms it."""
        assert self.candidate is not None, "somebody is to be promoted"
        promoted = f"promote {self.candidate.number}{', whose run failed' if self.candidate.failed else ''}"
        told = [f"archive {self.holder.number}"] if self.holder is not None else []
        told += [promoted, *([f"past {_gates(len(self.failing))}"] if self.failing else [])]
        return f"Confirm: {', '.join(told)}"


def standing(
    model: str,
    versions: Sequence[ModelVersion],
    number: int | None,
    stage: ModelStages,
    *,
    force: bool,
    gates: Sequence[Judged] = (),
) -> Standing:
    """Say what promoting version `number` to `stage` would mean."""
    candidate = next((version for version in versions if version.number == number), None)
    if candidate is None:
        return Standing(None, None, f"{model} has no version to promote.")
    judged = tuple(gates)
    if candidate.stage == stage.value:
        return Standing(candidate, None, f"{model}@{candidate.number} is in {stage.value} already.", judged)
    held = (version for version in versions if version.stage == stage.value) if stage in SINGLE_HOLDER else ()
    now = Standing(candidate, next(iter(held), None), "", judged)
    return Standing(candidate, now.holder, _obstacle(model, now, stage, force=force), judged)


def _obstacle(model: str, now: Standing, stage: ModelStages, *, force: bool) -> str:
    unknown = next((one.facts for one in now.gates if one.is_unknown), None)
    if unknown is not None:
        return f"{shorten(unknown.text, 60)} cannot be judged: {unknown.why}"
    if force:
        return ""
    holds = f"{model}@{now.holder.number} holds {stage.value}" if now.holder is not None else ""
    if now.failing:
        said = f"{_gates(len(now.failing))} {'does' if len(now.failing) == 1 else 'do'} not hold"
        return f"{' and '.join(filter(None, [holds, said]))}: tick the box to promote it all the same."
    return f"{holds}: tick the box to archive it." if holds else ""


def _gates(count: int) -> str:
    return f"{count} gate{'' if count == 1 else 's'}"


def judged_by(gates: Iterable[str], judge: Callable[[str], GateResult]) -> list[Judged]:
    """Let each gate speak; one that cannot be judged says why."""
    found = []
    for text in gates:
        try:
            result = judge(text)
        except UserError as error:
            found.append(Judged(GateFacts(text, passed=False, why=str(error)), is_unknown=True))
        else:
            found.append(Judged(GateFacts(text, result.passed, result.left, result.right, result.missing)))
    return found


def force_text(model: str, now: Standing, stage: ModelStages) -> str:
    """Say what force would do, for the box; `""` where there is nothing to force."""
    told = [f"archive {model}@{now.holder.number}, which is in {stage.value} now"] if now.holder is not None else []
    if now.failing and not any(one.is_unknown for one in now.gates):
        told.append(
            f"promote in spite of {_gates(len(now.failing))} that {'does' if len(now.failing) == 1 else 'do'} not hold"
        )
    return ", and ".join(told)


def first_candidate(versions: Sequence[ModelVersion]) -> int | None:
    """Pick whom to propose: the newest that is not in production and that a whole run has made, or else the newest."""
    free = [version for version in versions if version.stage != ModelStages.PRODUCTION.value]
    good = [version for version in free if not version.mark]
    proposed = [*good, *free, *versions]
    return proposed[0].number if proposed else None
