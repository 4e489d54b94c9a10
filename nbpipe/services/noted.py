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
from nbpipe.records.metadata import encode, inner_of
from nbpipe.records.refs import Kind
from nbpipe.services.filters import Conditions, all_of, checked_text
from nbpipe.services.where import parse_where

# All comparisons in one pass: to find out which of a million numbers belong to the window is what costs.
METRICS_HOLD = """id IN (
    SELECT entity_id FROM metrics WHERE entity_kind = $noted_kind AND key IN ({keys}) AND {ids}
    GROUP BY entity_id HAVING {conditions})"""
# What is no number any more has a newest row without a value, for which no comparison holds.
NEWEST_OF = "arg_max_null(value, logged_at) FILTER (key = {key})"
# What was logged last on the way to a value settles it: the value itself, or something else than a dict where one
# would have to stand, and then nothing is there. A line that leaves it open, since a dict on the way does not have
# the next key, says nothing. Only of entities of which some line may hold the value are all lines read as JSON,
# which is what costs.
METADATA_IS = """id IN (
    WITH near AS MATERIALIZED (
        SELECT entity_head, value FROM keyed.metadata
        WHERE entity_kind = $noted_kind AND key IN ({keys}) AND {heads}),
    likely AS MATERIALIZED (SELECT DISTINCT entity_head FROM near WHERE contains(value::VARCHAR, $hint_{n})),
    lines AS MATERIALIZED (
        SELECT entity_id, key, value, logged_at FROM keyed.metadata
        WHERE entity_kind = $noted_kind AND key IN ({keys}) AND entity_head IN (FROM likely))
    {ways})"""
WAY = """
    SELECT entity_id FROM (
        SELECT entity_id, arg_max_null(reached, logged_at)::JSON AS found FROM (
            SELECT entity_id, logged_at, {reached} AS reached FROM lines WHERE key = $key_{n})
        WHERE reached IS DISTINCT FROM 'open' GROUP BY entity_id)
    WHERE {equals}"""
# One key further each time; `open` is no JSON, so it is no value. A dict that has a key which would be taken for a
# type is written as one within. Where there are neither types nor lists, as mostly, all of the way is gone at once.
REACHED = """
    CASE WHEN NOT contains(value::VARCHAR, '$type') AND NOT contains(value::VARCHAR, '[')
              AND json_exists(value, $whole_{n})
    THEN json_extract(value, $whole_{n})::VARCHAR
    ELSE list_reduce($path_{n}::VARCHAR[], lambda here, key: CASE
        WHEN here = 'open' THEN here
        WHEN here IS NULL OR json_type(here) <> 'OBJECT' THEN NULL
        WHEN NOT json_exists(here, '/$type') THEN coalesce(json_extract(here, key)::VARCHAR, 'open')
        WHEN json_extract_string(here, '/$type') = 'dict'
            THEN coalesce(json_extract(here, '/value' || key)::VARCHAR, 'open')
    END, value::VARCHAR) END"""
AT_ONCE = "value::VARCHAR"
# The engine writes both sides anew, so that blanks and ways of escaping do not count.
EQUALS = "found::VARCHAR = json_extract($wanted_{v}::JSON, '/w')::VARCHAR"
EQUALS_NUMBER = """
    json_type(found) IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE') AND
    (found::VARCHAR = json_extract($wanted_{v}::JSON, '/w')::VARCHAR
     OR (found::DOUBLE = $number_{v} AND (json_type(found) = 'DOUBLE' OR NOT $is_whole_{v})))"""
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
    conditions = [*_metric_conditions(where, ids), *_metadata_conditions(metadata, heads)]
    return all_of(*conditions, Conditions("true", {"noted_kind": kind.value})) if conditions else Conditions()


def _metric_conditions(where: str | Sequence[str] | None, ids: str) -> list[Conditions]:
    comparisons = parse_where(where)
    if not comparisons:
        return []
    keys = [f"$metric_{n}" for n, _ in enumerate(comparisons)]
    holding = [
        comparison.condition(NEWEST_OF.format(key=key), f"$bound_{n}")
        for n, (key, comparison) in enumerate(zip(keys, comparisons, strict=True))
    ]
    sql = METRICS_HOLD.format(keys=", ".join(keys), ids=ids, conditions=" AND ".join(holding))
    bound = {f"bound_{n}": comparison.bound for n, comparison in enumerate(comparisons)}
    return [Conditions(sql, {**{f"metric_{n}": one.metric for n, one in enumerate(comparisons)}, **bound})]


def _metadata_conditions(metadata: Mapping[Any, Any] | None, heads: str) -> list[Conditions]:
    if metadata is None:
        return []
    if not isinstance(metadata, Mapping):
        raise BadValueError(f"metadata takes a dict, as in {{'dataset.rows': 344}}, not {shorten(metadata)}.")
    wanted = [leaf for key, value in metadata.items() for leaf in _leaves(*_asked(key, value))]
    if len(wanted) > _MOST_VALUES:
        raise BadValueError(f"metadata asks for {len(wanted)} values; at most {_MOST_VALUES} can be asked at once.")
    return [_metadata_is(n, paths, value, heads) for n, (paths, value) in enumerate(wanted)]


Path = tuple[str, ...]


def _asked(key: object, value: object) -> tuple[tuple[Path, ...], Any]:
    """Read a value that is asked for: where it stands, and the value as it is written."""
    paths = _path(key)
    # Under the caller's own name: what cannot be asked for is refused by it.
    (written,) = encode({".".join(paths[0]): value}).values()
    return paths, written


def _path(key: object) -> tuple[Path, ...]:
    """Read where a value stands: as nested as the dots say, or, if there are any, in one key that holds them."""
    if isinstance(key, tuple) and key and all(isinstance(part, str) and part for part in key):
        return (tuple(checked_text("metadata", part) for part in key),)
    if not isinstance(key, str) or not key:
        raise BadValueError(f"metadata key {shorten(key)} is no path; write it as in 'dataset.rows'.")
    checked_text("metadata", key)
    parts = tuple(key.split("."))
    return ((key,),) if len(parts) == 1 or not all(parts) else (parts, (key,))


def _leaves(paths: tuple[Path, ...], value: Any) -> Iterator[tuple[tuple[Path, ...], Any]]:
    inner = inner_of(value)
    if inner is None:
        yield paths, value
    elif not inner:
        raise BadValueError(f"metadata asks for nothing under {shorten('.'.join(paths[0]))}: its dict is empty.")
    else:
        for key, item in inner.items():
            yield from _leaves(tuple((*path, key) for path in paths), item)


def _metadata_is(v: int, paths: tuple[Path, ...], value: Any, heads: str) -> Conditions:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    parameters: dict[str, Any] = {f"hint_{v}": _hint(value), f"wanted_{v}": json.dumps({"w": value})}
    if is_number:
        parameters |= {f"number_{v}": float(value), f"is_whole_{v}": isinstance(value, int)}
    equals = (EQUALS_NUMBER if is_number else EQUALS).format(v=v)
    ways = []
    for place, path in enumerate(paths):
        n = f"{v}_{place}"
        parameters[f"key_{n}"] = path[0]
        if len(path) > 1:
            steps = list(map(_pointer, path[1:]))
            parameters |= {f"path_{n}": steps, f"whole_{n}": "".join(steps)}
        ways.append(WAY.format(n=n, reached=REACHED.format(n=n) if len(path) > 1 else AT_ONCE, equals=equals))
    keys = ", ".join(f"$key_{v}_{place}" for place, _ in enumerate(paths))
    return Conditions(METADATA_IS.format(n=v, keys=keys, heads=heads, ways=" UNION ALL ".join(ways)), parameters)


def _pointer(key: str) -> str:
    """Write where a key's value stands in its dict."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _hint(value: Any) -> str:
    """Give a text that stands in every line that logs `value`, however JSON is written; `""` if that cannot be said."""
    if isinstance(value, str):
        return value if set(value) <= _PLAIN else ""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float) and abs(value) < 1e15 and value == math.trunc(value) and value:
        return str(abs(int(value)))
    return ""
