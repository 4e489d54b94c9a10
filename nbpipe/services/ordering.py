"""Listings in another order than the newest first: by a column, or by a metric.

`"-duration_s"` and `"duration_s desc"` say the same. What is no column is a metric; what has none of
that name is left out, and one that nothing has is refused. What has no value in a column comes last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from nbpipe.catalog.finding import Moment
from nbpipe.errors import BadValueError, nearest
from nbpipe.records.base import shorten
from nbpipe.records.refs import Kind
from nbpipe.services.filters import Conditions, checked_text

BY_COLUMN = """
    SELECT seq FROM keyed.{view} WHERE {fits} ORDER BY {column} {direction} NULLS LAST, seq DESC LIMIT $most
"""
BY_METRIC = """
    SELECT seq FROM (FROM keyed.{view} WHERE {fits}) AS fitting JOIN (
        SELECT entity_id, arg_max_null(value, logged_at) AS ranked FROM metrics
        WHERE entity_kind = $ranked_kind AND key = $ranked_key GROUP BY entity_id) AS noted ON noted.entity_id = id
    WHERE ranked IS NOT NULL ORDER BY isnan(ranked), ranked {direction}, seq DESC LIMIT $most
"""
METRICS = "SELECT DISTINCT key FROM metrics WHERE entity_kind = $kind LIMIT 2000"
HAS_METRIC = "SELECT 1 AS one FROM metrics WHERE entity_kind = $kind AND key = $key LIMIT 1"
_DIRECTIONS = {"asc": "ASC", "desc": "DESC"}
_ALL = 2**62


@dataclass(frozen=True, slots=True)
class Order:
    """By what, and which way.

    Attributes:
        by: The name of a column or of a metric.
        direction: `ASC` or `DESC`.
    """

    by: str
    direction: str


def parse_order(order_by: str, sortable: Collection[str] | None = None) -> Order:
    """Read an order as a caller says it.

    Args:
        order_by: What the caller says.
        sortable: What there is to order by, where that is all.

    Raises:
        BadValueError: No text, an empty one, or something else than what there is.
    """
    order = _read(order_by)
    if sortable is not None and order.by not in sortable:
        raise _nothing_to_order_by(order.by, sortable)
    return order


def _read(order_by: str) -> Order:
    text = checked_text("order_by", order_by).strip() if isinstance(order_by, str) else ""
    words = text.rsplit(None, 1)
    direction = _DIRECTIONS.get(words[-1].casefold()) if len(words) == 2 else None
    if direction is not None:
        return Order(words[0], direction)
    name = text.removeprefix("-").strip()
    if not name:
        raise BadValueError(
            f"order_by={shorten(order_by)} names nothing to order by; write it as in '-started' or 'accuracy desc'."
        )
    return Order(name, "DESC" if text.startswith("-") else "ASC")


def check_one_order(order_by: str | None, before: object) -> None:
    """Refuse a page of the newest in another order.

    Raises:
        BadValueError: Both are asked for.
    """
    if order_by is not None and before is not None:
        raise BadValueError("before= goes by age: leave order_by= out, or ask for as many as you need with limit=.")


def in_order(
    moment: Moment,
    kind: Kind,
    *,
    view: str,
    columns: str,
    fits: Conditions,
    order_by: str,
    sortable: Collection[str],
    limit: int | None,
) -> list[Mapping[str, Any]]:
    """Read rows in an order.

    Args:
        moment: Of which moment.
        kind: Their kind.
        view: Their view of the schema `keyed`, which has the columns `seq` and `id`.
        columns: What to read.
        fits: Conditions on the rows; they may not speak of a window.
        order_by: As `parse_order` reads it.
        sortable: The columns by which rows can be ordered: constants of ours.
        limit: How many at most; `None` for all.

    Raises:
        BadValueError: There is neither a column nor a metric of that name.
    """
    order = parse_order(order_by)
    asked = {**fits.parameters, "most": limit or _ALL}
    column = next((name for name in sortable if name == order.by), None)
    if column is None:
        asked |= {"ranked_kind": kind.value, "ranked_key": order.by}
        statement = BY_METRIC.format(view=view, fits=fits.sql, direction=order.direction)
    else:
        statement = BY_COLUMN.format(view=view, fits=fits.sql, column=column, direction=order.direction)
    numbers = [row["seq"] for row in moment.rows(statement, asked)]
    if column is None and not numbers:
        _check_metric(moment, kind, order.by, sortable)
    rows = {row["seq"]: row for row in moment.read(view, f"seq, {columns}", numbers)}
    # Between the two questions somebody in this process may have read in that one of them was deleted.
    return [rows[number] for number in numbers if number in rows]


def _check_metric(moment: Moment, kind: Kind, key: str, sortable: Collection[str]) -> None:
    if moment.rows(HAS_METRIC, {"kind": kind.value, "key": key}):
        return
    metrics = (row["key"] for row in moment.rows(METRICS, {"kind": kind.value}))
    raise _nothing_to_order_by(key, [*sortable, *metrics])


def _nothing_to_order_by(key: str, known: Collection[str]) -> BadValueError:
    known = [name for name in known if name != "seq"]
    near = nearest(key, known)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known[:20])}."
    return BadValueError(f"Nothing can be ordered by {shorten(key)}; {hint}")
