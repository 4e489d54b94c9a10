"""The catalog of one workspace: what happened is appended, what must be decided is transacted, all of it is asked.

Opening makes no file and loads no engine: a process that only records never needs one. Facts go
to the process's own log, operations to the one operation log; questions are answered from the
newest published file and what was logged since, so whoever asks sees everything acknowledged.

The parts: `processlog`, `facts`, `operationlog`, `publisher`, `reader`, `questions`, `finding`. The protocol is
described in docs/design/catalog.md; each of its rules was earned by an attack. This module is the one door of the
room: its methods hand on, in a line or three.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from nbpipe.catalog import archive, checks, generations, questions, references
from nbpipe.catalog.facts import facts_beyond, facts_in
from nbpipe.catalog.finding import Moment, by_head, near
from nbpipe.catalog.operationlog import OperationLog
from nbpipe.catalog.processlog import ProcessLog
from nbpipe.catalog.publisher import Publisher
from nbpipe.catalog.reader import Reader
from nbpipe.catalog.segments import is_segment
from nbpipe.catalog.tails import Extent, look, process_logs
from nbpipe.errors import CatalogError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from nbpipe.base.workspace import WorkspacePaths
    from nbpipe.catalog.checks import Finding
    from nbpipe.catalog.processlog import Fact
    from nbpipe.catalog.publisher import Progress, Published
    from nbpipe.catalog.questions import QueryResult
    from nbpipe.catalog.references import NamedBlob
    from nbpipe.records.operations import Operation
    from nbpipe.records.state import OperationState

# Told of a run whose process died: its id, its facts, and the artifact versions of such runs that have a number.
OnDeadRun = Callable[[str, list[dict[str, Any]], set[str]], object]

_NUMBERED = "SELECT id FROM artifacts WHERE number IS NOT NULL AND list_contains($runs, run_id)"
_LOG_OF_RUN = f"{near('runs', 'id_head')} SELECT log FROM near WHERE id = $id"  # noqa: S608 — made of constants
_RESTS_S = 5.0
_LOOKS_EVERY_S = 0.1
_TAIL_BYTES = 2**20
_DEAD_LOGS = 500
_SHARE = 10
_LONGEST_PAUSE_S = 600.0


class Catalog:
    """The catalog of one workspace, as one process has it open. Threads share it; a forked child may go on using it.

    Args:
        paths: The workspace.
        patience_s: How long an operation waits for others, in seconds.

    Attributes:
        on_dead_run: Called for each run whose process died before it ended (see `settle_dead`); it is to
            transact the run's end.
    """

    def __init__(self, paths: WorkspacePaths, *, patience_s: float = 10.0) -> None:
        self.paths = paths
        self.on_dead_run: OnDeadRun | None = None
        self._log = ProcessLog(paths)
        self._operations = OperationLog(paths, patience_s=patience_s)
        self._publisher = Publisher(paths)
        self._reader = Reader(paths, mend=self._publisher.mend)
        self._not_before = 0.0
        self._failures = 0

    # Writing -----------------------------------------------------------------------------------

    def append(self, kind: str, *, id: str, run: str = "", body: Mapping[str, Any]) -> None:
        """Record one fact in this process's log.

        Raises:
            BadValueError: The body is not plain JSON.
            NotRecordedError: It could not be written in full.
            WorkspaceError: The workspace cannot be written.
        """
        self._log.append(kind, id=id, run=run, body=body)

    def append_lines(self, facts: Sequence[Fact]) -> None:
        """Record several facts, each `(kind, id, run, body)`, with one write.

        Raises:
            BadValueError: A body is not plain JSON; nothing was recorded.
            NotRecordedError: Not all could be written; it says how many were.
            WorkspaceError: The workspace cannot be written.
        """
        self._log.append_lines(facts)

    def transact(self, operation: Operation, *, durable: bool = False) -> dict[str, Any]:
        """Let an operation's rule decide, record it, and give its answer; the same request id gets the same answer.

        Args:
            operation: The operation.
            durable: Whether the disk holds it, and this process's facts before it, when this returns.

        Raises:
            UserError: The rule refuses; nothing was recorded.
            CatalogBusyError: Another process held the log for too long.
            CatalogDamagedError: The operation log holds a damaged line.
            NotRecordedError: It could not be written or synced.
            WorkspaceError: The workspace cannot be written.
        """
        return self._operations.transact(operation, durable=durable, before_sync=self._log.sync)

    def together(self) -> AbstractContextManager[None]:
        """Take the lock once for all operations that are transacted in the block; others wait meanwhile.

        Raises:
            CatalogBusyError: Another process held the log for too long.
            WorkspaceError: The workspace cannot be written.
        """
        return self._operations.together()

    def sync(self) -> None:
        """Have the disk hold the facts that this process recorded.

        Raises:
            NotRecordedError: The disk failed.
        """
        self._log.sync()

    # Asking ------------------------------------------------------------------------------------

    def state(self) -> OperationState:
        """Give the state that rules decide on, after every operation so far. Look and let go: it goes on changing.

        Raises:
            CatalogDamagedError: The operation log holds a damaged line.
        """
        return self._operations.state()

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Answer a statement of ours over the views of `catalog.views`; values are bound by name, as in `$id`.

        Instants come back aware and in UTC, JSON columns as what they hold.

        Raises:
            CatalogError: The catalog cannot be read.
        """
        with self.moment() as moment:
            return moment.rows(sql, parameters)

    @contextmanager
    def moment(self) -> Iterator[Moment]:
        """Ask several questions of which one leans on the numbers that another gave.

        Raises:
            CatalogError: The catalog cannot be read.
        """
        with self._reader.cursor() as cursor:
            yield Moment(cursor)

    def found(
        self, view: str, columns: str, find: str, parameters: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Find rows by number, then read them, newest first; `catalog.finding` says why.

        Args:
            view: One of the views.
            columns: What to read of it.
            find: A statement of ours that gives the numbers (`seq`).
            parameters: What it binds.

        Raises:
            CatalogError: The catalog cannot be read.
        """
        with self.moment() as moment:
            return moment.found(view, columns, find, parameters)

    def query(self, sql: str, *, limit: int = 10_000, timeout_s: float = 30) -> QueryResult:
        """Answer a user's SELECT over the same views; it can change nothing and reach no other file.

        Raises:
            BadValueError: It is not one SELECT, it is wrong, it reaches outside, or it takes too long.
            CatalogError: The catalog cannot be read.
        """
        with self._reader.cursor() as cursor:
            return questions.query(cursor, sql, limit=limit, timeout_s=timeout_s)

    def tables(self, views: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Walk through whole views as of one moment: (view, its rows as an Arrow reader, to be read before the next).

        Args:
            views: Names of views of `catalog.views`.

        Raises:
            CatalogError: The catalog cannot be read.
        """
        with self._reader.cursor() as cursor:
            yield from questions.tables(cursor, views)

    def named_blobs(self) -> Iterator[NamedBlob]:
        """Walk through everything recorded that names a blob: those must be there.

        Raises:
            CatalogError: The catalog cannot be read.
        """
        with self._reader.cursor() as cursor:
            yield from references.named(cursor)

    def mentioned_blobs(self) -> set[str]:
        """Give every digest that is mentioned anywhere, in damaged lines too: no blob of such a name may be swept.

        Raises:
            CatalogError: The catalog cannot be read.
            CatalogDamagedError: The operation log holds a damaged line.
        """
        with self._reader.cursor() as cursor:
            return references.mentioned(cursor) | references.mentioned_beside(self.paths, self.state())

    # Facts without an engine -------------------------------------------------------------------

    @property
    def own_log_name(self) -> str | None:
        """The name of this process's log in positions, once it recorded anything."""
        path = self._log.path
        return path.stem if path is not None else None

    def own_facts(self) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Walk through what this process recorded: (log, place to go on from, record)."""
        own = self.own_log_name
        return facts_beyond(self.paths, {}, lambda log: log == own)

    def logs_of_facts(self) -> dict[str, int]:
        """Give the size of each process log that is there, in bytes: as long as these stay, there is no news."""
        return process_logs(self.paths)

    def facts_since(
        self, positions: Mapping[str, int], *, skip: str | None = None
    ) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Walk through the facts of all process logs beyond `positions`: (log, place to go on from, record).

        Damaged lines and unfinished ends are passed over. A log shorter than its position is read from its beginning.

        Args:
            positions: For each log the place that a former walk gave last.
            skip: A log to leave out.
        """
        return facts_beyond(self.paths, positions, lambda log: log != skip)

    def facts_of_run(self, run_id: str) -> list[dict[str, Any]]:
        """Give all that was recorded while a run went on, in order; nothing if there is no such run.

        Raises:
            CatalogDamagedError: Its log was archived, and the archive is not what it was.
        """
        asked = by_head(id=run_id)
        for row in self.rows(_LOG_OF_RUN, asked):
            path = self.paths.logs / f"{row['log']}.log"
            with suppress(FileNotFoundError):
                facts = [record for _, record in facts_in(Extent(path, path.stat().st_size), 0)]
                return [fact for fact in facts if run_id in (fact["run"], fact["id"])]
            return [
                fact for file in archive.archives(self.paths.archive) for fact in archive.facts_of_run(file, run_id)
            ]
        return []

    # Publishing --------------------------------------------------------------------------------

    def publish(self) -> Published | None:
        """Publish what is new, then settle dead runs; `None` if nothing is new or another process is at it.

        Raises:
            CatalogError: It could not be done, as on a full disk; the logs keep everything.
            WorkspaceError: The workspace cannot be written.
        """
        made = self._publisher.publish()
        if made is not None and self.on_dead_run is not None:
            self.settle_dead(self.on_dead_run)
        return made

    def may_be_worth_publishing(self) -> bool:
        """Tell whether enough time has passed since somebody looked that another look may find it worth while."""
        return time.monotonic() >= self._not_before

    def publish_if_worth(self) -> Published | None:
        """Publish if the tail is long, or the last time is a while ago; never more than a tenth of the time.

        A failure is no trouble of the caller's: it is tried again later, with growing pauses.
        """
        if not self.may_be_worth_publishing():
            return None
        if not self._is_worth_publishing():
            # Runs of a millisecond each must not look at every log each time.
            self._not_before = time.monotonic() + _LOOKS_EVERY_S
            return None
        try:
            made = self.publish()
        except (CatalogError, WorkspaceError):
            self._failures += 1
            self._not_before = time.monotonic() + min(_RESTS_S * 2**self._failures, _LONGEST_PAUSE_S)
            return None
        self._failures = 0
        return made

    def rebuild(self, progress: Progress | None = None) -> Published:
        """Read everything again from the logs and publish it.

        Args:
            progress: Told, from time to time, how many of how many bytes are read.

        Raises:
            CatalogBusyError: Another process went on publishing for too long.
            CatalogError: It could not be done.
        """
        return self._publisher.rebuild(progress)

    def settle_dead(self, on_dead_run: OnDeadRun) -> int:
        """Have the runs ended whose process died before it could; give their number.

        Args:
            on_dead_run: Called with each run's id, its facts, and the artifact versions that have a number; it is to
                transact the run's end.
        """
        dead: dict[str, list[str]] = {}
        for run_id, log in self._reader.interrupted():
            dead.setdefault(log, []).append(run_id)
        if not dead:
            return 0
        run_ids = [run_id for runs in dead.values() for run_id in runs]
        numbered = {row["id"] for row in self.rows(_NUMBERED, {"runs": run_ids})}
        for log, runs in dead.items():
            path = self.paths.logs / f"{log}.log"
            try:
                facts = [record for _, record in facts_in(Extent(path, path.stat().st_size), 0)]
            except FileNotFoundError:
                # Somebody else settled it, and it was archived.
                continue
            for run_id in runs:
                on_dead_run(run_id, [fact for fact in facts if run_id in (fact["run"], fact["id"])], numbered)
        return len(run_ids)

    def check(self) -> list[Finding]:
        """Look the logs, the archive, the published file and the quarantine over; nothing is changed.

        Raises:
            CatalogError: They cannot be read.
        """
        try:
            return list(checks.check(self.paths))
        except OSError as error:
            raise CatalogError(f"The catalog cannot be looked over: {error}.") from error

    def close(self) -> None:
        """Let go of everything; whoever leaves many logs unpublished publishes them first."""
        wrote = self.own_log_name is not None
        self._log.close()
        if wrote and self._logs_with_news() > _DEAD_LOGS:
            self.publish_if_worth()
        self._operations.close()
        self._publisher.close()
        self._reader.close()

    def _is_worth_publishing(self) -> bool:
        newest = max(generations.published(self.paths.catalog), default=0)
        stamp = generations.stamp_of(self.paths.catalog, newest)
        positions = stamp.positions if stamp is not None else {}
        tail = sum(max(0, extent.size - positions.get(log, 0)) for log, extent in look(self.paths).items())
        if tail == 0 or stamp is None:
            return tail > 0
        age_s = time.time() - stamp.mtime_ns / 1e9
        if age_s < 0:
            # The clock was set back: of how long ago nothing is known.
            return True
        return age_s >= _SHARE * stamp.took_s and (age_s >= _RESTS_S or tail >= _TAIL_BYTES)

    def _logs_with_news(self) -> int:
        newest = max(generations.published(self.paths.catalog), default=0)
        stamp = generations.stamp_of(self.paths.catalog, newest)
        positions = stamp.positions if stamp is not None else {}
        return sum(
            extent.size > positions.get(log, 0) for log, extent in look(self.paths).items() if not is_segment(log)
        )
