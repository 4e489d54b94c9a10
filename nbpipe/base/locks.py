"""Locks between processes, and what a forked child must forget.

A lock is an advisory lock on an open file (`flock`). It ends with the process that holds it,
however that ends, so a lock that can be taken says that its owner is dead; a pid says that to
people only, for it is reused and means nothing in another container.

Two things the system does not do for us are done here. A lock belongs to the *open file*, so a
forked child and a second thread would both believe that they hold what is held: every handle is
closed in a child, and threads queue behind a mutex of their own. And a blocking lock waits for
ever on a stopped process: here one asks again and again until a deadline.

POSIX only. This module does not know what it is that the locks guard.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from nbpipe.errors import CatalogBusyError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

_FIRST_PAUSE_S = 0.000_05
_LONGEST_PAUSE_S = 0.002


class Forgetful(Protocol):
    """Something that holds what a forked child must not use."""

    def after_fork(self) -> None:
        """Close or drop it; called in the child, which has this one thread."""


_forgetful: weakref.WeakSet[Forgetful] = weakref.WeakSet()


def forget_in_children(thing: Forgetful) -> None:
    """Have `thing.after_fork()` called in every child that this process forks."""
    _forgetful.add(thing)


def _in_child() -> None:
    for thing in list(_forgetful):
        thing.after_fork()


os.register_at_fork(after_in_child=_in_child)


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file if it is free at once, and tell whether that went well."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def try_lock_file(path: Path) -> int | None:
    """Open a file, made if need be, and take its lock if that is free at once.

    Returns:
        The open file; nothing if somebody has the lock, or took the file away meanwhile: who comes next locks another.

    Raises:
        OSError: It can be neither opened nor made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if try_lock(descriptor) and _is_named(path, descriptor):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds the lock of the file at `path`; a missing file has no holder.

    The probe is a shared lock, so that two processes which ask at once do not take each other
    for the holder.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class PolledLock:
    """A lock file for one process and one thread at a time, with a deadline.

    The holder's pid stands in the file while it is held, for messages only.

    Args:
        path: The lock file; made at the first acquisition.
        patience_s: How long to ask before giving up.
    """

    def __init__(self, path: Path, *, patience_s: float = 10.0) -> None:
        self.path = path
        self._name = str(path)
        self.patience_s = patience_s
        self._descriptor = -1
        self._mutex = threading.Lock()
        forget_in_children(self)

    def __enter__(self) -> PolledLock:
        """Take the lock.

        Raises:
            CatalogBusyError: Others held it for all of `patience_s`.
            WorkspaceError: The lock file cannot be made or locked.
        """
        started = time.monotonic()
        if not self._mutex.acquire(timeout=self.patience_s):
            raise CatalogBusyError(os.getpid(), time.monotonic() - started)
        try:
            self._take(started)
        except BaseException:
            # An interrupt may come just after the system said yes.
            self.leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def try_enter(self) -> bool:
        """Take the lock if it is free at once, to be given back by `leave()`.

        Raises:
            WorkspaceError: The lock file cannot be made or locked.
        """
        if not self._mutex.acquire(blocking=False):
            return False
        try:
            is_ours = self._try()
        except BaseException:
            self.leave()
            raise
        if not is_ours:
            self._mutex.release()
        return is_ours

    def leave(self) -> None:
        """Give the lock back."""
        # A child that was forked inside the block has no handle here, and a new mutex.
        if self._descriptor >= 0:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            except OSError:
                # With the file goes the lock.
                self.close()
        if self._mutex.locked():
            self._mutex.release()

    def close(self) -> None:
        """Let go of the file, and of the lock with it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def after_fork(self) -> None:
        """Close the child's copy of the handle; the lock stays with the parent."""
        self.close()
        self._mutex = threading.Lock()

    def __del__(self) -> None:
        self.close()

    def _take(self, started: float) -> None:
        for pause_s in _pauses():
            if self._try():
                return
            waited_s = time.monotonic() - started
            if waited_s > self.patience_s:
                raise CatalogBusyError(_pid_in(self._opened()), waited_s)
            time.sleep(pause_s)

    def _try(self) -> bool:
        try:
            descriptor = self._opened()
            if not try_lock(descriptor):
                return False
        except OSError as error:
            why = error.strerror or str(error)
            raise WorkspaceError(f"{self.path} cannot be locked: {why}. Mend that, then try again.") from error
        if not _is_named(self._name, descriptor):
            # Its folder was deleted: whoever comes later locks another file.
            self.close()
            return False
        # Of one width, so that no signature shows digits of a longer one before it. It is for messages only: where
        # the disk is full, the lock is held all the same.
        with suppress(OSError):
            os.pwrite(descriptor, b"%-20d\n" % os.getpid(), 0)
        return True

    def _opened(self) -> int:
        if self._descriptor < 0:
            self._descriptor = os.open(self._name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._descriptor


def _pauses() -> Iterator[float]:
    pause_s = _FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _pid_in(descriptor: int) -> int | None:
    text = os.pread(descriptor, 20, 0).strip()
    return int(text) if text.isdigit() else None


def _is_named(path: Path | str, descriptor: int) -> bool:
    """Tell whether an open file is still there under its name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
