"""Metadata: put on runs, steps, artifact versions, model versions and snapshots, and read back merged.

What was logged is a fact: it is appended, never changed. What it comes to is worked out when it
is read: dicts merge deeply, anything else is replaced by the later value, and what stood there
before is history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from nbpipe.catalog.finding import by_head, near
from nbpipe.catalog.heads import head_of
from nbpipe.records.metadata import MetadataEntry, decode, encode, merge, metrics_in
from nbpipe.records.refs import Kind, Target
from nbpipe.services.instants import as_instant
from nbpipe.services.resolve import resolve_all
from nbpipe.services.workspace import Workspace

LOGGED_ON = f"""
    {near("metadata", "entity_head")}
    SELECT key, value, logged_at, step_id FROM near WHERE entity_kind = $kind AND entity_id = $id ORDER BY logged_at
"""  # noqa: S608 — made of constants
REUSED = """
    WITH near AS MATERIALIZED (
        SELECT id, status FROM keyed.steps WHERE id_head IN (SELECT unnest($heads::BIGINT[]))
        UNION ALL
        SELECT id, status FROM keyed.items WHERE id_head IN (SELECT unnest($heads::BIGINT[])))
    SELECT id FROM near WHERE status = 'reused'
"""


@dataclass(frozen=True, slots=True)
class Logged:
    """One value as it was logged, still encoded, and the step run that logged it, if one did."""

    key: str
    value: Any
    at: datetime
    step_id: str = ""


@dataclass(frozen=True, slots=True)
class Metadata:
    """All metadata of one thing.

    Attributes:
        values: Plain nested data, everything merged.
        entries: Each top-level key with when it was logged and what it was before.
        metrics: The numbers in it, by dotted path.
        said_by: For each top-level key the step run that logged it last, if one did.
    """

    values: dict[str, Any]
    entries: dict[str, MetadataEntry]
    metrics: dict[str, float]
    said_by: dict[str, str]


def merged(logged: Iterable[Logged]) -> Metadata:
    """Merge what was logged, oldest first."""
    encoded: dict[str, Any] = {}
    stages: dict[str, list[tuple[datetime, Any]]] = {}
    said_by: dict[str, str] = {}
    for one in logged:
        before = encoded.get(one.key)
        # One key at a time: a hundred thousand of them must not be copied a hundred thousand times.
        encoded[one.key] = merge({one.key: before}, {one.key: one.value})[one.key] if stages.get(one.key) else one.value
        past = stages.setdefault(one.key, [])
        # A reused step says once more what is known already; that is no change.
        if past and repr(encoded[one.key]) == repr(before):
            past.pop()
        past.append((one.at, encoded[one.key]))
        said_by[one.key] = one.step_id
    values = {key: decode(value) for key, value in encoded.items()}
    entries = {key: _entry(values[key], past) for key, past in stages.items()}
    return Metadata(values, entries, dict(metrics_in(encoded)), said_by)


def _entry(value: Any, past: list[tuple[datetime, Any]]) -> MetadataEntry:
    history = tuple((at, decode(former)) for at, former in past[:-1])
    return MetadataEntry(value, past[-1][0], history)


def metadata_of(workspace: Workspace, kind: Kind, entity_id: str) -> Metadata:
    """Read the metadata of one thing, which is known to exist."""
    rows = workspace.catalog.rows(LOGGED_ON, {"kind": kind.value, **by_head(id=entity_id)})
    return merged(Logged(row["key"], row["value"], as_instant(row["logged_at"]), row["step_id"] or "") for row in rows)


def entries_of(workspace: Workspace, kind: Kind, entity_id: str) -> dict[str, MetadataEntry]:
    """Read the metadata of one thing as entries, those that a reused step said marked as such."""
    found = metadata_of(workspace, kind, entity_id)
    steps = {step_id for step_id in found.said_by.values() if step_id}
    if not steps:
        return found.entries
    rows = workspace.catalog.rows(REUSED, {"heads": [head_of(step_id) for step_id in steps]})
    reused = {row["id"] for row in rows}
    return {key: replace(entry, is_reused=found.said_by[key] in reused) for key, entry in found.entries.items()}


class MetadataService:
    """What may be asked of metadata.

    Args:
        workspace: Where it is kept.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def log(
        self,
        values: Mapping[str, Any],
        *,
        run: object = None,
        step: object = None,
        artifact: object = None,
        model: object = None,
        artifact_version: object = None,
        model_version: object = None,
        snapshot: object = None,
    ) -> tuple[Target, ...]:
        """Put `values` on every target, or, if one value or target will not do, on none.

        A target is a name, an id or a record, or a list of those. An artifact's or model's name
        alone means its newest version.

        Returns:
            What it was put on.

        Raises:
            BadValueError: A value that cannot be kept, or no target.
            NotFoundError: A target that does not exist.
        """
        encoded = encode(values)
        targets = resolve_all(
            self._workspace,
            {
                Kind.RUN: run,
                Kind.STEP: step,
                Kind.ARTIFACT_VERSION: _together(artifact, artifact_version),
                Kind.MODEL_VERSION: _together(model, model_version),
                Kind.SNAPSHOT: snapshot,
            },
        )
        if encoded:
            self._workspace.catalog.append_lines([_fact(target, encoded) for target in targets])
        return targets

    def read(self, kind: Kind, entity_id: str) -> Metadata:
        """Read the metadata of one thing, given by its full id."""
        return metadata_of(self._workspace, kind, entity_id)


def _together(*given: object) -> list[object]:
    listed: list[object] = []
    for things in given:
        listed += things if isinstance(things, list) else [] if things is None else [things]
    return listed


def _fact(target: Target, encoded: dict[str, Any]) -> tuple[str, str, str, dict[str, Any]]:
    run_id = target.id if target.kind is Kind.RUN else ""
    return "metadata", target.id, run_id, {"kind": target.kind.value, "values": encoded, "step_id": ""}
