"""What is logged, as statements that turn lines into rows: metadata key by key, and the numbers in it as metrics.

Metadata of one thing is logged line by line and merged when it is read, by the rules of
`records.metadata`. Metrics are told from it as it comes, so that they can be asked for by the
thousands: each number with its instant, of which the newest counts. A number that was replaced by
something else has a row without a value, from that instant on.

`{metadata}` is where lines that were taken in before are found. `catalog.fold` says which statement
is run when.
"""

from __future__ import annotations

PARSE_METADATA = """
CREATE OR REPLACE TEMP TABLE new_metadata AS
SELECT nth, body.kind AS entity_kind, id AS entity_id, body."values" AS entries, "at",
       nullif(body.step_id, '') AS step_id, run
FROM (SELECT nth, id, run, "at",
             json_transform(b, '{"kind": "VARCHAR", "values": "JSON", "step_id": "VARCHAR"}') AS body
      FROM new_line WHERE k = 'metadata' AND n IS NULL)
WHERE json_type(body."values") = 'OBJECT'
"""

PARSE_STEP_METADATA = """
INSERT INTO new_metadata
SELECT nth, entry.kind, coalesce(nullif(entry.id, ''), step_id), entry."values", "at", step_id, run_id
FROM (SELECT nth, id AS step_id, run_id, "at", unnest(metadata) AS entry FROM new_step)
WHERE entry.kind <> '' AND json_type(entry."values") = 'OBJECT'
"""

# A table function over a column would carry each whole text beside each of its values: that is the square of its size.
_AS_MAP = """'"MAP(VARCHAR, JSON)"'"""
PARSE_ENTRIES = f"""
CREATE OR REPLACE TEMP TABLE new_entry AS
SELECT nth, entity_kind, entity_id, "at", step_id, entry.key, coalesce(entry.value, 'null'::JSON) AS value,
       coalesce(json_type(entry.value), 'NULL') AS type, entity_head, run_head
FROM (SELECT nth, entity_kind, entity_id, "at", step_id, rows.head_of(entity_id) AS entity_head,
             rows.head_of(run) AS run_head, unnest(map_entries(json_transform(entries, {_AS_MAP}))) AS entry
      FROM new_metadata)
"""  # noqa: S608 — made of constants

METADATA = """
INSERT INTO rows.metadata BY NAME
SELECT entity_kind, entity_id, key, value, "at", step_id, entity_head, run_head FROM new_entry
"""

# What is to be done: whether there are dicts, of how many things it is, and whether something was known of those.
LOOK = """
SELECT count(*) FILTER (type = 'OBJECT') > 0, count(DISTINCT entity_head),
       (SELECT count(*) FROM {metadata} WHERE entity_head IN (SELECT entity_head FROM new_entry)) > 0
FROM new_entry
"""

# The rule is `records.metadata.metrics_in`: a number is a metric unless it stands in a list or within a typed leaf;
# of typed leaves floats and sizes are numbers, and a dict is a dict.
_PLAIN_NUMBERS = "('BIGINT', 'UBIGINT', 'DOUBLE')"
_NUMBER = f"""
    try_cast(CASE WHEN type IN {_PLAIN_NUMBERS} THEN value->>'$'
                  WHEN type = 'OBJECT' AND value->>'$."$type"' IN ('float', 'size') THEN value->>'value'
             END AS DOUBLE)"""
_IS_DICT = """type = 'OBJECT' AND coalesce(value->>'$."$type"', 'dict') = 'dict'"""
_INNER = """CASE WHEN value->>'$."$type"' IS NULL THEN value ELSE value->'value' END"""
PLAIN_METRICS = f"""
INSERT INTO rows.metric BY NAME
SELECT entity_kind, entity_id, key, try_cast(value::VARCHAR AS DOUBLE) AS value, "at"
FROM new_entry WHERE type IN {_PLAIN_NUMBERS}
"""  # noqa: S608 — made of constants


def _nodes(table: str, *, also: str, path: str, inner_path: str) -> str:
    """Write the recursion that walks through everything in the dicts of a table of entries, which are of it too.

    Args:
        table: The table, and which of its rows.
        also: Further columns of it, which each node keeps.
        path: Where an entry stands.
        inner_path: Where something in a dict stands, by the `path` of the dict and `inside.key`.
    """
    return f"""
    node AS (
        SELECT entity_kind, entity_id, "at", {also} {path} AS path, value, type FROM {table}
        UNION ALL
        SELECT entity_kind, entity_id, "at", {also} {inner_path}, inside.value,
               coalesce(json_type(inside.value), 'NULL')
        FROM (SELECT entity_kind, entity_id, "at", {also} path,
                     unnest(map_entries(json_transform({_INNER}, {_AS_MAP}))) AS inside
              FROM node WHERE {_IS_DICT}))"""  # noqa: S608


NESTED_METRICS = f"""
INSERT INTO rows.metric BY NAME
WITH RECURSIVE {_nodes("new_entry WHERE type = 'OBJECT'", also="", path="key", inner_path="path || '.' || inside.key")},
number AS (SELECT entity_kind, entity_id, "at", path AS key, {_NUMBER} AS value FROM node)
FROM number WHERE value IS NOT NULL
"""  # noqa: S608

# What is logged under the same key later may replace a number by something that is none, or what the number stands in.
# The metric is lost then, and a row without a value says since when. Lines need not come in the order of time. Which
# may be concerned is told by numbers alone, for there may be millions.
NOTED_AGAIN = f"""
CREATE OR REPLACE TEMP TABLE noted_again AS
WITH line AS NOT MATERIALIZED (
    SELECT entity_head, hash(entity_kind, key) AS under, entity_kind, entity_id, key, value, type, "at", true AS is_new
    FROM new_entry
    UNION ALL
    SELECT entity_head, hash(entity_kind, key), entity_kind, entity_id, key, value,
           coalesce(json_type(value), 'NULL'), "at", false
    FROM {{metadata}} WHERE entity_head IN (SELECT entity_head FROM new_entry)
), again AS MATERIALIZED (
    SELECT entity_head, under FROM line GROUP BY entity_head, under
    HAVING count(*) > 1 AND bool_or(is_new) AND bool_or(type NOT IN {_PLAIN_NUMBERS})
           AND bool_or(type = 'OBJECT' OR type IN {_PLAIN_NUMBERS}))
SELECT entity_kind, entity_id, key, value, type, "at", is_new FROM line JOIN again USING (entity_head, under)
"""  # noqa: S608 — made of constants
# By the rule of `records.metadata.merge`, a line takes a number that stood there before if it says something else
# there, or has anything but a dict where one would have to be.
LOST_METRICS = f"""
INSERT INTO rows.metric BY NAME
WITH RECURSIVE {_nodes("noted_again", also="is_new,", path="[key]", inner_path="list_append(path, inside.key)")},
said AS MATERIALIZED (
    SELECT entity_kind, entity_id, path, "at", is_new, {_IS_DICT} AS is_dict, {_NUMBER} IS NOT NULL AS is_number
    FROM node),
number AS (
    SELECT entity_kind, entity_id, path, min("at") FILTER (is_new) AS first_new, min("at") FILTER (NOT is_new) AS first
    FROM said WHERE is_number GROUP BY entity_kind, entity_id, path),
way AS (
    SELECT entity_kind, entity_id, path AS number, first_new, first, unnest(list_transform(
               range(1, len(path) + 1), lambda depth: path[:depth])) AS path
    FROM number)
SELECT entity_kind, entity_id, array_to_string(number, '.') AS key, NULL::DOUBLE AS value, "at"
FROM way JOIN said USING (entity_kind, entity_id, path)
WHERE "at" > least(first, first_new) AND CASE WHEN path = number THEN NOT is_number ELSE NOT is_dict END
  AND (is_new OR (first_new < "at" AND NOT coalesce(first < "at", false)))
"""  # noqa: S608
