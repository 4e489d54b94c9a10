"""Pages of the catalog: any noun, filtered, sorted and counted by the engine, some rows at a time.

Which rows a page shows is found first, by their keys and what they are sorted by alone; their
facts, tags and metrics are then asked for all rows of the page at once. So a page costs four
statements, however many rows there are and whatever hangs on them.

A page beyond the last is the last one, since rows come and go between two questions; the answer
says which page it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nbpipe.catalog.finding import Moment
from nbpipe.catalog.heads import head_of
from nbpipe.catalog.questions import frame_of
from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.services.browsing_columns import Column, Form, Noun, unknown
from nbpipe.services.browsing_conditions import ALL, conditions, metric_kind
from nbpipe.services.browsing_nouns import noun_named
from nbpipe.services.browsing_questions import FARTHEST, METRIC, Question
from nbpipe.services.recorded import with_ends
from nbpipe.services.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

_USUAL_METRICS = 3
# What a frame's column holds, by how it is written.
_KINDS = {
    Form.TEXT: "text",
    Form.ID: "text",
    Form.STATUS: "text",
    Form.NUMBER: "int",
    Form.SIZE: "int",
    Form.DURATION: "float",
    Form.INSTANT: "instant",
    Form.FLAG: "bool",
    Form.VALUES: "data",
}
_NUMBER = "seq"

_FOUND = """
WITH fit AS {kept} (
    SELECT it.{key} AS key, {sorted} AS sorted, {newest} AS newest FROM {source} AS it {joined} WHERE {fits}),
page AS (SELECT key, sorted, newest FROM fit ORDER BY {order} LIMIT $size OFFSET $offset)
SELECT total, key FROM (SELECT count(*) AS total FROM fit) LEFT JOIN page ON true ORDER BY {order}
"""
_LATEST = """
LEFT JOIN (
    SELECT entity_id, arg_max_null(value, logged_at) AS value FROM metrics
    WHERE entity_kind = $metric_kind AND key = $sorted_by GROUP BY entity_id) AS latest ON latest.entity_id = it.{id}
"""
# Of numbers, one that is none counts as missing: the engine would take it for the largest.
_LATEST_VALUE = "CASE WHEN isnan(latest.value) THEN NULL ELSE latest.value END"
_ROWS = "SELECT it.{key} AS key, it.{id} AS identity, {columns} FROM {source} AS it WHERE it.{key} IN ({keys})"
_TAGS = """
SELECT entity_id, tag FROM keyed.tags
WHERE entity_head IN (SELECT unnest($heads::BIGINT[])) AND entity_kind = $kind
ORDER BY tagged_at, tag
"""
_METRICS = """
WITH known AS MATERIALIZED (
    SELECT entity_id, key, arg_max_null(value, logged_at) AS value FROM metrics
    WHERE entity_kind = $kind AND entity_id IN (SELECT unnest($ids::VARCHAR[])) {named} GROUP BY entity_id, key
    HAVING arg_max_null(value, logged_at) IS NOT NULL),
most AS (SELECT key, count(*) AS bearers FROM known GROUP BY key ORDER BY bearers DESC, key LIMIT $most)
SELECT entity_id, key, value FROM known JOIN most USING (key) ORDER BY bearers DESC, key
"""
_VALUES = """
SELECT DISTINCT {value} AS value FROM {source} AS it WHERE {value} IS NOT NULL AND {value} <> ''
ORDER BY value LIMIT $most
"""


@dataclass(frozen=True, slots=True)
class BrowsedRow:
    """One row of a page.

    Attributes:
        id: What the services know it by: its id, or its name where it is known by name.
        label: How a message names it.
        values: Its facts by column.
        tags: What it bears, in the order in which it got it.
        metrics: The page's metrics, as far as it has them.
        kind: What it is to tags and metadata; `None` for what bears none.
    """

    id: str
    label: str
    values: Mapping[str, Any]
    tags: tuple[str, ...]
    metrics: Mapping[str, float]
    kind: Kind | None

    @property
    def ref(self) -> EntityRef:
        """What points at it.

        Raises:
            BadValueError: Nothing does: it is no bearer of tags or metadata.
        """
        if self.kind is None:
            raise BadValueError(f"{shorten(self.label)} bears no tags and no metadata.")
        return EntityRef(self.kind, self.id)

    def as_row(self) -> dict[str, Any]:
        """Give its facts by column, its tags as a list, and each metric by its name."""
        tags = {"tags": list(self.tags)} if self.kind is not None else {}
        facts = {**self.values, **tags}
        # A metric may be called as a column is.
        return facts | {METRIC + name if name in facts else name: value for name, value in self.metrics.items()}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows.

    Attributes:
        question: What was asked, with the page that this is.
        rows: The rows, in order.
        columns: Their facts.
        metrics: The metrics shown, in order.
        total: How many rows there are on all pages.
    """

    question: Question
    rows: tuple[BrowsedRow, ...]
    columns: tuple[Column, ...]
    metrics: tuple[str, ...]
    total: int

    @property
    def number(self) -> int:
        """Which page it is, from 1."""
        return self.question.page

    @property
    def count(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // self.question.size))

    def as_rows(self) -> list[dict[str, Any]]:
        """Give each row's facts by column."""
        return [row.as_row() for row in self.rows]

    def df(self) -> pd.DataFrame:
        """Give the page as a pandas DataFrame; a metric that is called as a column has `metric:` before its name."""
        kinds = {column.name: _KINDS[column.form] for column in self.columns}
        if noun_named(self.question.noun).kind is not None:
            kinds["tags"] = "data"
        kinds |= {METRIC + name if name in kinds else name: "float" for name in self.metrics}
        return frame_of(self.as_rows(), kinds)


class BrowsingService:
    """Pages of anything that the catalog knows.

    Args:
        workspace: Where it is kept.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def page(self, question: Question) -> Page:
        """Answer a question.

        Raises:
            CatalogError: The catalog cannot be read.
        """
        noun = noun_named(question.noun)
        total = 0

        def ask() -> Sequence[Mapping[str, Any]]:
            nonlocal question, total
            with self._workspace.catalog.moment() as moment:
                keys, total = self._find(moment, noun, question)
                if not keys and total:
                    question = replace(question, page=-(-total // question.size))
                    keys, total = self._find(moment, noun, question)
                return self._read(moment, noun, keys) if keys else []

        read = with_ends(self._workspace, ask) if noun.kind is Kind.RUN else ask()
        ids = [row["identity"] for row in read]
        tags = self._tags(noun, ids)
        metrics, names = self._metrics(noun, ids, question)
        rows = tuple(_row(noun, row, tags.get(row["identity"], ()), metrics.get(row["identity"], {})) for row in read)
        return Page(question, rows, noun.columns, names, total)

    def values(self, noun: str, filter: str, *, most: int = 200) -> tuple[str, ...]:
        """Give the values to choose from for a filter; empty where only a text will do.

        Raises:
            BadValueError: There is no such noun, or it has no such filter.
        """
        known = noun_named(noun)
        if filter not in known.filters:
            raise unknown(f"{known.name} are not filtered by", filter, list(known.filters))
        asked = known.filters[filter]
        if asked.choices or not asked.values:
            return asked.choices
        sql = _VALUES.format(value=asked.values, source=known.source)
        rows = self._workspace.catalog.rows(sql, {"most": most, **known.given(self._workspace)})
        return tuple(row["value"] for row in rows)

    def _find(self, moment: Moment, noun: Noun, question: Question) -> tuple[list[Any], int]:
        """Give the keys of a page's rows, and how many rows there are in all."""
        found = conditions(noun, question.text, question.filters)
        asked = {**found.parameters, **noun.given(self._workspace)}
        joined, sorted_by = "", noun.newest
        if question.sort.startswith(METRIC):
            joined, sorted_by = _LATEST.format(id=noun.id), _LATEST_VALUE
            asked |= {"metric_kind": metric_kind(noun), "sorted_by": question.sort.removeprefix(METRIC)}
        elif question.sort:
            sorted_by = noun.column(question.sort).expression
        direction = "DESC" if question.descending else "ASC"
        is_plain = found.sql == ALL and noun.key == _NUMBER and not joined
        sql = _FOUND.format(
            # What takes thought is done once; where all rows fit, numbers are counted without looking at any.
            kept="NOT MATERIALIZED" if is_plain else "MATERIALIZED",
            key=noun.key,
            sorted=sorted_by,
            newest=noun.newest,
            source=noun.source,
            joined=joined,
            fits=found.sql,
            order=f"sorted {direction} NULLS LAST, newest DESC NULLS LAST, key",
        )
        asked |= {"size": question.size, "offset": min((question.page - 1) * question.size, FARTHEST)}
        rows = moment.rows(sql, asked)
        return [row["key"] for row in rows if row["key"] is not None], rows[0]["total"]

    def _read(self, moment: Moment, noun: Noun, keys: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        columns = ", ".join(f'{column.expression} AS "{column.name}"' for column in noun.columns)
        # Texts and numbers alike are bound, as a list of one type.
        listed = f"SELECT unnest($keys::{'BIGINT' if noun.key == _NUMBER else 'VARCHAR'}[])"
        sql = _ROWS.format(key=noun.key, id=noun.id, columns=columns, source=noun.source, keys=listed)
        asked = {"keys": list(keys), **noun.given(self._workspace)}
        found = {row["key"]: row for row in moment.rows(sql, asked)}
        # Somebody in this process may have read in meanwhile that one of them was deleted.
        return [found[key] for key in keys if key in found]

    def _tags(self, noun: Noun, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        if noun.kind is None or not ids:
            return {}
        asked = {"kind": noun.kind.value, "heads": [head_of(one) for one in ids]}
        found: dict[str, tuple[str, ...]] = {}
        for row in self._workspace.catalog.rows(_TAGS, asked):
            found[row["entity_id"]] = (*found.get(row["entity_id"], ()), row["tag"])
        return found

    def _metrics(
        self, noun: Noun, ids: Sequence[str], question: Question
    ) -> tuple[dict[str, dict[str, float]], tuple[str, ...]]:
        """Give the metrics of each row, and the names of those that are shown."""
        wanted = list(question.metrics) if question.metrics is not None else None
        if wanted is not None and question.sort.startswith(METRIC):
            wanted = list(dict.fromkeys([*wanted, question.sort.removeprefix(METRIC)]))
        if not noun.is_measured or wanted == []:
            return {}, ()
        names: list[str] = wanted or []
        found: dict[str, dict[str, float]] = {}
        if ids:
            asked: dict[str, Any] = {"kind": metric_kind(noun), "ids": list(ids), "most": _USUAL_METRICS}
            if wanted is not None:
                asked |= {"most": len(wanted), "named": wanted}
            named = "AND list_contains($named, key)" if wanted is not None else ""
            for row in self._workspace.catalog.rows(_METRICS.format(named=named), asked):
                found.setdefault(row["entity_id"], {})[row["key"]] = row["value"]
                if wanted is None and row["key"] not in names:
                    names.append(row["key"])
        return found, tuple(names)


def _row(noun: Noun, row: Mapping[str, Any], tags: tuple[str, ...], metrics: Mapping[str, float]) -> BrowsedRow:
    values = {column.name: row[column.name] for column in noun.columns}
    return BrowsedRow(row["identity"], _label(noun, values), values, tags, metrics, noun.kind)


def _label(noun: Noun, values: Mapping[str, Any]) -> str:
    """Name a row as the services do: `raw_data@7`, `iris@3`, a name, or the beginning of an id."""
    if noun.kind is Kind.MODEL_VERSION:
        return f"{values['model']}@{values['number']}"
    if noun.kind is Kind.ARTIFACT_VERSION and values["number"] is not None:
        return f"{values['name']}@{values['number']}"
    return values["name"] or str(values.get("id", ""))[:8]
