"""What is installed in this environment, as its own metadata says.

Of each distribution the name, the version and where it came from: an index, this machine (a
folder, an editable checkout, a file), or a repository. No path and no address of this machine
leaves this module, and no user name or password of an address.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import metadata
from urllib.parse import urlsplit

from nbpipe.base.digest import quick

_METADATA_FOLDERS = (".dist-info", ".egg-info", ".egg-link", ".egg")
# Tools that put packages in place; steps do not run with them, unless another package says so.
_INSTALLERS = frozenset(["pip", "setuptools", "wheel"])
OURS = "nbpipe"


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed distribution.

    Attributes:
        name: Its normalised name.
        version: Its version.
        is_local: It was installed from a folder or a file of this machine.
        is_editable: Its code is read from where it is written, and travels as local modules.
        repository: The address of the repository it came from, without user and password, or `""`. With a port
            or a subdirectory it is none that a lock takes.
        commit: The commit, where it came from a repository.
        needs: The normalised names of what it requires, extras left out.
        installer: The tool that installed it, such as `"uv"`, or `""`.
    """

    name: str
    version: str
    is_local: bool = False
    is_editable: bool = False
    repository: str = ""
    commit: str = ""
    needs: tuple[str, ...] = ()
    installer: str = ""


def normalised(name: str) -> str:
    """Give a name as indexes compare it: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def fingerprint() -> str:
    """Give a digest that changes whenever something is installed, upgraded or removed; costs a millisecond or two."""
    found = [sys.version, sys.prefix]
    for folder in dict.fromkeys(sys.path):
        with suppress(OSError), os.scandir(folder or ".") as entries:
            found += sorted(
                f"{folder}/{entry.name}:{entry.stat().st_mtime_ns}"
                for entry in entries
                if entry.name.endswith(_METADATA_FOLDERS)
            )
    return quick("installed", *(text.encode("utf-8", "surrogateescape") for text in found))


def installed() -> dict[str, Installed]:
    """Read what is installed, by normalised name and in its order.

    Of two of one name, the one that is imported counts: that which stands first on the path.
    """
    found: dict[str, Installed] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name and distribution.version:
            found.setdefault(normalised(name), _read(normalised(name), distribution))
    return dict(sorted(found.items()))


def without_installers(found: dict[str, Installed]) -> dict[str, Installed]:
    """Leave out tools that only install, where nothing else requires them."""
    needed = {name for one in found.values() if one.name not in _INSTALLERS for name in one.needs}
    return {name: one for name, one in found.items() if name not in _INSTALLERS or name in needed}


def needs_of(requirements: list[str] | None) -> tuple[str, ...]:
    """Name what is required, extras left out: `six>=1.5; extra == 'x'` is none."""
    return tuple(dict.fromkeys(_names_in(requirements or [])))


def _names_in(requirements: list[str]) -> Iterator[str]:
    for requirement in requirements:
        name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
        if name is not None and "extra" not in requirement.partition(";")[2]:
            yield normalised(name[0])


def _read(name: str, distribution: metadata.Distribution) -> Installed:
    plain = Installed(
        name,
        distribution.version,
        needs=needs_of(distribution.requires),
        installer=(distribution.read_text("INSTALLER") or "").strip(),
    )
    try:
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        url = urlsplit(str(origin.get("url", "")))
    except ValueError:
        return plain
    if not url.scheme:
        return plain
    repository = origin.get("vcs_info") or {}
    if repository.get("vcs") == "git" and url.scheme == "https":
        address = f"https://{url.netloc.rpartition('@')[2]}{url.path}"
        if origin.get("subdirectory"):
            address += f"#subdirectory={origin['subdirectory']}"
        return replace(plain, repository=address, commit=str(repository.get("commit_id", "")).lower())
    is_editable = bool((origin.get("dir_info") or {}).get("editable"))
    return replace(plain, is_local=True, is_editable=is_editable)
