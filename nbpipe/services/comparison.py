"""Two model versions side by side, metric by metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nbpipe.services.listing import Listing
from nbpipe.services.versions import ModelVersion


@dataclass(frozen=True, slots=True)
class MetricPair:
    """One metric of two versions; a side that does not have it is `None`.

    Attributes:
        path: The metric's dotted path.
        left: Its value in the first version.
        right: Its value in the second.
        delta: How much larger the second is; `None` unless both are numbers that can be compared.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "metric": "text",
        "left": "float",
        "right": "float",
        "delta": "float",
    }

    path: str
    left: float | None
    right: float | None
    delta: float | None

    def as_row(self) -> dict[str, Any]:
        """Give the pair by column."""
        return {"metric": self.path, "left": self.left, "right": self.right, "delta": self.delta}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions side by side.

    Attributes:
        left: The first.
        right: The second.
        metrics: Each metric that one of them has, in order of their paths.
    """

    left: ModelVersion
    right: ModelVersion
    metrics: Listing[MetricPair]


def compared(left: Mapping[str, float], right: Mapping[str, float]) -> Listing[MetricPair]:
    """Put the metrics of two versions side by side."""
    paths = sorted({*left, *right})
    return Listing((_pair(path, left.get(path), right.get(path)) for path in paths), MetricPair)


def _pair(path: str, left: float | None, right: float | None) -> MetricPair:
    delta = right - left if left is not None and right is not None else None
    return MetricPair(path, left, right, None if delta is None or math.isnan(delta) else delta)
