"""A backup: one file with all that is truth in a workspace, and the way back.

The file is a gzipped tar. It holds the operation log, the process logs and the archive as they were
at one moment, the stored values unless they were left out, and last a manifest with counts and
digests. What is derived (published files, the index) is not in it: it is made again.

The moment is one of whole lines: the operation log's size is taken first, as everywhere, and the
publisher's lock is held until all logs are copied, so that none is archived meanwhile. Values are
copied after that; whatever a copied line speaks of was stored before it.

A file to be restored may come from anybody. Only names of our own form are taken, only regular
files, and nothing gets its place before everything was checked.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from nbpipe.base.clock import now_text
from nbpipe.base.ids import new_id
from nbpipe.base.locks import PolledLock
from nbpipe.base.log import is_sound, sync_folder
from nbpipe.base.version import VERSION
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.tails import look
from nbpipe.catalog.writable import prepare
from nbpipe.errors import (
    BadValueError,
    CatalogBusyError,
    CatalogDamagedError,
    ConflictError,
    NotFoundError,
    WorkspaceError,
)
from nbpipe.store.blobs import seal
from nbpipe.store.sweeping import stored

Progress = Callable[[int, int], None]

SCHEMA = 1
_MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 2**30
_CHUNK_BYTES = 2**20
_PATIENCE_S = 60.0
# Logs are text and shrink tenfold at any level; values are mostly packed already.
_LEVEL = 1
_PART = r"[A-Za-z0-9_][A-Za-z0-9._=-]{0,127}"
_LOG_NAME = re.compile(rf"(?:operations|logs)/{_PART}\.log\Z")
_ARCHIVE_NAME = re.compile(rf"archive/(?:{_PART}/){{0,4}}{_PART}\Z")
_BLOB_NAME = re.compile(r"blobs/([0-9a-f]{2})/([0-9a-f]{62})\Z")
_NOTHING_OF_WORTH = frozenset({".gitignore", "operations/lock", "catalog/publish.lock"})


@dataclass(slots=True)
class Backup:
    """What a backup holds.

    Attributes:
        path: The file.
        size_bytes: Its size.
        made: When it was made.
        logs: How many logs.
        lines: How many whole lines in them.
        damaged_lines: How many of these are not what was once written; they are kept as they are.
        archives: How many files of the archive.
        blobs: How many stored values.
        blob_bytes: How many bytes those have.
        damaged_blobs: Those that are not what their name says; they are kept as they are, and not restored.
        has_values: Whether values were to be in it.
    """

    path: Path
    size_bytes: int = 0
    made: str = ""
    logs: int = 0
    lines: int = 0
    damaged_lines: int = 0
    archives: int = 0
    blobs: int = 0
    blob_bytes: int = 0
    damaged_blobs: list[str] = field(default_factory=list)
    has_values: bool = True


def write_backup(
    paths: WorkspacePaths, target: Path | None, *, values: bool, progress: Progress | None = None
) -> Backup:
    """Write a backup of a workspace, read it back, and give it its name.

    Args:
        paths: The workspace.
        target: The file; one named by the time, in the workspace's `backups`, if not given.
        values: Whether stored values are to be in it.
        progress: Told, from time to time, how many of how many bytes are written.

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
        made = _written(paths, draft, values=values, progress=progress)
        _check_same(path, made, read_through(draft))
        draft.rename(path)
        sync_folder(path.parent)
    except CatalogBusyError:
        raise
    except OSError as error:
        raise WorkspaceError(f"The backup {path} cannot be written ({error.strerror or error}).") from error
    finally:
        draft.unlink(missing_ok=True)
    made.path, made.size_bytes = path, path.stat().st_size
    return made


def read_through(path: Path, take: Callable[[str, Iterator[bytes]], None] | None = None) -> Backup:
    """Read a whole backup and check it against its manifest: every file, every line, every value.

    Args:
        path: The backup.
        take: Given each file that is sound so far: its name, which is of our own form, and its bytes, piece by piece.

    Raises:
        NotFoundError: There is no such file.
        CatalogDamagedError: It is no backup, or not what was once written.
    """
    found = Backup(path)
    digests: dict[str, Any] = {}
    manifest: dict[str, Any] | None = None
    try:
        with gzip.open(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as tar:
            for member in tar:
                vars(tar)["members"].clear()
                if manifest is not None or not member.isreg() or member.name in digests:
                    raise _no_backup(path, f"{member.name[:100]!r} does not belong in it")
                content = tar.extractfile(member)
                assert content is not None, "a regular file has content"
                if member.name == _MANIFEST:
                    manifest = _read_manifest(path, member.size, content)
                else:
                    digests |= _read_member(path, member, content, found, take)
            # The packing has a checksum of its own at its end.
            while unpacked.read(_CHUNK_BYTES):
                continue
    except FileNotFoundError:
        raise NotFoundError("backup file", str(path)) from None
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise _no_backup(path, str(error) or type(error).__name__) from error
    if manifest is None or manifest.get("schema") != SCHEMA:
        raise _no_backup(path, "its manifest is missing")
    if manifest.get("files") != digests:
        raise _no_backup(path, "its files are not those of its manifest")
    said = manifest.get("counts")
    if not isinstance(said, dict) or said != _counts(found):
        raise _no_backup(path, "its counts are not those of its manifest")
    found.made, found.has_values = str(manifest.get("made", "")), bool(manifest.get("has_values"))
    found.size_bytes = path.stat().st_size
    return found


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
        blob = _BLOB_NAME.match(name)
        if blob is not None:
            digest = blob[1] + blob[2]
            if self.keep is not None and digest in self.digests - self.kept and self.keep(digest, pieces):
                self.kept.add(digest)
            return
        places = [place for place in self.places if place[0] == name]
        if not places:
            return
        parts = {place: bytearray() for place in places}
        at = 0
        for piece in pieces:
            for place, part in parts.items():
                part.extend(piece[max(0, place[1] - at) : max(0, place[2] - at)])
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
    check_empty(paths)
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


def check_empty(paths: WorkspacePaths) -> None:
    """Refuse a workspace in which anything is, naming it.

    Raises:
        ConflictError: There is something in it.
    """
    for place, _, names in os.walk(paths.root):
        for name in names:
            found = (Path(place) / name).relative_to(paths.root).as_posix()
            if found not in _NOTHING_OF_WORTH:
                raise ConflictError(
                    f"{paths.root} is not empty: it has {found}. Set NBPIPE_HOME to a folder that is not there yet."
                )


# Writing ---------------------------------------------------------------------------------------


def _written(paths: WorkspacePaths, draft: Path, *, values: bool, progress: Progress | None) -> Backup:
    made = Backup(draft, made=now_text(), has_values=values)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with (
            gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=file) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            writer = _Writer(tar, made, progress)
            with _no_publisher(paths):
                logs = [(extent.path, _end_of_lines(extent.path, extent.size)) for extent in look(paths).values()]
                archives = [*_files_below(paths.archive)]
                blob_bytes = sum(blob.size_bytes for blob in stored(paths.blobs)) if values else 0
                writer.expect(sum(size for _, size in [*logs, *archives]) + blob_bytes)
                for log, size in logs:
                    if size:
                        writer.add(f"{log.parent.name}/{log.name}", log, size)
                for archive, size in archives:
                    writer.add(f"archive/{archive.relative_to(paths.archive).as_posix()}", archive, size)
            if values:
                for blob in stored(paths.blobs):
                    rest = f"{blob.digest[:2]}/{blob.digest[2:]}"
                    # A sweep may take meanwhile what no line speaks of.
                    with suppress(FileNotFoundError):
                        writer.add(f"blobs/{rest}", paths.blobs / rest, blob.size_bytes)
            writer.add_manifest()
        file.flush()
        os.fsync(file.fileno())
    return made


@contextmanager
def _no_publisher(paths: WorkspacePaths) -> Iterator[None]:
    paths.catalog.mkdir(mode=0o700, exist_ok=True)
    lock = PolledLock(paths.catalog / "publish.lock", patience_s=_PATIENCE_S)
    try:
        with lock:
            yield
    finally:
        lock.close()


class _Writer:
    def __init__(self, tar: tarfile.TarFile, made: Backup, progress: Progress | None) -> None:
        self._tar = tar
        self._made = made
        self._progress = progress
        self._files: dict[str, Any] = {}
        self._done = self._total = 0

    def expect(self, total: int) -> None:
        self._total = total

    def add(self, name: str, path: Path, size: int) -> None:
        """Copy the first `size` bytes of a file."""
        with path.open("rb") as file:
            reading = _Reading(file, size, is_log=_LOG_NAME.match(name) is not None)
            self._tar.addfile(_member(name, size), reading)
        # Each member is remembered for a look-up that nobody makes; there may be a million.
        vars(self._tar)["members"].clear()
        self._files |= _note(self._made, name, reading)
        self._done += size
        if self._progress is not None:
            self._progress(self._done, self._total)

    def add_manifest(self) -> None:
        said = {
            "schema": SCHEMA,
            "nbpipe": VERSION,
            "made": self._made.made,
            "has_values": self._made.has_values,
            "counts": _counts(self._made),
            "files": self._files,
        }
        data = json.dumps(said, indent=1).encode()
        reading = _Reading.of(data)
        self._tar.addfile(_member(_MANIFEST, len(data)), reading)


class _Reading:
    """A file read up to a size, which is digested and whose lines are checked on the way."""

    def __init__(self, file: IO[bytes], size: int, *, is_log: bool) -> None:
        self._file = file
        self._left = size
        self._is_log = is_log
        self._carried = b""
        self._sha256 = hashlib.sha256()
        self.size = 0
        self.lines = 0
        self.damaged_lines = 0

    @classmethod
    def of(cls, data: bytes) -> _Reading:
        return cls(io.BytesIO(data), len(data), is_log=False)

    @property
    def digest(self) -> str:
        return self._sha256.hexdigest()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        self.size += len(data)
        self._sha256.update(data)
        if self._is_log:
            self._check_lines(data)
        return data

    def pieces(self) -> Iterator[bytes]:
        while data := self.read(_CHUNK_BYTES):
            yield data

    def _check_lines(self, data: bytes) -> None:
        *lines, self._carried = (self._carried + data).split(b"\n")
        self.lines += len(lines)
        self.damaged_lines += sum(not is_sound(line) for line in lines)


def _note(made: Backup, name: str, reading: _Reading) -> dict[str, Any]:
    """Count a file that was read to its end, and give its entry in the manifest; a value's name says all."""
    blob = _BLOB_NAME.match(name)
    if blob is not None:
        made.blobs += 1
        made.blob_bytes += reading.size
        if reading.digest != blob[1] + blob[2]:
            made.damaged_blobs.append(blob[1] + blob[2])
        return {}
    if _LOG_NAME.match(name):
        made.logs += 1
        made.lines += reading.lines
        made.damaged_lines += reading.damaged_lines
    else:
        made.archives += 1
    return {name: {"size": reading.size, "sha256": reading.digest}}


def _counts(made: Backup) -> dict[str, Any]:
    counted = ("logs", "lines", "damaged_lines", "archives", "blobs", "blob_bytes", "damaged_blobs")
    return {name: value for name, value in asdict(made).items() if name in counted}


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    return member


def _end_of_lines(path: Path, size: int) -> int:
    """Give where the last whole line ends among the first `size` bytes of a log."""
    try:
        with path.open("rb") as file:
            place = size
            while place:
                start = max(0, place - _CHUNK_BYTES)
                file.seek(start)
                found = file.read(place - start).rfind(b"\n")
                if found >= 0:
                    return start + found + 1
                place = start
    except FileNotFoundError:
        return 0
    return 0


def _files_below(folder: Path) -> Iterator[tuple[Path, int]]:
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(place) / name
            if _ARCHIVE_NAME.match(f"archive/{path.relative_to(folder).as_posix()}"):
                yield path, path.stat().st_size


def _name_by_time() -> str:
    return f"{re.sub(r'[^0-9T]', '', now_text().partition('.')[0])}Z.tar.gz"


def _check_same(path: Path, made: Backup, found: Backup) -> None:
    if _counts(made) != _counts(found):
        raise CatalogDamagedError(path, "what was written was not what came back", cure="Look at the disk.")


# Reading ---------------------------------------------------------------------------------------


def _read_manifest(path: Path, size: int, content: IO[bytes]) -> dict[str, Any]:
    try:
        said = json.loads(content.read()) if size <= _LARGEST_MANIFEST else None
    except ValueError as error:
        raise _no_backup(path, "its manifest is damaged") from error
    if not isinstance(said, dict):
        raise _no_backup(path, "its manifest is damaged")
    return said


def _read_member(
    path: Path,
    member: tarfile.TarInfo,
    content: IO[bytes],
    found: Backup,
    take: Callable[[str, Iterator[bytes]], None] | None,
) -> Mapping[str, Any]:
    name = member.name
    if not any(form.match(name) for form in (_LOG_NAME, _ARCHIVE_NAME, _BLOB_NAME)):
        raise _no_backup(path, f"{name[:100]!r} does not belong in it")
    reading = _Reading(content, member.size, is_log=_LOG_NAME.match(name) is not None)
    if take is not None:
        take(name, reading.pieces())
    for _ in reading.pieces():
        continue
    if reading.size != member.size:
        raise _no_backup(path, f"{name} ends too early")
    return _note(found, name, reading)


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
    blob = _BLOB_NAME.match(name)
    if blob is not None:
        seal(target, blob[1] + blob[2])


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


def _no_backup(path: Path, why: str) -> CatalogDamagedError:
    return CatalogDamagedError(path, why, cure="Take another backup.")
