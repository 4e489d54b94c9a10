"""A backup written: everything that is truth in a workspace, as of one moment, while others go on writing.

The moment is one of whole lines: the operation log's size is taken first, as everywhere, and the
publisher's lock is held until all logs are copied, so that none is archived meanwhile. Values are
copied after that; whatever a copied line speaks of was stored before it.

A backup gets its name when it was read back and is what was written. This module copies bytes:
what the file looks like is for `services.backups`, and what the lines say it never asks.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from nbpipe.base.clock import now_text
from nbpipe.base.ids import new_id
from nbpipe.base.locks import PolledLock
from nbpipe.base.log import stretches, sync_folder
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.tails import look
from nbpipe.catalog.writable import prepare
from nbpipe.errors import (
    BadValueError,
    CatalogBusyError,
    CatalogDamagedError,
    ConflictError,
    NotFoundError,
    NotRecordedError,
    WorkspaceError,
)
from nbpipe.services.backups import MANIFEST, Backup, Reading, is_archive, read_through
from nbpipe.store.sweeping import stored

Progress = Callable[[int, int], None]

_PATIENCE_S = 60.0
# Logs are text and shrink tenfold at any level; values are mostly packed already.
_LEVEL = 1


def write_backup(
    paths: WorkspacePaths,
    target: Path | None,
    *,
    values: bool,
    progress: Progress | None = None,
    fetch: Callable[[], None] | None = None,
) -> Backup:
    """Write a backup of a workspace, read it back, and give it its name.

    Args:
        paths: The workspace.
        target: The file; one named by the time, in the workspace's `backups`, if not given.
        values: Whether stored values are to be in it.
        progress: Told, from time to time, how many of how many bytes are written.
        fetch: Called when the logs are copied: it brings here the values that lie elsewhere.

    Raises:
        NotFoundError: There is no workspace.
        BadValueError: The target is a folder.
        ConflictError: There is such a file already.
        CatalogBusyError: Another process went on publishing for too long.
        CatalogDamagedError: What was written could not be read back.
        WorkspaceError: It could not be written.
    """
    if not paths.root.is_dir():
        raise NotFoundError("workspace", str(paths.root))
    prepare(paths)
    path = (target if target is not None else paths.backups / _name_by_time()).expanduser().absolute()
    if path.is_dir():
        raise BadValueError(f"{path} is a folder. Name a file in it: {path / 'nbpipe.tar.gz'}.")
    if path.exists():
        raise ConflictError(f"{path} is there already. Give another name, or delete it first.")
    draft = path.with_name(f".{new_id()}.tar.gz")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = _written(paths, draft, values=values, progress=progress, fetch=fetch)
        if made.counts() != read_through(draft).counts():
            raise CatalogDamagedError(path, "what was written was not what came back", cure="Look at the disk.")
        draft.rename(path)
        sync_folder(path.parent)
    except (CatalogBusyError, NotRecordedError):
        raise
    except OSError as error:
        raise WorkspaceError(f"The backup {path} cannot be written ({error.strerror or error}).") from error
    finally:
        draft.unlink(missing_ok=True)
    made.path, made.size_bytes = path, path.stat().st_size
    return made


def _written(
    paths: WorkspacePaths, draft: Path, *, values: bool, progress: Progress | None, fetch: Callable[[], None] | None
) -> Backup:
    made = Backup(draft, made=now_text(), has_values=values)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with (
            gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=file) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            writer = _Writer(tar, made, progress)
            if values and fetch is None:
                writer.expect(sum(blob.size_bytes for blob in stored(paths.blobs)))
            _add_logs(writer, paths)
            if values and fetch is not None:
                fetch()
                writer.expect(sum(blob.size_bytes for blob in stored(paths.blobs)))
            if values:
                _add_values(writer, paths)
            writer.add_manifest()
        file.flush()
        os.fsync(file.fileno())
    return made


def _add_logs(writer: _Writer, paths: WorkspacePaths) -> None:
    """Add the logs and the archive as of one moment."""
    paths.catalog.mkdir(mode=0o700, exist_ok=True)
    with closing(PolledLock(paths.catalog / "publish.lock", patience_s=_PATIENCE_S)) as lock, lock:
        logs = [(extent.path, _end_of_lines(extent.path, extent.size)) for extent in look(paths).values()]
        archives = [*_archives(paths.archive)]
        writer.expect(sum(size for _, size in logs) + sum(size for _, _, size in archives))
        for log, size in logs:
            if size:
                writer.add(f"{log.parent.name}/{log.name}", log, size)
        for name, path, size in archives:
            writer.add(name, path, size)


def _add_values(writer: _Writer, paths: WorkspacePaths) -> None:
    for blob in stored(paths.blobs):
        rest = f"{blob.digest[:2]}/{blob.digest[2:]}"
        # A sweep may take meanwhile what no line speaks of.
        with suppress(FileNotFoundError):
            writer.add(f"blobs/{rest}", paths.blobs / rest, blob.size_bytes)


class _Writer:
    """Adds files to a tar, and counts them."""

    def __init__(self, tar: tarfile.TarFile, made: Backup, progress: Progress | None) -> None:
        self._tar = tar
        self._made = made
        self._progress = progress
        self._files: dict[str, Any] = {}
        self._done = self._total = 0

    def expect(self, size_bytes: int) -> None:
        """Say that so many bytes more will come, for whoever is told of the progress."""
        self._total += size_bytes

    def add(self, name: str, path: Path, size: int) -> None:
        """Copy the first `size` bytes of a file."""
        with path.open("rb") as file:
            reading = Reading(file, size, name)
            self._tar.addfile(_member(name, size), reading)
        # Each member is remembered for a look-up that nobody makes; there may be a million.
        vars(self._tar)["members"].clear()
        self._files |= self._made.note(name, reading)
        self._done += size
        if self._progress is not None:
            self._progress(self._done, self._total)

    def add_manifest(self) -> None:
        data = json.dumps(self._made.manifest(self._files), indent=1).encode()
        self._tar.addfile(_member(MANIFEST, len(data)), io.BytesIO(data))


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    return member


def _end_of_lines(path: Path, size: int) -> int:
    """Give where the last line ends among the first `size` bytes of a log, also one whose line break was changed."""
    ends = [0]
    with suppress(FileNotFoundError):
        for stretch in stretches(path, 0, size):
            ends += [stretch.end, *(place + len(line) for place, line in stretch.damaged)]
    return max(ends)


def _archives(folder: Path) -> Iterator[tuple[str, Path, int]]:
    """Walk through the files of the archive: (name in a backup, file, size in bytes)."""
    for place, _, names in os.walk(folder):
        for file_name in sorted(names):
            path = Path(place) / file_name
            name = f"archive/{path.relative_to(folder).as_posix()}"
            if is_archive(name):
                yield name, path, path.stat().st_size


def _name_by_time() -> str:
    return f"{re.sub(r'[^0-9T]', '', now_text().partition('.')[0])}Z.tar.gz"
