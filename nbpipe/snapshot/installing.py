"""Packages installed into a new environment, by uv or else by pip, and looked over.

The installers are handed files of requirements only, so that no word of a lock is ever an argument
of theirs. They ask for exact versions and follow no requirement of a package: a lock names all.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nbpipe.errors import EnvironmentBuildError
from nbpipe.snapshot import uv
from nbpipe.snapshot.installed import normalised
from nbpipe.snapshot.lock import Lock, Locked
from nbpipe.snapshot.own import path_to_ourselves
from nbpipe.snapshot.rebuilt import python_in

_VENV_S = 180.0
_INSTALL_S = 3600.0
_LOOK_S = 300.0
# An index that does not answer is to be told soon: once more, and no longer.
_UV_PATIENCE = {"UV_HTTP_RETRIES": "1", "UV_HTTP_TIMEOUT": "30"}
_LOOK = """
import json, sysconfig
from importlib import metadata
print(json.dumps([sysconfig.get_path("purelib"), [[d.metadata["Name"], d.version] for d in metadata.distributions()]]))
"""


@dataclass(frozen=True, slots=True)
class Build:
    """What is to be built, and where.

    Attributes:
        draft: The folder in which it is built.
        place: The folder that it will be.
        python: The interpreter.
        lock: What is to be installed.
        lists: A folder for the lists that installers are handed.
        say: Told in a sentence what takes long.
        starts: A module that has to be importable once all is installed.
    """

    draft: Path
    place: Path
    python: str
    lock: Lock
    lists: Path
    say: Callable[[str], None]
    starts: str


def install(build: Build) -> Path:
    """Install everything, check that it is there and that it starts, and give the folder of the packages.

    Raises:
        EnvironmentBuildError: It cannot be installed.
        OSError: The disk is full, or the folder cannot be written.
    """
    program = uv.find_uv()
    first: _Failed | None = None
    if program is not None:
        try:
            _by_uv(build, program)
            return _looked_over(build)
        except _Failed as failed:
            if failed.is_final:
                raise failed.error(build.lock) from None
            first = failed
    why = f"uv could not: {first.reason}" if first is not None else "uv is not here"
    build.say(f"{why}; pip builds it, which takes far longer")
    try:
        _by_pip(build)
    except _Failed as failed:
        # uv says better why; of what it was about to fetch it does not always speak.
        told = first if first is not None and first.package(build.lock) else failed
        reason = first.reason if first is not None else failed.reason
        raise told.error(build.lock, reason) from None
    return _looked_over(build)


class _Failed(Exception):
    """An installer gave up.

    Attributes:
        complaint: All that it printed.
    """

    def __init__(self, error: Exception) -> None:
        self.complaint = str(getattr(error, "stderr", "") or error)
        self.reason = (
            "it took too long" if isinstance(error, subprocess.TimeoutExpired) else uv.reason_in(self.complaint)
        )
        super().__init__(self.reason)

    @property
    def is_final(self) -> bool:
        """Whether another installer would and must fare no better."""
        said = self.complaint.lower()
        return "hash mismatch" in said or "no space left" in said

    def package(self, lock: Lock) -> str:
        """Give the requirement that is to blame, or nothing."""
        named = uv.packages_in(self.complaint, lock.packages.keys())
        exact = [name for name in named if f"{name}==" in self.complaint.lower().replace("_", "-")]
        chosen = next(iter(exact or named), "")
        return lock.packages[chosen].requirement if chosen else ""

    def error(self, lock: Lock, reason: str = "") -> EnvironmentBuildError:
        """Say it to the user, with another reason where one is better."""
        package, said = self.package(lock), self.complaint.lower()
        why = reason or self.reason
        about = f"{package.partition(' @ ')[0]} cannot be installed ({why})" if package else why
        if "no space left" in said:
            return EnvironmentBuildError("the disk is full", "Make room, as with `nbpipe catalog gc --environments`.")
        if "hash" in said and ("mismatch" in said or "do not match" in said):
            return EnvironmentBuildError(
                f"{package or 'a package'} that the index gives is not the one of the lock: its digest differs",
                "Look at where it comes from before you trust it, or create the snapshot again.",
                package,
            )
        cure = "Check the network and the index that uv or pip are set up for, or run without --isolated."
        return EnvironmentBuildError(about, cure, package)


def _by_uv(build: Build, program: str) -> None:
    _run(
        program,
        "venv",
        "--quiet",
        "--relocatable",
        "--no-project",
        "--python",
        build.python,
        str(build.draft),
        limit_s=_VENV_S,
    )
    wanted = _listed(build, "all", build.lock.packages.values())
    words = ("pip", "install", "--quiet", "--no-deps", "--python", str(python_in(build.draft)), "-r", str(wanted))
    try:
        _run(program, *words, "--offline", limit_s=_INSTALL_S)
    except _Failed as failed:
        if failed.is_final:
            raise
        build.say("Asking the index for what is not kept here")
        patience = {name: value for name, value in _UV_PATIENCE.items() if name not in os.environ}
        _run(program, *words, limit_s=_INSTALL_S, more=patience)


def _by_pip(build: Build) -> None:
    packages = build.lock.packages.values()
    python = str(python_in(build.draft))
    try:
        # A pip that is here can install elsewhere, which saves the time to install one there.
        _run(build.python, "-c", "import pip", limit_s=_LOOK_S)
        _run(build.python, "-m", "venv", "--clear", "--without-pip", str(build.draft), limit_s=_VENV_S)
        pip = [build.python, "-m", "pip", "--python", python]
    except _Failed:
        _run(build.python, "-m", "venv", "--clear", str(build.draft), limit_s=_VENV_S)
        pip = [python, "-m", "pip"]
    # Of one list pip wants digests of all or of none.
    for name, some in (
        ("verified", [one for one in packages if one.digests]),
        ("others", [one for one in packages if not one.digests]),
    ):
        if some:
            words = ("install", "--quiet", "--no-deps", "--retries", "1", "--no-input", "--disable-pip-version-check")
            _run(*pip, *words, "-r", str(_listed(build, name, some)), limit_s=_INSTALL_S)
    _point_scripts_at(build)


def _point_scripts_at(build: Build) -> None:
    """Have the scripts name the interpreter at its place to be: pip writes where it is now."""
    former, later = os.fsencode(build.draft), os.fsencode(build.place)
    for script in python_in(build.draft).parent.iterdir():
        if script.is_symlink() or not script.is_file():
            continue
        text = script.read_bytes()
        if text.startswith(b"#!") and former in text:
            script.write_bytes(text.replace(former, later))


def _listed(build: Build, name: str, packages: Iterable[Locked]) -> Path:
    place = build.lists / f"{name}.txt"
    place.write_text("".join(f"{one.line}\n" for one in packages), encoding="utf-8")
    return place


def _run(program: str, *words: str, limit_s: float, more: dict[str, str] | None = None) -> None:
    try:
        uv.say(program, *words, limit_s=limit_s, more=more)
    except (subprocess.SubprocessError, OSError) as error:
        raise _Failed(error) from error


def _looked_over(build: Build) -> Path:
    """Check that every package is there, and that what is to run there starts, which also writes its bytecode."""
    python = str(python_in(build.draft))
    folder, found = json.loads(uv.say(python, "-I", "-c", _LOOK, limit_s=_LOOK_S))
    there = {normalised(name): version for name, version in found if name}
    for one in build.lock.packages.values():
        if one.name not in there or (one.version and not _is_same(there[one.name], one.version)):
            raise EnvironmentBuildError(
                f"{one.requirement} was installed, and {there.get(one.name, 'nothing')} is there",
                "Try again; if that does not help, create the snapshot again.",
                one.requirement,
            )
    try:
        ours = {"PYTHONPATH": str(path_to_ourselves()), "PYTHONNOUSERSITE": "1"}
        uv.say(python, "-P", "-c", f"import {build.starts}", limit_s=_LOOK_S, more=ours)
    except (subprocess.SubprocessError, OSError) as error:
        reason = uv.reason_in(str(getattr(error, "stderr", "") or error))
        raise EnvironmentBuildError(
            f"{build.starts.partition('.')[0]} does not start in it ({reason})",
            "Run without --isolated, or create the snapshot again.",
        ) from None
    return Path(folder)


def _is_same(one: str, other: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other
