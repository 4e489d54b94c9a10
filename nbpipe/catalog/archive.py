"""The archive: logs that nobody writes any more, moved into Parquet files.

A log may go there once both published files that readers may be at hold all of it. Each file
`archive/<first>-<last>.<digest>.parquet` holds the lines of many logs, parsed into their head and
the text of their body, facts by kind and time, then operations in order; a row of the kind `end`
says how far each log was. Small files are merged with what comes next, so that their number
stays small: the new one then covers the numbers of those it replaces, and where both are found,
after a kill, the wider one counts. The digest is checked before a file is believed.

Together with the logs that are still there the archive is the truth, so everything is written,
read back and synced before a log is deleted. This module moves and reads lines; what they mean
is `catalog.fold`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbpipe.base.ids import new_id
from nbpipe.base.log import sync, sync_folder
from nbpipe.catalog import statements
from nbpipe.catalog.engine import failures, open_archive, open_draft
from nbpipe.catalog.generations import draft
from nbpipe.catalog.segments import is_segment
from nbpipe.catalog.tails import batches
from nbpipe.errors import CatalogDamagedError, CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from nbpipe.base.workspace import WorkspacePaths
    from nbpipe.catalog.memory import Memory
    from nbpipe.catalog.tails import Extent

_NAME = re.compile(r"^(?P<first>\d{8})-(?P<last>\d{8})\.(?P<digest>[0-9a-f]{32})\.parquet$")
_DRAFT_PREFIX = "t"
_SMALL_BYTES = 16 * 2**20
_TRIES = 5
_AT_ONCE_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class Archive:
    """One file of the archive.

    Attributes:
        path: The file.
        first: The first of the numbers that it covers.
        last: The last one.
        digest: What its bytes come to.
    """

    path: Path
    first: int
    last: int
    digest: str

    def verify(self) -> None:
        """Compare the file with its digest.

        Raises:
            CatalogDamagedError: It is not what was archived.
        """
        if _digest(self.path) != self.digest:
            cure = "Set NBPIPE_HOME to a new folder, and restore a backup there: `nbpipe catalog recover --from FILE`."
            raise CatalogDamagedError(self.path, "its bytes are not those that were archived", cure=cure)


def archives(folder: Path) -> list[Archive]:
    """Give the files of the archive in order, without those that a later one replaces."""
    try:
        names = [found for found in map(_NAME.match, os.listdir(folder)) if found is not None]
    except FileNotFoundError:
        return []
    files = [Archive(folder / name[0], int(name["first"]), int(name["last"]), name["digest"]) for name in names]
    # The widest of those that begin alike comes first; what lies within one before it was merged into that.
    files.sort(key=lambda file: (file.first, -file.last))
    kept: list[Archive] = []
    for file in files:
        if not kept or file.first > kept[-1].last:
            kept.append(file)
    return kept


def add(paths: WorkspacePaths, extents: Mapping[str, Extent]) -> list[str]:
    """Move logs into the archive; only for who holds the publisher's lock.

    Args:
        paths: The workspace.
        extents: The logs, at their full size, in no use by anybody.

    Returns:
        The logs that were moved. One with a damaged line stays, for it can still be mended.

    Raises:
        CatalogError: What was written does not read back. Nothing was deleted.
        OSError: The disk is full or failing. Nothing was deleted.
    """
    paths.archive.mkdir(mode=0o700, exist_ok=True)
    sweep(paths.archive)
    former = archives(paths.archive)
    merged = former[_first_to_merge(former) :]
    # What a killed process had archived and did not come to delete; beside a damaged file it is all there is.
    there = ends(former)
    archived = [log for log, extent in extents.items() if there.get(log) == extent.size]
    left_over = archived if archived and all(map(_is_sound, former)) else []
    for log in left_over:
        extents[log].path.unlink()
    chosen = _at_once({log: extent for log, extent in extents.items() if log not in archived})
    written = paths.archive / f"{_DRAFT_PREFIX}{new_id()}.parquet"
    scratch = draft(paths.catalog)
    try:
        with closing(open_draft(scratch)) as connection:
            moved = _collect(connection, merged, chosen)
            if not moved:
                return left_over
            _write(connection, written)
        first = merged[0].first if merged else former[-1].last + 1 if former else 1
        last = former[-1].last + 1 if former else 1
        _name(written, paths.archive / f"{first:08d}-{last:08d}.{_digest(written)[:32]}.parquet")
    finally:
        scratch.unlink(missing_ok=True)
        written.unlink(missing_ok=True)
    for file in merged:
        file.path.unlink()
    for log in moved:
        chosen[log].path.unlink()
    return left_over + moved


def sweep(folder: Path) -> None:
    """Delete what a killed process left; only for who holds the publisher's lock."""
    files = archives(folder)
    names = os.listdir(folder)
    merged = {name for name in names if _NAME.match(name)} - {file.path.name for file in files}
    if merged and not all(map(_is_sound, files)):
        # What a damaged file was to replace is worth keeping.
        merged = set()
    for name in names:
        if name.startswith(_DRAFT_PREFIX) or name in merged:
            (folder / name).unlink(missing_ok=True)


def ends(files: Iterable[Archive]) -> dict[str, int]:
    """Say how far each archived log was; of a damaged file nothing is known."""
    found: dict[str, int] = {}
    with closing(open_archive()) as connection:
        for file in files:
            with suppress(*failures()):
                found |= dict(connection.execute(statements.ARCHIVED_ENDS, {"path": str(file.path)}).fetchall())
    return found


def facts(file: Archive, kinds: Iterable[str], positions: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Walk through the facts of some kinds that lie beyond `positions`, steps first, then oldest first.

    Raises:
        CatalogDamagedError: The file is not what was archived.
    """
    file.verify()
    asked = {"path": str(file.path), "kinds": list(kinds), "logs": list(positions), "places": [*positions.values()]}
    with closing(open_archive()) as connection:
        answer = connection.execute(statements.ARCHIVED_FACTS, asked)
        while rows := answer.fetchmany(1000):
            for kind, id_, run, body in rows:
                yield {"k": kind, "id": id_, "run": run, "b": json.loads(body)}


def facts_of_run(file: Archive, run_id: str) -> list[dict[str, Any]]:
    """Give what a run recorded, in order, as far as it lies in a file.

    Raises:
        CatalogDamagedError: The file is not what was archived.
    """
    file.verify()
    with closing(open_archive()) as connection:
        asked = {"path": str(file.path), "run": run_id}
        rows = connection.execute(statements.ARCHIVED_FACTS_OF_RUN, asked).fetchall()
    return [{"k": kind, "id": id_, "run": run, "b": json.loads(body)} for kind, id_, run, body in rows]


def replay(paths: WorkspacePaths, memory: Memory, first: int) -> None:
    """Have a memory take in the archived operations, up to the first one that is still in a log.

    Raises:
        CatalogDamagedError: They do not reach that far, or a file is damaged.
    """
    for _ in range(_TRIES):
        try:
            _replay(archives(paths.archive), memory, first)
            break
        except FileNotFoundError:
            # It was merged with a later one meanwhile.
            continue
    if memory.n != first - 1:
        raise CatalogDamagedError(
            paths.operations, f"operations {memory.n + 1} to {first - 1} are neither in a log nor in the archive"
        )


def _replay(files: list[Archive], memory: Memory, first: int) -> None:
    with closing(open_archive()) as connection:
        for file in files:
            file.verify()
            answer = connection.execute(statements.ARCHIVED_OPERATIONS, {"path": str(file.path)})
            while rows := answer.fetchmany(1000):
                for n, kind, request, body in rows:
                    if memory.n < n < first:
                        memory.take_in_archived({"n": n, "k": kind, "req": request, "b": json.loads(body)})


def _first_to_merge(files: list[Archive]) -> int:
    """Give where the small files at the end begin; a damaged one is left as it is."""
    place = len(files)
    while place and files[place - 1].path.stat().st_size < _SMALL_BYTES and _is_sound(files[place - 1]):
        place -= 1
    return place


def _is_sound(file: Archive) -> bool:
    try:
        file.verify()
    except CatalogDamagedError:
        return False
    return True


def _at_once(extents: Mapping[str, Extent]) -> dict[str, Extent]:
    """Choose as many logs as are moved in one go: the oldest first, and the segments of operations in their order."""
    chosen: dict[str, Extent] = {}
    size = 0
    for log in sorted(extents, key=lambda log: (log if is_segment(log) else "", extents[log].path.stat().st_mtime)):
        extent = extents[log]
        if chosen and size + extent.size > _AT_ONCE_BYTES:
            break
        chosen[log], size = extent, size + extent.size
    return chosen


def _collect(connection: DuckDBPyConnection, merged: list[Archive], chosen: Mapping[str, Extent]) -> list[str]:
    """Put all lines into one table; give the logs that went in whole."""
    connection.execute(statements.CREATE_ARCHIVED)
    for file in merged:
        connection.execute(statements.MERGE_ARCHIVE, {"path": str(file.path)})
    unsound: set[str] = set()
    for batch in batches(chosen, {}):
        unsound |= {damage.log for damage in batch.damaged}
        count = len(batch.lines)
        connection.execute(statements.PARSE, batch.parameters())
        parsed = connection.fetchone()
        if parsed is None or parsed[0] != count:
            unsound |= set(batch.logs)
        connection.execute(statements.ARCHIVE_LINES)
    moved = [log for log in chosen if log not in unsound]
    sizes = [chosen[log].size for log in moved]
    connection.execute(statements.LEAVE_LOGS, {"logs": sorted(unsound)})
    connection.execute(statements.ARCHIVE_ENDS, {"logs": moved, "ends": sizes})
    return moved


def _write(connection: DuckDBPyConnection, path: Path) -> None:
    quoted = str(path).replace("'", "''")
    connection.execute(statements.WRITE_ARCHIVE.format(path=quoted))
    path.chmod(0o400)
    there = connection.execute(statements.SUM_OF_ARCHIVED.format(table="archived")).fetchone()
    back = connection.execute(statements.SUM_OF_ARCHIVED.format(table=f"read_parquet('{quoted}')")).fetchone()
    if there != back:
        raise CatalogError("What was archived does not read back. The logs stay; look at the disk.")


def _name(written: Path, path: Path) -> None:
    descriptor = os.open(written, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
    written.rename(path)
    sync_folder(path.parent)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
