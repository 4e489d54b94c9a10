"""Metadata: put on runs, steps, artifact versions, model versions and snapshots, and read back merged.

What was logged is a fact: it is appended, never changed. What it comes to is worked out when it
is read: dicts merge deeply, anything else is replaced by the later value, and what stood there
before is history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nbpipe.catalog.finding import by_head, near
from nbpipe.records.metadata import MetadataEntry, decode, encode, merge, metrics_in
from nbpipe.records.refs import Kind, Target
from nbpipe.services.instants import as_instant
from nbpipe.services.resolve import resolve_all
from nbpipe.services.workspace import Workspace

LOGGED_ON = f"""
    {near("metadata", "entity_head")}
    SELECT key, value, logged_at FROM near WHERE entity_kind = $kind AND entity_id = $id ORDER BY logged_at
"""  # noqa: S608 — made of constants


@dataclass(frozen=True, slots=True)
class Logged:
    """One value as it was logged, still encoded."""

    key: str
    value: Any
    at: datetime


@dataclass(frozen=True, slots=True)
class Metadata:
    """All metadata of one thing.

    Attributes:
        values: Plain nested data, everything merged.
        entries: Each top-level key with when it was logged and what it was before.
        metrics: The numbers in it, by dotted path.
    """

    values: dict[str, Any]
    entries: dict[str, MetadataEntry]
    metrics: dict[str, float]


def merged(logged: Iterable[Logged]) -> Metadata:
    """Merge what was logged, oldest first."""
    encoded: dict[str, Any] = {}
    stages: dict[str, list[tuple[datetime, Any]]] = {}
    for one in logged:
        before = encoded.get(one.key)
        encoded = merge(encoded, {one.key: one.value})
        past = stages.setdefault(one.key, [])
        # A reused step says once more what is known already; that is no change.
        if past and repr(encoded[one.key]) == repr(before):
            past.pop()
        past.append((one.at, encoded[one.key]))
    values = {key: decode(value) for key, value in encoded.items()}
    entries = {key: _entry(values[key], past) for key, past in stages.items()}
    return Metadata(values, entries, dict(metrics_in(encoded)))


def _entry(value: Any, past: list[tuple[datetime, Any]]) -> MetadataEntry:
    history = tuple((at, decode(former)) for at, former in past[:-1])
    return MetadataEntry(value, past[-1][0], history)


def metadata_of(workspace: Workspace, kind: Kind, entity_id: str) -> Metadata:
    """Read the metadata of one thing, which is known to exist."""
    rows = workspace.catalog.rows(LOGGED_ON, {"kind": kind.value, **by_head(id=entity_id)})
    return merged(Logged(row["key"], row["value"], as_instant(row["logged_at"])) for row in rows)


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
