"""The log of this process: everything that happened in it, in order, without asking anybody.

Each process has its own file in each workspace, begun at the first record and locked for life.
The lock is taken before the file gets its visible name, so a visible log that nobody holds has
no writer any more. A forked child begins a log of its own.

This module knows who writes and to which file; what the records mean is for their readers.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbpipe.base.clock import now_text
from nbpipe.base.ids import new_id
from nbpipe.base.locks import forget_in_children, try_lock
from nbpipe.base.log import LogFile, seal, seal_facts, stretches, sync, sync_folder
from nbpipe.catalog.identity import who_writes
from nbpipe.catalog.writable import cannot_write, prepare
from nbpipe.errors import NotRecordedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbpipe.base.workspace import WorkspacePaths

_ABANDONED_AFTER_S = 3600

Fact = tuple[str, str, str, "Mapping[str, Any] | bytes"]


class ProcessLog:
    """This process's log in one workspace; threads share it.

    Args:
        paths: The workspace; its folders are made when the first record comes.
    """

    def __init__(self, paths: WorkspacePaths) -> None:
        self._paths = paths
        self._mutex = threading.Lock()
        self._file: LogFile | None = None
        forget_in_children(self)

    @property
    def path(self) -> Path | None:
        """The file, once there is one."""
        return self._file.path if self._file is not None else None

    def append(self, kind: str, *, id: str, run: str, body: Mapping[str, Any]) -> None:
        """Record one fact; it is recorded when this returns.

        Raises:
            BadValueError: The body is not plain JSON.
            NotRecordedError: It could not be written in full.
            WorkspaceError: The workspace cannot be written.
        """
        line = seal({"k": kind, "id": id, "run": run, "at": now_text(), "b": body})
        # A deleted workspace would swallow everything that follows. Asked once a run and cell,
        # because asking costs as much as writing.
        self._write(line, look=kind.endswith("_started"))

    def append_lines(self, facts: Iterable[Fact]) -> None:
        """Record several facts with one write (two if they are over a mebibyte, and so on).

        Args:
            facts: Each `(kind, id, run, body)`; a body is plain data, or such data as JSON (`plain_json`).

        Raises:
            BadValueError: A body is not plain JSON; nothing was recorded.
            NotRecordedError: Not all could be written; it says how many were.
            WorkspaceError: The workspace cannot be written.
        """
        lines = seal_facts(facts, now_text())
        if lines:
            self._write(b"".join(lines), look=True)

    def sync(self) -> None:
        """Have the disk hold what this process recorded.

        Raises:
            NotRecordedError: The disk failed; what became of the records is not known.
        """
        with self._mutex:
            if self._file is None:
                return
            try:
                sync(self._file.descriptor)
                sync_folder(self._file.path.parent)
            except OSError as error:
                raise NotRecordedError(self._file.path, f"its sync failed ({error.strerror})") from error

    def close(self) -> None:
        """End the log; a later record begins another."""
        with self._mutex:
            self._drop()

    def after_fork(self) -> None:
        """Leave the log to the parent."""
        self._mutex = threading.Lock()
        self._drop()

    def _write(self, data: bytes, *, look: bool) -> None:
        with self._mutex:
            file = self._file
            if file is None or (look and file.is_gone()):
                self._drop()
                file = self._file = _begin(self._paths)
            try:
                file.append(data)
            except NotRecordedError:
                raise
            except OSError as error:
                # Its end is torn and stays so: readers stop before it, we go on in a new file.
                self._drop()
                raise NotRecordedError(file.path, error.strerror or str(error)) from error

    def _drop(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _begin(paths: WorkspacePaths) -> LogFile:
    """Make a new log with its lock held, and sweep what a kill in this very place left."""
    prepare(paths)
    log_id = new_id()
    draft = paths.logs / f".{log_id}.log"
    try:
        _sweep(paths.logs)
        file = LogFile(draft, os.open(draft, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise cannot_write(paths, error.strerror or str(error)) from error
    try:
        try_lock(file.descriptor)
        file.append(seal({"k": "opened", "id": log_id, "at": now_text(), "b": who_writes()}))
        draft.rename(paths.logs / f"{log_id}.log")
    except BaseException as error:
        file.close()
        # What stays is swept when it is old.
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, NotRecordedError):
            raise cannot_write(paths, error.strerror or str(error)) from error
        raise
    file.path = paths.logs / f"{log_id}.log"
    return file


def _sweep(folder: Path) -> None:
    for name in os.listdir(folder):
        if name.startswith("."):
            _sweep_draft(folder / name)


def _sweep_draft(path: Path) -> None:
    with suppress(FileNotFoundError):
        if time.time() - path.stat().st_mtime < _ABANDONED_AFTER_S:
            return
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            if try_lock(descriptor):
                path.unlink()
        finally:
            os.close(descriptor)


def cut_unfinished(path: Path, end: int) -> None:
    """Cut off what a dead writer left unfinished behind `end`, where whole lines end; a living one goes on there.

    A last line that lacks only its line break is damaged and not unfinished: it stays, to be mended.

    Raises:
        OSError: The log cannot be written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if try_lock(descriptor) and not any(True for _ in stretches(path, end, size)):
            os.ftruncate(descriptor, end)
    finally:
        os.close(descriptor)
