"""The values that a workspace names: which they are, and whether each is what was once stored.

The catalog knows which blobs are named and has never seen one; the store has blobs and knows
nobody who names them. Both are asked here, about values in the workspace's own folder as about
those under an artifact root (`remote_values`). Nothing is changed: what is done about what is
found is `upkeep`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from nbpipe.catalog.checks import Finding
from nbpipe.catalog.references import NamedBlob
from nbpipe.errors import ArtifactDamagedError
from nbpipe.services.remote_values import HERE_ONLY, unlike_their_names, unsound
from nbpipe.store.collected import COLLECTED, digests_in
from nbpipe.store.encoding import bytes_of_inline
from nbpipe.store.sweeping import stored

if TYPE_CHECKING:
    from nbpipe.services.workspace import Workspace

Progress = Callable[[int, int], None]

_MOST_FINDINGS = 100
_LISTS_OF_ITEMS = "SELECT blob, name FROM artifacts WHERE materializer = $materializer AND blob <> ''"
_INLINE_FILES = "SELECT inline FROM artifacts WHERE materializer LIKE 'files@%' AND inline IS NOT NULL"


def mentioned(workspace: Workspace) -> set[str]:
    """Give the digests of the blobs that something refers to.

    Raises:
        CatalogError: The catalog cannot be read.
    """
    return workspace.catalog.mentioned_blobs() | {item.digest for item in _items_of_lists(workspace)}


def unpacked_inline(workspace: Workspace) -> set[str]:
    """Give the names under which small stored files were laid out: no blob says them."""
    rows = workspace.catalog.rows(_INLINE_FILES)
    return {hashlib.sha256(bytes_of_inline(row["inline"])).hexdigest() for row in rows}


def unsound_values(workspace: Workspace) -> Iterator[tuple[NamedBlob, str]]:
    """Give each blob that is named and is not what it should be, and what it is instead."""
    blobs = workspace.store.blobs
    remote = workspace.store.remote
    if remote is not None:
        yield from unsound(remote, workspace.catalog.named_blobs())
        return
    seen: set[str] = set()
    for one in chain(workspace.catalog.named_blobs(), _items_of_lists(workspace)):
        if one.digest in seen:
            continue
        seen.add(one.digest)
        try:
            size_bytes = blobs.stamp(one.digest)[0]
        except ArtifactDamagedError as error:
            yield one, f"is missing: {error.why}"
            continue
        if one.size_bytes not in (None, size_bytes):
            yield one, f"has {size_bytes:,} bytes in place of {one.size_bytes:,}"
        elif not blobs.is_sound(one.digest, size_bytes):
            yield one, "is not what was stored"


def check_values(workspace: Workspace, *, deep: bool, progress: Progress | None) -> Iterator[Finding]:
    """Say of each blob that is named what is wrong with it, of very many how many they are.

    Args:
        workspace: The workspace.
        deep: Also read every blob, and compare it with its name.
        progress: Told, from time to time, how many of how many bytes are read.

    Raises:
        CatalogError: The catalog cannot be read.
    """
    found = (_finding(workspace, named, what) for named, what in unsound_values(workspace))
    told = [finding for _, finding in zip(range(_MOST_FINDINGS), found, strict=False)]
    yield from told
    more = sum(1 for _ in found)
    if more:
        yield Finding(workspace.paths.blobs, f"{more:,} more blobs are missing or damaged", "see above")
    if deep:
        paths = {finding.path for finding in told}
        yield from (finding for finding in _unlike_their_names(workspace, progress) if finding.path not in paths)


def _finding(workspace: Workspace, named: NamedBlob, what: str) -> Finding:
    cure = "create it again" if named.kind == "snapshot" else "run its step again: it is not reused"
    if what == HERE_ONLY:
        cure = "run `nbpipe init`: it uploads what the artifact root lacks"
    return Finding(_place(workspace, named.digest), f"the blob of {named.kind} {named.name} {what}", cure)


def _unlike_their_names(workspace: Workspace, progress: Progress | None) -> Iterator[Finding]:
    remote = workspace.store.remote
    if remote is not None:
        cure = "delete it there and here, then run its step again"
        for digest in unlike_their_names(remote, progress):
            what = f"{remote.remote.place_of(digest)} does not hold what its name says"
            yield Finding(_place(workspace, digest), what, cure)
        return
    root = workspace.paths.blobs
    total = sum(blob.size_bytes for blob in stored(root)) if progress is not None else 0
    done = 0
    for blob in stored(root):
        path = _place(workspace, blob.digest)
        try:
            is_same = _digest_of(path) == blob.digest
        except OSError as error:
            yield Finding(path, f"cannot be read ({error.strerror})", "look at the disk")
            continue
        if not is_same:
            yield Finding(path, "does not hold what its name says", "delete it, then run its step again")
        done += blob.size_bytes
        if progress is not None:
            progress(done, total)


def _items_of_lists(workspace: Workspace) -> Iterator[NamedBlob]:
    """Give what the lists name that mapped steps gave: no column of the catalog has it."""
    for row in workspace.catalog.rows(_LISTS_OF_ITEMS, {"materializer": COLLECTED}):
        # One that is gone names nothing any more.
        with suppress(FileNotFoundError, ArtifactDamagedError):
            for digest in digests_in(workspace.store.blobs.open(row["blob"])):
                yield NamedBlob(digest, None, "an item of artifact", row["name"])


def _place(workspace: Workspace, digest: str) -> Path:
    return workspace.paths.blobs / digest[:2] / digest[2:]


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
