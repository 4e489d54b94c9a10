"""Finding which rows are meant, among millions, before any of them is read.

A row has many columns, and to read them all for rows that are then thrown away is what costs. So
a page of the newest is found by number first: the newest few thousand rows are looked through,
and only if they hold too few that fit, more of them. Ids are found by their heads.

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


def read(cursor: DuckDBPyConnection, view: str, columns: str, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Read the rows with these numbers, newest first."""
    if not numbers:
        return []
    if len(numbers) == 1:
        return rows(cursor, _ONE.format(columns=columns, view=view), {"seq": numbers[0]})
    return rows(cursor, _SOME.format(columns=columns, view=view), {"seqs": list(numbers)})


def newest(
    cursor: DuckDBPyConnection,
    view: str,
    fits: str,
    parameters: Mapping[str, Any],
    *,
    limit: int,
    before: int | None = None,
) -> list[int]:
    """Find the numbers of the newest rows that fit, newest first; see `Catalog.newest`."""
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
