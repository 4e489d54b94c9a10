"""Filters by what was logged: metrics that are compared, and metadata that is equal to something.

Metadata of one thing is logged line by line and merged when it is read. What it comes to at one
path is worked out here in SQL, by the rules of `records.metadata.merge`, for thousands of things at
once. Values and paths are bound; how comparisons are written is `services.where`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.records.metadata import encode
from nbpipe.records.refs import Kind
from nbpipe.services.filters import Conditions, all_of
from nbpipe.services.where import parse_where

METRIC_HOLDS = """id IN (
    SELECT entity_id FROM (
        SELECT entity_id, arg_max(value, logged_at) AS value FROM metrics
        WHERE entity_kind = $noted_kind AND key = $metric_{n} AND {ids} GROUP BY entity_id)
    WHERE {condition})"""
# What was logged last on the way to a value settles it: the value itself, or something else than a
# dict where one would have to stand. Only of entities of which some line may hold the value are all
# lines read as JSON, which is what costs.
METADATA_IS = """id IN (
    WITH likely AS MATERIALIZED (
        SELECT DISTINCT entity_head FROM keyed.metadata
        WHERE entity_kind = $noted_kind AND key = $key_{n} AND contains(value::VARCHAR, $hint_{n}) AND {heads}),
    lines AS MATERIALIZED (
        SELECT entity_id, value, logged_at FROM keyed.metadata
        WHERE entity_kind = $noted_kind AND key = $key_{n} AND entity_head IN (FROM likely))
    SELECT entity_id FROM (
        SELECT entity_id, arg_max_null(json_extract(value, $path_{n}), logged_at) AS found FROM lines
        WHERE json_exists(value, $path_{n}) OR {is_replaced} GROUP BY entity_id)
    WHERE {equals})"""
IS_REPLACED = """
    len(list_filter(json_type(value, $above_{n}::VARCHAR[]), lambda kind: kind <> 'OBJECT')) > 0
    OR list_contains(json_exists(value, $typed_{n}::VARCHAR[]), true)"""
# The engine writes both sides anew, so that blanks and ways of escaping do not count.
EQUALS = "found::VARCHAR = json_extract($wanted_{n}::JSON, '/w')::VARCHAR"
EQUALS_NUMBER = """
    json_type(found) IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE') AND
    (found::VARCHAR = json_extract($wanted_{n}::JSON, '/w')::VARCHAR
     OR (found::DOUBLE = $number_{n} AND (json_type(found) = 'DOUBLE' OR NOT $is_whole_{n})))"""
IDS_IN_WINDOW = "entity_id IN (SELECT id FROM keyed.{view} WHERE seq > $above AND seq <= $upto)"
HEADS_IN_WINDOW = "entity_head IN (SELECT id_head FROM keyed.{view} WHERE seq > $above AND seq <= $upto)"

_MOST_VALUES = 20
_PLAIN = frozenset(map(chr, range(32, 127))) - set('"\\/')


def notes(
    kind: Kind,
    *,
    where: str | Sequence[str] | None = None,
    metadata: Mapping[Any, Any] | None = None,
    view: str = "",
) -> Conditions:
    """Say which entities are asked for by what was logged about them: conditions on a column `id`.

    Args:
        kind: The kind of the entities.
        where: Comparisons of metrics, see `services.where`.
        metadata: Values by dotted path; a key that holds a dot itself is told in a tuple of keys. Numbers are
            equal as numbers; a bool, a text and a number never are. Of a nested dict each value must be there.
        view: The view of the schema `keyed` of which `Catalog.newest` asks; none where no window is looked through.

    Raises:
        BadValueError: No comparison, a value that is no metadata, or too many.
    """
    ids, heads = (IDS_IN_WINDOW.format(view=view), HEADS_IN_WINDOW.format(view=view)) if view else ("true", "true")
    conditions = []
    for n, comparison in enumerate(parse_where(where)):
        sql = METRIC_HOLDS.format(n=n, ids=ids, condition=comparison.condition(f"$bound_{n}"))
        conditions.append(Conditions(sql, {f"metric_{n}": comparison.metric, f"bound_{n}": comparison.bound}))
    conditions += _metadata_conditions(metadata, heads)
    if not conditions:
        return Conditions()
    return all_of(*conditions, Conditions("$noted_kind IS NOT NULL", {"noted_kind": kind.value}))


def _metadata_conditions(metadata: Mapping[Any, Any] | None, heads: str) -> list[Conditions]:
    if metadata is None:
        return []
    if not isinstance(metadata, Mapping):
        raise BadValueError(f"metadata takes a dict, as in {{'dataset.rows': 344}}, not {shorten(metadata)}.")
    wanted = [leaf for key, value in metadata.items() for leaf in _leaves(_path(key), encode({"w": value})["w"])]
    if len(wanted) > _MOST_VALUES:
        raise BadValueError(f"metadata asks for {len(wanted)} values; at most {_MOST_VALUES} can be asked at once.")
    found = []
    for place, (paths, value) in enumerate(wanted):
        ways = [_metadata_is(f"{place}_{n}", path, value, heads) for n, path in enumerate(paths)]
        parameters = {name: bound for way in ways for name, bound in way.parameters.items()}
        found.append(Conditions(" OR ".join(way.sql for way in ways), parameters))
    return found


Path = tuple[str, ...]


def _path(key: object) -> tuple[Path, ...]:
    """Read where a value stands: as nested as the dots say, or, if there are any, in one key that holds them."""
    if isinstance(key, tuple) and key and all(isinstance(part, str) and part for part in key):
        return (key,)
    if not isinstance(key, str) or not key:
        raise BadValueError(f"metadata key {shorten(key)} is no path; write it as in 'dataset.rows'.")
    parts = tuple(key.split("."))
    return ((key,),) if len(parts) == 1 or not all(parts) else (parts, (key,))


def _leaves(paths: tuple[Path, ...], value: Any) -> Iterator[tuple[tuple[Path, ...], Any]]:
    if not isinstance(value, dict) or "$type" in value:
        yield paths, value
    elif not value:
        raise BadValueError(f"metadata asks for nothing under {shorten('.'.join(paths[0]))}: its dict is empty.")
    else:
        for key, inner in value.items():
            yield from _leaves(tuple((*path, key) for path in paths), inner)


def _metadata_is(n: str, path: Path, value: Any, heads: str) -> Conditions:
    pointers = [
        "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in path[1:k]) for k in range(1, len(path) + 1)
    ]
    *above, pointer = pointers
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    parameters: dict[str, Any] = {
        f"key_{n}": path[0],
        f"path_{n}": pointer or "$",
        f"hint_{n}": _hint(value),
        f"wanted_{n}": json.dumps({"w": value}),
    }
    if above:
        parameters |= {f"above_{n}": [one or "$" for one in above], f"typed_{n}": [f"{one}/$type" for one in above]}
    if is_number:
        parameters |= {f"number_{n}": float(value), f"is_whole_{n}": isinstance(value, int)}
    sql = METADATA_IS.format(
        n=n,
        heads=heads,
        # The value of the key itself is replaced by whatever is logged.
        is_replaced=IS_REPLACED.format(n=n) if above else "true",
        equals=(EQUALS_NUMBER if is_number else EQUALS).format(n=n),
    )
    return Conditions(sql, parameters)


def _hint(value: Any) -> str:
    """Give a text that stands in every line that logs `value`, however JSON is written; `""` if that cannot be said."""
    if isinstance(value, str):
        return value if set(value) <= _PLAIN else ""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float) and abs(value) < 1e15 and value == math.trunc(value) and value:
        return str(abs(int(value)))
    return ""
