"""The views of the catalog, which are stable: what people and services ask.

`COLUMNS` says what each column means. Instants are TIMESTAMPTZ, durations are in seconds, JSON
columns are of the type JSON.

The same views lie over a published file and over that file with the unpublished tail. Views of
the schema `keyed` show the columns and, beside them, the heads of ids (`catalog.heads`): they are
for `catalog.finding` and may change.

They stand in one module: it is the list that people read to know what they may ask, and a column
is described beside the statement that gives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbpipe.catalog.heads import head_in_sql
from nbpipe.catalog.tag_history import TAG_HISTORY

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS: dict[str, dict[str, str]] = {
    "runs": {
        "seq": "order of arrival; larger is newer",
        "id": "the run's id",
        "name": "its name",
        "pipeline": "its pipeline's name",
        "kind": "pipeline, or interactive",
        "status": "running, completed, failed or interrupted",
        "started": "when it started",
        "ended": "when it ended; null while it goes on",
        "duration_s": "how long it took, in seconds",
        "parameters": "parameters by name",
        "differences": "what differs from its snapshot",
        "snapshot_id": "the snapshot it ran, if one",
        "schedule_id": "the schedule that fired it, if one",
        "parent_run_id": "the run that triggered it, if one",
        "parent_step": "the step that did",
        "model_version_id": "the model version it worked on",
        "graph": "digest of its graph",
        "code": "digest of its pipeline's code; null if that was not kept",
        "configuration": "what it was told besides its parameters: values of steps, another model, caching",
        "resumed_from": "the run that it goes on from, if one",
        "part": "of a partial run, what was asked for: from, until, only; null if the whole pipeline",
        "error_step": "the step that failed",
        "error_type": "the type of the exception",
        "error_message": "what the exception said",
        "user_name": "who started it",
        "host": "on which machine",
        "pid": "in which process",
    },
    "steps": {
        "seq": "order of arrival; those not finished come last",
        "id": "the step run's id",
        "run_id": "its run",
        "node": "its node in the graph",
        "step": "the step's name",
        "status": "running, completed, reused, failed, skipped or interrupted",
        "why": "why it ran or was reused",
        "cache_key": "what it would be reused by",
        "source": "digest of its source",
        "started": "when it started",
        "ended": "when it ended",
        "duration_s": "how long it took, in seconds",
        "attempt": "which attempt it was, from 1",
        "parameters": "parameters by name",
        "error_type": "the type of the exception",
        "error_message": "what the exception said",
        "error_traceback": "the user's frames",
        "reused_from": "the step run whose outputs were reused",
        "logs": "what it printed, or the blob that holds it",
        "displays": "what it displayed, or the blob that holds it",
        "not_carried": "names that could not be kept",
        "inputs": "the artifact versions it was given, each with name and digest",
        "files": "the files it read, each with path, size and digest",
        "against": "the earlier step run with which it was compared to say why it runs",
        "triggered": "the runs of other pipelines it asked for, each with run, pipeline and, if elsewhere, workspace",
        "items": "of a step mapped over a list: how many items there are, and what became of how many",
    },
    "items": {
        "seq": "order of arrival; those not finished come last",
        "id": "the id of this execution",
        "run_id": "its run",
        "node": "the mapped node with the item's place, as score[17]",
        "item_of": "the mapped node in the graph",
        "item": "the item's place in its list, from 0",
        "step": "the step's name",
        "status": "running, completed, reused, failed or interrupted",
        "why": "why it ran or was reused",
        "cache_key": "what it would be reused by",
        "source": "digest of its source",
        "started": "when it started",
        "ended": "when it ended",
        "duration_s": "how long it took, in seconds",
        "attempt": "which attempt it was, from 1",
        "parameters": "the plain values it was called with, by name",
        "error_type": "the type of the exception",
        "error_message": "what the exception said",
        "error_traceback": "the user's frames",
        "reused_from": "the execution whose outputs were reused",
        "logs": "what it printed, or the blob that holds it",
        "not_carried": "names that could not be kept",
        "inputs": "the artifact versions it was given, or the lists out of which they were taken, each with a digest",
        "files": "the files it read, each with path, size and digest",
        "triggered": "the runs of other pipelines it asked for",
        "outputs": "what it gave, which is a part of the list that the whole gave",
    },
    "sources": {
        "digest": "digest of a step's source",
        "parts": "what it is made of: for each name a pair of what identifies it and its text",
    },
    "artifacts": {
        "seq": "order of arrival",
        "id": "the artifact version's id",
        "name": "the artifact's name",
        "number": "which version of that name; null until its run has ended",
        "output": "the step's output that it was",
        "type_name": "the type of the value",
        "materializer": "how it is written",
        "digest": "digest of its content",
        "size_bytes": "size of its encoding, in bytes",
        "blob": "digest of the file that holds it",
        "member": "which part of that file",
        "pickled": "whether loading it runs code",
        "inline": "the encoding itself, if it is small",
        "preview": "what a card shows",
        "run_id": "the run that made it",
        "step_id": "the step run that made it",
        "created": "when it was made",
    },
    "lineage": {
        "run_id": "the run",
        "step_id": "the step run",
        "node": "the node in the graph",
        "direction": "in or out",
        "name": "the input's or output's name",
        "artifact_id": "the artifact version",
    },
    "metrics": {
        "entity_kind": "run, step, artifact_version or model_version",
        "entity_id": "its id",
        "key": "dotted path of the number in the metadata",
        "value": "the number; null if something else took its place",
        "logged_at": "when it was logged; the newest counts",
    },
    "metadata": {
        "entity_kind": "run, step, artifact_version or model_version",
        "entity_id": "its id",
        "key": "name",
        "value": "the value, typed leaves as {$type, value}",
        "logged_at": "when it was logged",
        "step_id": "the step run that logged it",
    },
    "tags": {
        "tag": "the tag's name",
        "exclusive": "whether one entity at most bears it in a scope",
        "cascade": "whether it goes on to what a run makes",
        "entity_kind": "kind of the bearer",
        "entity_id": "id of the bearer",
        "scope": "within what it is exclusive",
        "tagged_at": "since when",
    },
    "tag_history": {
        "tag": "the tag's name, or the last one of a tag that is deleted",
        "entity_kind": "kind of the bearer",
        "entity_id": "id of the bearer",
        "scope": "within what it is exclusive",
        "got_at": "since when it bore the tag",
        "got_by": "who gave it",
        "got_through": "by which operation, such as add_tags or end_run",
        "got_run_id": "the run that gave it, if one",
        "lost_at": "until when; null while it bears the tag",
        "lost_by": "who took it",
        "lost_through": "by which operation",
        "lost_run_id": "the run that took it, if one",
    },
    "models": {"name": "the model's name", "description": "what it is for", "created": "when it was made"},
    "model_versions": {
        "id": "the version's id",
        "model": "the model's name",
        "number": "its number, never given twice",
        "name": "its name",
        "stage": "none, staging, production or archived",
        "failed": "whether the run that made it failed",
        "run_id": "the run that made it",
        "description": "what it is",
        "created": "when it was made",
    },
    "model_links": {
        "version_id": "the model version",
        "kind": "artifact_version or run",
        "entity_id": "what is linked to it",
        "name": "under which name",
    },
    "stage_history": {
        "model": "the model's name",
        "version_id": "the model version",
        "number": "its number",
        "from_stage": "the stage it left",
        "to_stage": "the stage it reached",
        "moved_at": "when",
        "moved_by": "who moved it",
        "note": "why",
        "forced": "whether it was by force: past another version, or past a gate",
    },
    "snapshots": {
        "id": "the snapshot's id",
        "pipeline": "its pipeline",
        "name": "its name, or empty",
        "description": "what it is for",
        "digest": "digest of its content",
        "created": "when it was made",
        "run_id": "the run it was made from, if one",
    },
    "deletions": {
        "entity_kind": "kind of what was deleted",
        "entity_id": "its id, or its name where it has none; metadata, metrics and lineage still speak of it",
        "deleted_at": "when it was deleted",
        "deleted_by": "who deleted it",
    },
    "schedules": {
        "id": "the schedule's id",
        "name": "its name; a deleted one gave it back",
        "pipeline": "its pipeline",
        "snapshot_id": "the snapshot it runs",
        "cron_expression": "when it fires, as cron says it",
        "interval_s": "or every how many seconds",
        "run_at": "or once, then",
        "starts": "not before",
        "ends": "not after",
        "timezone": "the zone of its cron expression",
        "catchup": "what becomes of missed firings: last, all or none",
        "overlap": "what becomes of one that is due while another runs: skip, queue or parallel",
        "active": "whether it fires",
        "created": "when it was made",
        "deleted": "when it was deleted; null while it is there",
        "last_fired": "the last instant at which it was due and fired",
        "seen_to": "the instant up to which somebody has seen to what was due",
        "owed": "the runs that it promised and that have not begun: each with its id and when it was due",
    },
    "firings": {
        "schedule_id": "the schedule",
        "due": "when it was due",
        "outcome": "fired, skipped (its last run went on), missed (nobody was there) or refused (it could not be run)",
        "claimed_at": "when a process took it on",
        "claimed_by": "whose process",
        "run_id": "the run that it made",
        "last_due": "of several that were missed, when the last was due",
        "number": "how many were missed, 10,000 if it was as many or more; 1 of others",
        "error": "why it was refused",
    },
    "deployments": {
        "id": "the deployment's id",
        "name": "its name, until it is deleted",
        "pipeline": "its pipeline",
        "snapshot_id": "the snapshot it serves",
        "url": "where it answers",
        "settings": "how it serves",
        "generation": "how often it was started, restarted or replaced",
        "started": "when it was started the last time",
        "stopped": "when it was stopped; null while it is to serve",
    },
    "tokens": {
        "id": "the token's id",
        "name": "its name; a revoked one gave it back",
        "scope": "invoke, read or admin",
        "created": "when it was made",
        "expires": "until when it is good; null if for good",
        "revoked": "since when it is good no more; null while it is",
    },
}

# `{rows[table]}` is where the rows of a table are found.
_RUNS = """
SELECT seq, id, name, pipeline, kind,
       CASE WHEN status IS NOT NULL THEN status
            WHEN log IN (SELECT log FROM {rows[dead_log]}) THEN 'interrupted'
            ELSE 'running' END AS status,
       started, ended, (epoch_us(ended) - epoch_us(started)) / 1e6 AS duration_s,
       parameters, differences, snapshot_id, schedule_id, parent_run_id, parent_step, model_version_id, graph,
       code, configuration, resumed_from, part, error_step, error_type, error_message, "user" AS user_name, host, pid,
       id_head, name_head, log
FROM {rows[run]}
"""


def _written(column: str) -> str:
    """Write the head of a column of a table that has none, for a text that is formatted later."""
    return head_in_sql(column).replace("{", "{{").replace("}", "}}")


_STEPS = f"""
SELECT seq, id, run_id, node, step, status, why, key AS cache_key, source, started, ended,
       (epoch_us(ended) - epoch_us(started)) / 1e6 AS duration_s, attempt, parameters,
       error_type, error_message, error_traceback, reused_from, logs, displays, not_carried,
       inputs, files, against, triggered, items, item_of, item, outputs, id_head, run_head
FROM {{rows[step]}} WHERE item IS {{{{items}}}}
UNION ALL
SELECT 4000000000000000000 + seq, id, run_id, node, step,
       CASE WHEN run_is_over OR log IN (SELECT log FROM {{rows[dead_log]}}) THEN 'interrupted' ELSE 'running' END,
       NULL, NULL, NULL, started, NULL, NULL, attempt, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, item_of, item, NULL, {_written("id")}, {_written("run_id")}
FROM {{rows[open_step]}} WHERE item IS {{{{items}}}}
"""  # noqa: S608 — made of constants
# A run lists its steps; the items of a mapped one, of which there may be ten thousand, are asked for by themselves.
_NODES, _ITEMS = _STEPS.replace("{{items}}", "NULL"), _STEPS.replace("{{items}}", "NOT NULL")

_TAGS = """
SELECT tag.name AS tag, tag.exclusive, tag.cascade, held.entity_kind, held.entity_id, held.scope,
       held."at" AS tagged_at, held.entity_head
FROM {rows[tagging]} AS held JOIN {rows[tag]} AS tag ON tag.id = held.tag_id
"""


_SOURCES = """
SELECT digest, any_value(parts) AS parts FROM {rows[source]} GROUP BY digest
"""

_HEADS = {
    "artifacts": ("id_head", "node"),
    "lineage": ("run_head", "step_head", "artifact_head"),
    "metadata": ("entity_head", "run_head"),
    "model_links": ("entity_head",),
    "stage_history": ("seq",),
}
# `at` and `by` are words of SQL; nobody should have to quote a column.
_STORED_AS = {
    **{"logged_at": "at", "moved_at": "at", "moved_by": "by", "claimed_at": "at", "claimed_by": "by"},
    **{"deleted_at": "at", "deleted_by": "by", "seen_to": "since"},
}


def _plain(view: str, table: str) -> str:
    stored = [(f'"{_STORED_AS.get(column, column)}"', column) for column in COLUMNS[view]]
    named = (name if name == f'"{column}"' else f'{name} AS "{column}"' for name, column in stored)
    columns = ", ".join([*named, *_HEADS.get(view, ())])
    return f"SELECT {columns} FROM {{rows[{table}]}}"  # noqa: S608 — made of constants


_PLAIN = {
    "artifacts": "artifact",
    "lineage": "lineage",
    "metrics": "metric",
    "metadata": "metadata",
    "models": "model",
    "model_versions": "model_version",
    "model_links": "model_link",
    "stage_history": "stage_history",
    "snapshots": "snapshot",
    "deletions": "deletion",
    "schedules": "schedule",
    "deployments": "deployment",
    "tokens": "token",
}

_OF_KNOWN_SCHEDULES = "WHERE schedule_id IN (SELECT id FROM {rows[schedule]})"

_SELECT = {
    "runs": _RUNS,
    "steps": _NODES,
    "items": _ITEMS,
    "tags": _TAGS,
    "tag_history": TAG_HISTORY,
    "sources": _SOURCES,
    # With a schedule that was deleted for good goes what was known of its firings.
    "firings": f"{_plain('firings', 'firing')} {_OF_KNOWN_SCHEDULES}",
} | {view: _plain(view, table) for view, table in _PLAIN.items()}
KEYED = ("runs", "steps", "items", "tags", "tag_history", *_HEADS)


def _create(view: str, how: str) -> list[str]:
    if view not in KEYED:
        return [f"CREATE VIEW {view}{how} AS {_SELECT[view]}"]
    columns = ", ".join(f'"{column}"' for column in COLUMNS[view])
    return [
        f"CREATE VIEW keyed.{view}{how} AS {_SELECT[view]}",
        f"CREATE VIEW {view}{how} AS SELECT {columns} FROM keyed.{view}",  # noqa: S608 — made of constants
    ]


def _create_all(how: str) -> str:
    return ";\n".join(["CREATE SCHEMA keyed", *(statement for view in COLUMNS for statement in _create(view, how))])


_CREATE = {False: _create_all(""), True: _create_all(" WITH (DEFER_BINDING)")}


def create_views(rows: Mapping[str, str], *, are_deferred: bool = False) -> str:
    """Write the statements that make all views.

    Args:
        rows: For each table of `catalog.schema`, where its rows are found: its name, or a subquery.
        are_deferred: Have each looked into when it is first asked, which makes all of them in half the time. In a file
            that others open, each is to say its columns from the beginning.
    """
    return _CREATE[are_deferred].format(rows=rows)
