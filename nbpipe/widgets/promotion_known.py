"""What the promotion board knows of its model: asked of the service once, kept until the next look.

Whoever fills in a board changes one thing after the other, and each change draws it anew; what a
gate says and how two versions differ must not be asked of the catalog each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nbpipe.records.models import SINGLE_HOLDER, ModelStages
from nbpipe.widgets import promotion_tables as tables
from nbpipe.widgets.standing import Judged, Standing, judged_by

if TYPE_CHECKING:
    from nbpipe.services.comparison import Comparison
    from nbpipe.services.models import ModelService
    from nbpipe.services.versions import ModelVersion, StageChange
    from nbpipe.views.tables import Table

_MOST_VERSIONS = 12
_MOST_MOVES = 8


class KnownModel:
    """A model as it stood at the last look.

    Args:
        models: The service.
        name: The model's name.

    Attributes:
        versions: Its versions, the newest first.
        moves: Their last moves, the newest first.

    Raises:
        NotFoundError: There is no such model.
    """

    def __init__(self, models: ModelService, name: str) -> None:
        self._models = models
        self._name = name
        self.reload()

    def reload(self) -> None:
        """Ask the service again."""
        self.versions: list[ModelVersion] = list(self._models.get(self._name).versions)
        self.moves: list[StageChange] = list(self._models.history(self._name))[:_MOST_MOVES]
        self._metrics: dict[int, dict[str, float]] = {}
        self._said: dict[tuple[int, tuple[str, ...]], list[Judged]] = {}
        self._comparisons: dict[tuple[int, int], Comparison] = {}

    def judged(self, number: int | None, gates: tuple[str, ...]) -> list[Judged]:
        """Tell what gates say of a version."""
        if number is None or not gates or all(version.number != number for version in self.versions):
            return []
        if (number, gates) not in self._said:
            ref = self._name, number
            self._said[number, gates] = judged_by(gates, lambda text: self._models.judge(ref, [text])[0])
        return self._said[number, gates]

    def comparison(self, now: Standing) -> Comparison | None:
        """Compare the holder with the candidate; without a holder there is nothing to compare."""
        if now.candidate is None or now.holder is None:
            return None
        pair = now.holder.number, now.candidate.number
        if pair not in self._comparisons:
            self._comparisons[pair] = self._models.compare(now.holder, now.candidate)
        return self._comparisons[pair]

    def versions_table(self, *, timed: bool) -> Table:
        """Lay out the newest versions, and whoever else holds a stage."""
        newest = self.versions[:_MOST_VERSIONS]
        held = [version for version in self.versions[_MOST_VERSIONS:] if version.stage in SINGLE_HOLDER]
        shown = [*newest, *held]
        return tables.versions_table(shown, self._metrics_of(shown), timed=timed)

    def compared(self, now: Standing, stage: ModelStages) -> Table | None:
        """Lay out the metrics of the candidate beside those of the holder."""
        return tables.comparison_table(now, stage, self._metrics_of([now.candidate, now.holder]))

    def history_table(self, *, timed: bool) -> Table | None:
        """Lay out the last moves; `None` if nothing was ever moved."""
        return tables.history_table(self.moves, timed=timed) if self.moves else None

    def _metrics_of(self, versions: Sequence[ModelVersion | None]) -> dict[int, dict[str, float]]:
        for version in versions:
            if version is not None and version.number not in self._metrics:
                self._metrics[version.number] = version.metrics
        return self._metrics
