"""An artifact root: blobs as objects under a URL, `<root>/blobs/ab/<the other 62 letters>`.

The names are those of the workspace's own folder of blobs, so that any tool that copies a folder to
a bucket can fill or empty one. An object comes into being by one put of a finished file, so nobody
ever sees a part of it; where a file system offers no such put, it is written beside its place and
renamed. A stream to an object is never opened: closing one after an error publishes what it holds.

Each workspace that puts values here leaves a mark, `<root>/workspaces/<id>.json`: a sweep looks for
those of others before it removes anything.

This module knows URLs and fsspec, which is imported when the first object is asked for. Whether an
object is what its name says is for whoever fetches it.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nbpipe.base.ids import new_id
from nbpipe.errors import ArtifactDamagedError, ArtifactRootError, NbpipeError, NotUploadedError

_FOLDER = re.compile(r"[0-9a-f]{2}\Z")
_REST = re.compile(r"[0-9a-f]{62}\Z")
_ADDRESS = re.compile(r"\b(https?://[^/\s\"']+)/[^\s\"']*")
_DRAFT = ".draft-"
_WHOLE_AT_ONCE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl"})
_IF_ABSENT = frozenset({"s3", "s3a"})
# s3fs tries each request again, and so does the library below it: together for half an hour, if nobody says otherwise.
_S3_RETRIES = {"retries": {"mode": "standard", "max_attempts": 2}}
_S3_ROUNDS = 2
# A server that takes part of a body and then nothing more is waited for without end by both.
_PATIENCE_S = 60.0
_SLOWEST_BYTES_PER_S = 100_000
_OF_THIS_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
_CHANGED_AT = ("LastModified", "last_modified", "updated", "mtime", "created")
_NO_ACCESS = ("credential", "profile", "token", "accessdenied", "signature", "forbidden")
_CREDENTIALS = "Check the credentials (for s3: AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret) and what they allow."
_NETWORK = "Check the network and the address (for s3: AWS_ENDPOINT_URL), then try again."


@dataclass(frozen=True, slots=True)
class Held:
    """A blob as it lies in an artifact root.

    Attributes:
        digest: Its name.
        size_bytes: Its size.
        changed: When it was put there; `None` if the file system does not say.
    """

    digest: str
    size_bytes: int
    changed: datetime | None


class ArtifactRoot:
    """Blobs as objects under a URL. Nothing is opened or checked before the first question.

    Args:
        url: The URL, such as `s3://bucket/prefix`.

    Attributes:
        url: The URL, without a `/` at its end.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._scheme = self.url.partition("://")[0]
        self._opened: tuple[int, Any, str] | None = None

    def place_of(self, digest: str) -> str:
        """Give the URL of a blob."""
        return f"{self.url}/{self.name_of(digest)}"

    def name_of(self, digest: str) -> str:
        """Give the name of a blob under the root."""
        return f"blobs/{digest[:2]}/{digest[2:]}"

    def look(self, digest: str) -> Held | None:
        """Look at a blob without reading it; `None` if there is none.

        Raises:
            ArtifactRootError: The root cannot be asked.
        """
        with self._asking(ArtifactRootError):
            try:
                found = self._do("info", self._at(digest))
            except FileNotFoundError:
                return None
            return _held(digest, found)

    def put(self, digest: str, path: Path, *, if_absent: bool) -> bool:
        """Put a finished file as a blob, in one go; tell whether it was put.

        Args:
            digest: The blob's name.
            path: The file.
            if_absent: Leave an object that is there as it is; where that cannot be asked for it is replaced by its
                equal.

        Raises:
            NotUploadedError: It was not put, and nobody sees a part of it.
        """
        with self._asking(NotUploadedError):
            if self._scheme not in _WHOLE_AT_ONCE:
                self._put_and_rename(path, self._at(digest))
                return True
            size_bytes = path.stat().st_size
            if if_absent and self._scheme in _IF_ABSENT:
                try:
                    self._do("put_file", str(path), self._at(digest), mode="create", size_bytes=size_bytes)
                except FileExistsError:
                    return False
                except NotImplementedError:
                    # A server that speaks S3 without that header; equal bytes may be put twice.
                    self._do("put_file", str(path), self._at(digest), size_bytes=size_bytes)
                return True
            self._do("put_file", str(path), self._at(digest), size_bytes=size_bytes)
        return True

    def get(self, digest: str, path: Path) -> None:
        """Fetch a whole blob into a file.

        Raises:
            ArtifactDamagedError: There is no such blob.
            ArtifactRootError: The root cannot be asked, or broke off.
            OSError: The file cannot be written.
        """
        with self._asking(ArtifactRootError):
            try:
                size_bytes = int(self._do("info", self._at(digest))["size"])
                self._do("get_file", self._at(digest), str(path), size_bytes=size_bytes)
            except FileNotFoundError:
                raise ArtifactDamagedError(digest[:12], f"{self.place_of(digest)} is gone") from None

    def walk(self) -> Iterator[list[Held]]:
        """Walk through all blobs, folder by folder: what is in one was looked at just now.

        Raises:
            ArtifactRootError: The root cannot be asked.
        """
        for folder in self._names("blobs"):
            if _FOLDER.match(folder):
                yield [
                    _held(folder + name, found) for name, found in self._entries(f"blobs/{folder}") if _REST.match(name)
                ]

    def drafts(self) -> Iterator[tuple[str, datetime | None]]:
        """Walk through what killed writers left where files are renamed into their places: names, and their ages.

        Raises:
            ArtifactRootError: The root cannot be asked.
        """
        if self._scheme in _WHOLE_AT_ONCE:
            return
        for folder in self._names("blobs"):
            for name, found in self._entries(f"blobs/{folder}"):
                if name.startswith(_DRAFT):
                    yield f"blobs/{folder}/{name}", _changed(found)

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects by their names under the root; whoever is gone already is no error.

        Raises:
            ArtifactRootError: They cannot be removed, or not all of them.
        """
        with self._asking(ArtifactRootError):
            paths = [f"{self._base}/{name}" for name in names]
            if not paths:
                return
            if self._scheme in _WHOLE_AT_ONCE:
                self._do("rm", paths)
                return
            for path in paths:
                with suppress(FileNotFoundError):
                    self._fs.rm_file(path)

    def mark(self, workspace: str, facts: Mapping[str, Any]) -> None:
        """Leave the mark of a workspace.

        Raises:
            NotUploadedError: The root cannot be written.
        """
        with self._asking(NotUploadedError):
            path = f"{self._base}/workspaces/{workspace}.json"
            if self._scheme not in _WHOLE_AT_ONCE:
                self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._do("pipe_file", path, json.dumps(facts).encode())

    def marked(self, workspace: str) -> datetime | None:
        """Give when the mark of a workspace was left, by the clock of the root; `None` if it does not say.

        Raises:
            ArtifactRootError: The root cannot be asked.
        """
        with self._asking(ArtifactRootError):
            return _changed(self._do("info", f"{self._base}/workspaces/{workspace}.json"))

    def marks(self) -> dict[str, str]:
        """Give the workspaces that have values here, by their ids: where each says that it lies.

        Raises:
            ArtifactRootError: The root cannot be asked.
        """
        found = {}
        for name in self._names("workspaces"):
            if not name.endswith(".json"):
                continue
            with self._asking(ArtifactRootError):
                try:
                    said = json.loads(self._do("cat_file", f"{self._base}/workspaces/{name}"))
                except FileNotFoundError:
                    continue
                except ValueError:
                    said = {}
            place = said.get("place") if isinstance(said, dict) else None
            found[name.removesuffix(".json")] = place if isinstance(place, str) else "a place that it does not say"
        return found

    @property
    def _fs(self) -> Any:
        return self._open()[1]

    @property
    def _base(self) -> str:
        return self._open()[2]

    def _open(self) -> tuple[int, Any, str]:
        """Give the file system, of this process alone: a forked child has none of its parent's connections."""
        if self._opened is None or self._opened[0] != os.getpid():
            try:
                fs, base = _file_system(self.url)
            except ImportError as error:
                is_s3 = self._scheme in _IF_ABSENT
                cure = "Install what opens it: pip install " + (
                    "'nbpipe[s3]'." if is_s3 else "fsspec, and what it asks for."
                )
                raise ArtifactRootError(self.url, _line(error), cure) from error
            self._opened = os.getpid(), fs, base.rstrip("/")
        return self._opened

    def _do(self, name: str, *arguments: Any, size_bytes: int = 0, **options: Any) -> Any:
        """Have the file system do something, and wait for no longer than it can take for so many bytes.

        Whoever is interrupted while waiting, or waits in vain, leaves nothing that goes on.
        """
        fs = self._fs
        if not fs.async_impl:
            return getattr(fs, name)(*arguments, **options)
        import asyncio

        patience_s = _PATIENCE_S + size_bytes / _SLOWEST_BYTES_PER_S
        doing = asyncio.run_coroutine_threadsafe(getattr(fs, f"_{name}")(*arguments, **options), fs.loop)
        try:
            return doing.result(patience_s)
        except TimeoutError:
            if doing.done():
                raise
            raise TimeoutError(f"it did not come to an end within {patience_s:.0f} s") from None
        finally:
            doing.cancel()

    def _at(self, digest: str) -> str:
        return f"{self._base}/{self.name_of(digest)}"

    def _put_and_rename(self, path: Path, target: str) -> None:
        folder = target.rpartition("/")[0]
        draft = f"{folder}/{_DRAFT}{new_id()}"
        self._fs.makedirs(folder, exist_ok=True)
        try:
            self._fs.put_file(str(path), draft)
            self._fs.mv(draft, target)
        except BaseException:
            # What went wrong is told; that the draft stays behind is for the next sweep.
            with suppress(Exception):
                self._fs.rm_file(draft)
            raise

    def _names(self, folder: str) -> list[str]:
        return [name for name, _ in self._entries(folder)]

    def _entries(self, folder: str) -> list[tuple[str, Mapping[str, Any]]]:
        with self._asking(ArtifactRootError):
            try:
                found = self._do("ls", f"{self._base}/{folder}", detail=True)
            except FileNotFoundError:
                return []
        return sorted((entry["name"].rstrip("/").rpartition("/")[2], entry) for entry in found)

    @contextmanager
    def _asking(self, kind: type[ArtifactRootError | NotUploadedError]) -> Iterator[None]:
        try:
            yield
        except ArtifactRootError as error:
            raise kind(error.url, error.why, error.cure) from error
        except NbpipeError:
            raise
        except Exception as error:
            # Each library behind a URL raises errors of its own kind, some of them the system's.
            if isinstance(error, OSError) and error.errno in _OF_THIS_MACHINE and kind is ArtifactRootError:
                raise
            raise kind(self.url, *_why(error)) from error


def _file_system(url: str) -> tuple[Any, str]:
    import fsspec

    # Listings that are kept go stale, and an instance that is shared may belong to a parent process.
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    is_s3 = url.startswith(("s3://", "s3a://"))
    if is_s3 and "config_kwargs" not in fsspec.config.conf.get("s3", {}):
        options["config_kwargs"] = _S3_RETRIES
    try:
        fs, base = fsspec.core.url_to_fs(url, **options)
    except ValueError as error:
        raise ArtifactRootError(url, _line(error), "Write s3://BUCKET/PREFIX, or another URL of fsspec.") from error
    if is_s3:
        fs.retries = _S3_ROUNDS
    return fs, base


def _held(digest: str, found: Mapping[str, Any]) -> Held:
    return Held(digest, int(found["size"]), _changed(found))


def _changed(found: Mapping[str, Any]) -> datetime | None:
    """Read the time of change out of what a file system says, each in words of its own."""
    said = next((found[name] for name in _CHANGED_AT if found.get(name) is not None), None)
    if isinstance(said, int | float):
        return datetime.fromtimestamp(said, UTC)
    if isinstance(said, str):
        with suppress(ValueError):
            said = datetime.fromisoformat(said)
    if not isinstance(said, datetime):
        return None
    return said if said.tzinfo is not None else said.replace(tzinfo=UTC)


def _why(error: Exception) -> tuple[str, str]:
    """Say in one line what went wrong, and in another what to do about it."""
    said = _line(error)
    if isinstance(error, FileNotFoundError):
        return f"there is no such bucket or folder ({said})", "Make it, or name another."
    if isinstance(error, PermissionError) or any(word in type(error).__name__.casefold() for word in _NO_ACCESS):
        return f"access is denied ({said})", _CREDENTIALS
    return said, _NETWORK


def _line(error: BaseException) -> str:
    # Of the address of a request the server is of interest, and the rest is long.
    lines = _ADDRESS.sub(r"\1", str(error).strip()).splitlines()
    return (f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__)[:200].rstrip(".")
