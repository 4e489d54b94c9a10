"""How DuckDB is opened here: offline, in UTC, and, for readers, unable to touch any other file.

Never `duckdb.connect` on a published file: an instance of it that this process still holds
would be handed out again, with the content of that time. Readers attach it to an instance in
memory.
"""

from __future__ import annotations

import atexit
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from duckdb import DuckDBPyConnection, Statement

_OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


# To share out so little among threads takes longer, and more of the machine, than one thread needs for it.
_LITTLE_BYTES = 2**23
_ALONE = {"threads": 1}


def is_little(path: Path) -> bool:
    """Tell whether one thread does best with a published file; one that is not there may become large."""
    try:
        return path.stat().st_size <= _LITTLE_BYTES
    except FileNotFoundError:
        return False


def open_draft(path: Path) -> DuckDBPyConnection:
    """Open a file that nobody else knows yet, to write it."""
    import duckdb

    connection = duckdb.connect(str(path), config=_OFFLINE | (_ALONE if is_little(path) else {}))
    connection.execute("SET TimeZone = 'UTC'")
    return connection


# What a question may take of the machine's memory, and no file beside: it ends with an error, not with the kernel.
# What is not published yet lies in that memory too.
_FRUGAL: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "50%", "temp_directory": ""}


def open_memory(folder: Path, *, for_little: bool) -> DuckDBPyConnection:
    """Open an instance in memory that can attach files of `folder`, and reach nothing else, whatever it is asked.

    Args:
        folder: The folder.
        for_little: Take one thread; see `is_little`.
    """
    import duckdb

    connection = duckdb.connect(":memory:", config=_OFFLINE | _FRUGAL | (_ALONE if for_little else {}))
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET allowed_directories = [$folder]", {"folder": f"{folder}/"})
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def open_archive() -> DuckDBPyConnection:
    """Open an instance in memory that can read files of ours."""
    import duckdb

    connection = duckdb.connect(":memory:", config=_OFFLINE)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


# No more than there are of ours; a layer's statements name it, and are others for the next one.
_PARSED_KEPT = 1_000
_parsed: dict[str, list[Statement]] = {}
# Where something keeps this module to the interpreter's very end, the engine would tell of these as leaks.
atexit.register(_parsed.clear)


def run(cursor: DuckDBPyConnection, text: str, parameters: Mapping[str, Any] | None = None) -> DuckDBPyConnection:
    """Execute statements of ours; the text is parsed once in this process, which is a part of what a small one costs.

    Args:
        cursor: Where.
        text: One statement or several; never a user's.
        parameters: What each of them binds.

    Returns:
        The cursor, with what the last one answered.
    """
    statements = _parsed.get(text)
    if statements is None:
        if len(_parsed) >= _PARSED_KEPT:
            _parsed.clear()
        statements = _parsed[text] = cursor.extract_statements(text)
    given = dict(parameters) if parameters else None
    for statement in statements:
        cursor.execute(statement, given)
    return cursor


@contextmanager
def heeding_interrupts() -> Iterator[None]:
    """Let an interrupt that meets a query be one: DuckDB takes it, and raises an error that nobody could tell it by."""
    try:
        yield
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from None
        raise


def abandon(connection: DuckDBPyConnection) -> None:
    """Keep a connection that a forked child inherited from ever being closed: that waits for threads it has not."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def failures() -> tuple[type[Exception], ...]:
    """Give the exceptions by which the engine and the disk say that they cannot."""
    import duckdb

    return (OSError, duckdb.Error)


def first_line(error: Exception) -> str:
    """Give the first line of what an exception says; the engine's go on with the statement."""
    return (str(error).splitlines() or [type(error).__name__])[0]
