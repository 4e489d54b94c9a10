"""The tables of the projection: one constant for all of them.

Tables of *facts* grow and are never changed, but for two that are finished later: a run by the
operation that ends it, an open step by the record of its end. Tables of *state* follow the
operations; their columns are `records.state.TABLES`. A deletion removes the rows of what was
deleted; what merely speaks of it (lineage, metadata, metrics) stays. Every row that can change has a number,
`seq`, in the order of arrival: what hides a row from under a newer one compares numbers, not
texts. What one item of a mapped step gave stands beside the item and not among the artifacts: it is a part of the list
that the whole gave. What is looked up by an id has the id's head beside it, in a column whose name ends in
`_head` (`catalog.heads`). The views that people read are made of these in `catalog.views`.
"""

from __future__ import annotations

from nbpipe.catalog.heads import CREATE_HEAD_OF
from nbpipe.records.state import TABLES

SCHEMA = 8

Columns = dict[str, str]

RUN: Columns = {
    "seq": "BIGINT",
    "id": "VARCHAR",
    "name": "VARCHAR",
    "pipeline": "VARCHAR",
    "kind": "VARCHAR",
    "status": "VARCHAR",
    "started": "TIMESTAMPTZ",
    "ended": "TIMESTAMPTZ",
    "parameters": "JSON",
    "differences": "JSON",
    "snapshot_id": "VARCHAR",
    "schedule_id": "VARCHAR",
    "parent_run_id": "VARCHAR",
    "parent_step": "VARCHAR",
    "model_version_id": "VARCHAR",
    "graph": "VARCHAR",
    "code": "VARCHAR",
    "configuration": "JSON",
    "resumed_from": "VARCHAR",
    "part": "JSON",
    "error_step": "VARCHAR",
    "error_type": "VARCHAR",
    "error_message": "VARCHAR",
    "user": "VARCHAR",
    "host": "VARCHAR",
    "pid": "BIGINT",
    "log": "VARCHAR",
    "id_head": "BIGINT",
    "name_head": "BIGINT",
}

OPEN_STEP: Columns = {
    "seq": "BIGINT",
    "id": "VARCHAR",
    "run_id": "VARCHAR",
    "node": "VARCHAR",
    "step": "VARCHAR",
    "attempt": "BIGINT",
    "started": "TIMESTAMPTZ",
    "run_is_over": "BOOLEAN",
    "log": "VARCHAR",
    "item_of": "VARCHAR",
    "item": "BIGINT",
}

STEP: Columns = {
    "seq": "BIGINT",
    "id": "VARCHAR",
    "run_id": "VARCHAR",
    "node": "VARCHAR",
    "step": "VARCHAR",
    "status": "VARCHAR",
    "why": "VARCHAR",
    "key": "VARCHAR",
    "source": "VARCHAR",
    "started": "TIMESTAMPTZ",
    "ended": "TIMESTAMPTZ",
    "attempt": "BIGINT",
    "parameters": "JSON",
    "error_type": "VARCHAR",
    "error_message": "VARCHAR",
    "error_traceback": "VARCHAR",
    "reused_from": "VARCHAR",
    "logs": "JSON",
    "displays": "JSON",
    "not_carried": "JSON",
    "inputs": "JSON",
    "files": "JSON",
    "against": "VARCHAR",
    "triggered": "JSON",
    "item_of": "VARCHAR",
    "item": "BIGINT",
    "items": "JSON",
    "outputs": "JSON",
    "id_head": "BIGINT",
    "run_head": "BIGINT",
}

ARTIFACT: Columns = {
    "seq": "BIGINT",
    "id": "VARCHAR",
    "name": "VARCHAR",
    "number": "BIGINT",
    "output": "VARCHAR",
    "type_name": "VARCHAR",
    "materializer": "VARCHAR",
    "digest": "VARCHAR",
    "size_bytes": "BIGINT",
    "blob": "VARCHAR",
    "member": "VARCHAR",
    "pickled": "BOOLEAN",
    "inline": "JSON",
    "preview": "JSON",
    "run_id": "VARCHAR",
    "step_id": "VARCHAR",
    "created": "TIMESTAMPTZ",
    "id_head": "BIGINT",
    "node": "VARCHAR",
}

LINEAGE: Columns = {
    "run_id": "VARCHAR",
    "step_id": "VARCHAR",
    "node": "VARCHAR",
    "direction": "VARCHAR",
    "name": "VARCHAR",
    "artifact_id": "VARCHAR",
    "run_head": "BIGINT",
    "step_head": "BIGINT",
    "artifact_head": "BIGINT",
}

SOURCE: Columns = {"digest": "VARCHAR", "parts": "JSON"}

METADATA: Columns = {
    "entity_kind": "VARCHAR",
    "entity_id": "VARCHAR",
    "key": "VARCHAR",
    "value": "JSON",
    "at": "TIMESTAMPTZ",
    "step_id": "VARCHAR",
    "entity_head": "BIGINT",
    "run_head": "BIGINT",
}

METRIC: Columns = {
    "entity_kind": "VARCHAR",
    "entity_id": "VARCHAR",
    "key": "VARCHAR",
    "value": "DOUBLE",
    "at": "TIMESTAMPTZ",
}

# Who had a tag and lost it: a row is written when a tagging ends. What ends with its tag stands in `tagging` still.
TAG_HISTORY: Columns = {
    "tag_id": "VARCHAR",
    "entity_kind": "VARCHAR",
    "entity_id": "VARCHAR",
    "scope": "VARCHAR",
    "at": "TIMESTAMPTZ",
    "by": "VARCHAR",
    "through": "VARCHAR",
    "run_id": "VARCHAR",
    "lost": "TIMESTAMPTZ",
    "lost_by": "VARCHAR",
    "lost_through": "VARCHAR",
    "lost_run_id": "VARCHAR",
    "entity_head": "BIGINT",
}
DELETED_TAG: Columns = {"id": "VARCHAR", "name": "VARCHAR", "at": "TIMESTAMPTZ", "by": "VARCHAR"}

# What a state row keeps of the operation that made it so, which no rule looks at.
GIVEN: dict[str, Columns] = {"tagging": {"by": "VARCHAR", "through": "VARCHAR", "run_id": "VARCHAR"}}

# What state rows are kept in tables of their own; the others finish a fact.
_FINISH_A_FACT = ("run_state", "run_name", "artifact_number")
STATE: dict[str, Columns] = {
    table: {
        "seq": "BIGINT",
        "change_key": "VARCHAR",
        **columns,
        **GIVEN.get(table, {}),
        **({"entity_head": "BIGINT"} if "entity_id" in columns else {}),
    }
    for table, columns in TABLES.items()
    if table not in _FINISH_A_FACT
}

CHANGING: dict[str, Columns] = {"run": RUN, "open_step": OPEN_STEP, "step": STEP, "artifact": ARTIFACT, **STATE}
GROWING: dict[str, Columns] = {
    "lineage": LINEAGE,
    "source": SOURCE,
    "metadata": METADATA,
    "metric": METRIC,
    "tag_history": TAG_HISTORY,
    "deleted_tag": DELETED_TAG,
}

# Beside the rows: which logs, with runs or steps that go on, have no writer any more; how far
# each log was taken in; and what this file is.
DEAD_LOG: Columns = {"log": "VARCHAR"}
POSITION: Columns = {"log": "VARCHAR", "position": "BIGINT"}
META: Columns = {"schema": "BIGINT", "generation": "BIGINT", "top": "BIGINT"}

ALL: dict[str, Columns] = {**CHANGING, **GROWING, "dead_log": DEAD_LOG, "position": POSITION, "meta": META}


def create(table: str, columns: Columns) -> str:
    """Write the statement that makes a table."""
    described = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    return f"CREATE TABLE rows.{table} ({described})"


# In a schema of their own, for some of them share their name with the view over them.
CREATE_ALL = ";\n".join(
    ["CREATE SCHEMA rows", CREATE_HEAD_OF, *(create(table, columns) for table, columns in ALL.items())]
)
