"""What stands in the logs beyond the places to which they were taken in.

One order matters: the size of the operation log is taken first, then those of the process logs.
An operation speaks of facts that were recorded before it; read so, no run is ever seen to have
ended without its steps.

This module reads bytes and checks lines. What becomes of them is `catalog.fold`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbpipe.base.log import PREFIX_LENGTH, stretches
from nbpipe.catalog import segments
from nbpipe.catalog.identity import OPENED, check_format

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from nbpipe.base.workspace import WorkspacePaths

_BATCH_BYTES = 16 * 2**20

# Records are written with their fields in one order, so that these few words can be found without parsing them.
_KIND = '"k":"'
_OPENED = f'{_KIND}{OPENED}"'
_KIND_AT = PREFIX_LENGTH + len(_KIND)
_ID = '"id":"'
_REUSED = '"status":"reused"'
_SOME_METADATA = '"metadata":[{'

# What stands in place of a line that means nothing any more.
NOTHING = '{"nothing":0,"b":{}}'
# Of a step only its end counts once that is known, and of several ends or displays the last.
_VOIDS = {"step_started": ("step_started",), "step": ("step_started", "step"), "displays": ("displays",)}
_CAN_BE_VOID = frozenset(_VOIDS)


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
        places: Where each begins in its log, in bytes …
        spans: … and in which log: an index, from 1, of …
        logs: … the logs.
        kinds: How many facts of each kind are among them.
        reuses: Whether a step among them may have been reused.
        has_step_metadata: Whether a step among them may carry metadata.
        ends: How far each log is taken in with these lines.
        damaged: Lines that were passed over.
        last: The index of the last line of a kind about an id.
        has_operations: Whether there are operations among them.
        size_bytes: How much text that is.
    """

    lines: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    spans: list[int] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    reuses: bool = False
    has_step_metadata: bool = False
    ends: dict[str, int] = field(default_factory=dict)
    damaged: list[Damage] = field(default_factory=list)
    last: dict[tuple[str, str], int] = field(default_factory=dict)
    has_operations: bool = False
    size_bytes: int = 0

    def parameters(self) -> dict[str, Any]:
        """Give the lines as `statements.PARSE` takes them."""
        return {"lines": self.lines, "places": self.places, "spans": self.spans, "logs": self.logs}


def look(paths: WorkspacePaths) -> dict[str, Extent]:
    """Find the logs and their sizes, those of operations first; a workspace without logs has none."""
    sizes = _sizes({path.stem: path for path in _segments(paths)})
    found = process_logs(paths)
    return sizes | {log: Extent(paths.logs / f"{log}.log", size) for log, size in found.items()}


def process_logs(paths: WorkspacePaths) -> dict[str, int]:
    """Give the size of each process log that is there, in bytes, in the order of their names."""
    found = {}
    with suppress(FileNotFoundError), os.scandir(paths.logs) as entries:
        for entry in entries:
            if entry.name.endswith(".log") and entry.name[0] != ".":
                # One that was archived meanwhile is in the published file.
                with suppress(FileNotFoundError):
                    found[entry.name.removesuffix(".log")] = entry.stat().st_size
    return dict(sorted(found.items()))


def _segments(paths: WorkspacePaths) -> list[Path]:
    return [segments.path_of(paths.operations, first) for first in segments.present(paths.operations)]


def _sizes(files: Mapping[str, Path]) -> dict[str, Extent]:
    found = {}
    for log, path in files.items():
        # One that was archived meanwhile is in the published file.
        with suppress(FileNotFoundError):
            found[log] = Extent(path, path.stat().st_size)
    return found


def has_news(extents: Mapping[str, Extent], positions: Mapping[str, int]) -> bool:
    """Tell whether any log is longer than the place to which it was taken in."""
    return any(extent.size > positions.get(log, 0) for log, extent in extents.items())


def shrunk(extents: Mapping[str, Extent], positions: Mapping[str, int]) -> list[str]:
    """Name the logs that no longer are what was taken in: shorter, or cut and grown again."""
    return [log for log, extent in extents.items() if not _reaches(extent, positions.get(log, 0))]


def _reaches(extent: Extent, position: int) -> bool:
    if position in (0, extent.size):
        return True
    if extent.size < position:
        return False
    with extent.path.open("rb", buffering=0) as file:
        file.seek(position - 1)
        return file.read(1) == b"\n"


def batches(extents: Mapping[str, Extent], positions: Mapping[str, int]) -> Iterator[Batch]:
    """Read what is new, facts before operations, in batches of some megabytes.

    Raises:
        CatalogNewerError: A newer nbpipe wrote one of the logs, in another form.
    """
    batch = Batch()
    for log in sorted(extents, key=lambda log: (segments.is_segment(log), log)):
        extent, start = extents[log], positions.get(log, 0)
        if extent.size <= start:
            continue
        is_segment = segments.is_segment(log)
        for stretch in stretches(extent.path, start, extent.size):
            end, lines = stretch.end, stretch.lines
            if stretch.damaged and is_segment:
                # Operations build on each other: what follows a damaged one means nothing for now.
                end = stretch.damaged[0][0]
                lines = [(line_end, line) for line_end, line in lines if line_end <= end]
            batch.damaged += [Damage(log, place, line) for place, line in stretch.damaged]
            _put(batch, log, extent.path, lines)
            batch.ends[log] = end
            if end < stretch.end:
                yield batch
                return
            if batch.size_bytes >= _BATCH_BYTES:
                yield batch
                batch = Batch()
    if batch.ends or batch.damaged:
        yield batch


def _put(batch: Batch, log: str, path: Path, lines: list[tuple[int, bytes]]) -> None:
    batch.logs.append(log)
    span = len(batch.logs)
    is_segment = segments.is_segment(log)
    batch.has_operations = batch.has_operations or is_segment
    for end, line in lines:
        place = end - len(line) - 1
        try:
            text = line.decode()
        except UnicodeDecodeError:
            batch.damaged.append(Damage(log, place, line))
            continue
        if place == 0 and text.startswith(_OPENED, PREFIX_LENGTH):
            check_format(path, json.loads(text))
            continue
        if not is_segment:
            _note_kind(batch, text)
        batch.lines.append(text)
        batch.places.append(place)
        batch.spans.append(span)
        batch.size_bytes += len(line)


def _note_kind(batch: Batch, text: str) -> None:
    """Note of what kind the fact in the next line is, and drop what it makes void."""
    if not text.startswith(_KIND, PREFIX_LENGTH):
        return
    kind = text[_KIND_AT : text.find('"', _KIND_AT)]
    batch.kinds[kind] += 1
    if kind == "step":
        batch.reuses = batch.reuses or _REUSED in text
        batch.has_step_metadata = batch.has_step_metadata or _SOME_METADATA in text
    for former in _VOIDS.get(kind, ()):
        index = batch.last.get((former, _id_in(text)))
        if index is not None and batch.lines[index] is not NOTHING:
            batch.lines[index] = NOTHING
            batch.kinds[former] -= 1
    if kind in _CAN_BE_VOID:
        batch.last[kind, _id_in(text)] = len(batch.lines)


def _id_in(text: str) -> str:
    start = text.find(_ID, _KIND_AT) + len(_ID)
    return text[start : text.find('"', start)]
