"""Publishing: what was logged since becomes part of the next published file.

One publisher at a time; who does not get the lock leaves it to who has it. The newest file is
copied, the new lines are folded in, and the copy gets the next number: until that rename nothing
that anybody reads has changed, so a kill at any moment costs a leftover and no more. Where the
newest file cannot be believed, or a log is shorter than it was, everything is read again from
the logs: recovery, migration and an engine's upgrade are that one road.

Logs that nobody writes any more move into the archive once two published files hold them: no
reader can miss them then. Order is what makes this right: see `catalog.tails` for reading,
`catalog.generations` for names.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nbpipe.base.locks import PolledLock, is_locked
from nbpipe.base.log import sync
from nbpipe.catalog import archive, generations, quarantine, segments
from nbpipe.catalog.engine import failures, first_line, open_draft
from nbpipe.catalog.fold import Fold, top_of
from nbpipe.catalog.own_questions import create_tops, open_logs
from nbpipe.catalog.retiring import cut_unfinished_ends, retire
from nbpipe.catalog.schema import ALL, CREATE_ALL, SCHEMA
from nbpipe.catalog.tails import Damage, Extent, batches, has_news, look, shrunk
from nbpipe.catalog.views import create_views
from nbpipe.catalog.writable import cannot_write, prepare
from nbpipe.errors import CatalogError, CatalogNewerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from nbpipe.base.workspace import WorkspacePaths
    from nbpipe.catalog.archive import Archive

Progress = Callable[[int, int], None]

_ROWS = {table: f"rows.{table}" for table in ALL}
_PUT_POSITIONS = "INSERT INTO rows.position SELECT unnest($logs::VARCHAR[]), unnest($positions::BIGINT[])"
_PUT_DEAD_LOGS = "INSERT INTO rows.dead_log SELECT unnest($logs::VARCHAR[])"
_PUT_META = "INSERT INTO rows.meta VALUES ($schema, $generation, $top)"


@dataclass(frozen=True, slots=True)
class Published:
    """What was published.

    Attributes:
        generation: Its number.
        lines: How many lines were taken in.
        took_s: How long that took, in seconds.
        rebuilt: Why everything was read again from the logs; empty if it was not.
        damaged: Lines that were passed over and put into quarantine.
        archived: How many logs were moved into the archive afterwards.
    """

    generation: int
    lines: int
    took_s: float
    rebuilt: str
    damaged: tuple[Damage, ...]
    archived: int = 0


class Publisher:
    """Publishes one workspace.

    Args:
        paths: The workspace.
    """

    def __init__(self, paths: WorkspacePaths) -> None:
        self._paths = paths
        self._folder = paths.catalog
        self._lock = PolledLock(self._folder / "publish.lock")

    def publish(self) -> Published | None:
        """Publish what is new; `None` if nothing is, or if another process is at it.

        Raises:
            CatalogError: It could not be done, as on a full disk. The logs keep everything.
            CatalogNewerError: The newest file is of a newer nbpipe.
            WorkspaceError: The workspace cannot be written.
        """
        self._make_folder()
        if not self._lock.try_enter():
            return None
        try:
            return self._publish("", None)
        finally:
            self._lock.leave()

    def rebuild(self, progress: Progress | None = None) -> Published:
        """Read everything again from the logs and publish it.

        Args:
            progress: Told, from time to time, how many of how many bytes are read.

        Raises:
            CatalogBusyError: Another process went on publishing for too long.
            CatalogError: It could not be done.
        """
        self._make_folder()
        with self._lock:
            made = self._publish("asked for", progress)
        if made is None:
            raise CatalogError("There is nothing to rebuild: the workspace has no logs.")
        return made

    def mend(self, generation: int) -> None:
        """Publish anew from the logs because this generation cannot be believed, unless somebody did meanwhile.

        Raises:
            CatalogBusyError: Another process went on publishing for too long.
            CatalogError: It could not be done.
            WorkspaceError: The workspace cannot be written.
        """
        self._make_folder()
        with self._lock:
            if max(generations.published(self._folder), default=0) <= generation:
                self._publish("the published file could not be read", None)

    def close(self) -> None:
        """Let go of the lock file."""
        self._lock.close()

    def _make_folder(self) -> None:
        prepare(self._paths)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise cannot_write(self._paths, error.strerror or str(error)) from error

    def _publish(self, why_rebuild: str, progress: Progress | None) -> Published | None:
        started = time.monotonic()
        try:
            generations.sweep_drafts(self._folder)
            extents = look(self._paths)
            newest = max(generations.published(self._folder), default=0)
            plan = self._plan(newest, extents, why_rebuild)
            if plan is None:
                return None
            made = self._prepare(newest, extents, plan, progress)
            if made is None:
                cut_unfinished_ends(extents, plan.positions)
                return None
            published = self._name(newest + 1, made, plan, time.monotonic() - started)
        except failures() as error:
            generations.sweep_drafts(self._folder)
            raise CatalogError(
                f"The catalog could not be published ({first_line(error)}). The logs keep everything; try again later."
            ) from error
        cut_unfinished_ends(extents, made.positions)
        archived = retire(self._paths, extents, former=plan.positions, now=made.positions, unsettled=made.unsettled)
        return replace(published, archived=archived)

    def _plan(self, newest: int, extents: Mapping[str, Extent], why_rebuild: str) -> _Plan | None:
        """Decide from where to go on; `None` if nothing is new."""
        if not newest:
            is_any = has_news(extents, {}) or archive.archives(self._paths.archive)
            return _Plan(why_rebuild, {}, from_nothing=True) if is_any else None
        stamp = generations.stamp_of(self._folder, newest)
        if stamp is not None and stamp.schema > SCHEMA:
            raise CatalogNewerError(generations.path_of(self._folder, newest), stamp.schema, SCHEMA)
        if stamp is None or not generations.is_untouched(self._folder, newest):
            why_rebuild = why_rebuild or "another program changed the published file"
        elif shrunk(extents, stamp.positions):
            why_rebuild = why_rebuild or "a log is shorter than it was"
        elif stamp.schema < SCHEMA:
            why_rebuild = why_rebuild or "it was published by an older nbpipe"
        elif not why_rebuild:
            return _Plan("", stamp.positions, from_nothing=False) if has_news(extents, stamp.positions) else None
        return _Plan(why_rebuild, {}, from_nothing=True)

    def _prepare(
        self, newest: int, extents: Mapping[str, Extent], plan: _Plan, progress: Progress | None
    ) -> _Prepared | None:
        """Make the next file under a name of its own; `None` if it would be no other than the newest."""
        draft = generations.draft(self._folder)
        if not plan.from_nothing:
            shutil.copyfile(generations.path_of(self._folder, newest), draft)
            draft.chmod(0o600)
            if not generations.is_untouched(self._folder, newest):
                raise CatalogError("Another program changed the published file while it was copied. Publish again.")
        files = archive.archives(self._paths.archive) if plan.from_nothing else []
        start = self._start(extents, plan, files)
        _sync_all(extents, start)
        made = _Prepared(draft, {log: start[log] for log in start if log in extents})
        with _connected(draft, from_nothing=plan.from_nothing) as connection:
            fold = Fold(connection, top=top_of(connection, "rows"))
            self._take_in(fold, made, _Sources(extents, start, files), progress)
            quarantine.keep(self._paths, made.damaged)
            if made.positions == plan.positions and not files:
                draft.unlink()
                return None
            if len(files) + made.batches > 1 and plan.from_nothing:
                fold.sort()
            self._finish(connection, newest + 1, made, fold.top)
        return made

    def _take_in(self, fold: Fold, made: _Prepared, sources: _Sources, progress: Progress | None) -> None:
        extents, files = sources.extents, sources.files
        sizes = [file.path.stat().st_size for file in files]
        total = sum(extent.size for extent in extents.values()) + 2 * sum(sizes)
        read = 0
        # Of the archive and the logs all facts come before any operation; in the logs alone that is their order.
        rounds = [extents] if not files else [_facts_of(extents), _operations_of(extents)]
        for is_second, chosen in enumerate(rounds):
            for file, size in zip(files, sizes, strict=True):
                made.lines += fold.take_in_archive(file.path, operations=bool(is_second))
                read += size
                _tell(progress, read + sum(made.positions.values()), total)
            for batch in batches(chosen, sources.start):
                made.damaged += batch.damaged + fold.take_in(batch)
                made.positions |= batch.ends
                made.lines += len(batch.lines)
                made.batches += 1
                _tell(progress, read + sum(made.positions.values()), total)

    def _start(self, extents: Mapping[str, Extent], plan: _Plan, files: list[Archive]) -> dict[str, int]:
        """Say from where each log is to be read; what left for the archive is known no more."""
        if plan.from_nothing:
            for file in files:
                file.verify()
            return archive.ends(files)
        gone = plan.positions.keys() - extents.keys()
        archived = archive.ends(archive.archives(self._paths.archive)) if gone else {}
        return {log: position for log, position in plan.positions.items() if log not in gone or log not in archived}

    def _finish(self, connection: DuckDBPyConnection, generation: int, made: _Prepared, top: int) -> None:
        connection.execute("DELETE FROM rows.position")
        positions = {"logs": list(made.positions), "positions": list(made.positions.values())}
        connection.execute(_PUT_POSITIONS, positions)
        made.unsettled = {log for (log,) in connection.execute(open_logs(_ROWS)).fetchall()}
        dead = [log for log in sorted(made.unsettled) if not is_locked(self._paths.logs / f"{log}.log")]
        connection.execute("DELETE FROM rows.dead_log")
        connection.execute(_PUT_DEAD_LOGS, {"logs": dead})
        connection.execute("DELETE FROM rows.meta")
        connection.execute(_PUT_META, {"schema": SCHEMA, "generation": generation, "top": top})
        connection.execute("COMMIT")
        connection.execute("CHECKPOINT")

    def _name(self, generation: int, made: _Prepared, plan: _Plan, took_s: float) -> Published:
        if made.draft.with_name(made.draft.name + ".wal").exists():
            raise CatalogError("The prepared file was not closed well.")
        generations.publish(self._folder, made.draft, generation, took_s=took_s, positions=made.positions)
        with suppress(OSError):
            generations.link_for_people(self._paths, generation)
        generations.drop_old(self._folder, generation)
        return Published(generation, made.lines, took_s, plan.why_rebuild, tuple(made.damaged))


@dataclass(frozen=True, slots=True)
class _Plan:
    why_rebuild: str
    positions: dict[str, int]
    from_nothing: bool


@dataclass(slots=True)
class _Prepared:
    draft: Path
    positions: dict[str, int]
    damaged: list[Damage] = field(default_factory=list)
    lines: int = 0
    batches: int = 0
    unsettled: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Sources:
    """What is read: the logs, each from its place on, and files of the archive."""

    extents: Mapping[str, Extent]
    start: Mapping[str, int]
    files: list[Archive]


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def _facts_of(extents: Mapping[str, Extent]) -> dict[str, Extent]:
    return {log: extent for log, extent in extents.items() if not segments.is_segment(log)}


def _operations_of(extents: Mapping[str, Extent]) -> dict[str, Extent]:
    return {log: extent for log, extent in extents.items() if segments.is_segment(log)}


@contextmanager
def _connected(draft: Path, *, from_nothing: bool) -> Iterator[DuckDBPyConnection]:
    """Open the prepared file in one transaction; the file has a name of its own, so no other instance can be met."""
    connection = open_draft(draft)
    try:
        connection.execute("BEGIN")
        if from_nothing:
            connection.execute(CREATE_ALL)
            connection.execute(create_views(_ROWS))
            connection.execute(create_tops(["rows"]))
        yield connection
    finally:
        connection.close()


def _sync_all(extents: Mapping[str, Extent], positions: Mapping[str, int]) -> None:
    """Have the disk hold what is about to be taken in: a position must never be ahead of its log."""
    for log, extent in extents.items():
        if extent.size > positions.get(log, 0):
            descriptor = os.open(extent.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                sync(descriptor)
            finally:
                os.close(descriptor)
