"""Blobs on object storage, with the workspace's own folder of blobs before it.

What is written is written to the folder, and is there for good once the finished file was put into
the artifact root: only then does `write` give a digest, and only with a digest is anything
recorded. What is read is read from the folder; a blob that is not there, or not what its name says
any more, is fetched whole, compared with its name, and renamed into its place. So the folder is
a cache: every file in it that the root has may go at any time.

An object that has lain in the root for a while is put again by whoever is about to refer to it, so
that it counts as young: a sweep (`store.remote_sweeping`) passes over what is young, and whatever
was damaged there is whole again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from nbpipe.errors import ArtifactDamagedError, ArtifactRootError, NotUploadedError
from nbpipe.store.artifact_root import ArtifactRoot, Held
from nbpipe.store.blobs import BlobStore, Stamp, sealed_ns
from nbpipe.store.buffers import Pieces

# Half the age from which a sweep removes: whoever relies on an object has the other half to record it.
_FRESH_S = 1800.0
_SMALL_BYTES = 1 << 20


class RemoteBlobs:
    """Blobs under an artifact root, and a folder before it; it does what `store.blobs.Blobs` says.

    Args:
        root: The folder; made when the first blob is written or fetched.
        remote: The artifact root.
        announce: Called before the first put: it leaves the workspace's mark in the root.

    Attributes:
        root: The folder.
        remote: The artifact root.
        local: The blobs in the folder.
    """

    def __init__(self, root: Path, remote: ArtifactRoot, announce: Callable[[], None]) -> None:
        self.root = root
        self.remote = remote
        self.local = BlobStore(root)
        self._announce = announce
        self._fresh: dict[str, float] = {}
        self._damaged: set[str] = set()
        self._is_announced = False

    def write(self, pieces: Pieces, known: str = "") -> str:
        """Keep the bytes of `pieces`, and give their sha256 once they are in the artifact root; see `BlobStore.write`.

        Raises:
            NotRecordedError: The disk is full or failing.
            NotUploadedError: They did not reach the artifact root, where nobody sees a part of them.
        """
        digest = self.local.write(pieces, known)
        try:
            self.upload(digest)
        except NotUploadedError:
            if self.local.place_of(digest).exists():
                raise
            # Somebody emptied the cache just now.
            self.upload(self.local.write(pieces))
        return digest

    def put_back(self, digest: str, pieces: Iterable[bytes]) -> bool:
        """Keep bytes that should be those of `digest`, here and in the artifact root; tell whether they were.

        Raises:
            NotRecordedError: The disk is full or failing.
            NotUploadedError: They did not reach the artifact root.
        """
        is_same = self.local.put_back(digest, pieces)
        if is_same:
            self._replace(digest)
        return is_same

    def upload(self, digest: str) -> bool:
        """Have the artifact root hold what the folder holds under `digest`; tell whether anything was sent.

        Raises:
            NotUploadedError: It did not get there.
        """
        try:
            return self._upload(digest)
        except ArtifactRootError as error:
            # A question before the put: for whoever stores something it is one and the same.
            raise NotUploadedError(error.url, error.why, error.cure) from error

    def open(self, digest: str) -> memoryview:
        """Give the bytes of a blob, fetched if they are not here; see `BlobStore.open`.

        Raises:
            ArtifactDamagedError: There is no such blob anywhere, or what is in the artifact root is something else.
            ArtifactRootError: The artifact root cannot be asked.
            NotRecordedError: What was fetched cannot be written here.
        """
        try:
            return self.local.open(digest)
        except ArtifactDamagedError:
            self.fetch(digest)
        return self.local.open(digest)

    def fetch(self, digest: str) -> None:
        """Fetch a blob from the artifact root, whatever lies here.

        Raises:
            ArtifactDamagedError: There is no such blob there, or it is something else than its name says.
            ArtifactRootError: The artifact root cannot be asked.
            NotRecordedError: It cannot be written here.
        """
        if not self.local.fill(digest, lambda draft: self.remote.get(digest, draft)):
            self._damaged.add(digest)
            why = f"{self.remote.place_of(digest)} does not hold what its name says"
            raise ArtifactDamagedError(digest[:12], why)

    def is_same_in_root(self, digest: str) -> bool:
        """Read an object of the artifact root whole, without keeping it, and tell whether it is what its name says.

        Raises:
            ArtifactRootError: The artifact root cannot be asked.
            NotRecordedError: It cannot be written here.
        """
        with TemporaryDirectory(prefix="nbpipe-") as folder:
            try:
                return BlobStore(Path(folder)).fill(digest, lambda draft: self.remote.get(digest, draft))
            except ArtifactDamagedError:
                # Removed since it was listed: a sweep may do that.
                return True

    def stamp(self, digest: str) -> Stamp:
        """Give a blob's size in bytes, and the time of change that it has here or would have.

        Raises:
            ArtifactDamagedError: There is no such blob anywhere.
            ArtifactRootError: The artifact root cannot be asked.
        """
        if self._is_here(digest):
            return self.local.stamp(digest)
        held = self.remote.look(digest)
        if held is None:
            raise ArtifactDamagedError(digest[:12], f"{self.remote.place_of(digest)} is gone")
        return held.size_bytes, sealed_ns(digest)

    def verify(self, digest: str) -> None:
        """Compare a whole blob with its name; one that is not here, or is damaged here, is fetched and compared.

        Raises:
            ArtifactDamagedError: It is nowhere, or is not what its name says in the artifact root either.
            ArtifactRootError: The artifact root cannot be asked.
        """
        try:
            self.local.verify(digest)
        except ArtifactDamagedError:
            self.fetch(digest)

    def verify_if_changed(self, digest: str) -> None:
        """Check a blob unless this process did and its stamp is the same since; see `verify`."""
        try:
            self.local.verify_if_changed(digest)
        except ArtifactDamagedError:
            self.fetch(digest)

    def is_sound(self, digest: str, size_bytes: int) -> bool:
        """Tell, as a rule without reading it, whether a blob is here or in the artifact root.

        Raises:
            ArtifactRootError: It is not here, and the artifact root cannot be asked.
        """
        if self.local.is_sound(digest, size_bytes):
            return True
        try:
            self.local.place_of(digest)
        except ArtifactDamagedError:
            return False
        held = self.remote.look(digest)
        return held is not None and held.size_bytes == size_bytes

    def sync(self, digests: Iterable[str]) -> None:
        """Wait until these blobs are in the artifact root.

        Raises:
            ArtifactDamagedError: One of them is nowhere.
            NotUploadedError: One did not get there.
        """
        for digest in digests:
            if self._is_here(digest):
                self.upload(digest)
            else:
                self.stamp(digest)

    def _upload(self, digest: str) -> bool:
        if digest in self._damaged:
            self._replace(digest)
            return True
        seen = self._fresh.get(digest)
        if seen is not None and time.monotonic() - seen < _FRESH_S:
            return False
        self._announce_once()
        place = self.local.place_of(digest)
        size_bytes = self.local.stamp(digest)[0]
        is_small = size_bytes <= _SMALL_BYTES
        # One question and no more for what is small; what is large is not sent only to be refused.
        held = None if is_small else self.remote.look(digest)
        was_put = held is None and self.remote.put(digest, place, if_absent=True)
        age_s = 0.0
        if not was_put:
            held = held or self.remote.look(digest)
            age_s = _age_s(held) if held is not None and held.size_bytes == size_bytes else math.inf
            if age_s >= _FRESH_S:
                self.remote.put(digest, place, if_absent=False)
                was_put, age_s = True, 0.0
        self._fresh[digest] = time.monotonic() - age_s
        return was_put

    def _is_here(self, digest: str) -> bool:
        try:
            self.local.stamp(digest)
        except ArtifactDamagedError:
            # A name that is no digest is nowhere.
            self.local.place_of(digest)
            return False
        return True

    def _replace(self, digest: str) -> None:
        self._announce_once()
        self.remote.put(digest, self.local.place_of(digest), if_absent=False)
        self._damaged.discard(digest)
        self._fresh[digest] = time.monotonic()

    def _announce_once(self) -> None:
        if not self._is_announced:
            self._announce()
            self._is_announced = True


def _age_s(held: Held) -> float:
    if held.changed is None:
        return math.inf
    return max(0.0, (datetime.now(UTC) - held.changed).total_seconds())
