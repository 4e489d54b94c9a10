"""The environment that a pipeline is frozen in: the interpreter, the packages, and their lock.

The lock's digests come from what uv has kept of the packages it installed; no index is asked, so
that freezing works with no network and tells nobody what is installed here. What was captured is
kept in the user's cache until something is installed, upgraded or removed.

No path and no address of this machine is ever part of it.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nbpipe.base.cache import cache_folder, made, write_whole
from nbpipe.errors import BadValueError, WorkspaceError
from nbpipe.records.snapshots import Environment
from nbpipe.snapshot import uv
from nbpipe.snapshot.installed import Installed, fingerprint, installed, without_installers
from nbpipe.snapshot.lock import write_lock

_LIMIT_S = 20.0
_MOST_ROUNDS = 20
# Digests that uv did not have may be there later: a capture without them is not kept for ever.
_RETRY_S = 3600.0
_FORM = "1"


def this_environment() -> Environment:
    """Describe the environment of this process, with its lock."""
    place = cache_folder("locks", f"{fingerprint()}-{_FORM}.json")
    kept = _kept(place)
    if kept is not None:
        return kept
    captured = captured_environment()
    # A cache that cannot be written costs time, and nothing else.
    with suppress(OSError, WorkspaceError):
        made(place.parent)
        write_whole(place, captured.model_dump_json().encode())
    return captured


def _kept(place: Path) -> Environment | None:
    try:
        found = Environment.model_validate_json(place.read_bytes())
        is_young = time.time() - place.stat().st_mtime < _RETRY_S
    except (OSError, ValueError, BadValueError):
        return None
    return found if is_young or "[tool.nbpipe.unverified]" not in found.lock else None


def captured_environment() -> Environment:
    """Read the environment of this process anew."""
    found = installed()
    to_lock = without_installers(found)
    python = platform.python_version()
    return Environment(
        python=python,
        implementation=sys.implementation.name,
        platform=sysconfig.get_platform(),
        packages={name: one.version for name, one in found.items()},
        lock=write_lock(to_lock.values(), files_known_to_uv(to_lock), python=python),
    )


def files_known_to_uv(found: Mapping[str, Installed]) -> dict[str, Mapping[str, Any]]:
    """Ask uv for the files of the packages as it keeps them, by name; packages that it does not know are left out."""
    program = uv.find_uv()
    versions = {name: one.version for name, one in found.items() if not (one.is_local or one.repository)}
    if program is None:
        return {}
    words = ["pip", "compile", "-", "--format", "pylock.toml", "--no-deps", "--no-header", "--quiet", "--offline"]
    for _ in range(_MOST_ROUNDS):
        given = "".join(f"{name}=={version}\n" for name, version in versions.items())
        try:
            said = uv.say(program, *words, "--python", sys.executable, given=given, limit_s=_LIMIT_S)
            packages = tomllib.loads(said).get("packages", [])
            return {one["name"]: one for one in packages if versions.get(one["name"]) == one.get("version")}
        except subprocess.CalledProcessError as error:
            unknown = uv.packages_in(error.stderr, versions)
            if not unknown:
                return {}
            # It names one at a time. What pip installed it has seldom kept, and need not be asked of one by one.
            by_uv = {name for name, one in found.items() if one.installer == "uv"}
            versions = {name: was for name, was in versions.items() if name in by_uv and name not in unknown}
        except (OSError, subprocess.TimeoutExpired, ValueError):
            return {}
    return {}
