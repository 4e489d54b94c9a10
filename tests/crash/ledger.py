"""What stands in the logs, read without any code of ours, and whether the catalog says the same.

This is the only place of these trials that knows which files hold the truth.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
from nbpipe.catalog.views import COLUMNS

Record = dict[str, Any]

_ROWS_OF = {
    "run_started": "SELECT id FROM runs",
    "step": "SELECT id FROM steps WHERE status IN ('completed', 'reused')",
    "metadata": "SELECT entity_id AS id FROM metrics WHERE entity_kind = 'run'",
}
_HALF_WRITTEN = """
    SELECT id FROM runs
    WHERE status = 'completed'
      AND (id NOT IN (SELECT run_id FROM steps) OR id NOT IN (SELECT entity_id FROM metrics WHERE entity_kind = 'run'))
"""
_SEVERAL_HOLDERS = "SELECT tag, scope FROM tags WHERE exclusive GROUP BY ALL HAVING count(*) > 1"
_SEVERAL_IN_A_STAGE = """
    SELECT model, stage FROM model_versions WHERE stage IN ('staging', 'production') GROUP BY ALL HAVING count(*) > 1
"""
_GAPS = """
    SELECT name FROM artifacts WHERE number IS NOT NULL
    GROUP BY name HAVING count(*) <> max(number) OR count(DISTINCT number) <> count(*)
    UNION ALL
    SELECT model FROM model_versions GROUP BY model HAVING count(*) <> max(number)
"""

_ALL_ROWS = " UNION ALL ".join(
    f"SELECT '{view}' AS view, to_json(one)::VARCHAR AS content "
    f"FROM (SELECT * {'EXCLUDE (seq)' if 'seq' in columns else ''} FROM {view}) AS one"
    for view, columns in COLUMNS.items()
)


def operation_logs(paths: WorkspacePaths) -> list[Path]:
    """Give the files of the operation log, oldest first."""
    return sorted(paths.operations.glob("*.log"))


def process_logs(paths: WorkspacePaths) -> list[Path]:
    """Give the process logs, those that are being begun left out."""
    return [path for path in sorted(paths.logs.glob("*.log")) if not path.name.startswith(".")]


def logs(paths: WorkspacePaths) -> list[Path]:
    """Give all logs."""
    return [*process_logs(paths), *operation_logs(paths)]


def lines_of(path: Path) -> Iterator[tuple[int, bytes, Record | None]]:
    """Walk through the complete lines of a log: (place of its beginning, line, what it says if it is sound)."""
    place = 0
    for line in path.read_bytes().split(b"\n")[:-1]:
        is_sound = line[:16] == b'{"c":"%08x",' % zlib.crc32(line[16:])
        yield place, line, json.loads(line) if is_sound else None
        place += len(line) + 1


def archives(paths: WorkspacePaths) -> list[Path]:
    """Give the files of the archive."""
    return sorted(paths.archive.glob("[0-9]*.parquet"))


def operations(paths: WorkspacePaths) -> list[Record]:
    """Give all operations, in the order of the log; after a kill some may stand in two files, which count as one."""
    found: dict[int, Record] = {}
    with duckdb.connect(":memory:") as connection:
        for path in archives(paths):
            connection.execute("SELECT n, k, req, b FROM read_parquet($path) WHERE n IS NOT NULL", {"path": str(path)})
            found |= {n: {"n": n, "k": k, "req": req, "b": json.loads(b)} for n, k, req, b in connection.fetchall()}
    for path in operation_logs(paths):
        found |= {record["n"]: record for _, _, record in lines_of(path) if record is not None and "n" in record}
    return [found[n] for n in sorted(found)]


def decided(lines: Iterable[Record]) -> list[Record]:
    """Leave out the operations that only close a segment."""
    return [line for line in lines if line["k"] != "closed"]


@dataclass
class Told:
    """What processes were told is recorded.

    Attributes:
        facts: For each kind of fact, the ids.
        answers: For each request id, what was answered.
    """

    facts: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in _ROWS_OF})
    answers: dict[str, Any] = field(default_factory=dict)

    def take_in(self, said: Iterable[Mapping[str, Any]]) -> None:
        """Take in what a diary says."""
        for entry in said:
            if entry["word"] == "fact":
                self.facts[entry["kind"]].add(entry["id"])
            elif entry["word"] == "answered":
                self.answers[entry["request"]] = entry["answer"]


def audit(paths: WorkspacePaths, told: Told) -> dict[str, list[Any]]:
    """Hold what was told against what is there, while nobody writes: what must be empty, by name."""
    wrong = _audit_operations(operations(paths), told)
    catalog = Catalog(paths)
    try:
        overlaid = _audit_rows(catalog, told, wrong)
        wrong["damaged"] = [f"{finding.path.name} {finding.what}" for finding in catalog.check()]
        catalog.publish()
        published = _audit_rows(catalog, told, wrong)
        wrong["otherwise_by_plain_duckdb"] = _as_anybody_sees_it(paths, catalog)
        catalog.rebuild()
        rebuilt = _audit_rows(catalog, told, wrong)
    finally:
        catalog.close()
    wrong["otherwise_when_published"] = differing(overlaid, published)
    wrong["otherwise_when_rebuilt"] = differing(overlaid, rebuilt)
    return wrong


def _audit_operations(lines: list[Record], told: Told) -> dict[str, list[Any]]:
    answers = {line["req"]: line["b"]["answer"] for line in decided(lines)}
    return {
        "lost": [request for request in told.answers if request not in answers],
        "duplicated": [
            request for request, count in Counter(line["req"] for line in decided(lines)).items() if count > 1
        ],
        "half_written": [],
        "otherwise_answered": [
            (request, answer, answers[request])
            for request, answer in told.answers.items()
            if request in answers and answers[request] != answer
        ],
        "not_dense": [line["n"] for n, line in enumerate(lines, start=1) if line["n"] != n],
        "several_holders": [],
    }


def _audit_rows(catalog: Catalog, told: Told, wrong: dict[str, list[Any]]) -> dict[str, Counter[str]]:
    for kind, question in _ROWS_OF.items():
        ids = [row["id"] for row in catalog.rows(question)]
        wrong["lost"] += [(kind, fact) for fact in told.facts[kind] - set(ids)]
        wrong["duplicated"] += [(kind, fact) for fact, count in Counter(ids).items() if count > 1]
    wrong["half_written"] += [row["id"] for row in catalog.rows(_HALF_WRITTEN)]
    wrong["several_holders"] += catalog.rows(_SEVERAL_HOLDERS) + catalog.rows(_SEVERAL_IN_A_STAGE)
    wrong["not_dense"] += catalog.rows(_GAPS)
    return rows_of(catalog)


def rows_of(catalog: Catalog) -> dict[str, Counter[str]]:
    """Give all rows of all views, in any order and without the numbers of their arrival."""
    found: dict[str, Counter[str]] = {view: Counter() for view in COLUMNS}
    for row in catalog.rows(_ALL_ROWS):
        found[row["view"]][row["content"]] += 1
    return found


def differing(one: Mapping[str, Counter[str]], other: Mapping[str, Counter[str]]) -> list[str]:
    """Name the rows that two readings do not have in common."""
    return [f"{view}: {row}" for view in one for row in (one[view] - other[view]) + (other[view] - one[view])]


def _as_anybody_sees_it(paths: WorkspacePaths, catalog: Catalog) -> list[str]:
    """Name the views that a plain DuckDB sees otherwise in the published file."""
    if not paths.published.exists():
        return []
    wrong = []
    with duckdb.connect(str(paths.published), read_only=True) as connection:
        for view, columns in COLUMNS.items():
            first = next(name for name in columns if name != "seq")
            question = f'SELECT "{first}" AS value FROM {view} ORDER BY ALL'
            found = [value for (value,) in connection.execute(question).fetchall()]
            if found != [row["value"] for row in catalog.rows(question)]:
                wrong.append(view)
    return wrong
