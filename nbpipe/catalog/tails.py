"""What stands in the logs beyond the places to which they were taken in.

One order matters: the size of the operation log is taken first, then those of the process logs.
An operation speaks of facts that were recorded before it; read so, no run is ever seen to have
ended without its steps.

This module reads bytes and checks lines. What becomes of them is `catalog.fold`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbpipe.base.log import PREFIX_LENGTH, stretches
from nbpipe.catalog.operationlog import LOG_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from nbpipe.base.workspace import WorkspacePaths

OPERATIONS = "operations"
_BATCH_BYTES = 16 * 2**20
_KIND = b'"k":"'
_KIND_AT = PREFIX_LENGTH + len(_KIND)


@dataclass(frozen=True, slots=True)
class Extent:
    """A log as it was found: its file, and how long it was."""

    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Damage:
    """A complete line that is not what was once written.

    Attributes:
        log: The log, as positions name it.
        place: Where the line begins, in bytes.
        line: The line.
    """

    log: str
    place: int
    line: bytes


@dataclass(slots=True)
class Batch:
    """Lines to be taken in together.

    Attributes:
        lines: The lines, log by log.
        places: Where each begins in its log, in bytes.
        kinds: The kinds of facts among them.
        firsts: For each log, the index (from 1) of its first line …
        logs: … and its name.
        ends: How far each log is taken in with these lines.
        damaged: Lines that were passed over.
        size_bytes: How much text that is.
    """

    lines: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    firsts: list[int] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)
    damaged: list[Damage] = field(default_factory=list)
    size_bytes: int = 0


def look(paths: WorkspacePaths) -> dict[str, Extent]:
    """Find the logs and their sizes, the operation log first; a workspace without logs has none."""
    found: dict[str, Extent] = {}
    operations = paths.operations / LOG_NAME
    try:
        found[OPERATIONS] = Extent(operations, operations.stat().st_size)
    except FileNotFoundError:
        found[OPERATIONS] = Extent(operations, 0)
    try:
        with os.scandir(paths.logs) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(".log") and entry.name[0] != ".")
    except FileNotFoundError:
        names = []
    for name in names:
        path = paths.logs / name
        with suppress(FileNotFoundError):
            found[name.removesuffix(".log")] = Extent(path, path.stat().st_size)
    return found


def has_news(extents: Mapping[str, Extent], positions: Mapping[str, int]) -> bool:
    """Tell whether any log is longer than the place to which it was taken in."""
    return any(extent.size > positions.get(log, 0) for log, extent in extents.items())


def shrunk(extents: Mapping[str, Extent], positions: Mapping[str, int]) -> list[str]:
    """Name the logs that are shorter than that: a power cut or somebody's hand."""
    return [log for log, extent in extents.items() if extent.size < positions.get(log, 0)]


def batches(extents: Mapping[str, Extent], positions: Mapping[str, int]) -> Iterator[Batch]:
    """Read what is new, facts before operations, in batches of some megabytes."""
    batch = Batch()
    for log in [*(log for log in extents if log != OPERATIONS), OPERATIONS]:
        extent, start = extents[log], positions.get(log, 0)
        if extent.size <= start:
            continue
        for stretch in stretches(extent.path, start, extent.size):
            end, lines = stretch.end, stretch.lines
            if stretch.damaged and log == OPERATIONS:
                # Operations build on each other: what follows a damaged one means nothing for now.
                end = stretch.damaged[0][0]
                lines = [(line_end, line) for line_end, line in lines if line_end <= end]
            batch.damaged += [Damage(log, place, line) for place, line in stretch.damaged]
            _put(batch, log, lines)
            batch.ends[log] = end
            if end < stretch.end:
                break
            if batch.size_bytes >= _BATCH_BYTES:
                yield batch
                batch = Batch()
    if batch.ends or batch.damaged:
        yield batch


def _put(batch: Batch, log: str, lines: list[tuple[int, bytes]]) -> None:
    batch.firsts.append(len(batch.lines) + 1)
    batch.logs.append(log)
    for end, line in lines:
        place = end - len(line) - 1
        try:
            text = line.decode()
        except UnicodeDecodeError:
            batch.damaged.append(Damage(log, place, line))
            continue
        if log != OPERATIONS:
            batch.kinds.add(_kind_of(line))
        batch.lines.append(text)
        batch.places.append(place)
        batch.size_bytes += len(line)


def _kind_of(line: bytes) -> str:
    if line[PREFIX_LENGTH:_KIND_AT] != _KIND:
        return ""
    return line[_KIND_AT : line.find(b'"', _KIND_AT)].decode()
