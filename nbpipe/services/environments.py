"""Rebuilt environments of snapshots, as a person who wants room on the disk meets them.

They belong to the user and not to a workspace, and can be built again at any time.
"""

from __future__ import annotations

from dataclasses import dataclass

from nbpipe.base.folders import size_below
from nbpipe.snapshot import rebuilt


@dataclass(frozen=True, slots=True)
class EnvironmentUse:
    """How much rebuilt environments take.

    Attributes:
        place: The folder that they lie in.
        environments: How many there are.
        size_bytes: Their size; files that they share with the cache of uv count too.
    """

    place: str
    environments: int
    size_bytes: int


def environment_use() -> EnvironmentUse:
    """Say how much rebuilt environments take."""
    found = list(rebuilt.kept())
    return EnvironmentUse(str(rebuilt.folder()), len(found), sum(size_below(one.place) for one in found))


def remove_environments(*, dry_run: bool = False) -> EnvironmentUse:
    """Remove the rebuilt environments that nobody uses at the moment, and say how much that was.

    Args:
        dry_run: Only count.
    """
    count, size = rebuilt.remove_unused(dry_run=dry_run)
    return EnvironmentUse(str(rebuilt.folder()), count, size)
