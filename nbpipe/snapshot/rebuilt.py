"""Environments that were rebuilt, in the user's cache: found, used, counted and removed.

Each lies in a folder named by the digest of all that decides what is in it. It is built beside its
place and renamed into it once it is whole, so that a folder under such a name is whole or was
damaged later, which a look at its packages shows. Whoever runs something in one holds a shared lock
on a file beside it, handed down to the process that runs; what is in use is not removed.

How one is built is `snapshot.rebuilding`.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbpipe.base.cache import cache_folder
from nbpipe.base.folders import size_below
from nbpipe.base.ids import new_id
from nbpipe.base.locks import try_lock
from nbpipe.errors import EnvironmentBuildError
from nbpipe.snapshot import uv
from nbpipe.snapshot.own import path_to_ourselves

MANIFEST = "nbpipe-environment.json"
DRAFT = ".draft-"
_REMOVED = ".removed-"


def folder() -> Path:
    """Say where rebuilt environments lie."""
    return cache_folder("environments")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A whole environment.

    Attributes:
        place: Its folder.
        notices: What is to be known of it: packages that are not those of the lock.
        was_built: Whether it was made just now.
    """

    place: Path
    notices: tuple[str, ...] = ()
    was_built: bool = False

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return python_in(self.place)

    def command(self, module: str) -> list[str]:
        """Give the words that run a module of nbpipe in it; the working directory is no place to import from."""
        return [str(self.python), "-P", "-m", module]

    def variables(self) -> dict[str, str]:
        """Give the environment variables of a process in it: nothing that is installed here is seen there."""
        # Bytecode is kept whatever holds here: an environment without it starts several times as slowly.
        dropped = "PYTHONDONTWRITEBYTECODE"
        ours = {name: value for name, value in uv.variables().items() if name != dropped}
        path = os.pathsep.join([str(self.python.parent), *filter(None, [os.environ.get("PATH", os.defpath)])])
        return ours | {
            "PATH": path,
            "VIRTUAL_ENV": str(self.place),
            "PYTHONPATH": str(path_to_ourselves()),
            "PYTHONNOUSERSITE": "1",
        }

    def hold(self) -> int:
        """Give an open file whose lock says that it is in use, until that file is closed here and in every child.

        Raises:
            EnvironmentBuildError: It was removed or damaged since it was found.
        """
        try:
            descriptor = hold(self.place)
        except OSError as error:
            raise _gone(self.place) from error
        if not is_whole(self.place):
            os.close(descriptor)
            raise _gone(self.place)
        with suppress(OSError):
            os.utime(self.place / MANIFEST)
        return descriptor


def hold(place: Path) -> int:
    """Give an open file whose lock keeps an environment, or one that is to be, from being removed.

    Raises:
        OSError: The cache cannot be written.
    """
    descriptor = os.open(_use_file(place), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # Only whoever removes an environment holds it alone, and for a moment.
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _gone(place: Path) -> EnvironmentBuildError:
    return EnvironmentBuildError(
        f"{place} was removed or damaged since it was found", "Run the snapshot again; it is then built anew."
    )


def python_in(place: Path) -> Path:
    """Give the interpreter of an environment."""
    return place / "bin" / "python"


def is_whole(place: Path) -> bool:
    """Tell whether an environment is there, with an interpreter and with all that was installed into it."""
    try:
        manifest = json.loads((place / MANIFEST).read_bytes())
        packages = place / manifest["packages_in"]
        there = set(os.listdir(packages))
        return there.issuperset(manifest["entries"]) and os.access(python_in(place), os.X_OK)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_manifest(place: Path, packages: Path, facts: Mapping[str, Any]) -> None:
    """Write down what is in an environment that is whole.

    Raises:
        OSError: It cannot be written.
    """
    entries = sorted(name for name in os.listdir(packages) if name != "__pycache__")
    written = {**facts, "packages_in": packages.relative_to(place).as_posix(), "entries": entries}
    (place / MANIFEST).write_text(json.dumps(written, indent=1), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Kept:
    """An environment in the cache.

    Attributes:
        place: Its folder.
        is_draft: Left by a builder that was killed, or being built.
    """

    place: Path
    is_draft: bool


def kept() -> Iterator[Kept]:
    """List what lies in the cache."""
    with suppress(OSError):
        for place in sorted(folder().iterdir()):
            if place.is_dir():
                yield Kept(place, is_draft="." in place.name)


def set_aside(place: Path) -> Path | None:
    """Give an environment a name under which nobody looks for one; `None` if that cannot be done."""
    gone = place.with_name(f"{place.name.partition('.')[0]}{_REMOVED}{new_id()[:8]}")
    with suppress(OSError):
        return place.replace(gone)
    return None


def remove_unused(*, dry_run: bool = False) -> tuple[int, int]:
    """Remove the environments that nobody uses, and what killed builders left.

    Args:
        dry_run: Only count.

    Returns:
        How many, and their size in bytes.
    """
    count = size = 0
    for one in kept():
        whole = one.place.with_name(one.place.name.partition(".")[0])
        with _alone(build_file(whole) if one.is_draft else _use_file(whole)) as is_free:
            if not is_free:
                continue
            size_bytes = size_below(one.place)
            gone = one.place if dry_run else set_aside(one.place)
        if gone is not None:
            if not dry_run:
                shutil.rmtree(gone, ignore_errors=True)
            count, size = count + 1, size + size_bytes
    return count, size


def build_file(place: Path) -> Path:
    """Give the file whose lock a builder of an environment holds."""
    return place.with_name(f"{place.name}.building")


@contextmanager
def _alone(file: Path) -> Iterator[bool]:
    """Hold the lock of a file alone, if that is free at once, and tell whether it was; a missing file has no holder."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield True
        return
    try:
        yield try_lock(descriptor)
    finally:
        os.close(descriptor)


def _use_file(place: Path) -> Path:
    return place.with_name(f"{place.name}.used")
