"""Which executions are known, by key: a derived index that a plan can ask without a query.

It is read from the process logs, and from what was archived of them: each process takes in what
was appended since anybody last did, and keeps it in a small SQLite file beside the logs. The file
is derived and never the truth: a damaged one is made anew. What this process itself executed is
known to it at once.

This module knows keys and records of executions. It does not know whether one may be reused. What is read, kept and
forgotten is one cycle over one table; parted, each half would have to know the other's rows.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic_core import from_json

from nbpipe.base.log import plain_json
from nbpipe.catalog.archive import archives, facts
from nbpipe.catalog.catalog import Catalog
from nbpipe.catalog.writable import prepare
from nbpipe.errors import CatalogDamagedError
from nbpipe.records.executions import Facts, RecordedExecution, facts_in

_REMEMBERED = 50_000
_PIPELINES = 64
# Executions lie in the order in which they came, so that those of one run are read together.
_SCHEMA = """
    PRAGMA synchronous = OFF;
    PRAGMA journal_mode = MEMORY;
    CREATE TABLE IF NOT EXISTS execution (key TEXT PRIMARY KEY, half TEXT, id TEXT, body TEXT);
    CREATE INDEX IF NOT EXISTS execution_half ON execution (half);
    CREATE INDEX IF NOT EXISTS execution_id ON execution (id);
    CREATE TABLE IF NOT EXISTS latest (pipeline TEXT, node TEXT, key TEXT, ended TEXT, PRIMARY KEY (pipeline, node))
        WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS source (digest TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS position (log TEXT PRIMARY KEY, offset INTEGER) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS archive (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_PUT = """
    INSERT INTO execution VALUES (:key, :half, :id, :body)
    ON CONFLICT (key) DO UPDATE SET half = excluded.half, id = excluded.id, body = CASE
        WHEN json_extract(body, '$.displays') IS NULL THEN excluded.body
        ELSE json_set(excluded.body, '$.displays', json_extract(body, '$.displays')) END
"""
_PUT_LATEST = """
    INSERT INTO latest VALUES (:pipeline, :node, :key, :ended)
    ON CONFLICT (pipeline, node) DO UPDATE SET key = excluded.key, ended = excluded.ended
    WHERE excluded.ended > latest.ended
"""
_PUT_DISPLAYS = "UPDATE execution SET body = json_set(body, '$.displays', json(:displays)) WHERE id = :id"
_PUT_POSITION = "INSERT INTO position VALUES (?, ?) ON CONFLICT (log) DO UPDATE SET offset = excluded.offset"
_PUT_ARCHIVE = "INSERT INTO archive VALUES (?) ON CONFLICT DO NOTHING"
_ARCHIVES = "SELECT name FROM archive"
_KINDS = ("step", "source", "displays")
_POSITIONS = "SELECT log, offset FROM position"
_FIND = "SELECT id, body FROM execution WHERE key = ?"
_HALF = "SELECT 1 FROM execution WHERE half = ? LIMIT 1"
_LATEST = """
    SELECT latest.node, key, execution.id, execution.body FROM latest JOIN execution USING (key)
    WHERE latest.pipeline = ?
"""
_PUT_SOURCE = "INSERT INTO source VALUES (?, ?) ON CONFLICT DO NOTHING"
_SOURCE = "SELECT body FROM source WHERE digest = ?"
_VERSION = "PRAGMA data_version"

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Seen:
    """What this process has read of the file; it holds until somebody changes the file.

    Attributes:
        version: The file's, as SQLite counts the changes that others made.
        records: Executions by key.
        unread: The id and the body of others, by key.
        halves: Whether any has this half key.
        latest: By pipeline, the key of each node's newest execution.
    """

    version: int = -1
    records: dict[str, RecordedExecution] = field(default_factory=dict)
    unread: dict[str, tuple[str, str]] = field(default_factory=dict)
    halves: dict[str, bool] = field(default_factory=dict)
    latest: dict[str, dict[str, str]] = field(default_factory=dict)

    def take(self, key: str, row: tuple[str, str] | None) -> RecordedExecution | None:
        """Read a row, which the file has for this key."""
        if row is None:
            return None
        found = self.records[key] = RecordedExecution(from_json(row[1]), id=row[0])
        return found


class ExecutionIndex:
    """The executions that a workspace knows.

    Args:
        catalog: Whose logs are read.
        path: The index's file.
    """

    def __init__(self, catalog: Catalog, path: Path) -> None:
        self._catalog = catalog
        self._path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._pid = 0
        # As JSON, with its id, until somebody asks: most are never asked for, and the collector need not visit them.
        self._own: OrderedDict[str, RecordedExecution | tuple[str, bytes]] = OrderedDict()
        self._own_halves: set[str] = set()
        self._own_latest: dict[tuple[str, str], tuple[str, str, Facts]] = {}
        self._sources: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._complete = True
        self._seen = _Seen()
        self._deleted: Mapping[str, object] = {}
        self._taken_in: object = None
        self._memories: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def catch_up(self) -> None:
        """Take in what other processes executed since, and what was deleted; once for each plan."""
        with self._lock:
            standing = self._standing()
            # What others do to the file alone makes nothing known; and what one forgot there, is looked for.
            if standing != self._taken_in or self._seen.version < 0:
                self._with_file(self._take_in)
                self._taken_in = standing
        self._deleted = self._catalog.state().deleted_artifacts

    def expect(self, pipeline: str) -> None:
        """Read at once what a plan of this pipeline is most likely to ask for."""
        self._latest_of(pipeline)

    def find(self, key: str, half: str = "") -> RecordedExecution | None:
        """Give the newest execution of this key, if all that it made is still there: its fact's body, with its `id`.

        Args:
            key: The key.
            half: Its half key, if it is known: that no execution has it is told sooner.
        """
        if half and key not in self._own and self._seen.halves.get(half) is False:
            # As a rule it is told so that no execution is known.
            return None
        found = self._find(key, half)
        if found is not None and self._deleted and any(made["id"] in self._deleted for made in found["outputs"]):
            return None
        return found

    def is_newest(self, record: RecordedExecution) -> bool:
        """Tell whether this very one is what would be found by its key, as far as that is told at once."""
        key = record["key"]
        known = self._own.get(key) or self._seen.records.get(key)
        return known is record and not self._deleted

    def memory_of(self, pipeline: str) -> dict[str, Any]:
        """Give what whoever plans a pipeline here keeps between its runs; it goes with the process."""
        with self._lock:
            memory = self._memories.setdefault(pipeline, {})
            self._memories.move_to_end(pipeline)
            if len(self._memories) > _PIPELINES:
                self._memories.popitem(last=False)
        return memory

    def _find(self, key: str, half: str) -> RecordedExecution | None:
        seen = self._seen
        known = self._own_record(key) or seen.records.get(key)
        if known is None and key in seen.unread:
            known = seen.take(key, seen.unread.pop(key, None))
        if known is not None or (half and not self._file_knows(half)):
            return known
        return seen.take(key, self._with_file(lambda file: file.execute(_FIND, (key,)).fetchone()))

    def may_know(self, half: str) -> bool:
        """Tell whether any execution has this half key."""
        return half in self._own_halves or self._file_knows(half)

    def last(self, pipeline: str, node: str) -> RecordedExecution | None:
        """Give the newest execution of a node of this pipeline that really ran."""
        own = self._own_latest.get((pipeline, node))
        if own is not None:
            return self._own_record(own[0])
        key = self._latest_of(pipeline).get(node)
        return self._find(key, "") if key is not None else None

    def last_facts(self, pipeline: str, node: str) -> tuple[str, Facts] | None:
        """Say of that one its id, and what it ran with."""
        own = self._own_latest.get((pipeline, node))
        if own is not None:
            return own[1:] if own[0] in self._own else None
        found = self.last(pipeline, node)
        return (found["id"], facts_in(found)) if found is not None else None

    def _own_record(self, key: str) -> RecordedExecution | None:
        own = self._own.get(key)
        if not isinstance(own, tuple):
            return own
        step_run_id, body = own
        record = RecordedExecution(from_json(body), id=step_run_id)
        with self._lock:
            # It may have been forgotten meanwhile, or have a successor.
            if self._own.get(key) is own:
                self._own[key] = record
        return record

    def _latest_of(self, pipeline: str) -> Mapping[str, str]:
        latest = self._seen.latest.get(pipeline)
        if latest is None:
            rows = self._with_file(lambda file: file.execute(_LATEST, (pipeline,)).fetchall())
            seen = self._seen
            seen.unread.update({key: (step_run_id, body) for _, key, step_run_id, body in rows})
            latest = seen.latest[pipeline] = {node: key for node, key, _, _ in rows}
        return latest

    def _file_knows(self, half: str) -> bool:
        known = self._seen.halves.get(half)
        if known is None:
            found = self._with_file(lambda file: file.execute(_HALF, (half,)).fetchone())
            known = self._seen.halves[half] = found is not None
        return known

    def remember(
        self,
        pipeline: str,
        step_run_id: str,
        body: Mapping[str, Any],
        written: bytes = b"",
        facts: Facts | None = None,
    ) -> None:
        """Take in an execution of this process.

        Args:
            pipeline: Its pipeline.
            step_run_id: Its id.
            body: What it was and gave.
            written: The same as JSON, if it is at hand.
            facts: What it ran with, if that is at hand.
        """
        key = body["key"]
        with self._lock:
            # What its cell showed is still what it shows, also after an execution that no cell watched.
            former = self._own.get(key) or self._seen.records.get(key)
            if isinstance(former, RecordedExecution) and "displays" in former:
                self._own[key] = RecordedExecution({"displays": former["displays"], **body}, id=step_run_id)
            else:
                self._own[key] = step_run_id, written or plain_json(body)
            self._own_halves.add(body["half"])
            if "item" not in body:
                self._own_latest[pipeline, body["node"]] = key, step_run_id, facts or facts_in(body)
            if len(self._own) > _REMEMBERED:
                # From here on the oldest of our own are found where everybody's are.
                self._complete = False
                self._own.popitem(last=False)

    def knows_source(self, digest: str) -> bool:
        """Tell whether it is written down what the digest of a source stands for."""
        return digest in self._sources or bool(self.source(digest))

    def source(self, digest: str) -> Mapping[str, Any]:
        """Give what the digest of a source stands for; empty if nobody knows."""
        known = self._sources.get(digest)
        if known is None:
            row = self._with_file(lambda file: file.execute(_SOURCE, (digest,)).fetchone())
            known = json.loads(row[0]) if row is not None else {}
            if known:
                self.remember_source(digest, known)
        return known

    def remember_source(self, digest: str, body: Mapping[str, Any]) -> None:
        """Take in what this process wrote down of a source."""
        with self._lock:
            self._sources[digest] = body
            if len(self._sources) > _REMEMBERED:
                self._sources.popitem(last=False)

    def add_displays(self, key: str, displays: Any) -> None:
        """Add to an execution of this process what its cell showed."""
        with self._lock:
            own = self._own_record(key)
            if own is not None:
                self._own[key] = RecordedExecution(own, displays=displays)

    def forget(self, key: str) -> None:
        """Drop an execution whose stored values are gone."""
        with self._lock:
            self._own.pop(key, None)
            self._seen = _Seen()

        def drop(file: sqlite3.Connection) -> None:
            with file:
                file.execute("DELETE FROM execution WHERE key = ?", (key,))

        self._with_file(drop)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None
            self._seen = _Seen()

    # The file ----------------------------------------------------------------------------------

    def _with_file(self, ask: Callable[[sqlite3.Connection], Answer]) -> Answer:
        with self._lock:
            try:
                return ask(self._opened())
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                    raise
                # The file is derived: what is damaged is made anew from the logs.
                self.close()
                for suffix in ("", "-journal", "-wal", "-shm"):
                    with suppress(FileNotFoundError):
                        self._path.with_name(self._path.name + suffix).unlink()
                file = self._opened()
                self._take_in(file)
                return ask(file)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None or self._pid != os.getpid():
            prepare(self._catalog.paths)
            # Made before SQLite does, which would let everybody read it.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            # A connection must not cross a fork: the child leaves it and opens its own.
            self._connection = sqlite3.connect(self._path, timeout=10, check_same_thread=False)
            self._pid = os.getpid()
            self._connection.executescript(_SCHEMA)
        return self._connection

    def _standing(self) -> object:
        """Say how long the logs are that are read here, and which archives there are: if that stays, so does all."""
        logs = self._catalog.logs_of_facts()
        logs.pop(self._skipped or "", None)
        return logs, archives(self._catalog.paths.archive), os.getpid()

    @property
    def _skipped(self) -> str | None:
        """The log that need not be read, since all that was executed here is known as long as there is room for it."""
        return self._catalog.own_log_name if self._complete else None

    def _take_in(self, file: sqlite3.Connection) -> None:
        positions = dict(file.execute(_POSITIONS).fetchall())
        own = self._skipped
        reached: dict[str, int] = {}
        with file:
            changed = self._take_in_archives(file, positions)
            for log, end, fact in self._catalog.facts_since(positions, skip=own):
                reached[log] = end
                _put_fact(file, fact)
            if reached:
                file.executemany(_PUT_POSITION, reached.items())
        version = _version_of(file)
        if reached or changed or version != self._seen.version:
            self._seen = _Seen(version)

    def _take_in_archives(self, file: sqlite3.Connection, positions: Mapping[str, int]) -> bool:
        """Take in what was archived before it was read here; tell whether there was any."""
        known = {name for (name,) in file.execute(_ARCHIVES)}
        changed = False
        for archive in archives(self._catalog.paths.archive):
            if archive.path.name in known:
                continue
            # What a damaged one held is executed again; `catalog check` tells of it. One that was merged with a later
            # one meanwhile is found there the next time.
            with suppress(CatalogDamagedError, FileNotFoundError):
                for fact in facts(archive, _KINDS, positions):
                    changed = True
                    _put_fact(file, fact)
            file.execute(_PUT_ARCHIVE, (archive.path.name,))
        return changed


def _version_of(file: sqlite3.Connection) -> int:
    return int(file.execute(_VERSION).fetchone()[0])


def _put_fact(file: sqlite3.Connection, fact: Mapping[str, Any]) -> None:
    body = fact["b"]
    if fact["k"] == "step" and body["status"] == "completed" and body["key"]:
        _put(file, fact["id"], body)
    elif fact["k"] == "source":
        file.execute(_PUT_SOURCE, (fact["id"], json.dumps(body)))
    elif fact["k"] == "displays":
        file.execute(_PUT_DISPLAYS, {"id": fact["id"], "displays": json.dumps(body["displays"])})


def _put(file: sqlite3.Connection, step_run_id: str, body: Mapping[str, Any]) -> None:
    row = {name: body[name] for name in ("key", "half", "pipeline", "node", "ended")}
    row |= {"id": step_run_id, "body": json.dumps(body, ensure_ascii=False)}
    file.execute(_PUT, row)
    # The items of a list change their places; what became of the whole is what a plan asks for.
    if "item" not in body:
        file.execute(_PUT_LATEST, row)
