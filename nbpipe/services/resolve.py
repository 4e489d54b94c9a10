"""From what a user writes to the one thing that is meant.

A full id goes first, then a name, then the beginning of an id, four letters or more. What two
things answer to is refused with both; what nothing answers to, with the names that resemble it.

Runs, steps and artifacts are asked of the catalog's views; models and snapshots of the state of
the operation log, which is at hand. Nothing is ever made here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from nbpipe.base.ids import is_uuid_like, may_be_id_prefix
from nbpipe.catalog.finding import by_head, ids_like, near
from nbpipe.catalog.heads import head_of
from nbpipe.errors import AmbiguousNameError, BadValueError, NotFoundError
from nbpipe.records.models import find_version
from nbpipe.records.refs import EntityRef, Kind, Target
from nbpipe.records.state import OperationState
from nbpipe.services.filters import Conditions
from nbpipe.services.pointing import as_ref, said
from nbpipe.services.settling import settle_before_latest
from nbpipe.services.workspace import Workspace

Row = Mapping[str, Any]

# Candidates first, by number alone: each is one pass over a column of heads.
RUNS_WITH_ID = "(SELECT seq FROM keyed.runs WHERE id_head BETWEEN $low AND $high ORDER BY seq DESC LIMIT 6)"
RUNS_NAMED = "(SELECT seq FROM keyed.runs WHERE name_head = $head ORDER BY seq DESC LIMIT 6)"
RUNS_CALLED = f"{RUNS_WITH_ID} UNION {RUNS_NAMED}"
RUN_NAMES = "SELECT name FROM runs WHERE name IS NOT NULL ORDER BY seq DESC LIMIT 500"

STEPS_WITH_ID = """
    WITH near AS MATERIALIZED (FROM keyed.steps WHERE id_head BETWEEN $low AND $high)
    SELECT id, node, run_id FROM near WHERE starts_with(id, $ref) ORDER BY seq DESC LIMIT 6
"""
STEPS_OF_RUN = f"{near('steps', 'run_head')} SELECT id, node, run_id FROM near WHERE run_id = $run ORDER BY seq DESC"  # noqa: S608

VERSION_OF_ARTIFACT = "name = $name AND ($number IS NULL OR number = $number)"
ARTIFACTS_WITH_ID = """
    WITH near AS MATERIALIZED (FROM keyed.artifacts WHERE id_head BETWEEN $low AND $high)
    SELECT id, name, number FROM near WHERE starts_with(id, $ref) ORDER BY seq DESC LIMIT 6
"""
ARTIFACT_NAMES = "SELECT DISTINCT name FROM artifacts LIMIT 2000"

PIPELINE_NAMED = """
    SELECT 1 AS known FROM runs WHERE pipeline = $name
    UNION ALL SELECT 1 FROM snapshots WHERE pipeline = $name LIMIT 1
"""
PIPELINE_NAMES = "SELECT pipeline AS name FROM runs UNION SELECT pipeline FROM snapshots LIMIT 2000"


def resolve(workspace: Workspace, thing: object, kind: Kind | None = None) -> Target:
    """Find the one thing that is meant.

    Args:
        workspace: Where to look.
        thing: Whatever `services.pointing.as_ref` reads.
        kind: What is expected; `None` where the thing says it. `ARTIFACT` and `MODEL` give a
            version if one was named; `ARTIFACT_VERSION` and `MODEL_VERSION` always do, the
            newest of a name alone.

    Raises:
        BadValueError: It cannot point at this kind of thing.
        NotFoundError: Nothing answers to it; the nearest names are told.
        AmbiguousNameError: Several things do.
    """
    ref = as_ref(thing, kind)
    return _FINDERS[ref.kind](workspace, ref)


def resolve_all(workspace: Workspace, given: Mapping[Kind | None, object]) -> tuple[Target, ...]:
    """Find everything that is meant, each thing once; if one cannot be found, none is given.

    Args:
        workspace: Where to look.
        given: What the caller gave for each kind: one thing, a list of things, or `None`.

    Raises:
        BadValueError: Nothing was given at all.
        NotFoundError: As for `resolve`.
    """
    found: dict[tuple[Kind, str], Target] = {}
    for kind, things in given.items():
        for thing in _listed(things):
            target = resolve(workspace, thing, kind)
            found[target.kind, target.id] = target
    if not found:
        names = ", ".join(f"{kind.value}=" for kind in given if kind is not None)
        raise BadValueError(f"Say on what: {names}, each a name, an id or a record.")
    return tuple(found.values())


def linked(workspace: Workspace, sql: str, model_version: object) -> Conditions:
    """Write a condition that binds the id of a model version; `None` asks nothing.

    Raises:
        NotFoundError: There is no such version.
    """
    if model_version is None:
        return Conditions()
    return Conditions(sql, {"model_version": resolve(workspace, model_version, Kind.MODEL_VERSION).id})


def _listed(things: object) -> list[object]:
    if things is None:
        return []
    return list(things) if isinstance(things, list) else [things]


def _run(workspace: Workspace, ref: EntityRef) -> Target:
    row = find_run(workspace, ref, partial(workspace.catalog.found, "runs", "id, name, pipeline"))
    return Target(Kind.RUN, row["id"], row["pipeline"] or "", row["name"] or row["id"][:8])


def find_run(workspace: Workspace, ref: EntityRef, read: Callable[[str, Mapping[str, Any]], Sequence[Row]]) -> Row:
    """Find the one run that is meant, and read it.

    Args:
        workspace: Where to look.
        ref: What `services.pointing.as_ref` read.
        read: Reads the runs that a statement gives by number, at least their `id` and `name`, the newest first.

    Raises:
        NotFoundError: There is none; the nearest names are told.
        AmbiguousNameError: There are several.
    """
    text = ref.whole
    written = _as_id(text)
    if written is not None and is_uuid_like(written):
        whole = [row for row in read(RUNS_WITH_ID, ids_like(written)) if row["id"] == written]
        if whole:
            return whole[0]
    begun = ids_like(written) if written is not None else {}
    rows = read(RUNS_CALLED if begun else RUNS_NAMED, {**begun, "head": head_of(text)})
    named = [row for row in rows if row["name"] == text]
    like = [row for row in rows if written is not None and row["id"].startswith(written)]
    return _only(Kind.RUN, text, named or like, _shown_run, lambda: _names(workspace, RUN_NAMES))


def _shown_run(row: Row) -> str:
    return f"{row['id'][:8]} ({row['name']})"


def _step(workspace: Workspace, ref: EntityRef) -> Target:
    if ref.version:
        return _step_of_run(workspace, ref)
    rows = _with_id(workspace, STEPS_WITH_ID, ref.name)
    row = _only(Kind.STEP, ref.name, rows, lambda step: f"{step['id'][:8]} ({step['node']})", tuple)
    return _step_target(row)


def _step_of_run(workspace: Workspace, ref: EntityRef) -> Target:
    run = _run(workspace, EntityRef(Kind.RUN, ref.name))
    rows = workspace.catalog.rows(STEPS_OF_RUN, by_head(run=run.id))
    for row in rows:
        if row["node"] == ref.version:
            return _step_target(row)
    raise NotFoundError("step", f"{ref.name}@{ref.version}", [f"{ref.name}@{row['node']}" for row in rows])


def _step_target(row: Row) -> Target:
    return Target(Kind.STEP, row["id"], "", f"{row['run_id'][:8]}@{row['node']}")


def _artifact(workspace: Workspace, ref: EntityRef) -> Target:
    """Find an artifact by name; what is no name may be the id of a version."""
    if not is_uuid_like(ref.name) and _newest_of_artifact(workspace, ref.name):
        return Target(Kind.ARTIFACT, ref.name, "", ref.name)
    return _artifact_version_by_id(workspace, ref.name)


def _artifact_version(workspace: Workspace, ref: EntityRef) -> Target:
    """Find a version by name and number, by name alone (the newest), or by id."""
    if not ref.version and is_uuid_like(ref.name):
        return _artifact_version_by_id(workspace, ref.name)
    # No artifact has so many versions, and the catalog's numbers end there.
    number = min(int(ref.version), 2**62) if ref.version.isdecimal() else None
    rows = _newest_of_artifact(workspace, ref.name, number)
    if rows:
        return _artifact_target(rows[0])
    if not ref.version:
        return _artifact_version_by_id(workspace, ref.name)
    newest = _newest_of_artifact(workspace, ref.name)
    if newest:
        hint = f"The newest is {_artifact_target(newest[0]).label}."
        raise NotFoundError("artifact version", f"{ref.name}@{ref.version}", hint=hint)
    raise NotFoundError("artifact", ref.name, _names(workspace, ARTIFACT_NAMES))


def _newest_of_artifact(workspace: Workspace, name: str, number: int | None = None) -> Sequence[Row]:
    asked = {"name": name, "number": number}
    with workspace.catalog.moment() as moment:
        return moment.newest("artifacts", "id, name, number", VERSION_OF_ARTIFACT, asked, limit=1)


def _artifact_version_by_id(workspace: Workspace, text: str) -> Target:
    rows = _with_id(workspace, ARTIFACTS_WITH_ID, text)
    row = _only(Kind.ARTIFACT, text, rows, _shown_artifact, lambda: _names(workspace, ARTIFACT_NAMES))
    return _artifact_target(row)


def _shown_artifact(row: Row) -> str:
    return f"{row['id'][:8]} ({row['name']})"


def _artifact_target(row: Row) -> Target:
    label = _shown_artifact(row) if row["number"] is None else f"{row['name']}@{row['number']}"
    return Target(Kind.ARTIFACT_VERSION, row["id"], row["name"], label)


def _pipeline(workspace: Workspace, ref: EntityRef) -> Target:
    name = ref.whole
    if not workspace.catalog.rows(PIPELINE_NAMED, {"name": name}):
        raise NotFoundError("pipeline", name, _names(workspace, PIPELINE_NAMES))
    return Target(Kind.PIPELINE, name, "", name)


def _model(workspace: Workspace, ref: EntityRef) -> Target:
    """Find a model by name; what is no name may be the id of a version."""
    state = workspace.catalog.state()
    name = ref.whole
    if state.models.get(name) is not None:
        return Target(Kind.MODEL, name, "", name)
    return _model_version_by_id(state, name)


def _model_version(workspace: Workspace, ref: EntityRef) -> Target:
    """Find a version by model and number, name or stage, by model alone (the latest), or by id."""
    settle_before_latest(workspace, ref.version)
    state = workspace.catalog.state()
    if state.models.get(ref.whole) is not None:
        return _version_target(find_version(state, ref.whole, None))
    if not ref.version:
        return _model_version_by_id(state, ref.name)
    row = find_version(state, ref.name, ref.version)
    if row["model"] != ref.name:
        raise NotFoundError(said(Kind.MODEL_VERSION), ref.whole)
    return _version_target(row)


def _model_version_by_id(state: OperationState, text: str) -> Target:
    rows = _starting_with(text, _present(state.versions))
    names = (name for name, row in list(state.models.items()) if row is not None)
    return _version_target(_only(Kind.MODEL, text, rows, _shown_version, lambda: names))


def _shown_version(row: Row) -> str:
    return f"{row['id'][:8]} ({row['model']}@{row['name']})"


def _version_target(row: Row) -> Target:
    return Target(Kind.MODEL_VERSION, row["id"], row["model"], f"{row['model']}@{row['name']}")


def _snapshot(workspace: Workspace, ref: EntityRef) -> Target:
    known = list(_present(workspace.catalog.state().snapshots))
    text = ref.whole
    full = [row for row in known if text in (row["id"], row["name"], _placed(row))]
    rows = full or _starting_with(text, known)
    named = (row["name"] for row in known if row["name"])
    row = _only(Kind.SNAPSHOT, text, rows, _shown_snapshot, lambda: named)
    return Target(Kind.SNAPSHOT, row["id"], row["pipeline"], row["name"] or row["id"][:8])


def _shown_snapshot(row: Row) -> str:
    return _placed(row) if row["name"] else f"{row['id'][:8]} (of {row['pipeline']})"


def _placed(row: Row) -> str:
    return f"{row['pipeline']}/{row['name']}"


_FINDERS: dict[Kind, Callable[[Workspace, EntityRef], Target]] = {
    Kind.RUN: _run,
    Kind.STEP: _step,
    Kind.ARTIFACT: _artifact,
    Kind.ARTIFACT_VERSION: _artifact_version,
    Kind.PIPELINE: _pipeline,
    Kind.MODEL: _model,
    Kind.MODEL_VERSION: _model_version,
    Kind.SNAPSHOT: _snapshot,
}


def _with_id(workspace: Workspace, sql: str, text: str) -> Sequence[Row]:
    written = _as_id(text)
    return workspace.catalog.rows(sql, {"ref": written, **ids_like(written)}) if written is not None else ()


def _as_id(text: str) -> str | None:
    """Write an id, or the beginning of one, as records do; `None` if it cannot be one."""
    folded = str(UUID(text)) if is_uuid_like(text) else text.casefold()
    return folded if may_be_id_prefix(folded) else None


def _starting_with(text: str, rows: Iterable[Row]) -> list[Row]:
    written = _as_id(text)
    return [row for row in rows if row["id"].startswith(written)] if written is not None else []


def _present(rows: Mapping[str, Row | None]) -> Iterator[Row]:
    # The state goes on changing while others write.
    return (row for row in list(rows.values()) if row is not None)


def _names(workspace: Workspace, sql: str) -> list[str]:
    return [row["name"] for row in workspace.catalog.rows(sql)]


def _only(
    kind: Kind, text: str, rows: Sequence[Row], shown: Callable[[Row], str], existing: Callable[[], Iterable[str]]
) -> Row:
    """Give the one row."""
    if len(rows) > 1:
        raise AmbiguousNameError(said(kind), text, [shown(row) for row in rows])
    if not rows:
        raise NotFoundError(said(kind), text, existing())
    return rows[0]
