"""Who is writing, and in which form: what the first line of every log says.

Pid, machine and user are for people and messages; no decision rests on them. The number of the
form is one: a log in a newer one is refused and not misread.
"""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbpipe.base.version import VERSION
from nbpipe.errors import CatalogNewerError

if TYPE_CHECKING:
    from collections.abc import Mapping

OPENED = "opened"
FORMAT = 1


@cache
def user() -> str:
    """Give the user's name on this machine, or their number where they have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def who_writes() -> dict[str, Any]:
    """Describe this process, as the first line of a log that it begins does."""
    return {
        "format": FORMAT,
        "pid": os.getpid(),
        "started": _started(),
        "boot": _read("/proc/sys/kernel/random/boot_id"),
        "host": os.uname().nodename,
        "user": user(),
        "nbpipe": VERSION,
    }


def check_format(path: Path, first: Mapping[str, Any]) -> None:
    """Refuse a log whose first line says that a newer nbpipe wrote it in another form.

    Raises:
        CatalogNewerError: It says so.
    """
    found = first["b"].get("format", FORMAT)
    if found > FORMAT:
        raise CatalogNewerError(path, found, FORMAT)


def _started() -> str:
    """Give the instant at which this process started, or `""` where the system does not say."""
    fields = _read("/proc/self/stat").rpartition(")")[2].split()
    boot = [line.split()[1] for line in _read("/proc/stat").splitlines() if line.startswith("btime ")]
    if not fields or not boot:
        return ""
    ticks = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return datetime.fromtimestamp(int(boot[0]) + ticks, UTC).isoformat(timespec="microseconds")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
