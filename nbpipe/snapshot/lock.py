"""The lock of an environment: `pylock.toml`, as https://packaging.python.org/specifications/pylock-toml has it.

What can be verified stands as a package with the digests of its files. A file is named by its
address where that is the public index's own, which is the same for everybody; else by its name
alone, for no address of somebody's index and no path of a machine may travel. What is installed
but of which no file is known stands in `tool.nbpipe`, so that any tool can read the rest.

A lock may come from anywhere. What is read from one is names, versions and digests, checked letter
by letter, and nothing else is ever handed to an installer.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.snapshot.installed import Installed, normalised

VERSION = "1.0"
_PUBLIC_HOST = "files.pythonhosted.org"
PUBLIC = f"https://{_PUBLIC_HOST}/"
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?", re.IGNORECASE)
_PACKAGE_VERSION = re.compile(r"[0-9a-z]([0-9a-z.!+_-]{0,126}[0-9a-z])?", re.IGNORECASE)
_FILE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+!-]{0,250}")
_DIGEST_SIZES = {"sha256": 64, "sha384": 96, "sha512": 128}
_REPOSITORY = re.compile(r"https://[A-Za-z0-9][A-Za-z0-9.-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MOST = 20_000_000


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of a lock.

    Attributes:
        name: Its normalised name.
        version: Its version; empty for one from a repository.
        digests: Of its files, as in `sha256:…`; none where no file is known.
        repository: The address of the repository it came from, or `""`.
        commit: The commit of it.
    """

    name: str
    version: str
    digests: tuple[str, ...] = ()
    repository: str = ""
    commit: str = ""

    @property
    def requirement(self) -> str:
        """The package as an installer is asked for it, without digests."""
        return (
            f"{self.name} @ git+{self.repository}@{self.commit}" if self.repository else f"{self.name}=={self.version}"
        )

    @property
    def line(self) -> str:
        """The package as a line of a requirements file."""
        return " ".join([self.requirement, *(f"--hash={digest}" for digest in self.digests)])


@dataclass(frozen=True, slots=True)
class Lock:
    """What is to be installed.

    Attributes:
        packages: The packages, by name.
        elsewhere: The versions of packages that came from a folder or file of the machine where the lock was made,
            or from a repository that a lock does not name: no index has them.
    """

    packages: Mapping[str, Locked]
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @property
    def unverified(self) -> tuple[Locked, ...]:
        """Those that are taken by name and version alone."""
        return tuple(one for one in self.packages.values() if not one.digests and not one.repository)


def write_lock(found: Iterable[Installed], known: Mapping[str, Mapping[str, Any]], *, python: str) -> str:
    """Write a lock.

    Args:
        found: What is installed.
        known: For some of it, by name: a package table as uv writes it, with the files of that version.
        python: The version of Python, such as `"3.11.7"`.
    """
    minor = ".".join(python.split(".")[:2])
    lines = [f'lock-version = "{VERSION}"', f'requires-python = "=={minor}.*"', 'created-by = "nbpipe"']
    unverified: dict[str, str] = {}
    elsewhere: dict[str, str] = {}
    for one in sorted(found, key=lambda one: one.name):
        if not (_NAME.fullmatch(one.name) and _PACKAGE_VERSION.fullmatch(one.version)):
            continue
        if one.is_editable:
            # Its code travels as text, with what imports it.
            continue
        head = ["", "[[packages]]", f"name = {_text(one.name)}"]
        files = _files(known.get(one.name, {}))
        if one.is_local:
            elsewhere[one.name] = one.version
        elif one.repository:
            if _is_repository(one.repository, one.commit):
                where = f'type = "git", url = {_text(one.repository)}, commit-id = {_text(one.commit)}'
                lines += [*head, f"vcs = {{ {where} }}"]
            else:
                elsewhere[one.name] = one.version
        elif files:
            lines += [*head, f"version = {_text(one.version)}", *files]
        else:
            unverified[one.name] = one.version
    for title, names in (("unverified", unverified), ("elsewhere", elsewhere)):
        if names:
            lines += ["", f"[tool.nbpipe.{title}]", *(f"{_text(name)} = {_text(names[name])}" for name in names)]
    return "\n".join(lines) + "\n"


def _files(package: Mapping[str, Any]) -> list[str]:
    """Write the files of a package: a source archive and wheels, each with its digests."""
    source = _file(package.get("sdist") or {})
    wheels = [written for one in package.get("wheels") or () if (written := _file(one))]
    lines = [f"sdist = {source}"] if source else []
    if wheels:
        lines += ["wheels = [", *(f"    {wheel}," for wheel in wheels), "]"]
    return lines


def _file(found: Mapping[str, Any]) -> str:
    address = urlsplit(str(found.get("url") or ""))
    name = unquote(str(found.get("path") or address.path)).replace("\\", "/").rpartition("/")[2]
    digests = {kind: digest for kind, digest in (found.get("hashes") or {}).items() if _is_digest(kind, digest)}
    if not _FILE.fullmatch(name) or not digests:
        return ""
    is_public = (address.scheme, address.netloc, address.query) == ("https", _PUBLIC_HOST, "")
    where = f"url = {_text(f'{PUBLIC}{address.path[1:]}')}" if is_public else f"path = {_text(name)}"
    size = found.get("size")
    sized = f", size = {size}" if isinstance(size, int) else ""
    return f"{{ {where}{sized}, hashes = {{ {', '.join(f'{k} = {_text(v)}' for k, v in sorted(digests.items()))} }} }}"


def _text(text: str) -> str:
    # What has passed the checks above has no letter that JSON and TOML would write differently.
    return json.dumps(text)


def read_lock(text: str) -> Lock:
    """Read a lock and check every letter of it that an installer would see.

    Raises:
        BadValueError: It is no lock, or something in it is no name, no version or no digest.
    """
    if len(text) > _MOST:
        raise BadValueError(f"The environment's lock has {len(text):,} letters, more than any lock has.")
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _bad(f"it is not TOML ({shorten(str(error))})") from None
    written = data.get("lock-version")
    if not isinstance(written, str) or written.partition(".")[0] != VERSION.partition(".")[0]:
        raise _bad(f"its lock-version is {shorten(written)}, and {VERSION} can be read")
    packages: dict[str, Locked] = {}
    for table in _tables(data.get("packages", [])):
        one = _package(table)
        if one.name in packages:
            raise _bad(f"it has {one.name} twice")
        packages[one.name] = one
    ours = _table(_table(data.get("tool", {})).get("nbpipe", {}))
    for name, version in _table(ours.get("unverified", {})).items():
        one = Locked(_name(name), _version(version))
        if one.name in packages:
            raise _bad(f"it has {one.name} twice")
        packages[one.name] = one
    elsewhere = {_name(name): _version(version) for name, version in _table(ours.get("elsewhere", {})).items()}
    return Lock(dict(sorted(packages.items())), elsewhere)


def lock_of_versions(packages: Mapping[str, str]) -> Lock:
    """Make a lock of names and versions alone, as older snapshots have them.

    Raises:
        BadValueError: One of them is no name or no version.
    """
    return Lock({_name(name): Locked(_name(name), _version(version)) for name, version in sorted(packages.items())})


def _package(table: Mapping[str, Any]) -> Locked:
    name = _name(table.get("name"))
    repository = table.get("vcs")
    if repository is not None:
        address, commit = _table(repository).get("url"), _table(repository).get("commit-id")
        if not _is_repository(address, commit):
            raise _bad(f"the repository of {name} is {shorten(address)} at {shorten(commit)}, which is none to trust")
        return Locked(name, "", repository=str(address), commit=str(commit))
    files = [*_tables(table.get("wheels", []))]
    if table.get("sdist") is not None:
        files.append(_table(table["sdist"]))
    digests: dict[str, None] = {}
    for file in files:
        for kind, digest in _table(file.get("hashes", {})).items():
            if not _is_digest(kind, digest):
                raise _bad(f"{shorten(digest)} is no {shorten(kind)} digest of {name}")
            digests[f"{kind}:{digest}"] = None
    if not digests:
        raise _bad(f"it has no digest of {name}")
    return Locked(name, _version(table.get("version")), tuple(digests))


def _is_repository(address: object, commit: object) -> bool:
    return (
        isinstance(address, str)
        and isinstance(commit, str)
        and len(address) <= 500
        and _REPOSITORY.fullmatch(address) is not None
        and _COMMIT.fullmatch(commit) is not None
    )


def _is_digest(kind: object, digest: object) -> bool:
    size = _DIGEST_SIZES.get(kind) if isinstance(kind, str) else None
    return isinstance(digest, str) and len(digest) == size and re.fullmatch("[0-9a-f]+", digest) is not None


def _name(name: object) -> str:
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise _bad(f"{shorten(name)} is no name of a package")
    return normalised(name)


def _version(version: object) -> str:
    if not isinstance(version, str) or _PACKAGE_VERSION.fullmatch(version) is None:
        raise _bad(f"{shorten(version)} is no version")
    return version


def _table(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _bad(f"{shorten(value)} stands where a table should")
    return value


def _tables(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, list):
        raise _bad(f"{shorten(value)} stands where a list should")
    return [_table(one) for one in value]


def _bad(why: str) -> BadValueError:
    return BadValueError(f"The environment's lock cannot be used: {why}. Create the snapshot again.")
