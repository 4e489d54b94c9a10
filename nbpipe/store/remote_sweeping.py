"""Sweeping an artifact root, and the copies that the workspace's folder holds of what lies there.

Whether something refers to a blob, the caller knows and says; here ages and names are known. What
was put less than an hour ago stays, whoever refers to it: its record may be on its way, and whoever
is about to refer to an older object puts it again first (`store.remote_blobs`). Each folder is
looked at and swept at once, so that between the look and the removal lies a moment, not a walk.

An artifact root in which other workspaces have left their marks is not swept: what they refer to
nobody here can know.
"""

from __future__ import annotations

from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from nbpipe.errors import WorkspaceError
from nbpipe.store.artifact_root import ArtifactRoot, Held
from nbpipe.store.remote_blobs import RemoteBlobs


@dataclass(slots=True)
class SweptRemote:
    """What a sweep removed from an artifact root, or would remove.

    Attributes:
        url: The artifact root.
        blobs: How many blobs that nothing refers to.
        size_bytes: How many bytes they held.
        kept: How many blobs stay.
        kept_bytes: How many bytes those hold.
        others: Where other workspaces lie that have values there: if there are any, nothing was removed.
        copies: How many copies were dropped here.
        copies_bytes: How many bytes those held.
    """

    url: str
    blobs: int = 0
    size_bytes: int = 0
    kept: int = 0
    kept_bytes: int = 0
    others: tuple[str, ...] = ()
    copies: int = 0
    copies_bytes: int = 0


def sweep_root(
    remote: ArtifactRoot, *, workspace: str, referred: Container[str], since: datetime, dry_run: bool
) -> SweptRemote:
    """Remove from an artifact root what nothing refers to.

    Args:
        remote: The artifact root.
        workspace: The id of the workspace that sweeps.
        referred: The digests that something refers to, read after the instant `since`.
        since: What was put after this instant stays.
        dry_run: Only count.

    Raises:
        ArtifactRootError: The root cannot be asked or changed.
    """
    swept = SweptRemote(remote.url)
    marks = remote.marks()
    swept.others = tuple(place for name, place in sorted(marks.items()) if name != workspace)
    for folder in remote.walk():
        garbage = [held for held in folder if not (swept.others or _is_wanted(held, referred, since))]
        if not dry_run:
            remote.remove(remote.name_of(held.digest) for held in garbage)
        swept.blobs += len(garbage)
        swept.size_bytes += sum(held.size_bytes for held in garbage)
        swept.kept += len(folder) - len(garbage)
        swept.kept_bytes += sum(held.size_bytes for held in folder) - sum(held.size_bytes for held in garbage)
    if not dry_run:
        remote.remove([name for name, changed in remote.drafts() if changed is not None and changed < since])
    return swept


def drop_copies(blobs: RemoteBlobs, *, dry_run: bool) -> tuple[int, int]:
    """Remove the files here that the artifact root has too; give how many they were, and their bytes.

    Raises:
        ArtifactRootError: The root cannot be asked.
        WorkspaceError: The folder cannot be changed.
    """
    count = size_bytes = 0
    for folder in blobs.remote.walk():
        for held in folder:
            place = blobs.local.place_of(held.digest)
            with suppress(FileNotFoundError):
                if place.lstat().st_size != held.size_bytes:
                    continue
                try:
                    if not dry_run:
                        place.unlink()
                except PermissionError as error:
                    raise WorkspaceError(f"The store {blobs.root} cannot be changed ({error.strerror}).") from error
                count += 1
                size_bytes += held.size_bytes
    return count, size_bytes


def _is_wanted(held: Held, referred: Container[str], since: datetime) -> bool:
    return held.digest in referred or held.changed is None or held.changed >= since
