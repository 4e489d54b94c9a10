"""Which files a step read and wrote, and whether they are still what it found.

Python itself tells of every file that is opened, by an audit event; what a library opens below
Python (Parquet, DuckDB) is found by the paths that stand in the step's text or are handed to it.
A file that was read is part of what decides the result: it is recorded with its size, its time of
change and its digest, and looked at again before the result is reused. Of a file that was
written only the place is recorded: where it is gone, the step has to run again.

Files of the interpreter, of installed packages, of the system and of the workspace do not count;
nor do modules, whose text is part of the step. Folders that are listed are not followed.
"""

from __future__ import annotations

import ast
import os
import re
import site
import stat
import sys
import sysconfig
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from xxhash import xxh3_128

from nbpipe.base.workspace import FOLDER_NAME
from nbpipe.source.closure import Source
from nbpipe.source.syntax import syntax_tree

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CODE = (".py", ".pyc", ".pyi", ".so", ".pyd", ".ipynb")
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib", "/opt/", "/System/", "/Library/", "/var/lib/")
_QUOTED = re.compile(r"""['"]([^'"\n]{1,500}\.\w{1,12})['"]""")
_LONGEST_PATH = 1024
_CHUNK_BYTES = 1 << 20
# A file changed this shortly before it was read may change again under the same stamp.
_RACY_NS = 2_000_000_000
_REMEMBERED = 4096
_NO_PATHS = frozenset({int, float, bool, type(None)})


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file that a step read.

    Attributes:
        path: Where it lies; relative to the project's folder, if it lies in it.
        size_bytes: Its size.
        changed_ns: When it was changed last, in nanoseconds; 0 if its stamp alone is not to be trusted.
        digest: XXH3-128 of its bytes; `""` if it changed while the step ran.
    """

    path: str
    size_bytes: int
    changed_ns: int
    digest: str

    def as_record(self) -> dict[str, Any]:
        """Give the record as plain JSON."""
        return {
            "path": self.path,
            "size_bytes": self.size_bytes,
            "changed_ns": self.changed_ns,
            "digest": self.digest,
        }


@dataclass(frozen=True, slots=True)
class FilesUsed:
    """The files of one execution.

    Attributes:
        read: Those that it read.
        written: The places of those that it wrote.
        moved_to: The working directory that it left, if that is another than it found; else `""`.
    """

    read: tuple[FileRead, ...] = ()
    written: tuple[str, ...] = ()
    moved_to: str = ""


NO_FILES = FilesUsed()


class FileWatch:
    """What is opened while one step runs.

    Args:
        workspace: The workspace's folder, whose files do not count. Paths are told relative to the project in
            which it lies.
    """

    def __init__(self, workspace: Path) -> None:
        self._workspace, self._project = _folders_of(workspace)
        self._seen: dict[str, tuple[int, int] | None] = {}
        self._thread = threading.get_ident()
        self._began_ns = 0
        self._folder = ""
        self._moves = 0

    def begin(self) -> None:
        """Watch from now on."""
        if not _listening:
            _listen()
        self._seen = {}
        self._began_ns = time.time_ns()
        self._folder, self._moves = _working_directory(), _here.moves
        _watching.append(self)

    def end(self, source: Source, arguments: Mapping[str, Any]) -> FilesUsed:
        """Watch no longer, and tell what was read and written.

        Args:
            source: What the step is made of; paths in its text count as read.
            arguments: What it was given; paths and texts that name a file count as read.
        """
        if self in _watching:
            _watching.remove(self)
        for path in _named.get(source.digest) or _paths_in(source):
            self._notice_named(path)
        for value in arguments.values():
            if type(value) not in _NO_PATHS:
                for path in _paths_among((value,)):
                    self._notice_named(path)
        moved_to = ""
        if _here.moves != self._moves and (folder := _working_directory()) != self._folder:
            moved_to = _shown(folder, self._project)
        if not self._seen and not moved_to:
            return NO_FILES
        read, written = [], []
        for path, stamp in self._seen.items():
            shown = _shown(path, self._project)
            if stamp is None:
                written.append(shown)
            else:
                read.append(_read(path, shown, stamp))
        return FilesUsed(tuple(read), tuple(written), moved_to)

    def notice(self, path: str, *, writes: bool, thread: int) -> None:
        """Take note that a file was opened. Only how it was opened first tells what it is to the step."""
        if len(_watching) > 1 and thread != self._thread and any(thread == other._thread for other in _watching):
            return
        full = _full(path)
        if not full or full in self._seen or not self._counts(full):
            return
        if writes:
            self._seen[full] = None
            return
        stamp = _stamp(full)
        if stamp is not None:
            self._seen[full] = stamp

    def _notice_named(self, path: str) -> None:
        full = _full(path)
        if not full or full in self._seen or not self._counts(full):
            return
        stamp = _stamp(full)
        if stamp is not None:
            # What lies there since the step began, the step has made.
            self._seen[full] = stamp if stamp[1] < self._began_ns else None

    def _counts(self, path: str) -> bool:
        if path.endswith(_CODE) or path.startswith(self._workspace):
            return False
        if self._project and path.startswith(self._project + os.sep):
            inside = path[len(self._project) :]
            return "/." not in inside and not path.startswith(_installed())
        return not path.startswith((*_installed(), *_SYSTEM)) and "/." not in path


@lru_cache(maxsize=8)
def project_of(workspace: Path) -> str:
    """Give the folder in which a workspace lies; `""` if it lies apart from any project (`NBPIPE_HOME`)."""
    return str(workspace.parent) if workspace.name == FOLDER_NAME else ""


@lru_cache(maxsize=8)
def _folders_of(workspace: Path) -> tuple[str, str]:
    return str(workspace) + os.sep, project_of(workspace)


def changed_file(record: Mapping[str, Any], workspace: Path) -> str:
    """Say which file stands against reusing a recorded execution: `""`, or words such as `"data.csv changed"`."""
    if not ("files" in record or "written" in record or "moved_to" in record):
        return ""
    project = project_of(workspace)
    moved_to = record.get("moved_to")
    if moved_to is not None and not os.path.isdir(os.path.join(project, moved_to)):
        return f"the folder {moved_to}, into which it went, is gone"
    for said in record.get("files", ()):
        path = os.path.join(project, said["path"])
        stamp = _stamp(path)
        if stamp is None:
            return f"{said['path']} is gone"
        if stamp == (said["size_bytes"], said["changed_ns"]):
            continue
        if stamp[0] != said["size_bytes"] or _digest(path, stamp) != said["digest"]:
            return f"{said['path']} changed"
    for written in record.get("written", ()):
        if not os.path.exists(os.path.join(project, written)):
            return f"{written}, which it wrote, is gone"
    return ""


def move_as(record: Mapping[str, Any], workspace: Path) -> None:
    """Change the working directory as a recorded execution did, if it did."""
    moved_to = record.get("moved_to")
    if moved_to is not None:
        os.chdir(os.path.join(project_of(workspace), moved_to))


@contextmanager
def same_folder_afterwards() -> Iterator[None]:
    """Take back what the block does to the process's working directory; what other threads do to it meanwhile stays."""
    if not _listening:
        _listen()
    folder, moves = _working_directory(), _here.moves
    try:
        yield
    finally:
        if folder and _here.moves != moves and _working_directory() != folder:
            os.chdir(folder)


def _full(path: str) -> str:
    """Give a path from the root; `""` for one that leans on a working directory that was deleted."""
    try:
        return os.path.abspath(path)
    except OSError:
        return ""


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        # It was deleted under us.
        return ""


def _read(path: str, shown: str, stamp: tuple[int, int]) -> FileRead:
    size_bytes, changed_ns = stamp
    if _stamp(path) != stamp:
        return FileRead(shown, size_bytes, 0, "")
    is_racy = time.time_ns() - changed_ns < _RACY_NS
    return FileRead(shown, size_bytes, 0 if is_racy else changed_ns, _digest(path, stamp))


def _shown(path: str, project: str) -> str:
    if project and path == project:
        return "."
    return path[len(project) + 1 :] if project and path.startswith(project + os.sep) else path


def _stamp(path: str) -> tuple[int, int] | None:
    """Give size and time of change of a regular file; `None` for anything else."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


_digests: OrderedDict[tuple[str, tuple[int, int]], str] = OrderedDict()


def _digest(path: str, stamp: tuple[int, int]) -> str:
    key = path, stamp
    if key in _digests:
        return _digests[key]
    hasher = xxh3_128()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                hasher.update(chunk)
    except OSError:
        return ""
    if time.time_ns() - stamp[1] >= _RACY_NS:
        _digests[key] = hasher.hexdigest()
        if len(_digests) > _REMEMBERED:
            _digests.popitem(last=False)
    return hasher.hexdigest()


# Paths that stand somewhere ----------------------------------------------------------------------


def _paths_among(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, PurePath):
            yield str(value)
        elif type(value) is str and 0 < len(value) < _LONGEST_PATH and "\n" not in value and "\0" not in value:
            yield value


_named: OrderedDict[str, tuple[str, ...]] = OrderedDict()


def _paths_in(source: Source) -> tuple[str, ...]:
    known = _named.get(source.digest)
    if known is None:
        texts = (source.text, *(piece.text for piece in (*source.pieces, *source.late_pieces)))
        known = _named[source.digest] = tuple(dict.fromkeys(path for text in texts for path in _literals(text)))
        if len(_named) > _REMEMBERED:
            _named.popitem(last=False)
    return known


def _literals(text: str) -> tuple[str, ...]:
    """Give the texts in a piece of Python that could be paths of files, also those quoted inside a query."""
    found: dict[str, None] = {}
    for node in ast.walk(syntax_tree(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\0" not in node.value:
            if 0 < len(node.value) < _LONGEST_PATH and "\n" not in node.value:
                found[node.value] = None
            found.update(dict.fromkeys(_QUOTED.findall(node.value)))
    return tuple(found)


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    """Give the folders of the interpreter and of what is installed, and those where programs keep their own."""
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
    places |= {site.getusersitepackages(), str(Path.home() / "nltk_data")}
    return tuple(place.rstrip(os.sep) + os.sep for place in places if len(place) > 1)


# The audit hook ----------------------------------------------------------------------------------

_watching: list[FileWatch] = []
# Set to true by the first who watches.
_listening: list[bool] = []


class _Here(threading.local):
    """What one thread did.

    Attributes:
        moves: How often it changed the working directory, which all threads share.
    """

    moves = 0


_here = _Here()


def _listen() -> None:
    """Be told of every file that this process opens, and of each move. A hook cannot be taken out, so there is one."""
    _listening.append(True)
    sys.addaudithook(_heard)


def _heard(event: str, args: tuple[Any, ...]) -> None:
    if event == "os.chdir":
        _here.moves += 1
    elif event == "open" and _watching:
        _opened(args)


def _opened(args: tuple[Any, ...]) -> None:
    path, mode, flags = args
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    if not isinstance(path, str):
        return
    writes = any(letter in mode for letter in "wxa") if isinstance(mode, str) else bool((flags or 0) & _WRITES)
    thread = threading.get_ident()
    for watch in tuple(_watching):
        watch.notice(path, writes=writes, thread=thread)
