"""Who is writing: pid, machine, user. For people and messages; no decision rests on it."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from nbpipe.base.version import VERSION


@cache
def user() -> str:
    """Give the user's name on this machine, or their number where they have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def who_writes() -> dict[str, Any]:
    """Describe this process, as its log's first line does."""
    return {
        "pid": os.getpid(),
        "started": _started(),
        "boot": _read("/proc/sys/kernel/random/boot_id"),
        "host": os.uname().nodename,
        "user": user(),
        "nbpipe": VERSION,
    }


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
