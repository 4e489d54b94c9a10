"""Reading several runs, to be put side by side.

However many there are, the same few statements read them: which runs are meant, their rows,
metadata, steps, outputs and tags, and the sources that differ. What follows from them is
`services.compared`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from nbpipe.base.ids import is_uuid_like, may_be_id_prefix
from nbpipe.catalog.finding import ids_like
from nbpipe.catalog.heads import head_of
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.execute.sources import changed_parts, said_of
from nbpipe.records.base import shorten
from nbpipe.records.metadata import merge, metrics_in
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.records.runs import Status
from nbpipe.services.compared import ComparedData, ComparedRun, ComparedRuns, ComparedStep, StepCode
from nbpipe.services.explaining import sources_of
from nbpipe.services.pointing import as_ref
from nbpipe.services.recorded import COLUMNS, run_in, with_ends
from nbpipe.services.resolve import find_run
from nbpipe.services.workspace import Workspace

MOST_RUNS = 200

# More may be found than is meant, for beginnings of ids differ in length: the shortest says how far all are looked at.
_CANDIDATES = """
    SELECT seq, id, name, id_head, name_head FROM keyed.runs WHERE name_head IN (SELECT unnest($names::BIGINT[]))
    UNION ALL
    SELECT seq, id, name, id_head, name_head FROM keyed.runs
    WHERE (id_head >> $shift) IN (SELECT unnest($begun::BIGINT[]))
"""
_METADATA = """
    SELECT entity_kind, entity_id, step_id, key, value, logged_at FROM keyed.metadata
    WHERE entity_head IN (SELECT unnest($heads::BIGINT[])) AND entity_kind = 'run'
    UNION ALL
    SELECT entity_kind, entity_id, step_id, key, value, logged_at FROM keyed.metadata
    WHERE run_head IN (SELECT unnest($heads::BIGINT[])) AND entity_kind = 'model_version'
    ORDER BY logged_at
"""
_STEPS = """
    WITH near AS MATERIALIZED (FROM keyed.steps WHERE run_head IN (SELECT unnest($heads::BIGINT[])))
    SELECT id, run_id, node, status, duration_s, source, files, error_type, error_message FROM near
    WHERE list_contains($ids, run_id) ORDER BY seq
"""
# What a step gave, and what it was given that no step of its run had made. Of a deleted version only the id is known.
_DATA = """
    WITH near AS MATERIALIZED (
        SELECT run_id, node, direction, name, artifact_id, artifact_head FROM keyed.lineage
        WHERE run_head IN (SELECT unnest($heads::BIGINT[]))),
    given AS MATERIALIZED (
        SELECT seq, id, name, number, digest FROM keyed.artifacts WHERE id_head IN (SELECT artifact_head FROM near))
    SELECT near.run_id, near.node, near.direction, near.name AS put, near.artifact_id AS id,
           coalesce(given.name, 'deleted') AS name, given.number, given.digest
    FROM near LEFT JOIN given ON given.id = near.artifact_id WHERE list_contains($ids, near.run_id)
    ORDER BY given.seq, near.node, put
"""
_TAGS = """
    WITH near AS MATERIALIZED (FROM keyed.tags WHERE entity_head IN (SELECT unnest($heads::BIGINT[])))
    SELECT entity_id, tag FROM near WHERE entity_kind = 'run' AND list_contains($ids, entity_id) ORDER BY tag
"""


def compare_runs(workspace: Workspace, refs: Iterable[object]) -> ComparedRuns:
    """Put runs side by side.

    Args:
        workspace: Where they are recorded.
        refs: The runs: ids, unique prefixes of ids, names or records.

    Raises:
        BadValueError: Fewer than two, more than `MOST_RUNS`, or the same run twice.
        NotFoundError: There is no such run; the nearest names are told.
        AmbiguousNameError: There are several.
    """
    rows = _found(workspace, _checked(refs))
    runs = [run_in(row, workspace) for row in rows]
    asked = {"ids": [run.id for run in runs], "heads": [head_of(run.id) for run in runs]}
    ask = workspace.catalog.rows
    steps, step_runs = _steps(ask(_STEPS, asked))
    metrics = _metrics(ask(_METADATA, {"heads": asked["heads"]}), {run.id for run in runs}, step_runs)
    data = _data(ask(_DATA, asked))
    tags: dict[str, list[str]] = {}
    for row in ask(_TAGS, asked):
        tags.setdefault(row["entity_id"], []).append(row["tag"])
    versions = workspace.catalog.state().versions
    sides = []
    for run in runs:
        version = versions.get(run.model_version_id)
        mine = steps.get(run.id, {})
        sides.append(
            ComparedRun(
                run,
                metrics.get(run.id, {}),
                {node: step for node, (step, _) in mine.items()},
                {**data.get(run.id, {}), **_files(files for _, files in mine.values())},
                tuple(tags.get(run.id, ())),
                f"{version['model']}@{version['name']}" if version is not None else "",
            )
        )
    return ComparedRuns(tuple(sides), _code(workspace, sides))


def _checked(refs: Iterable[object]) -> list[EntityRef]:
    given = [refs] if isinstance(refs, str) else list(refs)
    if len(given) < 2:
        told = f"{len(given)} run{'' if len(given) == 1 else 's'}"
        raise BadValueError(f"A comparison needs two runs or more, and {told} was given: name another.")
    if len(given) > MOST_RUNS:
        raise BadValueError(f"{len(given)} runs are too many for one comparison: name {MOST_RUNS} at most.")
    return [as_ref(ref, Kind.RUN) for ref in given]


def _found(workspace: Workspace, refs: Sequence[EntityRef]) -> Sequence[Mapping[str, Any]]:
    """Find the runs that are meant, each by the rules of `resolve.find_run`, with one look at the catalog for all."""
    texts = [ref.whole for ref in refs]
    spans = [ids_like(written) for written in map(_as_id, texts) if may_be_id_prefix(written)]
    shift = max(((span["high"] - span["low"]).bit_length() for span in spans), default=0)
    asked = {"names": [head_of(text) for text in texts], "shift": shift}
    asked["begun"] = [span["low"] >> shift for span in spans]

    def ask() -> Sequence[Mapping[str, Any]]:
        with workspace.catalog.moment() as moment:
            candidates = {row["seq"]: row for row in moment.rows(_CANDIDATES, asked)}
            seqs = _meant(workspace, refs, texts, candidates.values())
            by_id = {row["id"]: row for row in moment.read("runs", COLUMNS, list(seqs.values()))}
        for run_id in seqs:
            if run_id not in by_id:
                # Somebody in this process read in meanwhile that it was deleted.
                raise NotFoundError("run", run_id)
        return [by_id[run_id] for run_id in seqs]

    return with_ends(workspace, ask)


def _meant(
    workspace: Workspace, refs: Sequence[EntityRef], texts: Sequence[str], candidates: Collection[Mapping[str, Any]]
) -> dict[str, int]:
    """Pick the runs that are meant: for each id its number."""

    def fitting(_: str, wanted: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        low, high = wanted.get("low", 0), wanted.get("high", -1)
        fits = (row for row in candidates if _fits(row, wanted.get("head"), low, high))
        return sorted(fits, key=lambda row: -row["seq"])

    seqs: dict[str, int] = {}
    for ref, text in zip(refs, texts, strict=True):
        row = find_run(workspace, ref, fitting)
        if row["id"] in seqs:
            raise BadValueError(f"Run {shorten(text)} is named twice; a comparison takes each run once.")
        seqs[row["id"]] = row["seq"]
    return seqs


def _fits(row: Mapping[str, Any], name_head: int | None, low: int, high: int) -> bool:
    return bool(row["name_head"] == name_head or low <= row["id_head"] <= high)


def _as_id(text: str) -> str:
    return str(UUID(text)) if is_uuid_like(text) else text.casefold()


def _steps(
    rows: Iterable[Mapping[str, Any]],
) -> tuple[dict[str, dict[str, tuple[ComparedStep, Any]]], dict[str, str]]:
    """Give the steps of each run by name, each with the files it read, and the run of each execution."""
    steps: dict[str, dict[str, tuple[ComparedStep, Any]]] = {}
    runs: dict[str, str] = {}
    for row in rows:
        error = f"{row['error_type']}: {row['error_message']}" if row["error_type"] else ""
        step = ComparedStep(Status(row["status"]), row["duration_s"], row["source"] or "", error)
        # Of a cell that was run again, the last execution counts.
        steps.setdefault(row["run_id"], {})[row["node"]] = step, row["files"]
        runs[row["id"]] = row["run_id"]
    return steps, runs


def _metrics(
    rows: Iterable[Mapping[str, Any]], runs: set[str], step_runs: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """Merge what was logged, oldest first, and give the numbers in it for each run."""
    own: dict[str, dict[str, Any]] = {}
    of_model: dict[str, dict[str, Any]] = {}
    for row in rows:
        is_own = row["entity_kind"] == Kind.RUN.value
        run_id = row["entity_id"] if is_own else step_runs.get(row["step_id"], "")
        if run_id not in runs:
            # Another text with the same head.
            continue
        kept = (own if is_own else of_model).setdefault(run_id, {})
        key, value = row["key"], row["value"]
        # One key at a time: of thousands, not all must be copied for each.
        kept[key] = merge({key: kept[key]}, {key: value})[key] if key in kept else value
    found = {}
    for run_id in runs:
        numbers = dict(metrics_in(of_model.get(run_id, {}))) | dict(metrics_in(own.get(run_id, {})))
        # What was logged at one instant has no order of its own.
        found[run_id] = {path: numbers[path] for path in sorted(numbers)}
    return found


def _data(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, ComparedData]]:
    made = {(row["run_id"], row["id"]) for row in rows if row["direction"] == "out"}
    found: dict[str, dict[str, ComparedData]] = {}
    for row in rows:
        if row["direction"] == "out":
            place = row["node"] if row["put"] == "output" else f"{row['node']}.{row['put']}"
        elif (row["run_id"], row["id"]) in made:
            continue
        else:
            place = f"{row['node']} ← {row['put']}"
        label = row["name"] if row["number"] is None else f"{row['name']}@{row['number']}"
        found.setdefault(row["run_id"], {})[place] = ComparedData(label, row["digest"] or row["id"])
    return found


def _files(read: Iterable[Any]) -> dict[str, ComparedData]:
    found = (file for files in read for file in files or ())
    return {f"file {file['path']}": ComparedData(file["path"], file["digest"]) for file in found}


def _code(workspace: Workspace, sides: Sequence[ComparedRun]) -> dict[str, StepCode]:
    by_node: dict[str, dict[int, str]] = {}
    for place, side in enumerate(sides):
        for node, step in side.steps.items():
            if step.source:
                by_node.setdefault(node, {})[place] = step.source
    met = {node: list(dict.fromkeys(digests.values())) for node, digests in by_node.items()}
    parts = sources_of(workspace, (digest for variants in met.values() if len(variants) > 1 for digest in variants))
    code = {}
    for node, digests in by_node.items():
        variants = met[node]
        said = tuple(_changes(parts.get(digest), parts.get(variants[0])) for digest in variants[1:])
        code[node] = StepCode({place: variants.index(digest) for place, digest in digests.items()}, ("", *said))
    return code


def _changes(now: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> str:
    # Of an old record, what a source was made of may not be known.
    parts = changed_parts(now, before) if now is not None and before is not None else []
    return "; ".join(said_of(*part) for part in parts) or "its source changed"
