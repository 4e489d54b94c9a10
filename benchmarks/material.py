"""Material for rows: a full catalog, and the least that can be run.

Finished runs are written as the logs would hold them: the lines are those that `Catalog.append_lines` and
`Catalog.transact` write, sealed in the same way; a million runs take a minute so, and an hour through the calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbpipe.base.clock import now_text
from nbpipe.base.ids import new_id
from nbpipe.base.log import plain_json, seal_with_body
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog import segments

# A pipeline of one step, as a file holds it.
DOUBLING = """
from nbpipe import pipeline, step

@step
def double(n: int) -> int:
    return 2 * n

@pipeline
def doubling(n: int = 1):
    return double(n)
"""
LOGS, METRICS, TAGGED_EVERY = 20, 10, 10
TAG = {"id": "T", "name": "good", "exclusive": False, "cascade": False}
STARTED = {"pipeline": "other", "kind": "pipeline", "parameters": {"rate": 0.1}, "differences": {}, "graph": ""}
STARTED |= {"snapshot_id": "", "schedule_id": "", "parent_run_id": "", "parent_step": "", "model_version_id": ""}
STARTED |= {"user": "ada", "host": "h", "pid": 7}
ENDED = {"status": "completed", "error_step": "", "error_type": "", "error_message": "", "model_version_id": ""}


def fill(folder: Path, runs: int, *, steps: int = 0, metrics: int = METRICS) -> WorkspacePaths:
    """Write a workspace's logs: finished runs, every tenth tagged `good`.

    Args:
        folder: The workspace; it may hold some already that were written so.
        runs: How many runs.
        steps: How many steps each has; each reads what the one before it made.
        metrics: How many numbers each has.
    """
    paths = WorkspacePaths(folder).ensure()
    operations = segments.path_of(paths.operations, 1)
    count = operations.read_bytes().count(b"\n") if operations.exists() else 0
    with operations.open("ab") as decided:
        for log in range(LOGS):
            with (paths.logs / f"{new_id()}.log").open("ab") as facts:
                for _ in range(runs * log // LOGS, runs * (log + 1) // LOGS):
                    count += 1
                    run_id = new_id()
                    artifacts = [new_id() for _ in range(steps)]
                    facts.writelines(_facts(run_id, artifacts, [(count * 31 + k * 7) % 1000 for k in range(metrics)]))
                    decided.write(_end(count, run_id, artifacts))
    return paths


def _facts(run_id: str, artifacts: list[str], numbers: list[int]) -> Iterator[bytes]:
    at = now_text()
    yield _fact("run_started", run_id, run_id, at, {"name": f"other-{run_id[:8]}", **STARTED})
    inputs: list[dict[str, str]] = []
    for n, artifact_id in enumerate(artifacts):
        step_id = new_id()
        output = {"id": artifact_id, "name": f"made_{n}", "output": "output", "digest": artifact_id, "type_name": "int"}
        output |= {"materializer": "json:1", "size_bytes": 1, "inline": {"json": 1}, "made_by": step_id, "tags": []}
        output |= {"blob": "", "member": None, "pickled": False, "preview": {"kind": "text", "text": "1"}}
        step: dict[str, Any] = {"pipeline": "other", "node": f"make_{n}", "step": "make", "status": "completed"}
        step |= {"why": "no result so far", "key": step_id, "half": step_id, "source": "", "started": at, "ended": at}
        step |= {"attempt": 1, "parameters": {}, "inputs": inputs, "outputs": [output], "not_carried": [], "tags": {}}
        step |= {"metadata": [{"kind": "step", "id": step_id, "values": {"rows": n}}], "reused_from": ""}
        yield _fact("step", step_id, run_id, at, step)
        inputs = [{"name": "x", "artifact": artifact_id, "digest": artifact_id}]
    if numbers:
        values = {f"m{k}": number / 1000 for k, number in enumerate(numbers)}
        yield _fact("metadata", run_id, run_id, at, {"kind": "run", "values": values, "step_id": ""})


def _fact(kind: str, id: str, run_id: str, at: str, body: dict[str, Any]) -> bytes:
    return seal_with_body({"k": kind, "id": id, "run": run_id, "at": at}, plain_json(body))


def _end(n: int, run_id: str, artifacts: list[str]) -> bytes:
    at = now_text()
    changes: list[dict[str, Any]] = [{"t": "tag", "key": "T", "row": {**TAG, "created": at}}] if n == 1 else []
    changes.append({"t": "run_state", "key": run_id, "row": {"id": run_id, "ended": at, **ENDED}})
    changes += [
        {"t": "artifact_number", "key": artifact_id, "row": {"id": artifact_id, "name": f"made_{k}", "number": n}}
        for k, artifact_id in enumerate(artifacts)
    ]
    if n % TAGGED_EVERY == 1:
        row = {"tag_id": "T", "entity_kind": "run", "entity_id": run_id, "scope": "", "at": at}
        changes.append({"t": "tagging", "key": f"T\0run\0{run_id}", "row": row})
    body = {
        "op": {"kind": "end_run", "run_id": run_id, "pipeline": "other", "status": "completed"},
        "changes": changes,
        "answer": {},
    }
    return seal_with_body({"n": n, "req": f"end:{run_id}", "k": "end_run", "at": at, "by": "ada"}, plain_json(body))
