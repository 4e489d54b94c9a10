"""Looking a workspace over: what is damaged, what was put aside, what is not as it was left."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbpipe.base.log import stretches
from nbpipe.catalog import generations
from nbpipe.catalog.archive import archives, ends
from nbpipe.catalog.segments import is_segment
from nbpipe.catalog.tails import look, shrunk
from nbpipe.errors import CatalogDamagedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from nbpipe.base.workspace import WorkspacePaths
    from nbpipe.catalog.tails import Extent


_RESTORE = "set NBPIPE_HOME to a new folder, and restore a backup there: `nbpipe catalog recover --from FILE`"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        path: The file.
        what: What is wrong with it.
        cure: What to do.
        is_note: Whether it is worth knowing and nothing is wrong.
    """

    path: Path
    what: str
    cure: str
    is_note: bool = False


def check(paths: WorkspacePaths) -> Iterator[Finding]:
    """Look all logs, the newest published file and the quarantine over; nothing is changed."""
    extents = look(paths)
    for log, extent in extents.items():
        yield from _check_log(log, extent.path, extent.size)
    for file in archives(paths.archive):
        try:
            file.verify()
        except CatalogDamagedError as error:
            yield Finding(file.path, error.why, _RESTORE)
    yield from _check_published(paths, extents)
    if paths.quarantine.is_dir():
        for path in sorted(paths.quarantine.iterdir()):
            yield Finding(path, "was put aside as damaged", "look at it, then delete it", is_note=True)


def _check_log(log: str, path: Path, size: int) -> Iterator[Finding]:
    n = int(log) - 1 if is_segment(log) else 0
    for stretch in stretches(path, 0, size):
        for place, _ in stretch.damaged:
            yield Finding(path, f"the line at byte {place} is damaged", "run `nbpipe catalog recover`")
        if not is_segment(log):
            continue
        for end, line in stretch.lines:
            found = json.loads(line).get("n")
            if found is None and end == len(line) + 1:
                continue
            if found != n + 1:
                yield Finding(path, f"operation {n + 1} is missing before byte {end}", "run `nbpipe catalog recover`")
            n = found if isinstance(found, int) else n + 1


def _check_published(paths: WorkspacePaths, extents: Mapping[str, Extent]) -> Iterator[Finding]:
    newest = max(generations.published(paths.catalog), default=0)
    if not newest:
        return
    path = generations.path_of(paths.catalog, newest)
    if not generations.is_untouched(paths.catalog, newest):
        yield Finding(path, "was changed by another program", "run `nbpipe catalog rebuild`")
        return
    stamp = generations.stamp_of(paths.catalog, newest)
    positions = stamp.positions if stamp is not None else {}
    gone = positions.keys() - extents.keys()
    for log in sorted(gone - ends(archives(paths.archive)).keys()) if gone else ():
        path = (paths.operations if is_segment(log) else paths.logs) / f"{log}.log"
        what = "is gone: only the published file has what it said, and a rebuild would lose it"
        yield Finding(path, what, _RESTORE)
    for log in shrunk(extents, positions):
        yield Finding(extents[log].path, "is shorter than when it was published", "run `nbpipe catalog rebuild`")
