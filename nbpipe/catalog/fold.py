"""Lines become rows: the one piece of SQL that both publishes and overlays.

A batch of lines is parsed into temporary tables (`new_…`), then put into the tables of the
schema `rows`. For a publisher these are the tables of the file that it is about to publish. For
a reader they are a thin layer over a published file: before a row of the file changes, it is
brought up into the layer, and its number is noted in `hidden`.

This module knows the shapes of records. It opens nothing and decides nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from nbpipe.catalog import statements
from nbpipe.catalog.schema import CHANGING, STATE
from nbpipe.catalog.tails import OPERATIONS, Damage

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from nbpipe.catalog.tails import Batch


class Fold:
    """Takes batches of lines into the tables of a connection.

    Args:
        cursor: The connection; its schema `rows` holds the tables.
        base: The attached file over which the tables are a layer, if they are one; its schema `hidden` says what
            the layer hides.
    """

    def __init__(self, cursor: DuckDBPyConnection, base: str = "") -> None:
        self._cursor = cursor
        self._base = base
        self._turn = 0
        form = statements.TOP_OVER if base else statements.TOP
        self._top = {table: form.format(table=table, base=base) for table in CHANGING}

    def take_in(self, batch: Batch) -> list[Damage]:
        """Put the lines of `batch` into the tables; give those that could not be read, which are left out."""
        damaged: list[Damage] = []
        if not batch.lines:
            return damaged
        self._parse(batch, damaged)
        if batch.kinds & {"run_started", "step_started"}:
            self._cursor.execute(statements.SPANS, {"firsts": batch.firsts, "logs": batch.logs})
        if "run_started" in batch.kinds:
            self._run(statements.RUNS)
        if "step_started" in batch.kinds:
            self._run(statements.STEP_STARTS)
        if "step" in batch.kinds:
            self._take_in_steps()
        if "displays" in batch.kinds:
            self._bring_up("step", "id", "SELECT id FROM new_line WHERE k = 'displays' AND n IS NULL")
            self._run(statements.DISPLAYS)
        if batch.kinds & {"metadata", "step"}:
            self._take_in_metadata(from_steps="step" in batch.kinds)
        if OPERATIONS in batch.logs:
            self._take_in_changes()
        return damaged

    def _parse(self, batch: Batch, damaged: list[Damage]) -> None:
        try:
            self._cursor.execute(statements.PARSE, {"lines": batch.lines})
        except _duckdb_error():
            sound = self._sound_lines(range(len(batch.lines)), batch)
            for index in sorted(set(range(len(batch.lines))) - set(sound)):
                log = batch.logs[bisect_right(batch.firsts, index + 1) - 1]
                damaged.append(Damage(log, batch.places[index], batch.lines[index].encode()))
                batch.lines[index] = "{}"
            self._cursor.execute(statements.PARSE, {"lines": batch.lines})

    def _sound_lines(self, indexes: range, batch: Batch) -> list[int]:
        """Find the lines that can be read, by halves: a sealed line that is no JSON is rare."""
        try:
            self._cursor.execute(statements.PARSE, {"lines": [batch.lines[index] for index in indexes]})
        except _duckdb_error():
            if len(indexes) == 1:
                return []
            middle = len(indexes) // 2
            return self._sound_lines(indexes[:middle], batch) + self._sound_lines(indexes[middle:], batch)
        return list(indexes)

    def _take_in_steps(self) -> None:
        self._run(statements.PARSE_STEPS)
        self._bring_up("open_step", "id", "SELECT id FROM new_step")
        self._run(statements.CLOSE_STEPS)
        self._run(statements.STEPS)
        self._run(statements.PARSE_OUTPUTS)
        self._run(statements.LINEAGE)
        self._bring_up("artifact", "id", "SELECT id FROM new_output WHERE status = 'reused'")
        self._run(statements.FORGET_KNOWN_OUTPUTS)
        self._run(statements.ARTIFACTS)

    def _take_in_metadata(self, *, from_steps: bool) -> None:
        self._run(statements.PARSE_METADATA)
        if from_steps:
            self._run(statements.PARSE_STEP_METADATA)
        self._run(statements.METADATA)
        self._run(statements.METRICS)

    def _take_in_changes(self) -> None:
        self._run(statements.PARSE_CHANGES)
        for (table,) in self._cursor.execute(statements.CHANGED_TABLES).fetchall():
            keys = statements.KEYS_OF_CHANGES.format(table=table)
            if table == "run_state":
                self._bring_up("run", "id", keys)
                self._run(statements.RUN_ENDS)
                self._bring_up("open_step", "run_id", keys)
                self._run(statements.ENDED_RUNS_LEAVE_STEPS)
            elif table == "artifact_number":
                self._bring_up("artifact", "id", keys)
                self._run(statements.NUMBERS)
            elif table in STATE:
                self._bring_up(table, "change_key", keys)
                self._run(statements.MERGE_STATE[table])

    def _bring_up(self, table: str, column: str, keys: str) -> None:
        if not self._base:
            return
        self._turn += 1
        names = {"table": table, "base": self._base, "column": column, "keys": keys}
        self._cursor.execute(statements.HIDE.format(**names), {"turn": self._turn})
        self._cursor.execute(statements.BRING_UP.format(**names), {"turn": self._turn})

    def _run(self, statement: str) -> None:
        self._cursor.execute(statement.format(top=self._top) if "{top[" in statement else statement)


def _duckdb_error() -> type[Exception]:
    import duckdb

    error: type[Exception] = duckdb.Error
    return error
