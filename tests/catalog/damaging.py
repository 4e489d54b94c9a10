"""Logs of a workspace, and harm done to their bytes: for the tests of what finds and mends it."""

from __future__ import annotations

from pathlib import Path

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.tails import look


def operations_of(paths: WorkspacePaths) -> Path:
    """Give the first segment of the operation log."""
    return next(extent.path for extent in look(paths).values() if extent.path.parent == paths.operations)


def process_log_of(paths: WorkspacePaths) -> Path:
    """Give one of the process logs."""
    return next(extent.path for extent in look(paths).values() if extent.path.parent == paths.logs)


def change(path: Path, place: int, value: int | None = None) -> None:
    """Put another byte at a place of a log."""
    data = bytearray(path.read_bytes())
    data[place] = (data[place] ^ 0x01) if value is None else value
    path.write_bytes(data)


def scramble(path: Path, nth: int) -> int:
    """Damage a line beyond what can be corrected; give its place."""
    lines = path.read_bytes().split(b"\n")
    place = sum(len(line) + 1 for line in lines[:nth])
    for at in (20, 30, 40):
        change(path, place + at)
    return place
