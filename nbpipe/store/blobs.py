"""Bytes on disk, each under its own digest, and what every place for such bytes can do (`Blobs`).

A blob is written once and never changed: its name is what it holds. It lies at
`blobs/ab/<the other 62 letters>`, is written beside its place and renamed into it, so that a reader finds
all of it or nothing. It is not synced when it is written: `sync` is the barrier.

A blob that this process wrote or checked is known by its stamp (size and time of change), and
checked again as soon as that differs. This module knows files; what the bytes mean, and whether
they may be trusted, it does not.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeAlias

from nbpipe.base.ids import new_id
from nbpipe.errors import ArtifactDamagedError, NotRecordedError
from nbpipe.store.buffers import Piece, Pieces, size_of

Stamp: TypeAlias = tuple[int, int]

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_WRITE_AT_ONCE = 1 << 30
# Next to the hour that a blob counts as young, nothing.
_TOUCHED_FOR_S = 1.0
_MOST_TOUCHED = 10_000


class Blobs(Protocol):
    """Bytes that are kept under their own digest, in a folder or on object storage behind one.

    `BlobStore` says of each method what it does; the other place (`store.remote_blobs`) does the same.
    """

    root: Path

    def write(self, pieces: Pieces, known: str = "") -> str:
        """Keep the bytes of `pieces`, and give their sha256, which may be known from an earlier time."""

    def put_back(self, digest: str, pieces: Iterable[bytes]) -> bool:
        """Keep bytes that should be those of `digest`; tell whether they were."""

    def open(self, digest: str) -> memoryview:
        """Give the bytes of a blob, in memory that may be written to."""

    def stamp(self, digest: str) -> Stamp:
        """Give a blob's size in bytes and time of change in nanoseconds."""

    def verify(self, digest: str) -> None:
        """Compare a whole blob with its name."""

    def verify_if_changed(self, digest: str) -> None:
        """Check a blob unless this process did and its stamp is the same since."""

    def is_sound(self, digest: str, size_bytes: int) -> bool:
        """Tell, as a rule without reading it, whether a blob is there and is what was stored."""

    def sync(self, digests: Iterable[str]) -> None:
        """Wait until these blobs would survive a power cut."""


class BlobStore:
    """A folder of blobs.

    Args:
        root: The folder; made when the first blob is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = str(root)
        self._verified: dict[str, Stamp] = {}
        self._touched_s: dict[str, float] = {}

    def write(self, pieces: Pieces, known: str = "") -> str:
        """Keep the bytes of `pieces`, one behind the other, and give their sha256.

        Bytes that are already here are not written again, unless what lies there is damaged.

        Args:
            pieces: The bytes.
            known: Their sha256, from whoever had these very bytes written before; it is taken again before
                anything is written under it.

        Raises:
            NotRecordedError: The disk is full or failing; nothing of it was left behind.
        """
        if known and self._holds(known, size_of(pieces)) and self._touch(known):
            return known
        hasher = hashlib.sha256()
        for piece in pieces:
            hasher.update(piece)
        digest = hasher.hexdigest()
        place = self.place_of(digest)
        if not (self._holds(digest, size_of(pieces)) and self._touch(digest)):
            draft = place.parent / f".{new_id()}"
            try:
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _write_new(draft, pieces)
                seal(draft, digest)
                draft.replace(place)
            except OSError as error:
                with suppress(OSError):
                    draft.unlink()
                raise NotRecordedError(self.root, error.strerror or str(error)) from error
        self._verified[digest] = size_of(pieces), sealed_ns(digest)
        return digest

    def put_back(self, digest: str, pieces: Iterable[bytes]) -> bool:
        """Keep bytes that should be those of `digest`, as another copy has them; tell whether they were.

        Raises:
            NotRecordedError: The disk is full or failing; nothing of it was left behind.
        """
        place = self.place_of(digest)
        draft = place.parent / f".{new_id()}"
        hasher = hashlib.sha256()
        try:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_new(draft, _digested(pieces, hasher.update))
            is_same = hasher.hexdigest() == digest
            if is_same:
                seal(draft, digest)
                draft.replace(place)
        except OSError as error:
            raise NotRecordedError(self.root, error.strerror or str(error)) from error
        finally:
            with suppress(OSError):
                draft.unlink()
        self._verified.pop(digest, None)
        return is_same

    def fill(self, digest: str, fetch: Callable[[Path], None]) -> bool:
        """Have `fetch` write a file that should hold the bytes of `digest`; keep it if it does, and tell so.

        Raises:
            NotRecordedError: The disk is full or failing; nothing of it was left behind.
        """
        place = self.place_of(digest)
        draft = place.parent / f".{new_id()}"
        try:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_new(draft, ())
            fetch(draft)
            with draft.open("rb") as file:
                is_same = hashlib.file_digest(file, "sha256").hexdigest() == digest
            if is_same:
                seal(draft, digest)
                self._verified[digest] = draft.stat().st_size, sealed_ns(digest)
                draft.replace(place)
        except NotRecordedError:
            raise
        except OSError as error:
            raise NotRecordedError(self.root, error.strerror or str(error)) from error
        finally:
            with suppress(OSError):
                draft.unlink()
        return is_same

    def open(self, digest: str) -> memoryview:
        """Give the bytes of a blob, as they are mapped from its file and not checked.

        The memory may be written to; what is written stays in this view and never reaches the
        file. Each call gives a view of its own.

        Raises:
            ArtifactDamagedError: There is no such blob.
        """
        try:
            descriptor = os.open(self.place_of(digest), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise _missing(digest) from error
        try:
            if os.fstat(descriptor).st_size == 0:
                return memoryview(bytearray())
            return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY))
        finally:
            os.close(descriptor)

    def stamp(self, digest: str) -> Stamp:
        """Give a blob's size in bytes and time of change in nanoseconds.

        Raises:
            ArtifactDamagedError: There is no such blob.
        """
        try:
            found = os.stat(self._name_of(digest), follow_symlinks=False)
        except OSError as error:
            raise _missing(digest) from error
        return found.st_size, found.st_mtime_ns

    def verify(self, digest: str) -> None:
        """Read a whole blob and compare it with its name.

        Raises:
            ArtifactDamagedError: It is not there, or is not what its name says.
        """
        stamp = self.stamp(digest)
        if hashlib.sha256(self.open(digest)).hexdigest() != digest:
            self._verified.pop(digest, None)
            raise ArtifactDamagedError(digest[:12], "its bytes are not those that were stored")
        self._verified[digest] = stamp

    def verify_if_changed(self, digest: str) -> None:
        """Check a blob unless this process did and its stamp is the same since.

        Raises:
            ArtifactDamagedError: It is not there, or is not what its name says.
        """
        if self._verified.get(digest) != self.stamp(digest):
            self.verify(digest)

    def is_sound(self, digest: str, size_bytes: int) -> bool:
        """Tell, as a rule without reading it, whether a blob is there and is what was stored.

        It is read only if its time of change is not the one it was sealed with: somebody wrote to it, or copied it.
        """
        try:
            stamp = self.stamp(digest)
            if stamp[0] != size_bytes:
                return False
            if stamp[1] != sealed_ns(digest) and self._verified.get(digest) != stamp:
                self.verify(digest)
        except ArtifactDamagedError:
            return False
        return True

    def sync(self, digests: Iterable[str]) -> None:
        """Wait until these blobs would survive a power cut.

        Raises:
            ArtifactDamagedError: One of them is not there.
            NotRecordedError: The disk failed.
        """
        places = [self.place_of(digest) for digest in digests]
        folders = {folder for place in places for folder in (place.parent, self.root)}
        try:
            for path in [*places, *sorted(folders)]:
                _sync(path)
        except FileNotFoundError as error:
            raise ArtifactDamagedError(Path(error.filename).name[:12], "its file is gone") from error
        except OSError as error:
            raise NotRecordedError(self.root, error.strerror or str(error)) from error

    def _holds(self, digest: str, size_bytes: int) -> bool:
        """Tell whether a blob is here and is what its name says."""
        try:
            stamp = self.stamp(digest)
            if stamp[0] != size_bytes:
                return False
            if self._verified.get(digest) != stamp:
                self.verify(digest)
        except ArtifactDamagedError:
            return False
        return True

    def _touch(self, digest: str) -> bool:
        """Have an old blob count as young, since somebody is about to refer to it; `False` if it is gone by now.

        A sweep (`store.sweeping`) passes over what is young, and notices a touch up to the last moment.
        """
        at_s = time.monotonic()
        if at_s - self._touched_s.get(digest, -_TOUCHED_FOR_S) < _TOUCHED_FOR_S:
            # Runs of a millisecond refer to the same blobs each time.
            return True
        try:
            os.utime(self._name_of(digest), ns=(time.time_ns(), sealed_ns(digest)), follow_symlinks=False)
        except OSError:
            return False
        if len(self._touched_s) >= _MOST_TOUCHED:
            self._touched_s.clear()
        self._touched_s[digest] = at_s
        return True

    def place_of(self, digest: str) -> Path:
        """Give where a blob lies, or would lie.

        Raises:
            ArtifactDamagedError: That is no digest.
        """
        return Path(self._name_of(digest))

    def _name_of(self, digest: str) -> str:
        # The digest may come out of a record that somebody else wrote.
        if not _DIGEST.match(digest):
            raise ArtifactDamagedError(repr(digest[:20]), "its record names no blob")
        return f"{self._folder}/{digest[:2]}/{digest[2:]}"


def _digested(pieces: Iterable[bytes], update: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in pieces:
        update(piece)
        yield piece


def _write_new(path: Path, pieces: Iterable[Piece]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest[:_WRITE_AT_ONCE]) :]
    finally:
        os.close(descriptor)


def sealed_ns(digest: str) -> int:
    """Give the time of change that an untouched blob bears, in nanoseconds: it follows from its name.

    So any process can tell from a look whether a file was written to since, with no record of its time.
    """
    return (1_000_000_000 + int(digest[:7], 16)) * 10**9


def seal(path: Path, digest: str) -> None:
    """Give a file that holds the bytes of `digest` the time of change by which it is known as untouched."""
    os.utime(path, ns=(sealed_ns(digest), sealed_ns(digest)))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _missing(digest: str) -> ArtifactDamagedError:
    return ArtifactDamagedError(digest[:12], "its file is gone")
