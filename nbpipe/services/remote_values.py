"""The values of a workspace on object storage: set there, looked over, fetched and swept.

An artifact root is set once it was written to and read from, and once it has every value that the
catalog names: whoever opens the workspace elsewhere finds them all. So setting it again is harmless,
and uploads what lies here only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from nbpipe.base.settings import ARTIFACTS, identity, set_artifacts, settings_of
from nbpipe.errors import ArtifactDamagedError, ArtifactRootError, BadValueError, ConflictError, NotUploadedError
from nbpipe.store.blobs import BlobStore
from nbpipe.store.placing import leave_mark, remote_blobs
from nbpipe.store.sweeping import Stored, stored

if TYPE_CHECKING:
    from nbpipe.catalog.references import NamedBlob
    from nbpipe.services.workspace import Workspace
    from nbpipe.store.remote_blobs import RemoteBlobs
    from nbpipe.store.remote_sweeping import SweptRemote

Progress = Callable[[int, int], None]

HERE_ONLY = "lies here only"


@dataclass(slots=True)
class Moved:
    """What was done so that all values lie where they should.

    Attributes:
        url: The artifact root; `""` if values lie in the workspace itself.
        uploaded: How many blobs were put there.
        uploaded_bytes: How many bytes those hold.
        fetched: How many blobs were fetched from where values lay before.
        present: How many blobs were there already.
        damaged: Digests of those that are not what their name says, and stay where they are.
    """

    url: str
    uploaded: int = 0
    uploaded_bytes: int = 0
    fetched: int = 0
    present: int = 0
    damaged: list[str] = field(default_factory=list)


def set_artifact_root(
    workspace: Workspace,
    url: str,
    mentioned: Callable[[], set[str]],
    *,
    since_ns: int,
    progress: Progress | None = None,
) -> Moved:
    """Have the values of a workspace lie under `url`, or in itself for `""`, and bring there those that it has.

    Args:
        workspace: The workspace.
        url: The artifact root.
        mentioned: Gives the digests of the blobs that something refers to.
        since_ns: Blobs that were touched after this instant are brought, too: their records may be on their way.
        progress: Told, from time to time, how many of how many bytes are uploaded.

    Raises:
        BadValueError: That is no URL of an artifact root.
        ConflictError: `NBPIPE_ARTIFACTS` says something else.
        ArtifactRootError: It, or the one that was set before, cannot be asked; nothing was set.
        NotUploadedError: It cannot be written; nothing was set.
    """
    said = os.environ.get(ARTIFACTS, "").strip().rstrip("/")
    if said and said != url:
        raise ConflictError(f"{ARTIFACTS} says {said}, and would win. Unset it, or name the same root.")
    new = remote_blobs(workspace.paths, url) if url else None
    workspace.paths.ensure()
    moved = Moved(new.remote.url if new is not None else "")
    if new is not None:
        check_root(workspace, new)
    referred = mentioned()
    old = workspace.store.remote
    if old is not None and old.remote.url != moved.url:
        moved.fetched = fetch_all(old, referred)
    if new is not None:
        wanted = [
            blob for blob in stored(workspace.paths.blobs) if blob.touched_ns >= since_ns or blob.digest in referred
        ]
        _upload(new, wanted, moved, progress)
    if not said:
        set_artifacts(workspace.paths, moved.url)
    workspace.store.place_blobs(new if new is not None else BlobStore(workspace.paths.blobs))
    return moved


def check_root(workspace: Workspace, blobs: RemoteBlobs) -> None:
    """Write the workspace's mark into an artifact root, and read it back.

    Raises:
        ArtifactRootError: What was written does not come back, or it cannot be asked.
        NotUploadedError: It cannot be written.
    """
    leave_mark(workspace.paths, blobs.remote)
    if identity(workspace.paths) not in blobs.remote.marks():
        raise ArtifactRootError(blobs.remote.url, "what was written to it does not come back", "Name another root.")


def others_at(workspace: Workspace, blobs: RemoteBlobs) -> tuple[str, ...]:
    """Say where other workspaces lie that have values under the same artifact root.

    Raises:
        ArtifactRootError: The root cannot be asked.
    """
    mine = settings_of(workspace.paths).id
    return tuple(place for name, place in sorted(blobs.remote.marks().items()) if name != mine)


def fetch_all(blobs: RemoteBlobs, mentioned: set[str]) -> int:
    """Fetch every blob that something refers to and that is not here; give how many they were.

    Raises:
        ArtifactRootError: The artifact root cannot be asked.
        NotRecordedError: The disk is full or failing.
    """
    here = {blob.digest for blob in stored(blobs.root)}
    count = 0
    for folder in blobs.remote.walk():
        for held in folder:
            if held.digest in mentioned and held.digest not in here:
                try:
                    blobs.fetch(held.digest)
                except ArtifactDamagedError:
                    # `catalog check` names it; the others are wanted all the same.
                    continue
                count += 1
    return count


def unsound(blobs: RemoteBlobs, named: Iterator[NamedBlob]) -> Iterator[tuple[NamedBlob, str]]:
    """Give each blob that is named and is not in the artifact root as it should be, and what is wrong with it."""
    sizes = {held.digest: held.size_bytes for folder in blobs.remote.walk() for held in folder}
    seen: set[str] = set()
    for one in named:
        if one.digest in seen:
            continue
        seen.add(one.digest)
        found = sizes.get(one.digest)
        if found is None:
            yield one, HERE_ONLY if is_here(blobs, one) else f"is missing in {blobs.remote.url}"
        elif one.size_bytes not in (None, found):
            yield one, f"has {found:,} bytes in place of {one.size_bytes:,} in {blobs.remote.url}"


def is_here(blobs: RemoteBlobs, named: NamedBlob) -> bool:
    """Tell whether a sound copy of a blob lies in the workspace's folder."""
    try:
        size_bytes = named.size_bytes if named.size_bytes is not None else blobs.local.stamp(named.digest)[0]
    except ArtifactDamagedError:
        return False
    return blobs.local.is_sound(named.digest, size_bytes)


def unlike_their_names(blobs: RemoteBlobs, progress: Progress | None) -> Iterator[str]:
    """Read every object of the artifact root, and give the digests of those that are something else."""
    held = [held for folder in blobs.remote.walk() for held in folder]
    total, done = sum(one.size_bytes for one in held), 0
    for one in held:
        if not blobs.is_same_in_root(one.digest):
            yield one.digest
        done += one.size_bytes
        if progress is not None:
            progress(done, total)


def sweep_remote(
    workspace: Workspace, *, referred: set[str], since_ns: int, dry_run: bool, copies: bool
) -> SweptRemote | None:
    """Sweep the artifact root of a workspace, if it has one, and drop the copies here if asked to.

    Raises:
        BadValueError: The copies are to be dropped, and there is nothing that they are copies of.
        ArtifactRootError: The root cannot be asked or changed.
        WorkspaceError: The folder cannot be changed.
    """
    blobs = workspace.store.remote
    if blobs is None:
        if copies:
            raise BadValueError(
                "The values of this workspace lie here only, so there are no copies to drop.\n"
                "`nbpipe init --artifacts s3://BUCKET/PREFIX` has them lie on object storage."
            )
        return None
    from nbpipe.store.remote_sweeping import drop_copies, sweep_root

    since = datetime.fromtimestamp(since_ns / 10**9, UTC)
    if not dry_run:
        since += _ahead(workspace, blobs)
    mine = identity(workspace.paths)
    swept = sweep_root(blobs.remote, workspace=mine, referred=referred, since=since, dry_run=dry_run)
    if copies:
        swept.copies, swept.copies_bytes = drop_copies(blobs, dry_run=dry_run)
    return swept


def _ahead(workspace: Workspace, blobs: RemoteBlobs) -> timedelta:
    """Say how far the clock by which objects have their ages is ahead of the clock of this machine.

    With a wrong clock here, what another machine put just now would be taken for old, and removed.
    """
    try:
        leave_mark(workspace.paths, blobs.remote)
    except NotUploadedError as error:
        raise ArtifactRootError(error.url, error.why, error.cure) from error
    there = blobs.remote.marked(identity(workspace.paths))
    return there - datetime.fromtimestamp(time.time_ns() / 10**9, UTC) if there is not None else timedelta()


def _upload(blobs: RemoteBlobs, wanted: list[Stored], moved: Moved, progress: Progress | None) -> None:
    sizes = {held.digest: held.size_bytes for folder in blobs.remote.walk() for held in folder}
    total, done = sum(blob.size_bytes for blob in wanted), 0
    for blob in wanted:
        if sizes.get(blob.digest) == blob.size_bytes:
            moved.present += 1
        elif not blobs.local.is_sound(blob.digest, blob.size_bytes):
            moved.damaged.append(blob.digest)
        elif blobs.upload(blob.digest):
            moved.uploaded += 1
            moved.uploaded_bytes += blob.size_bytes
        done += blob.size_bytes
        if progress is not None:
            progress(done, total)
