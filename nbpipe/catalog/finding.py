"""Finding which rows are meant, among millions, before any of them is read.

A row has many columns, and to read them all for rows that are then thrown away is what costs. So
a page of the newest is found by number first: the newest few thousand rows are looked through,
and only if they hold too few that fit, more of them. Ids are found by their heads.

A number holds for one moment only: a row that is not published yet may get another when it is. So
whoever finds rows by number reads them in the same `Moment`.

This module writes and runs statements over the views of the schema `keyed`. What the rows mean,
and what a name stands for, is up to who asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbpipe.catalog.heads import head_of, heads_from
from nbpipe.catalog.questions import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from duckdb import DuckDBPyConnection

# Rows are numbered with gaps: a run takes two numbers or more. The first window holds a page of any usual listing.
_WINDOWS = (2**13, 2**17)

_ONE = "SELECT {columns} FROM keyed.{view} WHERE seq = $seq"
_SOME = "SELECT {columns} FROM keyed.{view} WHERE seq IN (SELECT unnest($seqs::BIGINT[])) ORDER BY seq DESC"
_WITHIN = """
SELECT seq FROM keyed.{view} WHERE seq > $above AND seq <= $upto AND {fits} ORDER BY seq DESC LIMIT $limit
"""


class Moment:
    """Questions that belong together: rows keep their numbers from the first to the last.

    Args:
        cursor: On which they are asked; what others publish meanwhile it does not see.
    """

    def __init__(self, cursor: DuckDBPyConnection) -> None:
        self._cursor = cursor

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Answer a statement of ours; see `Catalog.rows`."""
        return rows(self._cursor, sql, parameters or {})

    def found(
        self, view: str, columns: str, find: str, parameters: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Find rows by number, then read them, newest first; see `Catalog.found`."""
        return self.read(view, columns, [row["seq"] for row in self.rows(find, parameters)])

    def newest(
        self,
        view: str,
        columns: str,
        fits: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        limit: int,
        before: int | None = None,
    ) -> list[dict[str, Any]]:
        """Read the newest rows that fit, newest first, without reading the older ones.

        Args:
            view: `runs` or `artifacts`.
            columns: What to read of it.
            fits: A condition of ours on the columns of the keyed view. It may speak of `$above` and `$upto`: all rows
                it is asked of have larger numbers than the one, and none larger than the other.
            parameters: What it binds.
            limit: How many are wanted.
            before: Only rows with smaller numbers than this one, which was found in this moment.

        Raises:
            CatalogError: The catalog cannot be read.
        """
        numbers = _newest(self._cursor, view, fits, parameters or {}, limit=limit, before=before)
        return self.read(view, columns, numbers)

    def read(self, view: str, columns: str, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Read the rows with numbers that were found in this moment, newest first."""
        if not numbers:
            return []
        if len(numbers) == 1:
            return self.rows(_ONE.format(columns=columns, view=view), {"seq": numbers[0]})
        return self.rows(_SOME.format(columns=columns, view=view), {"seqs": list(numbers)})


def near(view: str, column: str) -> str:
    """Write the beginning of a statement that reads, as `near`, the rows of a keyed view with one head.

    The statement binds `$head`, and compares the text as well: two texts may share a head.

    Args:
        view: A view of the schema `keyed`.
        column: Its column of heads.
    """
    # Materialized, or the engine would look at the texts of all rows in the same breath.
    return f"WITH near AS MATERIALIZED (FROM keyed.{view} WHERE {column} = $head)"


def by_head(**named: str) -> dict[str, Any]:
    """Give one text, by the name under which a statement binds it, with its `head`."""
    ((_, text),) = named.items()
    return {**named, "head": head_of(text)}


def ids_like(beginning: str) -> dict[str, int]:
    """Give `low` and `high`: between them lie the heads of all ids that begin so, or are so."""
    low, high = heads_from(beginning)
    return {"low": low, "high": high}


def _newest(
    cursor: DuckDBPyConnection,
    view: str,
    fits: str,
    parameters: Mapping[str, Any],
    *,
    limit: int,
    before: int | None,
) -> list[int]:
    statement = _WITHIN.format(view=view, fits=fits)
    found: list[int] = []
    for above, upto in _windows(_top(cursor, view) if before is None else before - 1):
        asked = {**parameters, "above": above, "upto": upto, "limit": limit - len(found)}
        found += [row["seq"] for row in rows(cursor, statement, asked)]
        if len(found) >= limit:
            break
    return found


def _top(cursor: DuckDBPyConnection, view: str) -> int:
    return int(rows(cursor, f"SELECT top FROM keyed.top_of_{view}", {})[0]["top"])  # noqa: S608 — a constant of ours


def _windows(upto: int) -> Iterator[tuple[int, int]]:
    for width in _WINDOWS:
        if upto <= width:
            break
        yield upto - width, upto
        upto -= width
    yield -1, upto
