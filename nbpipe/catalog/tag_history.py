"""Who bore a tag and lost it, as statements that turn changes into rows.

A tag on a thing is a row of state: what takes it away takes the row. So that history keeps who held
it when, the row is written down as it goes, with the operation that gave the tag and the one that
took it; what comes and goes in one operation was never seen and is left out. A run whose tags
nobody takes away costs nothing. Where a whole tag is deleted, its taggings stand where they were;
its name is kept, and its end is theirs.

The statements that write read `new_change`, before what a later change says has overtaken an earlier one: a tag
may come and go within one batch. `catalog.fold` says when they are run.
"""

from __future__ import annotations

_LOST = "SELECT key FROM new_change WHERE t = '{table}' AND gone"
LOST = {table: _LOST.format(table=table) for table in ("tagging", "tag")}


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
    return f"""
        INSERT INTO rows.{into} BY NAME
        SELECT {kept} FROM (
            SELECT *, lead(gone) OVER later AS is_lost, lead(said) OVER later AS lost, lead("by") OVER later AS lost_by,
                   lead(through) OVER later AS lost_through, lead(run_id) OVER later AS lost_run_id
            FROM (SELECT 0 AS nth, change_key AS key, false AS gone, {before}
                  FROM rows.{table} WHERE change_key IN ({LOST[table]})
                  UNION ALL BY NAME
                  SELECT nth, key, gone, said, "by", through, run_id, {given}
                  FROM (SELECT *, json_transform("row", '{{{shape}}}') AS body FROM new_change
                        WHERE t = '{table}' AND key IN ({LOST[table]})))
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
