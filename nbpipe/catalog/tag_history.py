"""Since when a thing bears a tag, and who bore it and lost it, as statements that turn changes into rows.

A tag on a thing is a row of state: what takes it away takes the row. So that history keeps who held
it when, the row is written down as it goes, with the operation that gave the tag and the one that
took it; what comes and goes in one operation was never seen and is left out. A run whose tags
nobody takes away costs nothing. A thing that is deleted loses its tags by that. Where a whole tag
is deleted, its taggings stand where they were; its name is kept, and its end is theirs. What gets
a tag that it bears already bears it since it got it first.

The statements that write read `new_change`, before what a later change says has overtaken an earlier one: a tag
may come and go within one batch. `catalog.fold` says when they are run.
"""

from __future__ import annotations

_LOST = "SELECT key FROM new_change WHERE t = '{table}' AND gone"


def _note_lost(table: str, *, into: str, kept: str, shape: str, before: str, given: str) -> str:
    """Write the statement that keeps each row of a state table that a batch has go.

    Args:
        table: The state table.
        into: The table that keeps it.
        kept: What is kept of the row and of its loss.
        shape: The row's columns, as JSON says their types.
        before: The columns of a row that was there before the batch.
        given: The same of a change.
    """
    lost = _LOST.format(table=table)
    return f"""
        INSERT INTO rows.{into} BY NAME
        SELECT {kept} FROM (
            SELECT *, lead(gone) OVER later AS is_lost, lead(said) OVER later AS lost, lead("by") OVER later AS lost_by,
                   lead(through) OVER later AS lost_through, lead(run_id) OVER later AS lost_run_id
            FROM (SELECT 0 AS nth, change_key AS key, false AS gone, {before}
                  FROM rows.{table} WHERE change_key IN ({lost})
                  UNION ALL BY NAME
                  SELECT nth, key, gone, said, "by", through, run_id, {given}
                  FROM (SELECT *, json_transform("row", '{{{shape}}}') AS body FROM new_change
                        WHERE t = '{table}' AND key IN ({lost})))
            WINDOW later AS (PARTITION BY key ORDER BY nth))
        WHERE NOT gone AND is_lost AND said IS DISTINCT FROM lost ORDER BY lost, nth
    """  # noqa: S608 — made of constants


NOTE_LOST = {
    "tagging": _note_lost(
        "tagging",
        into="tag_history",
        kept='tag_id, entity_kind, entity_id, scope, "at", "by", through, nullif(run_id, entity_id) AS run_id, lost, '
        "lost_by, lost_through, lost_run_id, rows.head_of(entity_id) AS entity_head",
        shape='"tag_id": "VARCHAR", "entity_kind": "VARCHAR", "entity_id": "VARCHAR", "scope": "VARCHAR"',
        before='tag_id, entity_kind, entity_id, scope, "at", "by", through, run_id',
        given='body.tag_id, body.entity_kind, body.entity_id, body.scope, said AS "at"',
    ),
    "tag": _note_lost(
        "tag",
        into="deleted_tag",
        kept='id, name, lost AS "at", lost_by AS "by"',
        shape='"id": "VARCHAR", "name": "VARCHAR"',
        before="id, name",
        given="body.id, body.name",
    ),
}

# A deletion does not name the tags that it takes: each is a change of its own, which comes right after.
GONE_HEADS = """SELECT rows.head_of("row"->>'entity_id') FROM new_change WHERE t = 'deletion' AND NOT gone"""
TAKE_TAGS_OFF = f"""
CREATE OR REPLACE TEMP TABLE new_change AS
WITH borne AS (
    SELECT change_key AS key, entity_kind, entity_id, 0 AS since FROM rows.tagging WHERE entity_head IN ({GONE_HEADS})
    UNION ALL
    SELECT key, "row"->>'entity_kind', "row"->>'entity_id', nth FROM new_change WHERE t = 'tagging' AND NOT gone
), taken AS (
    SELECT DISTINCT deletion.nth, borne.key, said, "by", through, run_id FROM new_change AS deletion
    JOIN borne ON borne.entity_kind = (deletion."row"->>'entity_kind')
              AND borne.entity_id = (deletion."row"->>'entity_id')
    WHERE t = 'deletion' AND NOT gone AND since < nth
)
SELECT row_number() OVER (ORDER BY nth, place) AS nth, * EXCLUDE (nth, place) FROM (
    SELECT *, 0 AS place FROM new_change
    UNION ALL BY NAME
    SELECT nth, 'tagging' AS t, key, NULL::JSON AS "row", true AS gone, said, "by", through, run_id, 1 AS place
    FROM taken)
"""  # noqa: S608 — made of constants
# Of changes that give a thing what it has, nothing is taken in.
TAGGED_HEADS = "SELECT rows.head_of(split_part(key, chr(0), 3)) FROM new_change WHERE t = 'tagging'"
LEAVE_STANDING = f"""
DELETE FROM new_change WHERE nth IN (
    SELECT nth FROM (SELECT nth, key, gone, lag(gone) OVER (PARTITION BY key ORDER BY nth) AS was_gone
                     FROM new_change WHERE t = 'tagging')
    WHERE NOT gone AND NOT coalesce(was_gone, key NOT IN (
        SELECT change_key FROM rows.tagging WHERE entity_head IN ({TAGGED_HEADS}))))
"""  # noqa: S608 — made of constants

# The view: what has ended, and what stands.
TAG_HISTORY = """
WITH known AS (
    SELECT id, name, NULL::TIMESTAMPTZ AS deleted, NULL AS deleted_by FROM {rows[tag]}
    UNION ALL
    SELECT id, name, "at", "by" FROM {rows[deleted_tag]}
), held AS (
    SELECT tag_id, entity_kind, entity_id, scope, "at", "by", through, run_id, lost, lost_by, lost_through,
           lost_run_id, entity_head
    FROM {rows[tag_history]}
    UNION ALL
    SELECT tag_id, entity_kind, entity_id, scope, "at", "by", through, run_id, NULL, NULL, NULL, NULL, entity_head
    FROM {rows[tagging]}
)
SELECT known.name AS tag, entity_kind, entity_id, scope, held."at" AS got_at, held."by" AS got_by,
       through AS got_through,
       coalesce(run_id, CASE WHEN entity_kind = 'run' AND through IN ('end_run', 'number_artifacts') THEN entity_id END)
           AS got_run_id,
       coalesce(lost, deleted) AS lost_at, coalesce(lost_by, deleted_by) AS lost_by,
       coalesce(lost_through, CASE WHEN deleted IS NOT NULL THEN 'delete_tag' END) AS lost_through, lost_run_id,
       entity_head
FROM held JOIN known ON known.id = held.tag_id
"""
