"""What the promotion board shows as tables: versions, metrics side by side, gates, moves.

Pure: records and numbers go in, tables come out. With `timed=False` a table leaves out instants,
so that a saved notebook says the same whenever it is run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from nbpipe.commands.comparing_versions import differences
from nbpipe.records.models import ModelStages
from nbpipe.views.amounts import shorten, time_text
from nbpipe.views.compared import pair_texts
from nbpipe.views.frames import Section
from nbpipe.views.tables import Table
from nbpipe.views.theme import signed
from nbpipe.views.versions import difference_sections, gates_table
from nbpipe.widgets.standing import Judged, Standing

if TYPE_CHECKING:
    from nbpipe.services.comparison import Comparison
    from nbpipe.services.versions import ModelVersion, StageChange

_MOST_METRICS = 3
_MOST_COMPARED = 20

Metrics = Mapping[int, Mapping[str, float]]


def version_label(version: ModelVersion) -> str:
    """Name a version for a list to choose from."""
    name = "" if version.name == str(version.number) else f" · {shorten(version.name, 40)}"
    return f"{version.number}{name}{f' · {signed(version.mark)}' if version.mark else ''}"


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
    rows = [(name, *pair_texts(name, other.get(name), own.get(name))) for name in names]
    return Table(columns, rows, frozenset(columns[1:]))


def judged_table(judged: Sequence[Judged]) -> Table | None:
    """Lay out what each gate says; `None` where there are none."""
    return gates_table([one.facts for one in judged]) if judged else None


def differing(comparison: Comparison | None, stage: ModelStages) -> list[Section]:
    """Show how the holder's and the candidate's parameters, data and code differ, each folded."""
    if comparison is None:
        return []
    left = f"{stage.value} {comparison.left.number}"
    return difference_sections(differences(comparison, left, f"candidate {comparison.right.number}"), is_folded=True)


def history_table(moves: Sequence[StageChange], *, timed: bool) -> Table:
    """Lay out what moved when, newest first."""
    rows = []
    for move in moves:
        moved = f"{move.from_stage} → {move.to_stage}{', by force' if move.forced else ''}"
        when = [time_text(move.at), shorten(move.by, 20)] if timed else []
        rows.append([*when, str(move.number), moved, shorten(move.note, 120)])
    return Table([*(["when", "by"] if timed else []), "version", "move", "note"], rows)


def _stage_text(version: ModelVersion) -> str:
    stage = "" if version.stage is ModelStages.NONE else version.stage.value
    return " ".join(filter(None, [stage, signed(version.mark)]))


def _short_names(paths: Sequence[str]) -> list[str]:
    """Name metrics by the end of their paths, where no two end alike."""
    ends = [path.rpartition(".")[2] for path in paths]
    return ends if len(set(ends)) == len(ends) else list(paths)
