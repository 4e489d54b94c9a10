"""The facts of process logs, read as they stand there: without an engine, and one by one.

Damaged lines and unfinished ends are passed over; whoever must know of them asks `catalog.tails`.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbpipe.base.log import stretches
from nbpipe.catalog.identity import OPENED, check_format
from nbpipe.catalog.tails import Extent, process_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbpipe.base.workspace import WorkspacePaths


def facts_beyond(
    paths: WorkspacePaths, positions: Mapping[str, int], wanted: Callable[[str], bool]
) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Walk through the facts of process logs: (log, place to go on from, record).

    Args:
        paths: The workspace.
        positions: For each log the place that a former walk gave last; one that is shorter is read from its beginning.
        wanted: Tells which logs to read.
    """
    for log, size in process_logs(paths).items():
        start = positions.get(log, 0)
        if start == size or not wanted(log):
            continue
        # One that was archived meanwhile is read from there, the next time somebody asks.
        with suppress(FileNotFoundError):
            extent = Extent(paths.logs / f"{log}.log", size)
            for end, record in facts_in(extent, start if start <= size else 0):
                yield log, end, record


def facts_in(extent: Extent, start: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Walk through the facts of one process log beyond a place: (place to go on from, record)."""
    for stretch in stretches(extent.path, start, extent.size):
        for end, line in stretch.lines:
            record = json.loads(line)
            if record["k"] == OPENED:
                check_format(extent.path, record)
            else:
                yield end, record
