"""Lines become rows: the one piece of SQL that both publishes and overlays.

A batch of lines is parsed into temporary tables (`new_…`), then put into the tables of the
schema `rows`. For a publisher these are the tables of the file that it is about to publish. For
a reader they are a thin layer over a published file: before a row of the file changes, it is
brought up into the layer, and its number is noted in `hidden`.

This module knows the shapes of records. It opens nothing and decides nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from nbpipe.catalog import metrics, statements, tag_history
from nbpipe.catalog.engine import run
from nbpipe.catalog.schema import CHANGING, STATE
from nbpipe.catalog.tails import Damage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from nbpipe.catalog.tails import Batch


class _Changed(NamedTuple):
    """What changes say of one table: how many of its rows they speak of, and whether any of them goes."""

    rows: int
    are_gone: bool


class Fold:
    """Takes batches of lines into the tables of a connection.

    Args:
        cursor: The connection; its schema `rows` holds the tables.
        top: The largest number that any row has so far.
        base: The attached file over which the tables are a layer, if they are one; the schema `hidden` then says
            what the layer hides.

    Attributes:
        top: The largest number that any row may have by now.
    """

    def __init__(self, cursor: DuckDBPyConnection, *, top: int, base: str = "") -> None:
        self.top = top
        self._cursor = cursor
        self._base = base
        self._turn = 0
        runs = f"(FROM rows.run UNION ALL FROM {base}.rows.run)" if base else "rows.run"
        self._leave_steps = statements.STEPS_OF_ENDED_RUNS.format(runs=runs)
        metadata = f"(FROM rows.metadata UNION ALL FROM {base}.rows.metadata)" if base else "rows.metadata"
        self._look = metrics.LOOK.format(metadata=metadata)
        self._noted_again = metrics.NOTED_AGAIN.format(metadata=metadata)
        deletions = f"(FROM rows.deletion UNION ALL FROM {base}.rows.deletion)" if base else "rows.deletion"
        self._deletions = deletions
        # What there is none of, as mostly, need not be looked for again with each batch: to plan a statement is what
        # takes time here, however few rows it then finds.
        self._has_deletions = self._has_open_steps = self._has_makerless_below = False
        if top:
            known = statements.KNOWN.format(deletions=deletions, below=f"{base}.rows" if base else "rows")
            ((self._has_deletions, self._has_open_steps, self._has_makerless_below),) = cursor.execute(known).fetchall()

    def take_in(self, batch: Batch) -> list[Damage]:
        """Put the lines of `batch` into the tables; give those that could not be read, which are left out."""
        if not batch.lines:
            return []
        damaged = self._parse(batch)
        rows = self._take_in_facts(batch.kinds, reuses=batch.reuses, has_step_metadata=batch.has_step_metadata)
        if batch.has_operations:
            rows = max(rows, self._take_in_changes())
        self._end(batch.kinds, max(rows, len(batch.lines)))
        return damaged

    def take_in_archive(self, path: Path, *, operations: bool) -> int:
        """Put an archived file's facts, or else its operations, into the tables; give how many lines that were.

        The facts of all files come before the operations of any.
        """
        quoted = str(path).replace("'", "''")
        self._cursor.execute(statements.OPEN_ARCHIVE.format(path=quoted))
        found = self._cursor.execute(statements.OPERATIONS if operations else statements.FACTS).fetchall()
        kinds = Counter({kind: count for kind, count, _ in found})
        if operations and kinds:
            self._end({}, self._take_in_changes())
        elif kinds:
            rows = self._take_in_facts(kinds, reuses=True, has_step_metadata=kinds["step"] > 0)
            self._end(kinds, max([rows, *(last for _, _, last in found)]))
        self._cursor.execute(statements.CLOSE_ARCHIVE)
        return kinds.total()

    def sort(self) -> None:
        """Bring the rows into the order of time, in which they arrived for whoever was there."""
        for table, instant in statements.IN_ORDER_OF.items():
            if self._cursor.execute(statements.IS_IN_ORDER.format(table=table, instant=instant)).fetchone() == (True,):
                continue
            sort, drop, rename = (each.format(table=table, instant=instant) for each in statements.SORT)
            self._number(sort)
            self.top += _count(self._cursor)
            self._cursor.execute(drop)
            self._cursor.execute(rename)

    def _take_in_facts(self, kinds: Mapping[str, int], *, reuses: bool, has_step_metadata: bool) -> int:
        """Put the facts among the parsed lines into the tables; give how many numbers that took."""
        rows = 0
        if kinds.get("run_started"):
            self._number(statements.RUNS)
        if kinds.get("step_started"):
            self._number(statements.STEP_STARTS)
            self._has_open_steps = True
        if kinds.get("step"):
            rows = self._take_in_steps(may_reuse=reuses)
        if kinds.get("source"):
            self._run(statements.SOURCES)
        if kinds.get("displays"):
            self._bring_up("step", "id", statements.STEPS_WITH_DISPLAYS)
            self._run(statements.DISPLAYS)
        if kinds.get("metadata") or has_step_metadata:
            self._take_in_metadata(from_steps=has_step_metadata)
        return rows

    def _end(self, kinds: Mapping[str, int], rows: int) -> None:
        if kinds.get("step_started"):
            self._run(self._leave_steps)
        self.top += rows + 1

    def _parse(self, batch: Batch) -> list[Damage]:
        count = len(batch.lines)
        run(self._cursor, statements.PARSE, batch.parameters())
        if _count(self._cursor) == count:
            return []
        left_out = self._cursor.execute(statements.LEFT_OUT, {"count": count}).fetchall()
        return [_damage(batch, ord - 1) for (ord,) in left_out]

    def _take_in_steps(self, *, may_reuse: bool) -> int:
        self._run(statements.PARSE_STEPS)
        if self._has_open_steps:
            self._bring_up("open_step", "id", "SELECT id FROM new_step")
            self._run(statements.CLOSE_STEPS)
        self._number(statements.STEPS)
        outputs = self._run(statements.PARSE_OUTPUTS)
        self._run(statements.LINEAGE)
        if self._has_makerless_below:
            self._hide(statements.HIDE_MAKERLESS)
        if run(self._cursor, statements.HAS_MAKERLESS).fetchone() == (True,):
            self._run(statements.FORGET_MAKERLESS)
        if may_reuse:
            self._bring_up("artifact", "id", statements.REUSED_OUTPUTS)
            self._run(statements.FORGET_KNOWN_OUTPUTS)
        self._number(statements.ARTIFACTS)
        if may_reuse:
            self._delete_again("artifact")
        return outputs

    def _take_in_metadata(self, *, from_steps: bool) -> None:
        lines = self._run(metrics.PARSE_METADATA)
        if from_steps:
            lines += self._run(metrics.PARSE_STEP_METADATA)
        self._run(metrics.PARSE_ENTRIES)
        ((are_nested, things, are_known),) = run(self._cursor, self._look).fetchall()
        if (are_known or things < lines) and self._run(self._noted_again):
            self._run(metrics.LOST_METRICS)
        self._run(metrics.METADATA)
        self._run(metrics.PLAIN_METRICS)
        if are_nested:
            self._run(metrics.NESTED_METRICS)

    def _take_in_changes(self) -> int:
        changes = self._run(statements.PARSE_CHANGES)
        changed = self._changed()
        if "deletion" in changed:
            self._has_deletions = True
            self._bring_up("tagging", "entity_head", tag_history.GONE_HEADS)
            changes = self._run(tag_history.TAKE_TAGS_OFF)
            changed = self._changed()
        if "tagging" in changed:
            self._bring_up("tagging", "entity_head", tag_history.TAGGED_HEADS)
            self._run(tag_history.LEAVE_STANDING)
        if "tag" in changed:
            self._bring_up("tag", "change_key", statements.KEYS_OF_CHANGES.format(table="tag"))
        for table, note in tag_history.NOTE_LOST.items():
            if table in changed and changed[table].are_gone:
                self._run(note)
        if changes > sum(rows for rows, _ in changed.values()):
            self._run(statements.OVERTAKEN)
        for table, (rows, _) in changed.items():
            self._take_in_state(table, rows)
        if "deletion" in changed:
            for kind, gone in statements.GO_WITH.items():
                self._delete(kind, gone)
        for table in ("tagging", "model_link"):
            if table in changed:
                self._delete_again(table)
        return changes

    def _changed(self) -> dict[str, _Changed]:
        """Say which tables the parsed changes speak of."""
        found = run(self._cursor, statements.CHANGED_TABLES).fetchall()
        return {table: _Changed(rows, are_gone) for table, rows, are_gone in found}

    def _take_in_state(self, table: str, count: int) -> None:
        """Put the changed rows of one table in place."""
        keys = statements.KEYS_OF_CHANGES.format(table=table)
        if table == "run_state":
            self._end_runs(keys, count)
        elif table == "artifact_number":
            if self._run(statements.NUMBERS) < count and self._bring_up("artifact", "id", keys):
                self._run(statements.NUMBERS)
        elif table == "run_name":
            if self._run(statements.RUN_NAMES) < count and self._bring_up("run", "id", keys):
                self._run(statements.RUN_NAMES)
        elif table in STATE:
            if table not in tag_history.NOTE_LOST:
                # Those were brought up before.
                self._bring_up(table, "change_key", keys)
            self._number(statements.MERGE_STATE[table])

    def _delete(self, kind: str, gone: Mapping[str, str]) -> None:
        """Take the rows of what was deleted out of the tables."""
        ids = statements.DELETED.format(kind=kind)
        for table, column in gone.items():
            condition = f"{column} IN ({ids})"
            self._hide(statements.HIDE.format(table=table, condition=condition, base="{base}"))
            self._run(statements.DELETE.format(table=table, condition=condition))

    def _delete_again(self, table: str) -> None:
        """Take out what came to a table just now and is of something that was deleted."""
        if self._has_deletions:
            column, kind = statements.MAY_COME_BACK[table]
            self._run(statements.DELETE_AGAIN.format(table=table, column=column, kind=kind, deletions=self._deletions))

    def _end_runs(self, keys: str, count: int) -> None:
        ended = self._run(statements.RUN_ENDS)
        if ended < count and self._bring_up("run", "id", keys):
            ended = self._run(statements.RUN_ENDS)
        if ended < count:
            self._number(statements.RUNS_WITHOUT_BEGINNING)
        if self._has_open_steps:
            self._bring_up("open_step", "run_id", keys)
            self._run(statements.ENDED_RUNS_LEAVE_STEPS)

    def _bring_up(self, table: str, column: str, keys: str) -> int:
        """Bring the rows with these keys up from the file into the layer, unless they are there; give their number."""
        if column == "id" and "id_head" in CHANGING[table]:
            hidden = self._hide(statements.HIDE_BY_HEAD.format(table=table, keys=keys, base="{base}"))
        else:
            hidden = self._hide(statements.HIDE.format(table=table, condition=f"{column} IN ({keys})", base="{base}"))
        if hidden:
            statement = statements.BRING_UP.format(table=table, base=self._base)
            run(self._cursor, statement, {"turn": self._turn})
        return hidden

    def _hide(self, statement: str) -> int:
        """Hide rows of the file from under the layer; give their number."""
        if not self._base:
            return 0
        self._turn += 1
        return _count(run(self._cursor, statement.format(base=self._base), {"turn": self._turn}))

    def _number(self, statement: str) -> None:
        run(self._cursor, statement, {"top": self.top + 1})

    def _run(self, statement: str) -> int:
        return _count(run(self._cursor, statement))


def top_of(cursor: DuckDBPyConnection, schema: str) -> int:
    """Give the largest number that any row of a published file has; 0 for an empty one."""
    row = cursor.execute(statements.TOP.format(schema=schema)).fetchone()
    return int(row[0]) if row is not None else 0


def _count(answer: DuckDBPyConnection) -> int:
    """Give the number of rows that a statement wrote."""
    row = answer.fetchone()
    return int(row[0]) if row is not None else 0


def _damage(batch: Batch, index: int) -> Damage:
    return Damage(batch.logs[batch.spans[index] - 1], batch.places[index], batch.lines[index].encode())
