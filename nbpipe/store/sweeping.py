"""Sweeping the store: files that nothing refers to, and what killed writers left.

Whether something refers to a file, the caller knows and says; this module knows ages and names. A
file that was made or touched after `since_ns` stays, whoever refers to it: its record may be on its
way. A writer that finds its bytes already here touches the file (`BlobStore.write`), so that an old
one counts as young from then on.

Between a look at a file and its deletion a writer may touch it. So a file is first *condemned*: it
gets another name in one step, and is looked at again. From then on no writer finds it; whoever had
touched it before that gets it back. What a killed sweep left condemned is given back by the next.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbpipe.store.remote_sweeping import SweptRemote

from nbpipe.base.folders import size_below

_FOLDER = re.compile(r"[0-9a-f]{2}\Z")
_REST = re.compile(r"[0-9a-f]{62}\Z")
_CONDEMNED = ".condemned-"


@dataclass(frozen=True, slots=True)
class Stored:
    """A blob as it was found in its folder.

    Attributes:
        digest: Its name.
        size_bytes: Its size.
        accessed_ns: When it was last read or touched.
        touched_ns: When its file was last changed in any way; nobody can set this back.
        sealed_ns: The time of change that it bears.
    """

    digest: str
    size_bytes: int
    accessed_ns: int
    touched_ns: int
    sealed_ns: int


@dataclass(slots=True)
class Swept:
    """What a sweep removed, or would remove.

    Attributes:
        blobs: How many blobs that nothing refers to.
        leftovers: How many other files and folders: drafts of killed writers, copies that nothing refers to.
        size_bytes: How many bytes all of these held.
        kept: How many blobs stay.
        kept_bytes: How many bytes those hold.
        remote: What was swept from the artifact root; `None` if the workspace has none.
    """

    blobs: int = 0
    leftovers: int = 0
    size_bytes: int = 0
    kept: int = 0
    kept_bytes: int = 0
    remote: SweptRemote | None = None


def stored(root: Path) -> Iterator[Stored]:
    """Walk through all blobs, folder by folder; those that vanish meanwhile are left out."""
    for folder in _folders(root):
        for name, found in _entries(folder):
            if _is_blob(name, found):
                yield _stored(folder, name, found)


def sweep(
    root: Path, unpacked: Path, others: Iterable[Path] = (), *, referred: Container[str], since_ns: int, dry_run: bool
) -> Swept:
    """Remove what nothing refers to.

    Args:
        root: The folder of blobs.
        unpacked: The folder with copies of stored files and folders, each named by a digest.
        others: Folders in which only drafts are looked for.
        referred: The digests that something refers to, read after the instant `since_ns`.
        since_ns: What was made or touched after this instant stays.
        dry_run: Only count.

    Raises:
        OSError: The folders cannot be changed.
    """
    swept = Swept()
    for folder in _folders(root):
        for name, found in _entries(folder):
            if _is_blob(name, found):
                blob = _stored(folder, name, found)
                is_wanted = blob.touched_ns >= since_ns or blob.digest in referred
                if is_wanted or not (dry_run or _removed(folder / name, blob)):
                    swept.kept += 1
                    swept.kept_bytes += blob.size_bytes
                else:
                    swept.blobs += 1
                    swept.size_bytes += blob.size_bytes
            elif name.startswith(_CONDEMNED):
                if not dry_run:
                    _give_back(folder, name)
            elif name.startswith(".") and found.st_ctime_ns < since_ns:
                _sweep_leftover(folder / name, found.st_size, swept, dry_run=dry_run)
    for folder in _folders(unpacked):
        for name, found in _entries(folder):
            is_wanted = _REST.match(name) is not None and folder.name + name in referred
            if found.st_ctime_ns < since_ns and not is_wanted:
                _sweep_leftover(folder / name, size_below(folder / name), swept, dry_run=dry_run)
    for folder in others:
        for name, found in _entries(folder):
            if name.startswith(".") and stat.S_ISREG(found.st_mode) and found.st_ctime_ns < since_ns:
                _sweep_leftover(folder / name, found.st_size, swept, dry_run=dry_run)
    return swept


def _removed(place: Path, blob: Stored) -> bool:
    """Delete a blob unless somebody touched it since it was looked at; tell whether it is deleted."""
    condemned = place.with_name(_CONDEMNED + place.name)
    try:
        place.rename(condemned)
        found = condemned.lstat()
        # A rename changes the time that nobody can set, so a writer's touch shows in the one that it sets.
        if (found.st_atime_ns, found.st_mtime_ns) != (blob.accessed_ns, blob.sealed_ns):
            condemned.rename(place)
            return False
        condemned.unlink()
    except FileNotFoundError:
        return False
    return True


def _give_back(folder: Path, name: str) -> None:
    with suppress(FileNotFoundError):
        (folder / name).rename(folder / name.removeprefix(_CONDEMNED))


def _sweep_leftover(path: Path, size_bytes: int, swept: Swept, *, dry_run: bool) -> None:
    if not dry_run:
        _remove(path)
    swept.leftovers += 1
    swept.size_bytes += size_bytes


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        # Renamed first: a reader that looks for the copy finds all of it or nothing. A killed sweep's rest has
        # no other name to get.
        condemned = path if path.name.startswith(_CONDEMNED) else path.with_name(_CONDEMNED + path.name)
        with suppress(FileNotFoundError):
            path.rename(condemned)
            shutil.rmtree(condemned, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _folders(root: Path) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(root))
    except FileNotFoundError:
        return
    for name in names:
        if _FOLDER.match(name) and (root / name).is_dir() and not (root / name).is_symlink():
            yield root / name


def _entries(folder: Path) -> list[tuple[str, os.stat_result]]:
    """Look at what is in one of 256 folders; a list, for the folder is changed while it is walked through."""
    found = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                found.append((entry.name, entry.stat(follow_symlinks=False)))
    return found


def _is_blob(name: str, found: os.stat_result) -> bool:
    return _REST.match(name) is not None and stat.S_ISREG(found.st_mode)


def _stored(folder: Path, name: str, found: os.stat_result) -> Stored:
    return Stored(folder.name + name, found.st_size, found.st_atime_ns, found.st_ctime_ns, found.st_mtime_ns)
