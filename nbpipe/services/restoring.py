"""What comes back from backups: a whole workspace, or only the lines and values that were lost.

A workspace is restored where there is none, or one with nothing in it. It is laid out beside its
place, checked, and gets that place in one step: whoever looks sees all of it or nothing. Lost lines
and values are looked up in the workspace's own backups, and handed to whoever can use them.

This module knows places. Whether a backup is sound `services.backups` says, whether what was found
fits into a damaged log `catalog.repair`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nbpipe.base.ids import new_id
from nbpipe.base.log import sync_folder
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import CatalogDamagedError, ConflictError, NotFoundError, WorkspaceError
from nbpipe.services.backups import Backup, digest_in, read_through
from nbpipe.store.blobs import seal

_NOTHING_OF_WORTH = frozenset({".gitignore", "operations/lock", "catalog/publish.lock"})


@dataclass(slots=True)
class Wanted:
    """What is looked for in backups.

    Attributes:
        places: Parts of logs: the log as a backup names it, where the part begins, and where it ends.
        digests: Stored values.
        keep: Takes the bytes of such a value, and tells whether they are what they should be.
        found: What stands at these places in the backups, newest first.
        kept: The values that were found.
        unreadable: Backups that are damaged, and why; what was read of them before that still counts.
    """

    places: list[tuple[str, int, int]] = field(default_factory=list)
    digests: set[str] = field(default_factory=set)
    keep: Callable[[str, Iterator[bytes]], bool] | None = None
    found: dict[tuple[str, int, int], list[bytes]] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    unreadable: dict[Path, str] = field(default_factory=dict)

    def earlier(self, log: str, start: int, end: int) -> list[bytes]:
        """Give what was found at a place."""
        return self.found.get((log, start, end), [])

    def take(self, name: str, pieces: Iterator[bytes]) -> None:
        """Look at one file of a backup."""
        digest = digest_in(name)
        if digest is not None:
            if self.keep is not None and digest in self.digests - self.kept and self.keep(digest, pieces):
                self.kept.add(digest)
            return
        parts = {place: bytearray() for place in self.places if place[0] == name}
        if not parts:
            return
        at = 0
        for piece in pieces:
            for (_, start, end), part in parts.items():
                part.extend(piece[max(0, start - at) : max(0, end - at)])
            at += len(piece)
        for place, part in parts.items():
            self.found.setdefault(place, []).append(bytes(part))


def look_up(paths: WorkspacePaths, wanted: Wanted) -> None:
    """Look for something in the workspace's own backups, the newest first."""
    for path in sorted(paths.backups.glob("[!.]*.tar.gz"), key=lambda path: path.stat().st_mtime, reverse=True):
        if not (wanted.places or wanted.digests - wanted.kept):
            return
        try:
            read_through(path, wanted.take)
        except (CatalogDamagedError, NotFoundError) as error:
            wanted.unreadable[path] = str(error)


def restore(paths: WorkspacePaths, path: Path) -> Backup:
    """Make a workspace of a backup, where there is none or an empty one.

    Everything is laid out beside the workspace and checked, and gets its place in one step.

    Raises:
        ConflictError: There is something in the workspace.
        NotFoundError: There is no such backup.
        CatalogDamagedError: It is no backup, or not what was once written; nothing is left of it.
        WorkspaceError: The workspace cannot be written.
    """
    _check_empty(paths)
    draft = WorkspacePaths(paths.root.with_name(f".{paths.root.name.lstrip('.')}-{new_id()}"))
    try:
        draft.ensure()
        found = read_through(path, lambda name, pieces: _lay_out(draft, name, pieces))
        for digest in found.damaged_blobs:
            (draft.blobs / digest[:2] / digest[2:]).unlink(missing_ok=True)
        _remove_empty(paths)
        draft.root.rename(paths.root)
        sync_folder(paths.root.parent)
    except OSError as error:
        raise _cannot_restore(paths, error) from error
    finally:
        shutil.rmtree(draft.root, ignore_errors=True)
    return found


def _check_empty(paths: WorkspacePaths) -> None:
    """Refuse a workspace in which anything is, naming it."""
    for place, _, names in os.walk(paths.root):
        for name in names:
            found = (Path(place) / name).relative_to(paths.root).as_posix()
            if found not in _NOTHING_OF_WORTH:
                raise ConflictError(
                    f"{paths.root} is not empty: it has {found}. Set NBPIPE_HOME to a folder that is not there yet."
                )


def _lay_out(draft: WorkspacePaths, name: str, pieces: Iterator[bytes]) -> None:
    target = draft.root / name
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _cannot_restore(draft, error) from error
    with os.fdopen(descriptor, "wb") as file:
        # Reading and writing may fail, and are no fault of each other's.
        for piece in pieces:
            try:
                file.write(piece)
            except OSError as error:
                raise _cannot_restore(draft, error) from error
        file.flush()
        os.fsync(file.fileno())
    digest = digest_in(name)
    if digest is not None:
        seal(target, digest)


def _remove_empty(paths: WorkspacePaths) -> None:
    """Remove the folders of a workspace that has nothing; one in which something appeared meanwhile stays."""
    if not paths.root.exists():
        return
    for name in _NOTHING_OF_WORTH:
        (paths.root / name).unlink(missing_ok=True)
    for place, folders, _ in os.walk(paths.root, topdown=False):
        for folder in folders:
            (Path(place) / folder).rmdir()
    paths.root.rmdir()


def _cannot_restore(paths: WorkspacePaths, error: OSError) -> WorkspaceError:
    return WorkspaceError(
        f"{paths.root.parent} cannot hold the workspace ({error.strerror or error}). Nothing was made."
    )
