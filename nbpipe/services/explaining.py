"""Why each step of a run ran or was reused: what changed, and against which earlier run.

The reason was found when the run was planned and is recorded with each step. Here it is spelled
out: the texts that differ, the parameters, the files, and of an input that changed the step that
made it, so that a chain of re-runs leads back to the edit behind it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from nbpipe.base.displaying import Displayed
from nbpipe.errors import NotFoundError
from nbpipe.execute.plan import parameter_changes
from nbpipe.execute.sources import changed_parts, said_of
from nbpipe.records.base import shorten
from nbpipe.records.runs import Status
from nbpipe.services.instants import as_instant
from nbpipe.services.recorded import Run
from nbpipe.services.workspace import Workspace

_STEPS = """
    SELECT id, run_id, node, status, why, source, parameters, inputs, files, against, reused_from
    FROM steps WHERE run_id = $run ORDER BY seq
"""
_STEPS_BY_ID = """
    SELECT id, run_id, node, source, parameters, inputs, files FROM steps WHERE list_contains($ids, id)
"""
_RUNS_BY_ID = "SELECT id, name, started FROM runs WHERE list_contains($ids, id)"
SOURCES = "SELECT digest, parts FROM sources WHERE list_contains($digests, digest)"
_GIVEN = "SELECT node, artifact_id FROM lineage WHERE run_id = $run AND direction = 'out'"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs from the earlier execution.

    Attributes:
        kind: `"source"`, `"parameter"`, `"input"` or `"file"`.
        name: What it is called: of a source the function, constant or module; `""` for the step's own text.
        said: It in a few words: `"rate 0.1 → 0.2"`.
        diff: Of a text, the lines that differ, as a unified diff writes them.
        made_by: Of an input, the step of this run that made it, or `""`.
    """

    kind: str
    name: str
    said: str
    diff: tuple[str, ...] = ()
    made_by: str = ""

    def as_row(self) -> dict[str, Any]:
        """Give it by column."""
        return {
            "kind": self.kind,
            "name": self.name,
            "said": self.said,
            "diff": list(self.diff),
            "made_by": self.made_by,
        }


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """The run with which a step was compared, or whose result it reuses."""

    id: str
    name: str
    started: datetime | None


@dataclass(frozen=True, slots=True)
class Explanation(Displayed):
    """Why one step ran or was reused.

    Attributes:
        node: The step's name in the graph.
        status: What became of it.
        why: The reason that was recorded.
        against: The run with which it was compared, or whose result it reuses; `None` if there was none.
        changes: What differs.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "node": "text",
        "status": "text",
        "why": "text",
        "against_run": "text",
        "changes": "data",
    }

    node: str
    status: Status
    why: str
    against: EarlierRun | None
    changes: tuple[Change, ...] = ()

    def __repr__(self) -> str:
        return f"<Explanation {shorten(self.node)}: {self.status.value}>"

    def as_row(self) -> dict[str, Any]:
        """Give it by column."""
        return {
            "node": self.node,
            "status": self.status.value,
            "why": self.why,
            "against_run": self.against.id if self.against is not None else None,
            "changes": [change.as_row() for change in self.changes],
        }


def explain(workspace: Workspace, run: Run, node: str | None = None) -> list[Explanation]:
    """Say why each step of `run` ran or was reused; of a notebook's steps, their last executions.

    Args:
        workspace: Where it is recorded.
        run: The run.
        node: Only this step.

    Raises:
        NotFoundError: The run has no such step.
    """
    rows = {row["node"]: row for row in workspace.catalog.rows(_STEPS, {"run": run.id})}
    if node is not None:
        if node not in rows:
            raise NotFoundError("step", node, rows)
        rows = {node: rows[node]}
    before_ids = [row["against"] or row["reused_from"] for row in rows.values()]
    before = {row["id"]: row for row in _by(workspace, _STEPS_BY_ID, "ids", before_ids)}
    runs = {row["id"]: row for row in _by(workspace, _RUNS_BY_ID, "ids", [row["run_id"] for row in before.values()])}
    digests = [row["source"] for row in (*rows.values(), *before.values())]
    sources = sources_of(workspace, digests)
    made_by = {row["artifact_id"]: row["node"] for row in workspace.catalog.rows(_GIVEN, {"run": run.id})}
    found = []
    for name, row in rows.items():
        earlier = before.get(row["against"] or row["reused_from"])
        against = runs.get(earlier["run_id"]) if earlier is not None else None
        changes = _changes(row, earlier, sources, made_by) if earlier is not None and row["against"] else ()
        found.append(Explanation(name, Status(row["status"]), row["why"] or "", _earlier(against), tuple(changes)))
    return found


def sources_of(workspace: Workspace, digests: Iterable[str | None]) -> dict[str, Mapping[str, Any]]:
    """Give what `execute.sources.described` wrote down of each source, by digest; what is not known is left out."""
    return {row["digest"]: {"parts": row["parts"] or {}} for row in _by(workspace, SOURCES, "digests", digests)}


def _by(workspace: Workspace, sql: str, name: str, keys: Iterable[str | None]) -> list[Mapping[str, Any]]:
    wanted = sorted({key for key in keys if key})
    return list(workspace.catalog.rows(sql, {name: wanted})) if wanted else []


def _earlier(row: Mapping[str, Any] | None) -> EarlierRun | None:
    if row is None:
        return None
    return EarlierRun(row["id"], row["name"], as_instant(row["started"]) if row["started"] is not None else None)


def _changes(
    now: Mapping[str, Any], before: Mapping[str, Any], sources: Mapping[str, Any], made_by: Mapping[str, str]
) -> Iterable[Change]:
    for name, old, new in changed_parts(*(sources.get(row["source"], {}) for row in (now, before))):
        yield Change("source", name, said_of(name, old, new), text_diff(old, new))
    for name, said in parameter_changes(now["parameters"] or {}, before["parameters"] or {}):
        yield Change("parameter", name, said)
    former = {given["name"]: given["digest"] for given in before["inputs"] or ()}
    for given in now["inputs"] or ():
        if former.get(given["name"]) != given["digest"]:
            maker = made_by.get(given["artifact"], "")
            yield Change("input", given["name"], f"input {given['name']} changed", made_by=maker)
    yield from _file_changes(now["files"] or (), before["files"] or ())


def _file_changes(now: Iterable[Mapping[str, Any]], before: Iterable[Mapping[str, Any]]) -> Iterable[Change]:
    former = {file["path"]: file for file in before}
    for file in now:
        old = former.pop(file["path"], None)
        if old is None:
            yield Change("file", file["path"], f"{file['path']} was not read before")
        elif old["digest"] != file["digest"]:
            sizes = f" ({old['size_bytes']:,} → {file['size_bytes']:,} bytes)"
            yield Change("file", file["path"], f"{file['path']} changed{sizes}")
    for path in former:
        yield Change("file", path, f"{path} is not read any more")


def text_diff(old: str, new: str) -> tuple[str, ...]:
    """Give the lines in which two texts differ, as a unified diff writes them; none where one of them is not there."""
    if not (old and new):
        return ()
    lines = difflib.unified_diff(old.strip("\n").splitlines(), new.strip("\n").splitlines(), lineterm="", n=1)
    return tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))
