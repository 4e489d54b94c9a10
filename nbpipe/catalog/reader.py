"""Reading: the newest published file, and over it what was logged since.

Whoever asks sees all that was acknowledged before. The file is attached read-only; the lines
beyond it are kept as a thin layer in memory, which grows with the logs until the next file is
published. A file, with its layer, is one database `layer<n>`: a query that began on the former
one runs on to its end there.

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
from nbpipe.catalog.engine import abandon, failures, first_line, open_memory
from nbpipe.catalog.fold import Fold, top_of
from nbpipe.catalog.schema import CHANGING, CREATE_ALL, GROWING, SCHEMA
from nbpipe.catalog.tails import batches, has_news, look, shrunk
from nbpipe.catalog.views import create_tops, create_views, interrupted_runs, open_logs
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
    """A published file, or none, with what was logged since."""

    generation: int
    name: str
    base: str
    fold: Fold
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
        forget_in_children(self)

    @contextmanager
    def cursor(self) -> Iterator[DuckDBPyConnection]:
        """Give a cursor on which the views show everything acknowledged so far.

        Raises:
            CatalogError: The catalog cannot be read.
            CatalogNewerError: It was published by a newer nbpipe.
        """
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
            self._instance = open_memory(self._paths.catalog)
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
        self._count += 1
        name, base = f"layer{self._count}", f"base{self._count}"
        cursor = self._opened().cursor()
        try:
            cursor.execute(_attach_statement(path if generation else None, base))
        except failures():
            # Another program holds its lock, or it is damaged.
            self._mend_if_there(path, generation)
            return None
        layer = _make_layer(cursor, generation, name, base, is_empty=not generation)
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
            self._opened().execute(f"DETACH {oldest.name}")
            self._opened().execute(f"DETACH {oldest.base}")

    def _read_logs(self, layer: _Layer) -> bool:
        """Take in what is new; tell whether the logs still hold all that the layer knows of them."""
        extents = look(self._paths)
        if shrunk(extents, layer.positions) or (layer.generation == 0 and archives(self._paths.archive)):
            return False
        if has_news(extents, layer.positions):
            reached = dict(layer.positions)
            with self._transaction(layer):
                for batch in batches(extents, layer.positions):
                    layer.fold.take_in(batch)
                    reached |= batch.ends
                layer.open_logs = _logs(layer.cursor, open_logs(layer.rows))
            layer.positions = reached
        dead = {log for log in layer.open_logs if not is_locked(self._paths.logs / f"{log}.log")}
        if dead != layer.dead_logs:
            with self._transaction(layer):
                layer.cursor.execute("DELETE FROM rows.dead_log")
                layer.cursor.execute(_PUT_DEAD_LOGS, {"logs": sorted(dead)})
            layer.dead_logs = dead
        return True

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


def _make_layer(cursor: DuckDBPyConnection, generation: int, name: str, base: str, *, is_empty: bool) -> _Layer:
    if is_empty:
        cursor.execute(f"USE {base}")
        cursor.execute(CREATE_ALL)
    cursor.execute(f"ATTACH ':memory:' AS {name}")
    cursor.execute(f"USE {name}")
    cursor.execute(CREATE_ALL)
    cursor.execute(_CREATE_HIDDEN)
    rows = {table: _UNION.format(base=base, name=name, table=table) for table in CHANGING}
    rows |= {table: _UNION_OF_GROWING.format(base=base, name=name, table=table) for table in GROWING}
    rows["dead_log"] = f"{name}.rows.dead_log"
    cursor.execute(create_views(rows))
    cursor.execute(create_tops([f"{base}.rows", f"{name}.rows"]))
    positions = dict(cursor.execute(f"SELECT log, position FROM {base}.rows.position").fetchall())  # noqa: S608
    layer = _Layer(
        generation, name, base, Fold(cursor, top=top_of(cursor, f"{base}.rows"), base=base), cursor, positions, rows
    )
    layer.open_logs = _logs(cursor, open_logs(rows))
    return layer


def _logs(cursor: DuckDBPyConnection, question: str) -> set[str]:
    return {log for (log,) in cursor.execute(question).fetchall()}
