"""The environment of a snapshot built again: the same packages in a folder of its own.

uv builds it, first from what it keeps, so that no index is asked where nothing is missing, then
from the index that it is set up for; where it cannot, pip does, which takes far longer. What is
handed to either is a list of names, versions and digests: which index is asked, the machine says
and never the snapshot.

One process builds, and others that want the same wait for it. A builder that is killed leaves a
draft, which the next one removes.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nbpipe.base.cache import made
from nbpipe.base.digest import identity
from nbpipe.base.ids import new_id
from nbpipe.base.locks import PolledLock
from nbpipe.errors import BadValueError, EnvironmentBuildError
from nbpipe.records.snapshots import Environment
from nbpipe.snapshot import rebuilt, uv
from nbpipe.snapshot.fitting import machine
from nbpipe.snapshot.installed import OURS
from nbpipe.snapshot.installing import Build, install
from nbpipe.snapshot.lock import Lock, Locked, lock_of_versions, read_lock
from nbpipe.snapshot.own import with_our_needs
from nbpipe.snapshot.rebuilt import Rebuilt

Tell = Callable[[str], None]

CHILD = "nbpipe.services.child"

_FORM = "1"
_PAUSE_S = 0.1
_ASKING_S = 30.0
_NO_PACKAGES_OF_OLD = frozenset(["pip", "setuptools", "wheel", OURS])


def rebuild(recorded: Environment, *, needed: tuple[str, ...] = (), tell: Tell | None = None) -> Rebuilt:
    """Give the environment that was recorded, built if it is not there.

    Args:
        recorded: The environment.
        needed: The packages that steps import: one that no index has is refused.
        tell: Told in a sentence when it takes long, and why.

    Raises:
        BadValueError: The lock is none.
        EnvironmentBuildError: It cannot be built here; nothing half-made is left.
        WorkspaceError: The cache cannot be written.
    """
    say = tell or (lambda _: None)
    lock = lock_of(recorded)
    _refuse_elsewhere(lock, needed)
    interpreter = find_interpreter(recorded)
    lock, notices = with_our_needs(lock)
    if machine(recorded.platform) != machine(sysconfig.get_platform()) and not all(
        one.repository for one in lock.packages.values()
    ):
        # The files of another platform are other files.
        lock = Lock({name: _without_digests(one) for name, one in lock.packages.items()}, lock.elsewhere)
        notices = (*notices, f"digests are those of {recorded.platform} and cannot be checked here")
    place, was_built = environment_of(lock, interpreter, say, starts=CHILD)
    return Rebuilt(place, notices, was_built)


def environment_of(lock: Lock, interpreter: Interpreter, say: Tell, *, starts: str) -> tuple[Path, bool]:
    """Give the folder of an environment, and tell whether it was built just now.

    Args:
        lock: What is in it.
        interpreter: Whose it is.
        say: Told in a sentence what takes long.
        starts: A module that has to be importable in it.

    Raises:
        EnvironmentBuildError: It cannot be built here; nothing half-made is left.
        WorkspaceError: The cache cannot be written.
    """
    place = made(rebuilt.folder()) / _key(lock, interpreter)
    descriptor = _held(place)
    try:
        if rebuilt.is_whole(place):
            return place, False
        with _only_builder(place, say):
            if rebuilt.is_whole(place):
                return place, False
            _build(place, lock, interpreter, say, starts)
    finally:
        os.close(descriptor)
    return place, True


def lock_of(recorded: Environment) -> Lock:
    """Give the lock of a recorded environment; an older one has names and versions alone.

    Raises:
        BadValueError: It is none.
    """
    if recorded.lock:
        return read_lock(recorded.lock)
    return lock_of_versions({n: v for n, v in recorded.packages.items() if n not in _NO_PACKAGES_OF_OLD})


def _without_digests(one: Locked) -> Locked:
    return one if one.repository else Locked(one.name, one.version)


def _refuse_elsewhere(lock: Lock, needed: tuple[str, ...]) -> None:
    for name in needed:
        if name in lock.elsewhere and name != OURS:
            package = f"{name} {lock.elsewhere[name]}"
            raise EnvironmentBuildError(
                f"{package} was installed from a folder, a file or an address that no lock names, and no index has it",
                "Publish it to an index, or install it with pip install -e, so that its code travels; "
                "then create the snapshot again.",
                package,
            )


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python to build with.

    Attributes:
        path: Where it is.
        version: Its full version.
    """

    path: str
    version: str


def find_interpreter(recorded: Environment) -> Interpreter:
    """Find a Python of the recorded version, as far as its second number; none is downloaded.

    Raises:
        EnvironmentBuildError: There is none on this machine.
    """
    wanted = ".".join(recorded.python.split(".")[:2])
    if re.fullmatch(r"\d{1,3}\.\d{1,3}", wanted) is None or len(recorded.python) > 50:
        raise BadValueError(f"{recorded.python[:50]!r} is no version of Python. Create the snapshot again.")
    if recorded.implementation == sys.implementation.name and platform.python_version_tuple()[:2] == tuple(
        wanted.split(".")
    ):
        return Interpreter(sys.executable, platform.python_version())
    kind = recorded.implementation if recorded.implementation in ("cpython", "pypy", "graalpy") else "cpython"
    for path in _interpreters(wanted, kind):
        try:
            asked = "import platform, sys; print(platform.python_version(), sys.implementation.name)"
            version, implementation = uv.say(path, "-I", "-c", asked, limit_s=_ASKING_S).split()
        except (OSError, subprocess.SubprocessError, ValueError):
            continue
        if version.startswith(f"{wanted}.") and implementation == recorded.implementation:
            return Interpreter(path, version)
    name = "Python" if kind == "cpython" else kind
    raise EnvironmentBuildError(
        f"it needs {name} {wanted}, and this machine has none",
        f"Install it, as with `uv python install {'' if kind == 'cpython' else kind}{wanted}`, then try again.",
        f"python=={recorded.python}",
    )


def _interpreters(wanted: str, kind: str) -> list[str]:
    found = [shutil.which(f"{'python' if kind == 'cpython' else kind}{wanted}")]
    program = uv.find_uv()
    if program is not None:
        words = ("python", "find", "--no-python-downloads", "--no-project", "--quiet", f"{kind}@{wanted}")
        try:
            found.append(uv.say(program, *words, limit_s=_ASKING_S).strip())
        except (OSError, subprocess.SubprocessError):
            found.append(None)
    return [path for path in found if path]


def _key(lock: Lock, interpreter: Interpreter) -> str:
    lines = [_FORM, interpreter.version, sys.implementation.name, sysconfig.get_platform()]
    lines += [one.line for one in lock.packages.values()]
    return identity("environment", "\n".join(lines).encode())[:40]


def _held(place: Path) -> int:
    try:
        return rebuilt.hold(place)
    except OSError as error:
        raise _disk(error) from error


class _only_builder:  # noqa: N801 — read as `with _only_builder(place)`
    """One builder at a time: others wait until it is done, however long that takes, and whether it lives or dies."""

    def __init__(self, place: Path, say: Tell) -> None:
        self._lock, self._say = PolledLock(rebuilt.build_file(place)), say

    def __enter__(self) -> None:
        is_told = False
        while not self._lock.try_enter():
            if not is_told:
                self._say("Another process builds this environment; waiting for it")
                is_told = True
            time.sleep(_PAUSE_S)

    def __exit__(self, *_: object) -> None:
        self._lock.leave()
        self._lock.close()


def _build(place: Path, lock: Lock, interpreter: Interpreter, say: Tell, starts: str) -> None:
    """Build an environment beside its place, look it over, and give it its place."""
    for left in place.parent.glob(f"{place.name}.*-*"):
        shutil.rmtree(left, ignore_errors=True)
    if place.exists():
        say("The environment in the cache is damaged and is built anew")
        aside = rebuilt.set_aside(place)
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
    count = len(lock.packages)
    say(
        f"Building the snapshot's environment: Python {interpreter.version}, {count} package{'s' if count != 1 else ''}"
    )
    draft = place.with_name(f"{place.name}{rebuilt.DRAFT}{new_id()[:8]}")
    try:
        with tempfile.TemporaryDirectory(prefix="nbpipe-") as lists:
            build = Build(draft, place, interpreter.path, lock, Path(lists), say, starts)
            packages = install(build)
        facts = {"python": interpreter.version, "packages": {one.name: one.version for one in lock.packages.values()}}
        rebuilt.write_manifest(draft, packages, facts)
        draft.replace(place)
    except OSError as error:
        raise _disk(error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _disk(error: OSError) -> EnvironmentBuildError:
    where = rebuilt.folder()
    return EnvironmentBuildError(
        f"{where} cannot be written ({error.strerror or error})",
        "Make room there, with `nbpipe catalog gc --environments`, or set NBPIPE_CACHE to another folder.",
    )
