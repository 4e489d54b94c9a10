"""Pruning: which snapshots nobody would miss.

Those without a name go, be it that another took it or that they never had one; what a schedule
runs or a deployment serves stays, and so do as many of each pipeline as are to be kept. Runs are
not touched.

This module knows which may go. It does not delete anything: that is `services.snapshots`, which
asks once more of each as it is deleted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.services.snapshot_records import Snapshot


def checked_keep(keep: object) -> int:
    """Give how many snapshots of each pipeline are to be kept.

    Raises:
        BadValueError: That is no number of things.
    """
    if not isinstance(keep, int) or isinstance(keep, bool) or keep < 0:
        raise BadValueError(f"keep={shorten(keep)} is no number of snapshots; give 0 or more.")
    return keep


def superfluous(snapshots: Iterable[Snapshot], *, old: Collection[str], keep: int) -> list[Snapshot]:
    """Pick the snapshots that have no name and are none of the newest, in their order.

    Args:
        snapshots: The newest first.
        old: The ids of those that are old enough to go.
        keep: How many of each pipeline stay, of those without a name.
    """
    seen: Counter[str] = Counter()
    gone = []
    for snapshot in snapshots:
        if snapshot.name:
            continue
        seen[snapshot.pipeline] += 1
        if seen[snapshot.pipeline] > keep and snapshot.id in old:
            gone.append(snapshot)
    return gone
