"""Calls of the operating system that fail, or that are the last thing a process does.

What our own code calls is counted, as far as it concerns one folder: opening, writing, syncing,
cutting, renaming, linking, deleting, making folders, listing, locking. The n-th such call can be
made to fail in each way in which that call really fails, once or from there on, or the process
can be killed there. What the engine writes itself is not seen here: for that there are full disks.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

Original = Callable[..., Any]

# What each call says when it cannot. `short` writes half and says so, `half` copies half and then fails.
WAYS: dict[str, tuple[str, ...]] = {
    "open": ("EMFILE", "EACCES", "ENOSPC"),
    "io_open": ("EMFILE", "EACCES", "ENOSPC"),
    "write": ("ENOSPC", "EIO", "short"),
    "pwrite": ("ENOSPC", "EIO"),
    "pread": ("EIO",),
    "fsync": ("EIO",),
    "fdatasync": ("EIO",),
    "ftruncate": ("EIO",),
    "rename": ("ENOSPC", "EIO"),
    "replace": ("ENOSPC", "EIO"),
    "link": ("EPERM", "EIO"),
    "unlink": ("EIO", "EACCES"),
    "mkdir": ("ENOSPC", "EACCES"),
    "chmod": ("EIO",),
    "listdir": ("EMFILE", "EIO"),
    "scandir": ("EMFILE", "EIO"),
    "copyfile": ("half", "EIO"),
    "flock": ("ENOLCK",),
}
# Of what a full disk refuses; everything else goes on.
FULL = {"write": "short", "pwrite": "ENOSPC", "mkdir": "ENOSPC", "copyfile": "half", "rename": "ENOSPC"}
_BY_DESCRIPTOR = {"write", "pwrite", "pread", "fsync", "fdatasync", "ftruncate", "flock"}


class Calls:
    """Counts the calls that concern a folder while it is entered, and lets one of them go wrong.

    Args:
        folder: The folder.
        at: Which call goes wrong, counted from 1; 0 for none.
        way: In which way; the number picks one of those that the call has. `None`: the process is killed there.
        stays: Whether the disk is full from there on instead, until `cure()`.
    """

    def __init__(self, folder: Path, *, at: int = 0, way: int | None = 0, stays: bool = False) -> None:
        self._folder = str(folder)
        self._at = at
        self._way = way
        self._stays = stays
        self._descriptors: set[int] = set()
        self._originals: list[tuple[ModuleType, str, Original]] = []
        self.count = 0
        self.failed: list[str] = []

    def __enter__(self) -> Calls:
        for name in WAYS:
            module: ModuleType = {"io_open": io, "copyfile": shutil, "flock": fcntl}.get(name, os)
            attribute = "open" if name == "io_open" else name
            original = getattr(module, attribute)
            self._originals.append((module, attribute, original))
            setattr(module, attribute, self._counted(name, original))
        return self

    def __exit__(self, *_: object) -> None:
        self.cure()
        for module, attribute, original in self._originals:
            setattr(module, attribute, original)

    def cure(self) -> None:
        """Let everything go well from now on."""
        self._at = 0
        self._stays = False

    def _counted(self, name: str, original: Original) -> Original:
        def call(*arguments: Any, **named: Any) -> Any:
            if not self._concerns_us(name, arguments):
                return self._done(name, original, arguments, named, is_ours=False)
            self.count += 1
            is_due = self.count == self._at or (self._stays and 0 < self._at < self.count)
            if not is_due:
                return self._done(name, original, arguments, named, is_ours=True)
            if self._way is None:
                _die(name, original, arguments, named)
            way = FULL.get(name, "") if self._stays else WAYS[name][self._way % len(WAYS[name])]
            if self._stays and name in ("open", "io_open") and _makes_a_file(name, arguments):
                way = "ENOSPC"
            if not way:
                return self._done(name, original, arguments, named, is_ours=True)
            self.failed.append(f"{name}: {way}")
            return _fail(way, original, arguments)

        return call

    def _concerns_us(self, name: str, arguments: tuple[Any, ...]) -> bool:
        if not arguments:
            return False
        if name in _BY_DESCRIPTOR:
            return arguments[0] in self._descriptors
        return isinstance(arguments[0], str | os.PathLike) and os.fspath(arguments[0]).startswith(self._folder)

    def _done(
        self, name: str, original: Original, arguments: tuple[Any, ...], named: dict[str, Any], *, is_ours: bool
    ) -> Any:
        answer = original(*arguments, **named)
        if name == "open":
            # Numbers are used again.
            (self._descriptors.add if is_ours else self._descriptors.discard)(answer)
        return answer


def _makes_a_file(name: str, arguments: tuple[Any, ...]) -> bool:
    path = Path(os.fspath(arguments[0]))
    if name == "open":
        return bool(arguments[1] & os.O_CREAT) and not path.exists()
    return len(arguments) > 1 and arguments[1][0] in "wxa"


def _fail(way: str, original: Original, arguments: tuple[Any, ...]) -> Any:
    if way == "short":
        descriptor, data = arguments
        return original(descriptor, data[: len(data) // 2])
    if way == "half":
        source, target = map(Path, arguments)
        target.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
        way = "ENOSPC"
    code = getattr(errno, way)
    raise OSError(code, os.strerror(code), str(arguments[0]))


def _die(name: str, original: Original, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    """End before the call, after it, or, if it writes, in the middle of it."""
    chance = os.urandom(1)[0] % 3
    if chance == 0:
        original(*arguments, **named)
    elif chance == 1 and name == "write":
        descriptor, data = arguments
        original(descriptor, data[: os.urandom(1)[0] * len(data) // 256])
    os.kill(os.getpid(), signal.SIGKILL)
