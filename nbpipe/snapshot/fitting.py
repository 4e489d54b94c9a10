"""How far this environment fits a snapshot, told before its first step.

What steps import is looked at, and what that requires in turn: other packages may be of any
version, and nothing is said of them. What is imported and is not here stops a run. All else is
told and stops nothing, in a few lines however much differs.
"""

from __future__ import annotations

import platform
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from nbpipe.records.snapshots import Environment
from nbpipe.snapshot.installed import needs_of, normalised
from nbpipe.source.closure import ModuleUse

_MOST_TOLD = 4


@dataclass(frozen=True, slots=True)
class Differences:
    """How this environment differs from the one that was recorded.

    Attributes:
        missing: Packages that steps import and that are not here.
        other: A sentence for each thing that differs and stops nothing: Python, the platform, versions.
    """

    missing: tuple[str, ...]
    other: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Here:
    """What there is here, as far as a snapshot depends on it.

    Attributes:
        python: The version of Python.
        implementation: Such as `"cpython"`.
        platform: Such as `"linux-x86_64"`.
        versions: Of the packages that were looked for, by normalised name; `None` for one that is not here.
    """

    python: str
    implementation: str
    platform: str
    versions: Mapping[str, str | None]


def differences(recorded: Environment, used: Iterable[ModuleUse]) -> Differences:
    """Compare this environment with a recorded one, as far as steps depend on it."""
    uses = list(used)
    imported = {use.distribution: use.version for use in uses if use.distribution}
    versions = _versions_here(imported)
    here = Here(platform.python_version(), sys.implementation.name, sysconfig.get_platform(), versions)
    nobodys = [use.name for use in uses if not use.distribution and not _is_here(use.name)]
    found = compare(recorded, imported, here)
    return Differences((*found.missing, *(f"{name} is not here" for name in nobodys)), found.other)


def compare(recorded: Environment, imported: Mapping[str, str], here: Here) -> Differences:
    """Compare two environments; a pure function of both.

    Args:
        recorded: The one that was recorded.
        imported: The packages that steps import, with their versions.
        here: The other, with the versions of those packages and of what they require.
    """
    direct = {normalised(name) for name in imported}
    missing = tuple(
        f"{name} {version} is not installed"
        for name, version in imported.items()
        if here.versions.get(normalised(name)) is None
    )
    packages = [
        (name, now, was)
        for name, now in here.versions.items()
        # What is required under a marker is required on some machines only.
        if (was := _recorded_version(recorded, imported, name)) and now != was and (now or name not in direct)
    ]
    # What is imported by name matters more than what came with it.
    packages.sort(key=lambda found: (found[0] not in direct, found[0]))
    told = [f"{name} is {now}, was {was}" if now else f"{name} is not here, was {was}" for name, now, was in packages]
    return Differences(missing, (*_other_machine(recorded, here), *_shortened(told)))


def _other_machine(recorded: Environment, here: Here) -> list[str]:
    told = []
    if here.implementation != recorded.implementation:
        told.append(f"Python is {here.implementation}, was {recorded.implementation}")
    elif here.python.split(".")[:2] != recorded.python.split(".")[:2]:
        told.append(f"Python is {here.python}, was {recorded.python}")
    if machine(here.platform) != machine(recorded.platform):
        told.append(f"the platform is {here.platform}, was {recorded.platform}")
    return told


def machine(platform_name: str) -> tuple[str, str]:
    """Give the system and the processor of a platform: `macosx-14.0-arm64` and `macosx-15.1-arm64` are alike."""
    parts = platform_name.split("-")
    return parts[0], parts[-1]


def _recorded_version(recorded: Environment, imported: Mapping[str, str], name: str) -> str | None:
    noted = next((version for use, version in imported.items() if normalised(use) == name), None)
    return noted or recorded.packages.get(name)


def _shortened(told: list[str]) -> list[str]:
    if len(told) <= _MOST_TOLD + 1:
        return told
    return [*told[:_MOST_TOLD], f"{len(told) - _MOST_TOLD} more packages have other versions"]


def _versions_here(imported: Iterable[str]) -> dict[str, str | None]:
    """Give the versions of packages and of what they require, and that in turn."""
    found: dict[str, str | None] = {}
    waiting = [normalised(name) for name in imported]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            found[name] = None
            continue
        found[name] = distribution.version
        waiting += needs_of(distribution.requires)
    return found


def _is_here(module: str) -> bool:
    try:
        return module in sys.modules or find_spec(module) is not None
    except (ImportError, ValueError):
        return False
