"""Which logs nobody needs as files any more: what a publisher does with them once it has published.

A log may leave for the archive when this published file and the one before it hold all of it, when
its writer is dead, and when no run in it still waits to be settled; a segment of operations, when
it is closed and a later memory is kept to begin with. A writer may have written and died since the
sizes were taken, so they are asked for again after its lock was found free: from then on they are
final.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from nbpipe.base.locks import is_locked
from nbpipe.catalog import archive, memory, segments
from nbpipe.catalog.engine import failures
from nbpipe.catalog.processlog import cut_unfinished
from nbpipe.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from nbpipe.base.workspace import WorkspacePaths
    from nbpipe.catalog.tails import Extent

# How much there must be to be worth a file of the archive.
_ENOUGH_LOGS = 64
_ENOUGH_BYTES = 8 * 2**20


def retire(
    paths: WorkspacePaths,
    extents: Mapping[str, Extent],
    *,
    former: Mapping[str, int],
    now: Mapping[str, int],
    unsettled: Collection[str],
) -> int:
    """Archive the logs that may leave, if they are many or long; give how many left.

    Only for who holds the publisher's lock. What cannot be done is no trouble: the logs stay until it can.

    Args:
        paths: The workspace.
        extents: The logs as they were found before publishing.
        former: How far the published file before holds each log.
        now: How far the new one does.
        unsettled: Logs with runs that have not ended, whether their writer lives or not.
    """
    through = {log: extent for log, extent in extents.items() if former.get(log) == now.get(log) == extent.size}
    with suppress(CatalogError, *failures()):
        done = _over(paths, {log: extent for log, extent in through.items() if log not in unsettled})
        if len(done) >= _ENOUGH_LOGS or sum(extent.size for extent in done.values()) >= _ENOUGH_BYTES:
            return len(archive.add(paths, done))
    return 0


def cut_unfinished_ends(extents: Mapping[str, Extent], positions: Mapping[str, int]) -> None:
    """Cut off what dead writers left in the middle of a line, or it would look like news for ever."""
    for log, extent in extents.items():
        end = positions.get(log, 0)
        if end < extent.size and not segments.is_segment(log):
            # One that cannot be cut, or left for the archive, is no trouble.
            with suppress(OSError):
                cut_unfinished(extent.path, end)


def _over(paths: WorkspacePaths, extents: Mapping[str, Extent]) -> dict[str, Extent]:
    """Give the logs to which nothing comes any more, and nothing came since their sizes were taken."""
    kept = memory.load(paths.operations)
    begins = kept.segment if kept is not None else 0
    return {log: extent for log, extent in extents.items() if _is_over(log, extent, begins)}


def _is_over(log: str, extent: Extent, begins: int) -> bool:
    is_closed = int(log) < begins if segments.is_segment(log) else not is_locked(extent.path)
    if not is_closed:
        return False
    with suppress(FileNotFoundError):
        return extent.path.stat().st_size == extent.size
    return False
