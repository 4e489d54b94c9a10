"""Asking: rows of trusted statements for services, and one guarded SELECT for people.

A statement of ours is a constant and its values are bound. A statement of the user's is refused
unless it is a single SELECT over the views, runs in a read-only transaction on an instance that
can reach no file but the published ones, and is cut off after a time, a number of rows and a
share of the memory. Ctrl-C ends it at once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

from nbpipe.catalog.engine import failures, run
from nbpipe.errors import BadValueError, CatalogError
from nbpipe.records.base import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas
    from duckdb import DuckDBPyConnection


_ROWS_IN_A_BATCH = 50_000


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query answered.

    Attributes:
        columns: The columns' names, in order.
        rows: The rows; instants are aware and in UTC, JSON is text.
        kinds: The columns' types, as the engine names them.
        is_cut: Whether there were more rows than the limit.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    kinds: tuple[str, ...]
    is_cut: bool

    def df(self) -> pandas.DataFrame:
        """Give the rows as a pandas frame, each column of the type it has in the catalog."""
        import duckdb

        columns, values = [], {}
        for n, (name, kind) in enumerate(zip(self.columns, self.kinds, strict=True)):
            quoted = name.replace('"', '""')
            columns.append(f'unnest($c{n}::{kind}[]) AS "{quoted}"')
            values[f"c{n}"] = [row[n] for row in self.rows]
        with duckdb.connect(":memory:") as engine, catch_warnings():
            # The engine still uses words that pandas is about to drop.
            simplefilter("ignore")
            engine.execute("SET TimeZone = 'UTC'")
            frame: pandas.DataFrame = engine.execute(f"SELECT {', '.join(columns)}", values).df()
        return frame


# What a column of plain rows may hold, as pandas names it. Text and whole numbers may be missing.
DTYPES = {
    "text": "str",
    "int": "Int64",
    "float": "float64",
    "bool": "bool",
    "instant": "datetime64[us, UTC]",
    "data": "object",
}


def frame_of(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> pandas.DataFrame:
    """Give plain rows as a pandas frame.

    Args:
        rows: The rows; what one has beside the columns is left out.
        kinds: The columns in order, each with what it holds, a word of `DTYPES`.
    """
    import pandas

    # An index of its own, or a frame of no columns would have no rows either.
    index = pandas.RangeIndex(len(rows))
    columns = {
        name: pandas.Series([row.get(name) for row in rows], index=index, dtype=DTYPES[kind])
        for name, kind in kinds.items()
    }
    return pandas.DataFrame(columns, index=index, columns=pandas.Index(list(kinds), dtype="str"))


_NUDGE_S = 0.2
_Reader = tuple[int, Callable[[Any], Any]]
_INSTANT = "TIMESTAMP WITH TIME ZONE"
_wrapped: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {}


def rows(cursor: DuckDBPyConnection, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Answer a trusted statement; JSON columns come back as what they hold, instants aware and in UTC.

    Raises:
        CatalogError: The engine cannot answer it.
    """
    try:
        if sql not in _wrapped:
            _wrapped[sql] = _wrap(cursor, sql, parameters)
        statement, names, kinds = _wrapped[sql]
        found = run(cursor, statement, parameters).fetchall()
    except failures() as error:
        raise CatalogError(f"The catalog cannot answer: {_said(error)}") from error
    readers = [(n, _READERS[kind]) for n, kind in enumerate(kinds) if kind in _READERS]
    return [dict(zip(names, _read(row, readers), strict=True)) for row in found]


def tables(cursor: DuckDBPyConnection, views: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Walk through whole views as of one moment: (view, its rows as an Arrow reader); JSON is text there.

    Args:
        cursor: The connection.
        views: Names of views of ours; never a user's text.
    """
    cursor.execute("BEGIN TRANSACTION READ ONLY")
    try:
        for view in views:
            yield view, cursor.sql(f"FROM {view}").to_arrow_reader(_ROWS_IN_A_BATCH)
    except failures() as error:
        raise CatalogError(f"The catalog cannot be read: {error}.") from error
    finally:
        with suppress(*failures()):
            cursor.execute("ROLLBACK")


def query(cursor: DuckDBPyConnection, sql: str, *, limit: int, timeout_s: float) -> QueryResult:
    """Answer a user's SELECT, and change nothing whatever it says.

    Raises:
        BadValueError: It is not one SELECT, it is wrong, it reaches outside, or it takes too long.
    """
    import duckdb

    if limit < 1 or timeout_s <= 0:
        raise BadValueError(f"A query needs a positive limit and time (got {limit} rows, {timeout_s:g} s).")
    try:
        statement = _only_select(sql)
        _check_sources(cursor, statement)
        names, kinds, found = _in_time(cursor, timeout_s, lambda: _answer(cursor, statement, limit + 1))
    except duckdb.InterruptException as error:
        raise BadValueError(
            f"The query took longer than {timeout_s:g} s. Ask for less, or give it more time."
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise BadValueError(
            "The query needs more memory than a query may have, half of the machine's. Ask for less."
        ) from error
    except duckdb.Error as error:
        raise BadValueError(f"The query cannot be answered: {_said(error)}") from error
    readers: list[_Reader] = [(n, _aware) for n, kind in enumerate(kinds) if kind == _INSTANT]
    return QueryResult(names, [tuple(_read(row, readers)) for row in found[:limit]], kinds, len(found) > limit)


_Answer = tuple[tuple[str, ...], tuple[str, ...], list[tuple[Any, ...]]]


def _answer(cursor: DuckDBPyConnection, statement: str, count: int) -> _Answer:
    """Give the names of the columns, their types, and the first rows."""
    import duckdb

    cursor.execute("BEGIN TRANSACTION READ ONLY")
    try:
        wrapped, names, kinds = _wrap(cursor, statement, {})
        found = cursor.execute(f"SELECT * FROM ({wrapped}\n) LIMIT {count:d}").fetchall()  # noqa: S608 — one SELECT
    finally:
        with suppress(duckdb.Error):
            cursor.execute("ROLLBACK")
    return names, kinds, found


def _in_time(cursor: DuckDBPyConnection, timeout_s: float, ask: Callable[[], _Answer]) -> _Answer:
    """Ask in a thread, for only a caller that waits hears Ctrl-C, and interrupt it when it takes too long."""
    with ThreadPoolExecutor(1, thread_name_prefix="nbpipe-query") as thread:
        answer = thread.submit(ask)
        ends = time.monotonic() + timeout_s
        try:
            while not answer.done() and (left_s := ends - time.monotonic()) > 0:
                wait([answer], min(left_s, _NUDGE_S))
        finally:
            # An interrupt that comes between two statements is lost.
            while not answer.done():
                cursor.interrupt()
                wait([answer], _NUDGE_S)
        return answer.result()


def _only_select(sql: str) -> str:
    """Give the text of the only statement, without what ends it."""
    import duckdb

    statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        raise BadValueError(f"A query is one SELECT statement; this is {len(statements)}.")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise BadValueError(
            f"A query is a SELECT statement; this is {statements[0].type.name}. The catalog is read-only."
        )
    data = sql.encode()
    ends = [place for place, _ in duckdb.tokenize(sql) if data[place : place + 1] == b";"]
    return data[: ends[0]].decode() if ends else sql


# Functions that give rows without reading anything but their arguments.
_HARMLESS = {"range", "generate_series", "unnest", "json_each", "json_tree", "repeat_row"}


def _check_sources(cursor: DuckDBPyConnection, statement: str) -> None:
    """Refuse what reads something else than tables: the engine has functions for files, settings, and SQL in texts."""
    row = cursor.execute("SELECT json_serialize_sql($sql)", {"sql": statement}).fetchone()
    read = json.loads(row[0]) if row is not None else {"error": True}
    if read["error"]:
        raise BadValueError("A query is a plain SELECT; what this one reads cannot be told.")
    for kind, name in _sources_in(read["statements"]):
        if kind == "TABLE_FUNCTION" and name.casefold() not in _HARMLESS:
            raise BadValueError(f"A query reads the catalog's views; {name}() is none of them.")
        if kind == "BASE_TABLE" and not name.isidentifier():
            raise BadValueError(f"A query reads the catalog's views; {shorten(name)} is none of them.")


def _sources_in(node: Any) -> Iterator[tuple[str, str]]:
    """Walk through what a parsed statement reads from: (kind, name)."""
    if isinstance(node, list):
        for part in node:
            yield from _sources_in(part)
    elif isinstance(node, dict):
        if node.get("type") == "TABLE_FUNCTION":
            yield "TABLE_FUNCTION", str((node.get("function") or {}).get("function_name", ""))
        elif node.get("type") == "BASE_TABLE":
            yield "BASE_TABLE", str(node.get("table_name", ""))
        for part in node.values():
            yield from _sources_in(part)


def _wrap(
    cursor: DuckDBPyConnection, sql: str, parameters: Mapping[str, Any]
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Have instants come back as plain times in UTC: the engine's own way needs a library that we do not.

    Returns:
        The statement to execute, the names of the columns and their types.
    """
    described = _execute(cursor, f"DESCRIBE {sql}", parameters).fetchall()
    names = tuple(str(row[0]) for row in described)
    kinds = tuple(str(row[1]) for row in described)
    if _INSTANT not in kinds:
        return sql, names, kinds
    letters = [f"c{n}" for n in range(len(kinds))]
    picked = [f"{c}::TIMESTAMP" if kind == _INSTANT else c for c, kind in zip(letters, kinds, strict=True)]
    return f"SELECT {', '.join(picked)} FROM ({sql}\n) AS answer({', '.join(letters)})", names, kinds  # noqa: S608


def _execute(cursor: DuckDBPyConnection, sql: str, parameters: Mapping[str, Any]) -> DuckDBPyConnection:
    return cursor.execute(sql, dict(parameters)) if parameters else cursor.execute(sql)


def _read(row: tuple[Any, ...], readers: list[_Reader]) -> list[Any]:
    values = list(row)
    for n, reader in readers:
        if values[n] is not None:
            values[n] = reader(values[n])
    return values


def _aware(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC)


_READERS: dict[str, Callable[[Any], Any]] = {_INSTANT: _aware, "JSON": json.loads}


def _said(error: Exception) -> str:
    """Give what the engine says about the mistake, without the statement itself."""
    said = str(error).split("\n\nLINE", 1)[0]
    return " ".join(said.split())
