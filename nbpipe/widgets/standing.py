"""How the versions of a model stand: who is the candidate, who holds the stage, and what follows.

Pure: versions and metrics go in, decisions and tables come out. Whether a promotion is allowed is
decided by the service, under its lock; what stands here is what a reader is told beforehand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbpipe.records.models import SINGLE_HOLDER, ModelStages
from nbpipe.views.amounts import number_text, shorten, time_text
from nbpipe.views.comparison import best_of, delta_text, reads_as_more_is_better
from nbpipe.views.tables import Table
from nbpipe.views.theme import signed

if TYPE_CHECKING:
    from nbpipe.services.versions import ModelVersion, StageChange

TARGETS = (ModelStages.STAGING, ModelStages.PRODUCTION, ModelStages.ARCHIVED)
_MOST_METRICS = 3
_MOST_COMPARED = 20
_BEST = "★"

Metrics = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Standing:
    """What a promotion would mean now.

    Attributes:
        candidate: Who would be promoted.
        holder: Who would be archived for it, if anybody.
        obstacle: Why it cannot be done as things are; empty if it can.
    """

    candidate: ModelVersion | None
    holder: ModelVersion | None
    obstacle: str

    @property
    def pair(self) -> tuple[int, int] | None:
        """The numbers of both, if somebody would be archived."""
        return (self.candidate.number, self.holder.number) if self.candidate and self.holder else None


def standing(
    model: str, versions: Sequence[ModelVersion], number: int | None, stage: ModelStages, *, force: bool
) -> Standing:
    """Say what promoting version `number` to `stage` would mean."""
    candidate = next((version for version in versions if version.number == number), None)
    if candidate is None:
        return Standing(None, None, f"{model} has no version to promote.")
    if candidate.stage == stage.value:
        return Standing(candidate, None, f"{model}@{candidate.number} is in {stage.value} already.")
    held = (version for version in versions if version.stage == stage.value) if stage in SINGLE_HOLDER else ()
    holder = next(iter(held), None)
    if holder is not None and not force:
        said = f"{model}@{holder.number} holds {stage.value}: tick the box to archive it."
        return Standing(candidate, holder, said)
    return Standing(candidate, holder, "")


def first_candidate(versions: Sequence[ModelVersion]) -> int | None:
    """Pick whom to propose: the newest that neither failed nor is in production, or else the newest."""
    free = [version for version in versions if version.stage != ModelStages.PRODUCTION.value]
    good = [version for version in free if not version.failed]
    proposed = [*good, *free, *versions]
    return proposed[0].number if proposed else None


def version_label(version: ModelVersion) -> str:
    """Name a version for a list to choose from."""
    name = "" if version.name == str(version.number) else f" · {shorten(version.name, 40)}"
    return f"{version.number}{name}{' · ✗ failed' if version.failed else ''}"


def versions_table(versions: Iterable[ModelVersion], metrics: Metrics, *, timed: bool) -> Table:
    """Lay out versions with their stages and the metrics that most of them have."""
    rows = list(versions)
    is_named = any(version.name != str(version.number) for version in rows)
    frequent = Counter(name for version in rows for name in metrics.get(version.number, {}))
    shown = [name for name, _ in frequent.most_common(_MOST_METRICS)]
    short = _short_names(shown)
    columns = ["version", *(["name"] if is_named else []), "stage", *short, *(["made"] if timed else [])]
    return Table(
        columns,
        [
            [
                str(version.number),
                *([shorten(version.name, 24)] if is_named else []),
                _stage_text(version),
                *(metrics.get(version.number, {}).get(name) for name in shown),
                *([time_text(version.created)] if timed else []),
            ]
            for version in rows
        ],
        frozenset(short),
    )


def comparison_table(now: Standing, stage: ModelStages, metrics: Metrics) -> Table | None:
    """Lay out the metrics of the candidate beside those of the holder; `None` where there is nothing to compare."""
    if now.candidate is None:
        return None
    own = metrics.get(now.candidate.number, {})
    other = metrics.get(now.holder.number, {}) if now.holder is not None else {}
    names = list(dict.fromkeys((*other, *own)))[:_MOST_COMPARED]
    if not names:
        return None
    if now.holder is None:
        return Table(["metric", f"candidate {now.candidate.number}"], [(name, own[name]) for name in names])
    columns = ["metric", f"{stage.value} {now.holder.number}", f"candidate {now.candidate.number}", "change"]
    return Table(columns, [_compared(name, other.get(name), own.get(name)) for name in names], frozenset(columns[1:]))


def history_table(moves: Sequence[StageChange], *, timed: bool) -> Table:
    """Lay out what moved when, newest first."""
    rows = []
    for move in moves:
        when = [time_text(move.at), shorten(move.by, 20)] if timed else []
        rows.append([*when, str(move.number), f"{move.from_stage} → {move.to_stage}", shorten(move.note, 120)])
    return Table([*(["when", "by"] if timed else []), "version", "move", "note"], rows)


def _stage_text(version: ModelVersion) -> str:
    stage = "" if version.stage is ModelStages.NONE else version.stage.value
    return " ".join(filter(None, [stage, signed("failed") if version.failed else ""]))


def _short_names(paths: Sequence[str]) -> list[str]:
    """Name metrics by the end of their paths, where no two end alike."""
    ends = [path.rpartition(".")[2] for path in paths]
    return ends if len(set(ends)) == len(ends) else list(paths)


def _compared(name: str, before: float | None, after: float | None) -> tuple[str, str, str, str]:
    if before is None or after is None:
        texts = ["–" if value is None else number_text(value) for value in (before, after)]
        return name, texts[0], texts[1], "–"
    best = best_of(before, after, more_is_better=reads_as_more_is_better(name))
    left, right = number_text(before), number_text(after)
    return (
        name,
        f"{_BEST} {left}" if best == "left" else left,
        f"{_BEST} {right}" if best == "right" else right,
        delta_text(before, after),
    )
