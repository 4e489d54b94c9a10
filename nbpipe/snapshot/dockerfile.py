"""A snapshot as the makings of a container image: a Dockerfile, its lock, and what else it copies.

The image has the Python and the packages of the snapshot, runs as a user without rights and holds
no secret: a private index is named at build time, by a secret that no layer keeps. Words of a user
stand in JSON arrays only, where neither Docker nor a shell reads anything into them.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nbpipe.base.version import VERSION
from nbpipe.errors import BadValueError
from nbpipe.records.snapshots import Environment
from nbpipe.snapshot.fitting import machine
from nbpipe.snapshot.installed import OURS, Installed
from nbpipe.snapshot.lock import PUBLIC, Lock, write_lock
from nbpipe.snapshot.own import PACKAGE, with_our_needs
from nbpipe.snapshot.rebuilding import lock_of

BUNDLE = "snapshot.nbsnapshot"
_UV = "0.13.9"
_PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64", "arm64": "linux/arm64", "amd64": "linux/amd64"}
_PYTHON = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


@dataclass(frozen=True, slots=True)
class Image:
    """What an image is built from.

    Attributes:
        dockerfile: The text of the Dockerfile.
        files: What it copies but the snapshot itself, by path relative to it.
        notices: What is to be known of it.
    """

    dockerfile: str
    files: dict[str, bytes]
    notices: tuple[str, ...] = ()


def image_of(name: str, recorded: Environment) -> Image:
    """Write what an image is built from that runs a snapshot.

    The snapshot itself is copied from a file named `BUNDLE`, in the form that `nbpipe snapshot export` writes.

    Args:
        name: The snapshot's name.
        recorded: The environment that it was made in.

    Raises:
        BadValueError: It was made by another Python than CPython, or its lock is none.
    """
    if recorded.implementation != "cpython" or _PYTHON.fullmatch(recorded.python) is None:
        made_by = f"{recorded.implementation} {recorded.python}"[:60]
        raise BadValueError(f"There is no image of {made_by} to build on; one can be written for CPython only.")
    lock, notices = with_our_needs(lock_of(recorded))
    files: dict[str, bytes] = {}
    system, processor = machine(recorded.platform)
    public, rest = _public_lock(recorded, lock) if system == "linux" else ("", list(lock.packages))
    if public:
        files["pylock.toml"] = public.encode()
    if rest:
        # The digests of another platform are those of other files.
        lines = [lock.packages[one].line if system == "linux" else lock.packages[one].requirement for one in rest]
        verified = [line for line in lines if "--hash" in line]
        for title, some in (
            ("requirements.txt", verified),
            ("requirements-unverified.txt", [line for line in lines if "--hash" not in line]),
        ):
            if some:
                files[title] = "".join(f"{line}\n" for line in some).encode()
        if system != "linux":
            notices = (*notices, f"the lock was made on {recorded.platform}: versions are kept, digests are not")
    files |= dict(_ourselves())
    notices = (
        *notices,
        *(f"{one} {version} is on no index and is left out" for one, version in lock.elsewhere.items()),
    )
    has_git = any(one.repository for one in lock.packages.values())
    text = _text(name, recorded.python, _PLATFORMS.get(processor, ""), list(files), has_git=has_git)
    return Image(text, files, notices)


def _public_lock(recorded: Environment, lock: Lock) -> tuple[str, list[str]]:
    """Give the lock of what everybody can fetch by its address, and the names of all else."""
    tables = {table["name"]: table for table in tomllib.loads(recorded.lock).get("packages", [])}
    taken = {
        name: one
        for name, one in lock.packages.items()
        if name in tables
        and (one.repository or (one.version == tables[name].get("version") and _is_public(tables[name])))
    }
    if not taken:
        return "", list(lock.packages)
    found = [
        Installed(one.name, one.version or "0", repository=one.repository, commit=one.commit) for one in taken.values()
    ]
    return write_lock(found, tables, python=recorded.python), [name for name in lock.packages if name not in taken]


def _is_public(table: dict[str, Any]) -> bool:
    files = [*(table.get("wheels") or []), *([table["sdist"]] if table.get("sdist") else [])]
    return bool(files) and all(str(file.get("url", "")).startswith(PUBLIC) for file in files)


def _ourselves() -> Iterator[tuple[str, bytes]]:
    """Give the files of this nbpipe, so that an image runs what was tried, be it installed or a checkout."""
    for file in sorted(PACKAGE.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield f"{OURS}/{file.relative_to(PACKAGE).as_posix()}", file.read_bytes()


def _text(name: str, python: str, platform: str, files: list[str], *, has_git: bool) -> str:
    base = f"--platform={platform} " if platform else ""
    # More words follow the name, so that no `--` can stand before one that looks like an option.
    named = f"snapshot:{name}" if name.startswith("-") or ":" in name else name
    blocks = [
        "# syntax=docker/dockerfile:1",
        f"# A snapshot and the environment that it was made in, written by nbpipe {VERSION}.\n"
        f"# {BUNDLE} beside this file is the snapshot, as `nbpipe snapshot export` writes it.\n"
        f"FROM {base}python:{python}-slim",
        "ENV PYTHONUNBUFFERED=1 PYTHONPATH=/app NBPIPE_HOME=/data/.nbpipe",
        "WORKDIR /app",
        f"RUN {_exec('python', '-m', 'pip', 'install', '--no-cache-dir', '--disable-pip-version-check', f'uv=={_UV}')}",
    ]
    if has_git:
        blocks.append(
            "RUN apt-get update \\\n"
            "    && apt-get install --yes --no-install-recommends git \\\n"
            "    && rm -rf /var/lib/apt/lists/*"
        )
    install = ("uv", "pip", "install", "--system", "--no-cache", "--no-deps", "-r")
    for one in ("pylock.toml", "requirements.txt", "requirements-unverified.txt"):
        if one in files:
            lines = [f"COPY {one} ./"]
            if one != "pylock.toml":
                lines.append("# For an index of your own: docker build --secret id=index,env=UV_INDEX_URL")
            secret = "" if one == "pylock.toml" else "--mount=type=secret,id=index,env=UV_INDEX_URL "
            blocks.append("\n".join([*lines, f"RUN {secret}{_exec(*install, one)}"]))
    blocks += [
        f"COPY {OURS} ./{OURS}",
        f"RUN {_exec('useradd', '--create-home', '--uid', '10001', 'nbpipe')}\n"
        f"RUN {_exec('install', '--directory', '--owner=nbpipe', '/data')}",
        "USER nbpipe",
        f"COPY {BUNDLE} ./\nRUN {_exec('python', '-m', 'nbpipe', 'snapshot', 'import', BUNDLE)}",
        "# More words go to the run: docker run IMAGE --set rate=0.2\n"
        f"ENTRYPOINT {_exec('python', '-m', 'nbpipe', 'snapshot', 'run', named)}",
    ]
    return "\n\n".join(blocks) + "\n"


def _exec(*words: str) -> str:
    """Write a command as Docker takes it without a shell."""
    return json.dumps(list(words))
