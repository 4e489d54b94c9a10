"""A backup: one file with all that is truth in a workspace, and how such a file is read and checked.

The file is a gzipped tar. It holds the operation log, the process logs and the archive as they were
at one moment, the stored values unless they were left out, and last a manifest with counts and
digests. What is derived (published files, the index) is not in it: it is made again.

A file may come from anybody. Only names of our own form are taken, and only regular files; every
line, every value and the manifest are checked while they are read.

This module knows the file and nothing of a workspace: `services.backing_up` makes one of it, and
`services.restoring` makes a workspace of one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from nbpipe.base.log import is_sound
from nbpipe.base.version import VERSION
from nbpipe.errors import CatalogDamagedError, NotFoundError

MANIFEST = "manifest.json"
_SCHEMA = 1
_LARGEST_MANIFEST = 2**30
_CHUNK_BYTES = 2**20
_PART = r"[A-Za-z0-9_][A-Za-z0-9._=-]{0,127}"
_LOG_NAME = re.compile(rf"(?:operations|logs)/{_PART}\.log\Z")
_ARCHIVE_NAME = re.compile(rf"archive/(?:{_PART}/){{0,4}}{_PART}\Z")
_BLOB_NAME = re.compile(r"blobs/([0-9a-f]{2})/([0-9a-f]{62})\Z")
_COUNTED = ("logs", "lines", "damaged_lines", "archives", "blobs", "blob_bytes", "damaged_blobs")

# Given each file that is sound so far: its name, which is of our own form, and its bytes, piece by piece.
Take = Callable[[str, Iterator[bytes]], None]


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

    def counts(self) -> dict[str, Any]:
        """Give what was counted, as the manifest says it."""
        return {name: getattr(self, name) for name in _COUNTED}

    def manifest(self, files: Mapping[str, Any]) -> dict[str, Any]:
        """Give the manifest.

        Args:
            files: What `note` gave of each file.
        """
        return {
            "schema": _SCHEMA,
            "nbpipe": VERSION,
            "made": self.made,
            "has_values": self.has_values,
            "counts": self.counts(),
            "files": files,
        }

    def note(self, name: str, reading: Reading) -> dict[str, Any]:
        """Count a file that was read to its end, and give its entry in the manifest; a value's name says all."""
        digest = digest_in(name)
        if digest is not None:
            self.blobs += 1
            self.blob_bytes += reading.size
            if reading.digest != digest:
                self.damaged_blobs.append(digest)
            return {}
        if _LOG_NAME.match(name):
            self.logs += 1
            self.lines += reading.lines + reading.is_unended
            self.damaged_lines += reading.damaged_lines + reading.is_unended
        else:
            self.archives += 1
        return {name: {"size": reading.size, "sha256": reading.digest}}


class Reading:
    """One file of a backup read up to a size, which is digested and whose lines are checked on the way.

    Args:
        file: Where to read.
        size: How many bytes, at most.
        name: Its name in the backup, which says whether it has lines.

    Attributes:
        size: How many bytes were read.
        lines: How many whole lines, if it is a log.
        damaged_lines: How many of these are not what was once written.
    """

    def __init__(self, file: IO[bytes], size: int, name: str) -> None:
        self._file = file
        self._left = size
        self._is_log = _LOG_NAME.match(name) is not None
        self._carried = b""
        self._sha256 = hashlib.sha256()
        self.size = 0
        self.lines = 0
        self.damaged_lines = 0

    @property
    def is_unended(self) -> bool:
        """Whether a last line has another byte than its line break; what writers left unfinished is not copied."""
        return bool(self._carried)

    @property
    def digest(self) -> str:
        """The SHA-256 of what was read, in hexadecimal."""
        return self._sha256.hexdigest()

    def read(self, size: int = _CHUNK_BYTES, /) -> bytes:
        """Read on, as a file does."""
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        self.size += len(data)
        self._sha256.update(data)
        if self._is_log:
            self._check_lines(data)
        return data

    def pieces(self) -> Iterator[bytes]:
        """Walk through what is left."""
        while data := self.read():
            yield data

    def _check_lines(self, data: bytes) -> None:
        *lines, self._carried = (self._carried + data).split(b"\n")
        self.lines += len(lines)
        self.damaged_lines += sum(not is_sound(line) for line in lines)


def is_archive(name: str) -> bool:
    """Tell whether a name in a backup is that of a file of the archive."""
    return _ARCHIVE_NAME.match(name) is not None


def digest_in(name: str) -> str | None:
    """Give the digest of the stored value that has this name in a backup; `None` if it is no value's."""
    blob = _BLOB_NAME.match(name)
    return blob[1] + blob[2] if blob is not None else None


def read_through(path: Path, take: Take | None = None) -> Backup:
    """Read a whole backup and check it against its manifest: every file, every line, every value.

    Args:
        path: The backup.
        take: Given each of its files in turn.

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
                # Each is remembered for a look-up that nobody makes; there may be a million.
                vars(tar)["members"].clear()
                if manifest is not None or not member.isreg() or member.name in digests:
                    raise _no_backup(path, f"{member.name[:100]!r} does not belong in it")
                content = tar.extractfile(member)
                assert content is not None, "a regular file has content"
                if member.name == MANIFEST:
                    manifest = _read_manifest(path, member.size, content)
                else:
                    digests |= _read_member(found, member, content, take)
            # The packing has a checksum of its own at its end.
            while unpacked.read(_CHUNK_BYTES):
                continue
    except FileNotFoundError:
        raise NotFoundError("backup file", str(path)) from None
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise _no_backup(path, str(error) or type(error).__name__) from error
    _check_manifest(found, manifest or {}, digests)
    found.size_bytes = path.stat().st_size
    return found


def _read_manifest(path: Path, size: int, content: IO[bytes]) -> dict[str, Any]:
    try:
        said = json.loads(content.read()) if size <= _LARGEST_MANIFEST else None
    except ValueError as error:
        raise _no_backup(path, "its manifest is damaged") from error
    if not isinstance(said, dict):
        raise _no_backup(path, "its manifest is damaged")
    return said


def _read_member(found: Backup, member: tarfile.TarInfo, content: IO[bytes], take: Take | None) -> dict[str, Any]:
    name = member.name
    if not any(form.match(name) for form in (_LOG_NAME, _ARCHIVE_NAME, _BLOB_NAME)):
        raise _no_backup(found.path, f"{name[:100]!r} does not belong in it")
    reading = Reading(content, member.size, name)
    if take is not None:
        take(name, reading.pieces())
    for _ in reading.pieces():
        continue
    if reading.size != member.size:
        raise _no_backup(found.path, f"{name} ends too early")
    return found.note(name, reading)


def _check_manifest(found: Backup, manifest: Mapping[str, Any], files: Mapping[str, Any]) -> None:
    """Compare what was read with what the manifest says, and take over what only the manifest knows."""
    if manifest.get("schema") != _SCHEMA:
        raise _no_backup(found.path, "its manifest is missing")
    if manifest.get("files") != files:
        raise _no_backup(found.path, "its files are not those of its manifest")
    if manifest.get("counts") != found.counts():
        raise _no_backup(found.path, "its counts are not those of its manifest")
    found.made, found.has_values = str(manifest.get("made", "")), bool(manifest.get("has_values"))


def _no_backup(path: Path, why: str) -> CatalogDamagedError:
    return CatalogDamagedError(path, why, cure="Take another backup.")
