"""The statements that turn lines into rows. They are made of constants, never of values.

`$top` is the largest number that any row has so far, `{base}` the published file under a layer;
`catalog.fold` says which statement is run when.
"""

from __future__ import annotations

from nbpipe.catalog.schema import GIVEN, STATE
from nbpipe.records.state import TABLES

# A line that is sealed well and is no JSON all the same would fail every statement: it is left out here.
# The body is the last field of a line and stays the text that was written.
PARSE = """
CREATE OR REPLACE TEMP TABLE new_line AS
SELECT row_number() OVER () AS nth, * FROM (FROM (
    SELECT ord, ($logs::VARCHAR[])[span] AS log, place, unnest(json_transform(head, '{
        "n": "BIGINT", "k": "VARCHAR", "id": "VARCHAR", "run": "VARCHAR", "at": "TIMESTAMPTZ", "req": "VARCHAR",
        "by": "VARCHAR"}')), b
    FROM (SELECT ord, span, place, text[:cut - 1] || '}' AS head, text[cut + 5:-2] AS b
          FROM (SELECT *, strpos(text, ',"b":') AS cut
                FROM (SELECT generate_subscripts($lines::VARCHAR[], 1) AS ord, unnest($lines::VARCHAR[]) AS text,
                             unnest($spans::BIGINT[]) AS span, unnest($places::BIGINT[]) AS place)))
    WHERE json_valid(head) AND json_valid(b)) ORDER BY "at", ord)
"""
LEFT_OUT = """
SELECT ord FROM (SELECT unnest(range(1, $count + 1)) AS ord) WHERE ord NOT IN (SELECT ord FROM new_line) ORDER BY ord
"""

RUNS = """
INSERT INTO rows.run BY NAME
SELECT $top + line.nth AS seq, line.id, line."at" AS started, line.log, body.name, body.pipeline, body.kind,
       body.parameters, body.differences, nullif(body.snapshot_id, '') AS snapshot_id,
       nullif(body.schedule_id, '') AS schedule_id, nullif(body.parent_run_id, '') AS parent_run_id,
       nullif(body.parent_step, '') AS parent_step, nullif(body.model_version_id, '') AS model_version_id,
       body.graph, nullif(body.code, '') AS code, body.configuration,
       nullif(body.resumed_from, '') AS resumed_from, body.part, body."user", body.host, body.pid,
       rows.head_of(line.id) AS id_head, rows.head_of(body.name) AS name_head
FROM (SELECT nth, id, "at", log, json_transform(b, '{
    "name": "VARCHAR", "pipeline": "VARCHAR", "kind": "VARCHAR", "parameters": "JSON", "differences": "JSON",
    "snapshot_id": "VARCHAR", "schedule_id": "VARCHAR", "parent_run_id": "VARCHAR", "parent_step": "VARCHAR",
    "model_version_id": "VARCHAR", "graph": "VARCHAR", "code": "VARCHAR", "configuration": "JSON",
    "resumed_from": "VARCHAR", "part": "JSON",
    "user": "VARCHAR", "host": "VARCHAR", "pid": "BIGINT"}') AS body
    FROM new_line WHERE k = 'run_started' AND n IS NULL) AS line
"""

STEP_STARTS = """
INSERT INTO rows.open_step BY NAME
SELECT $top + line.nth AS seq, line.id, line.run AS run_id, line."at" AS started, line.log,
       body.node, body.step, body.attempt, body.item_of, body.item, false AS run_is_over
FROM (SELECT nth, id, run, "at", log,
             json_transform(b, '{"node": "VARCHAR", "step": "VARCHAR", "attempt": "BIGINT", "item_of": "VARCHAR",
                                 "item": "BIGINT"}') AS body
    FROM new_line WHERE k = 'step_started' AND n IS NULL) AS line
"""

PARSE_STEPS = """
CREATE OR REPLACE TEMP TABLE new_step AS
SELECT nth, id, run AS run_id, "at", rows.head_of(id) AS id_head, rows.head_of(run) AS run_head,
       unnest(json_transform(b, '{
    "node": "VARCHAR", "step": "VARCHAR", "status": "VARCHAR", "why": "VARCHAR", "key": "VARCHAR", "source": "VARCHAR",
    "started": "TIMESTAMPTZ", "ended": "TIMESTAMPTZ", "attempt": "BIGINT", "parameters": "JSON",
    "inputs": [{"name": "VARCHAR", "artifact": "VARCHAR", "digest": "VARCHAR"}], "files": "JSON", "against": "VARCHAR",
    "triggered": "JSON", "item_of": "VARCHAR", "item": "BIGINT", "items": "JSON",
    "outputs": [{"id": "VARCHAR", "name": "VARCHAR", "output": "VARCHAR", "digest": "VARCHAR", "type_name": "VARCHAR",
        "materializer": "VARCHAR", "size_bytes": "BIGINT", "inline": "JSON", "blob": "VARCHAR", "member": "VARCHAR",
        "pickled": "BOOLEAN", "preview": "JSON", "made_by": "VARCHAR"}],
    "metadata": [{"kind": "VARCHAR", "id": "VARCHAR", "values": "JSON"}],
    "error": {"type": "VARCHAR", "message": "VARCHAR", "traceback": "VARCHAR"},
    "not_carried": "JSON", "reused_from": "VARCHAR", "logs": "JSON", "displays": "JSON"}'))
FROM new_line WHERE k = 'step' AND n IS NULL
"""

STEPS = """
INSERT INTO rows.step BY NAME
SELECT $top + nth AS seq, id, run_id, node, step, status, why, key, source, started, ended, attempt, parameters,
       not_carried, to_json(inputs) AS inputs, files, nullif(against, '') AS against, triggered, logs, displays,
       item_of, item, items, CASE WHEN item IS NOT NULL THEN to_json(outputs) END AS outputs,
       error.type AS error_type, error.message AS error_message,
       error.traceback AS error_traceback, nullif(reused_from, '') AS reused_from,
       id_head, run_head
FROM new_step
"""

SOURCES = """
INSERT INTO rows.source BY NAME
SELECT id AS digest, any_value(b->'parts') AS parts FROM new_line WHERE k = 'source' AND n IS NULL
AND id NOT IN (SELECT digest FROM rows.source) GROUP BY id
"""

CLOSE_STEPS = "DELETE FROM rows.open_step WHERE id IN (SELECT id FROM new_step)"

PARSE_OUTPUTS = """
CREATE OR REPLACE TEMP TABLE new_output AS
SELECT row_number() OVER () AS nth, * FROM (
    SELECT nth AS line, place, step_id, step_head, run_id, run_head, node, status, made, unnest(output)
    FROM (SELECT nth, id AS step_id, id_head AS step_head, run_id, run_head, node, status,
                 coalesce(ended, "at") AS made, unnest(outputs) AS output,
                 generate_subscripts(outputs, 1) AS place
          FROM new_step WHERE item IS NULL)
    ORDER BY line, place)
"""

LINEAGE = """
INSERT INTO rows.lineage BY NAME
SELECT run_id, step_id, node, direction, name, artifact_id, run_head, step_head,
       rows.head_of(artifact_id) AS artifact_head
FROM (
    SELECT line, 1 AS side, place, run_id, run_head, step_id, step_head, node, 'out' AS direction, output AS name,
           id AS artifact_id
    FROM new_output
    UNION ALL
    SELECT nth, 0, place, run_id, run_head, id, id_head, node, 'in', input.name, input.artifact
    FROM (SELECT nth, run_id, run_head, id, id_head, node, unnest(inputs) AS input,
                 generate_subscripts(inputs, 1) AS place
          FROM new_step WHERE item IS NULL)
    WHERE input.artifact <> '')
ORDER BY line, side, place
"""

# A reuse may have been read before what it reuses was: then the version stands here without the run that made it.
MAKERLESS = "run_id IS NULL AND id IN (SELECT id FROM new_output WHERE status <> 'reused')"
HAS_MAKERLESS = "SELECT count(*) > 0 FROM rows.artifact WHERE run_id IS NULL"
FORGET_MAKERLESS = f"DELETE FROM rows.artifact WHERE {MAKERLESS}"  # noqa: S608 — made of constants

# A reused output is the version that was made before, perhaps in these very lines.
REUSED_OUTPUTS = "SELECT id FROM new_output WHERE status = 'reused'"
FORGET_KNOWN_OUTPUTS = """
DELETE FROM new_output WHERE status = 'reused' AND (
    id IN (SELECT id FROM rows.artifact WHERE id IN (SELECT id FROM new_output WHERE status = 'reused'))
    OR nth NOT IN (SELECT arg_min(nth, (status = 'reused', nth)) FROM new_output GROUP BY id))
"""

ARTIFACTS = """
INSERT INTO rows.artifact BY NAME
SELECT $top + nth AS seq, id, name, output, type_name, materializer, digest, size_bytes, blob, member, pickled,
       inline, preview, CASE WHEN coalesce(made_by, step_id) = step_id THEN run_id END AS run_id,
       coalesce(made_by, step_id) AS step_id, made AS created, rows.head_of(id) AS id_head,
       CASE WHEN coalesce(made_by, step_id) = step_id THEN node END AS node
FROM new_output
"""

STEPS_WITH_DISPLAYS = "SELECT id FROM new_line WHERE k = 'displays' AND n IS NULL"
DISPLAYS = """
UPDATE rows.step SET displays = later.displays
FROM (SELECT id, b->'displays' AS displays FROM new_line WHERE k = 'displays' AND n IS NULL) AS later
WHERE step.id = later.id
"""

PARSE_CHANGES = """
CREATE OR REPLACE TEMP TABLE new_change AS
SELECT row_number() OVER () AS nth, change.t, change.key, change."row" AS "row",
       coalesce(change."row"::VARCHAR, 'null') = 'null' AS gone, said, "by", through, run_id
FROM (SELECT "at" AS said, "by", k AS through, nullif(body.op.run_id, '') AS run_id, unnest(body.changes) AS change
      FROM (SELECT "at", "by", k, json_transform(b, '{
                "op": {"run_id": "VARCHAR"}, "changes": [{"t": "VARCHAR", "key": "VARCHAR", "row": "JSON"}]}') AS body
            FROM (SELECT n, "at", "by", k, b FROM new_line WHERE n IS NOT NULL ORDER BY n)))
"""
CHANGED_TABLES = """
SELECT t, count(*), bool_or(gone) FROM (SELECT t, key, bool_or(gone) AS gone FROM new_change GROUP BY t, key) GROUP BY t
"""
# What a later change says of the same row is all that counts.
OVERTAKEN = "DELETE FROM new_change WHERE nth NOT IN (SELECT max(nth) FROM new_change GROUP BY t, key)"

RUN_ENDS = """
UPDATE rows.run SET
    status = over.status, ended = over.ended, error_step = nullif(over.error_step, ''),
    error_type = nullif(over.error_type, ''), error_message = nullif(over.error_message, ''),
    model_version_id = coalesce(nullif(over.model_version_id, ''), run.model_version_id)
FROM (SELECT key AS id, unnest(json_transform("row", '{
          "status": "VARCHAR", "ended": "TIMESTAMPTZ", "error_step": "VARCHAR", "error_type": "VARCHAR",
          "error_message": "VARCHAR", "model_version_id": "VARCHAR"}'))
      FROM new_change WHERE t = 'run_state') AS over
WHERE run.id_head = rows.head_of(over.id) AND run.id = over.id
"""

# Of a run whose beginning was damaged, its end is all there is.
RUNS_WITHOUT_BEGINNING = """
INSERT INTO rows.run BY NAME
SELECT $top + nth AS seq, key AS id, "row"->>'status' AS status, try_cast("row"->>'ended' AS TIMESTAMPTZ) AS ended,
       rows.head_of(key) AS id_head
FROM new_change WHERE t = 'run_state' AND NOT gone AND key NOT IN (SELECT id FROM rows.run)
"""

ENDED_RUNS_LEAVE_STEPS = """
UPDATE rows.open_step SET run_is_over = true
WHERE run_id IN (SELECT key FROM new_change WHERE t = 'run_state' AND NOT gone)
"""

# A step may begin in a run that is over: a late cell, a second kernel.
STEPS_OF_ENDED_RUNS = """
UPDATE rows.open_step SET run_is_over = true WHERE NOT run_is_over AND run_id IN (
    SELECT id FROM {runs} WHERE status IS NOT NULL AND id IN (SELECT run_id FROM rows.open_step))
"""

RUN_NAMES = """
UPDATE rows.run SET name = given.name, name_head = rows.head_of(given.name)
FROM (SELECT key AS id, "row"->>'name' AS name FROM new_change WHERE t = 'run_name' AND NOT gone) AS given
WHERE run.id_head = rows.head_of(given.id) AND run.id = given.id
"""

NUMBERS = """
UPDATE rows.artifact SET number = given.number
FROM (SELECT key, ("row"->>'number')::BIGINT AS number FROM new_change WHERE t = 'artifact_number') AS given
WHERE artifact.id = given.key
"""


def _merge_state(table: str) -> str:
    """Write the statement that puts the changed rows of a state table in place."""
    columns = [name for name in STATE[table] if name not in ("seq", "change_key")]
    shape = ", ".join(f'"{name}": "{STATE[table][name]}"' for name in TABLES[table])
    heads = ", rows.head_of(entity_id) AS entity_head" if "entity_head" in columns else ""
    given = "".join(f'"{name}", ' for name in GIVEN.get(table, ()))
    # A run that tags itself need not be named twice.
    shorter = " REPLACE (nullif(run_id, entity_id) AS run_id)" if given else ""
    settings = ", ".join(f'"{name}" = later."{name}"' for name in columns)
    names = ", ".join(f'"{name}"' for name in ["seq", "change_key", *columns])
    values = ", ".join(f'later."{name}"' for name in ["seq", "change_key", *columns])
    return f"""
        MERGE INTO rows.{table} USING (
            SELECT *{shorter}{heads} FROM (
                SELECT $top + nth AS seq, key AS change_key, gone, {given}unnest(json_transform("row", '{{{shape}}}'))
                FROM new_change WHERE t = '{table}')) AS later ON {table}.change_key = later.change_key
        WHEN MATCHED AND later.gone THEN DELETE
        WHEN MATCHED THEN UPDATE SET {settings}
        WHEN NOT MATCHED AND NOT later.gone THEN INSERT ({names}) VALUES ({values})
    """  # noqa: S608 — names from our own constant


MERGE_STATE = {table: _merge_state(table) for table in STATE}

# Which rows go with what is deleted: by its kind, the tables, and the column that names it there. Its tags are
# taken off by changes of their own.
GO_WITH = {
    "run": {"run": "id", "step": "run_id", "open_step": "run_id", "model_link": "entity_id"},
    "artifact_version": {"artifact": "id", "model_link": "entity_id"},
}
DELETED = """
SELECT "row"->>'entity_id' FROM new_change WHERE t = 'deletion' AND NOT gone AND "row"->>'entity_kind' = '{kind}'
"""
DELETE = "DELETE FROM rows.{table} WHERE {condition}"
# What goes on while something is deleted may speak of it afterwards: a run that reuses it and bears its tags. Whatever
# goes by its name alone may really have come again.
MAY_COME_BACK = {
    "artifact": ("id", "'artifact_version'"),
    "tagging": (
        "entity_id",
        "CASE WHEN tagging.entity_kind NOT IN ('pipeline', 'artifact', 'model') THEN tagging.entity_kind END",
    ),
    "model_link": ("entity_id", "model_link.kind"),
}
DELETE_AGAIN = """
DELETE FROM rows.{table} WHERE EXISTS (
    FROM {deletions} AS gone WHERE gone.entity_id = {table}.{column} AND gone.entity_kind = {kind})
"""
KNOWN = """
SELECT (SELECT count(*) > 0 FROM {deletions}), (SELECT count(*) > 0 FROM {below}.open_step),
       (SELECT count(*) > 0 FROM {below}.artifact WHERE run_id IS NULL)
"""

HIDE = """
INSERT INTO hidden.{table}
SELECT seq, $turn FROM {base}.rows.{table}
WHERE {condition} AND seq NOT IN (SELECT seq FROM hidden.{table})
"""
# Where ids have heads, the few rows that may be meant are found by those, and only their texts compared.
HIDE_BY_HEAD = """
INSERT INTO hidden.{table}
WITH near AS MATERIALIZED (
    SELECT seq, id FROM {base}.rows.{table}
    WHERE id_head IN (SELECT rows.head_of(key) FROM ({keys}) AS wanted(key)))
SELECT seq, $turn FROM near WHERE id IN ({keys}) AND seq NOT IN (SELECT seq FROM hidden.{table})
"""
HIDE_MAKERLESS = HIDE.format(table="artifact", base="{base}", condition=MAKERLESS)
BRING_UP = """
INSERT INTO rows.{table}
FROM {base}.rows.{table} WHERE seq IN (SELECT seq FROM hidden.{table} WHERE turn = $turn)
"""
KEYS_OF_CHANGES = "SELECT key FROM new_change WHERE t = '{table}'"

TOP = "SELECT top FROM {schema}.meta"

# By which instant the rows of a table are in order, whatever the order in which the logs were read.
IN_ORDER_OF = {"run": "started", "step": "ended", "artifact": "created"}
IS_IN_ORDER = """
SELECT count(*) = 0 FROM (SELECT {instant} < lag({instant}) OVER (ORDER BY seq) AS is_late FROM rows.{table})
WHERE is_late
"""
SORT = (
    """
    CREATE TABLE rows.sorted AS
    SELECT * REPLACE ($top + row_number() OVER (ORDER BY {instant}, seq) AS seq) FROM rows.{table} ORDER BY seq
    """,
    "DROP TABLE rows.{table}",
    "ALTER TABLE rows.sorted RENAME TO {table}",
)

# The archive --------------------------------------------------------------------------------------

_ARCHIVED = 'log, place, n, k, id, run, "at", req, "by", b'
CREATE_ARCHIVED = """
CREATE TABLE archived (log VARCHAR, place BIGINT, n BIGINT, k VARCHAR, id VARCHAR, run VARCHAR, "at" TIMESTAMPTZ,
                       req VARCHAR, "by" VARCHAR, b VARCHAR)
"""
MERGE_ARCHIVE = f"INSERT INTO archived SELECT {_ARCHIVED} FROM read_parquet($path)"  # noqa: S608 — made of constants
ARCHIVE_LINES = f"INSERT INTO archived SELECT {_ARCHIVED} FROM new_line WHERE k IS NOT NULL"  # noqa: S608
LEAVE_LOGS = "DELETE FROM archived WHERE log IN (SELECT unnest($logs::VARCHAR[]))"
ARCHIVE_ENDS = """
INSERT INTO archived BY NAME SELECT unnest($logs::VARCHAR[]) AS log, unnest($ends::BIGINT[]) AS place, 'end' AS k
"""
WRITE_ARCHIVE = """
COPY (FROM archived ORDER BY n NULLS FIRST, k, "at", log, place) TO '{path}'
(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)
"""
SUM_OF_ARCHIVED = """
SELECT count(*), bit_xor(hash(log, place, n, k, id, run, "at", req, "by", b)) FROM {table}
"""
ARCHIVED_ENDS = "SELECT log, max(place) FROM read_parquet($path) WHERE k = 'end' GROUP BY log"
ARCHIVED_FACTS = """
SELECT k, id, run, b FROM read_parquet($path)
WHERE n IS NULL AND list_contains($kinds, k) AND place >= coalesce(
    (MAP_FROM_ENTRIES(list_zip($logs::VARCHAR[], $places::BIGINT[]))[log]), 0)
ORDER BY k <> 'step', "at", log, place
"""
ARCHIVED_FACTS_OF_RUN = """
SELECT k, id, run, b FROM read_parquet($path) WHERE n IS NULL AND $run IN (run, id) ORDER BY log, place
"""
ARCHIVED_OPERATIONS = "SELECT n, k, req, b FROM read_parquet($path) WHERE n IS NOT NULL ORDER BY n"
# While an archive is taken in, its lines stand where those of a batch do.
OPEN_ARCHIVE = """
DROP TABLE IF EXISTS temp.new_line;
CREATE TEMP VIEW new_line AS
SELECT file_row_number + 1 AS nth, log, n, k, id, run, "at", "by", b FROM read_parquet('{path}', file_row_number = true)
"""
CLOSE_ARCHIVE = "DROP VIEW temp.new_line"
FACTS = "SELECT k, count(*), max(nth) FROM new_line WHERE n IS NULL AND k <> 'end' GROUP BY k"
OPERATIONS = "SELECT k, count(*), max(nth) FROM new_line WHERE n IS NOT NULL GROUP BY k"
