"""The uv that this machine has, if any, and what it says.

Where it stands, how it is called, and which package a complaint of it is about. Addresses in
what it prints are left out, for they may hold a password.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from nbpipe.snapshot.installed import normalised

# What would point uv at another environment than the one it is told.
_MISLEADING = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_PYTHON")
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s`'\")]+", re.IGNORECASE)


def find_uv() -> str | None:
    """Give the path of uv: the one beside this Python, else the first on the path."""
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("uv")


def variables(**more: str) -> dict[str, str]:
    """Give the environment variables for an installer: ours without those that would mislead it."""
    return {name: value for name, value in os.environ.items() if name not in _MISLEADING} | more


def say(program: str, *words: str, given: str = "", limit_s: float, more: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and give what it printed.

    Raises:
        subprocess.CalledProcessError: It failed.
        subprocess.TimeoutExpired: It took too long, and was ended.
        OSError: It cannot be started.
    """
    done = subprocess.run(  # noqa: S603 — a list of words that we chose; what a lock says goes into files
        [program, *words],
        input=given,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=limit_s,
        check=True,
        env=variables(**(more or {})),
    )
    return done.stdout


def packages_in(complaint: str, wanted: Collection[str]) -> list[str]:
    """Name the packages among `wanted` that a complaint names, in its order."""
    words = re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]|[A-Za-z0-9]", _ADDRESS.sub(" ", complaint))
    return [name for name in dict.fromkeys(map(normalised, words)) if name in wanted]


def reason_in(complaint: str) -> str:
    """Give the heart of a complaint: its last cause, in one line and without addresses."""
    lines = [line.strip() for line in _ADDRESS.sub("the index", complaint).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("hint:", "warning:", "WARNING", "[notice]"))]
    causes = [line for line in lines if re.match(r"(cause:|Caused by:|╰─▶|ERROR:|error:)", line)]
    last = (causes or lines or ["it gave no reason"])[-1]
    said = re.sub(r"^(cause:|Caused by:|╰─▶|ERROR:|error:)\s*", "", last).rstrip(".")
    return said if len(said) <= 200 else f"{said[:199]}…"
