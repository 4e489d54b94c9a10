"""Reading: the newest published file, and over it what was logged since.

Whoever asks sees all that was acknowledged before. The file is attached read-only. As long as it
says all, it is asked itself; the lines beyond it are kept as a thin layer in memory, which is
made when the first of them comes and grows with the logs until the next file is published. A
query that began on the former file, or beneath the layer, runs on to its end there.

A log may vanish once its lines are in two published files. So after the logs were read, the
attached file must still have its name; if not, begin again.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbpipe.base.locks import forget_in_children, is_locked
from nbpipe.catalog import generations
from nbpipe.catalog.archive import archives
from nbpipe.catalog.engine import abandon, failures, first_line, heeding_interrupts, is_little, open_memory, run
from nbpipe.catalog.fold import Fold, top_of
from nbpipe.catalog.own_questions import create_tops, interrupted_runs, open_logs
from nbpipe.catalog.schema import ALL, CHANGING, CREATE_ALL, GROWING, SCHEMA
from nbpipe.catalog.tails import batches, has_news, look, shrunk
from nbpipe.catalog.views import create_views
from nbpipe.errors import CatalogError, CatalogNewerError, NbpipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from nbpipe.base.workspace import WorkspacePaths

_TRIES = 20
_UNION = """
(FROM {base}.rows.{table} ANTI JOIN {name}.hidden.{table} USING (seq) UNION ALL FROM {name}.rows.{table})
"""
_UNION_OF_GROWING = "(FROM {base}.rows.{table} UNION ALL FROM {name}.rows.{table})"
_PUT_DEAD_LOGS = "INSERT INTO rows.dead_log SELECT unnest($logs::VARCHAR[])"
_CREATE_HIDDEN = ";\n".join(
    ["CREATE SCHEMA hidden", *(f"CREATE TABLE hidden.{table} (seq BIGINT, turn BIGINT)" for table in CHANGING)]
)


@dataclass(slots=True)
class _Layer:
    """A published file, or none, with what was logged since.

    Attributes:
        generation: The file's; 0 for none.
        base: The database that is the file, or what stands in for it.
        name: The database that is asked: the same, or the layer over it.
        fold: Takes in new lines; `None` while there is no layer.
        cursor: On which that is done.
        positions: How far each log is taken in.
        rows: Where the rows of each table are.
        open_logs: The logs with runs or steps that have not ended.
        dead_logs: Those of them without a writer.
    """

    generation: int
    base: str
    name: str
    fold: Fold | None
    cursor: DuckDBPyConnection
    positions: dict[str, int]
    rows: dict[str, str]
    open_logs: set[str] = field(default_factory=set)
    dead_logs: set[str] = field(default_factory=set)


class Reader:
    """Reads one workspace; threads share it.

    Args:
        paths: The workspace; nothing is ever written to it here.
        mend: Reads all logs again and publishes them; told which file, by its generation, cannot be believed.
    """

    def __init__(self, paths: WorkspacePaths, mend: Callable[[int], object]) -> None:
        self._paths = paths
        self._mend = mend
        self._mutex = threading.Lock()
        self._instance: DuckDBPyConnection | None = None
        self._layer: _Layer | None = None
        self._former: _Layer | None = None
        self._count = 0
        self._is_large = False
        forget_in_children(self)

    @contextmanager
    def cursor(self) -> Iterator[DuckDBPyConnection]:
        """Give a cursor on which the views show everything acknowledged so far.

        Raises:
            CatalogError: The catalog cannot be read.
            CatalogNewerError: It was published by a newer nbpipe.
        """
        with heeding_interrupts():
            _, cursor = self._ready()
            try:
                yield cursor
            finally:
                cursor.close()

    def interrupted(self) -> list[tuple[str, str]]:
        """Give the runs whose process died before they ended: (id, log), oldest first."""
        layer, cursor = self._ready()
        try:
            found: list[tuple[str, str]] = cursor.execute(interrupted_runs(layer.rows)).fetchall()
        finally:
            cursor.close()
        return found

    def close(self) -> None:
        """Let go of the files."""
        with self._mutex:
            if self._instance is not None:
                # A query of another thread that still goes on keeps what it reads open until it is done.
                with suppress(*failures()):
                    self._instance.close()
            self._forget()

    def after_fork(self) -> None:
        """Leave the engine to the parent."""
        for layer in (self._layer, self._former):
            if layer is not None:
                abandon(layer.cursor)
        if self._instance is not None:
            abandon(self._instance)
        self._mutex = threading.Lock()
        self._forget()

    def _ready(self) -> tuple[_Layer, DuckDBPyConnection]:
        try:
            with self._mutex:
                layer = self._caught_up()
                cursor = self._opened().cursor()
                cursor.execute(f"USE {layer.name}")
        except NbpipeError:
            raise
        except OSError as error:
            raise CatalogError(f"The catalog cannot be read: {first_line(error)}.") from error
        return layer, cursor

    def _forget(self) -> None:
        self._instance = self._layer = self._former = None

    def _opened(self) -> DuckDBPyConnection:
        if self._instance is None:
            self._instance = open_memory(self._paths.catalog, for_little=not self._is_large)
        return self._instance

    def _caught_up(self) -> _Layer:
        for _ in range(_TRIES):
            newest = max(generations.published(self._paths.catalog), default=0)
            layer = (
                self._layer if self._layer is not None and self._layer.generation == newest else self._attach(newest)
            )
            if layer is None:
                continue
            try:
                is_whole = self._read_logs(layer)
            except FileNotFoundError:
                # A log left between looking and reading: a newer file has it.
                continue
            if not is_whole:
                self._mend(newest)
                self._layer = None
            elif self._is_still_there(newest):
                return layer
        raise CatalogError("The catalog changed faster than it could be read. Try again.")

    def _is_still_there(self, generation: int) -> bool:
        if generation == 0:
            return not generations.published(self._paths.catalog)
        return generations.path_of(self._paths.catalog, generation).exists()

    def _attach(self, generation: int) -> _Layer | None:
        """Put a new layer over a published file; `None` if the file is gone or was mended: look again."""
        folder = self._paths.catalog
        path = generations.path_of(folder, generation)
        if generation:
            stamp = generations.stamp_of(folder, generation)
            if stamp is not None and stamp.schema > SCHEMA:
                raise CatalogNewerError(path, stamp.schema, SCHEMA)
            if stamp is None or stamp.schema < SCHEMA or not generations.is_untouched(folder, generation):
                self._mend_if_there(path, generation)
                return None
            if not self._is_large and not is_little(path):
                # From here on more threads are worth it, which an instance cannot be given later.
                self._is_large = True
                self._forget()
        self._count += 1
        base = f"base{self._count}"
        cursor = self._opened().cursor()
        try:
            cursor.execute(_attach_statement(path if generation else None, base))
        except failures():
            # Another program holds its lock, or it is damaged.
            self._mend_if_there(path, generation)
            return None
        layer = _published(cursor, generation, base) if generation else _nothing(cursor, base)
        self._replace(layer)
        return layer

    def _mend_if_there(self, path: Path, generation: int) -> None:
        if path.exists():
            self._mend(generation)

    def _replace(self, layer: _Layer) -> None:
        # The one before is kept: a query that was just begun may still have to find it.
        oldest, self._former, self._layer = self._former, self._layer, layer
        if oldest is not None:
            oldest.cursor.close()
            for database in {oldest.name, oldest.base}:
                self._opened().execute(f"DETACH {database}")

    def _read_logs(self, layer: _Layer) -> bool:
        """Take in what is new; tell whether the logs still hold all that the layer knows of them."""
        extents = look(self._paths)
        if shrunk(extents, layer.positions) or (layer.generation == 0 and archives(self._paths.archive)):
            return False
        if has_news(extents, layer.positions):
            reached = dict(layer.positions)
            fold = layer.fold or self._lay_over(layer)
            with self._transaction(layer):
                for batch in batches(extents, layer.positions):
                    fold.take_in(batch)
                    reached |= batch.ends
                layer.open_logs = _logs(layer.cursor, open_logs(layer.rows))
            layer.positions = reached
        dead = {log for log in layer.open_logs if not is_locked(self._paths.logs / f"{log}.log")}
        if dead != layer.dead_logs:
            if layer.fold is None:
                self._lay_over(layer)
            with self._transaction(layer):
                run(layer.cursor, "DELETE FROM rows.dead_log")
                run(layer.cursor, _PUT_DEAD_LOGS, {"logs": sorted(dead)})
            layer.dead_logs = dead
        return True

    def _lay_over(self, layer: _Layer) -> Fold:
        """Lay a layer over a published file."""
        try:
            return _lay_over(layer, f"layer{self._count}")
        except BaseException:
            # Half of one must not stay.
            self._layer = None
            raise

    @contextmanager
    def _transaction(self, layer: _Layer) -> Iterator[None]:
        layer.cursor.execute("BEGIN")
        try:
            yield
            layer.cursor.execute("COMMIT")
        except BaseException as error:
            # Half a batch must not stay, and an interrupt may have come anywhere.
            self._layer = None
            with suppress(Exception):
                layer.cursor.execute("ROLLBACK")
            if isinstance(error, failures()) and not isinstance(error, FileNotFoundError):
                raise CatalogError(f"The catalog cannot be read: {first_line(error)}.") from error
            raise


def _attach_statement(path: Path | None, base: str) -> str:
    if path is None:
        return f"ATTACH ':memory:' AS {base}"
    quoted = str(path).replace("'", "''")
    return f"ATTACH '{quoted}' AS {base} (READ_ONLY)"


def _nothing(cursor: DuckDBPyConnection, base: str) -> _Layer:
    """Make what stands in for a published file while there is none; new lines are folded into it."""
    cursor.execute(f"USE {base}")
    run(cursor, CREATE_ALL)
    rows = {table: f"rows.{table}" for table in ALL}
    run(cursor, create_views(rows, are_deferred=True))
    run(cursor, create_tops(["rows"]))
    return _Layer(0, base, base, Fold(cursor, top=0), cursor, {}, rows)


def _published(cursor: DuckDBPyConnection, generation: int, base: str) -> _Layer:
    """Take a published file as it is."""
    rows = {table: f"{base}.rows.{table}" for table in ALL}
    positions = dict(cursor.execute(f"SELECT log, position FROM {base}.rows.position").fetchall())  # noqa: S608
    layer = _Layer(generation, base, base, None, cursor, positions, rows)
    layer.open_logs = _logs(cursor, open_logs(rows))
    layer.dead_logs = _logs(cursor, f"SELECT log FROM {base}.rows.dead_log")  # noqa: S608
    return layer


def _lay_over(layer: _Layer, name: str) -> Fold:
    """Make the layer, with the same views over both."""
    cursor, base = layer.cursor, layer.base
    cursor.execute(f"ATTACH ':memory:' AS {name}")
    cursor.execute(f"USE {name}")
    run(cursor, CREATE_ALL)
    run(cursor, _CREATE_HIDDEN)
    rows = {table: _UNION.format(base=base, name=name, table=table) for table in CHANGING}
    rows |= {table: _UNION_OF_GROWING.format(base=base, name=name, table=table) for table in GROWING}
    rows["dead_log"] = f"{name}.rows.dead_log"
    cursor.execute(create_views(rows, are_deferred=True))
    cursor.execute(create_tops([f"{base}.rows", f"{name}.rows"]))
    cursor.execute(_PUT_DEAD_LOGS, {"logs": sorted(layer.dead_logs)})
    layer.name, layer.rows = name, rows
    layer.fold = Fold(cursor, top=top_of(cursor, f"{base}.rows"), base=base)
    return layer.fold


def _logs(cursor: DuckDBPyConnection, question: str) -> set[str]:
    return {log for (log,) in run(cursor, question).fetchall()}
