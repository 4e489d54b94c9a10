"""The interpreter and the packages in use, and how far another environment differs.

Names and versions only: no path and no address of this machine is ever part of it.
"""

from __future__ import annotations

import platform
import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata

from nbpipe.records.snapshots import Environment
from nbpipe.source.closure import ModuleUse

_NAME_OR_VERSION = re.compile(r"^(Name|Version): *(\S+) *$", re.MULTILINE)


def this_environment() -> Environment:
    """Describe the environment of this process."""
    return Environment(
        python=platform.python_version(),
        implementation=sys.implementation.name,
        platform=sysconfig.get_platform(),
        packages=dict(sorted(_installed())),
    )


def _installed() -> Iterable[tuple[str, str]]:
    for distribution in metadata.distributions():
        # `metadata` would read the whole file as a mail, with all that it says for people, and that for each question.
        told = (
            distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or distribution.read_text("") or ""
        )
        fields = dict(_NAME_OR_VERSION.findall(told.partition("\n\n")[0]))
        if {"Name", "Version"} <= fields.keys():
            yield _normalised(fields["Name"]), fields["Version"]


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True, slots=True)
class Differences:
    """How this environment differs from the one that was recorded.

    Attributes:
        missing: Packages that steps import and that are not here.
        other: A sentence for each package of another version and for another Python.
    """

    missing: tuple[str, ...]
    other: tuple[str, ...]


def differences(recorded: Environment, used: Iterable[ModuleUse]) -> Differences:
    """Compare this environment with a recorded one, as far as steps depend on it.

    Only the packages that steps import are looked at, so that this costs a file or two.
    """
    here: dict[str, str | None] = {}
    for use in used:
        if use.distribution:
            here[use.distribution] = _version(use.distribution)
    return compare(
        recorded, {use.distribution: use.version for use in used if use.distribution}, here, platform.python_version()
    )


def compare(
    recorded: Environment, wanted: Mapping[str, str], here: Mapping[str, str | None], python: str
) -> Differences:
    """Compare versions; a pure function of both sides."""
    missing = tuple(f"{name} {version} is not installed" for name, version in wanted.items() if here.get(name) is None)
    other = [
        f"{name} is {here[name]}, was {version}"
        for name, version in wanted.items()
        if here.get(name) is not None and here[name] != version
    ]
    if python.split(".")[:2] != recorded.python.split(".")[:2]:
        other.append(f"Python is {python}, was {recorded.python}")
    return Differences(missing, tuple(other))


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
