"""What the catalog asks of its tables for itself; people ask `catalog.views`.

Written as text over wherever the rows are, like the views, and free to change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OPEN_LOGS = """
SELECT log FROM {rows[run]} WHERE status IS NULL AND log IS NOT NULL
UNION
SELECT log FROM {rows[open_step]} WHERE NOT run_is_over
"""

_INTERRUPTED_RUNS = """
SELECT id, log FROM {rows[run]} WHERE status IS NULL AND log IN (SELECT log FROM {rows[dead_log]}) ORDER BY seq
"""


def create_tops(schemas: Sequence[str]) -> str:
    """Write the statements that make, for each listing, a view of its largest number, which costs no reading.

    Args:
        schemas: Where its tables are.
    """
    return ";\n".join(
        f"CREATE VIEW keyed.top_of_{view} AS SELECT greatest({_tops(table, schemas)}, 0) AS top"
        for view, table in (("runs", "run"), ("artifacts", "artifact"))
    )


def _tops(table: str, schemas: Sequence[str]) -> str:
    return ", ".join(f"(SELECT max(seq) FROM {schema}.{table})" for schema in schemas)  # noqa: S608


def open_logs(rows: Mapping[str, str]) -> str:
    """Write the question for the logs with runs or steps that have not ended."""
    return _OPEN_LOGS.format(rows=rows)


def interrupted_runs(rows: Mapping[str, str]) -> str:
    """Write the question for the runs that did not end and whose log has no writer: (id, log), oldest first."""
    return _INTERRUPTED_RUNS.format(rows=rows)
