"""How the lineage of an artifact version is shown, and its plain facts.

A graph is told as two trees. What is met a second time is named and not followed again, so that the
trees end even where the graph goes round.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nbpipe.services.lineage import Lineage, Use, VersionNode
from nbpipe.views.frames import Bundle
from nbpipe.views.lineage import LineageFacts, LineageLine, lineage_card
from nbpipe.views.tables import Table
from nbpipe.views.theme import signed

_AGAIN = "see above"
_SHORT = 8


def lineage_bundle(lineage: Lineage, *, stable: bool = False) -> Bundle:
    """Show a lineage; `stable` leaves out what differs from one run to the next."""
    columns = ("run", "pipeline", "status", "started")
    rows = [(run.id[:_SHORT], run.pipeline, signed(run.status), run.started) for run in lineage.runs.values()]
    facts = LineageFacts(
        title=lineage.root.label,
        before=list(_lines(lineage, -1, stable=stable)),
        after=list(_lines(lineage, 1, stable=stable)),
        runs=Table((), ()) if stable else Table(columns, rows),
        models=lineage.root.models,
        snapshots=[name[:_SHORT] if name in lineage.runs else name for name in lineage.snapshots],
        is_cut=lineage.is_cut,
    )
    return lineage_card(facts)


def _lines(lineage: Lineage, sign: int, *, stable: bool) -> Iterator[LineageLine]:
    """Walk a tree from its root; without recursion, for a chain may be thousands of steps long."""
    told: set[str] = set()
    uses = _uses_by_version(lineage, sign)
    todo: list[tuple[int, VersionNode | Use]] = []
    todo += [(0, use) for use in reversed(uses.get(lineage.root.id, ()))]
    while todo:
        depth, one = todo.pop()
        key = one.step_id if isinstance(one, Use) else one.id
        is_again = key in told
        told.add(key)
        if isinstance(one, Use):
            run = lineage.runs.get(one.run_id)
            name = f"run {one.run_id[:_SHORT]}" if not stable else ""
            notes = [name, run.pipeline if run is not None else "", _AGAIN if is_again else ""]
            yield LineageLine(depth, one.node, is_step=True, status=one.status.value, notes=notes)
            ends = (one.inputs if sign < 0 else one.outputs).values()
            inner: list[VersionNode | Use] = [lineage.versions[end] for end in ends if end in lineage.versions]
        else:
            models = [f"of {', '.join(one.models)}"] if one.models else []
            inner = list(uses.get(one.id, ()))
            yield LineageLine(depth, one.label, notes=[one.type, *models, _AGAIN if is_again and inner else ""])
        if not is_again:
            todo += [(depth + 1, each) for each in inner][::-1]


def _uses_by_version(lineage: Lineage, sign: int) -> dict[str, list[Use]]:
    """Give what made each version, or what read it."""
    found: dict[str, list[Use]] = {}
    for use in lineage.executions.values():
        if use.level * sign > 0:
            sides = use.outputs if sign < 0 else use.inputs
            for one in dict.fromkeys(sides.values()):
                if sign > 0 or ((version := lineage.versions.get(one)) and version.made_by == use.step_id):
                    found.setdefault(one, []).append(use)
    return found


def lineage_plain(lineage: Lineage) -> dict[str, Any]:
    """Give the facts of a lineage."""
    return {
        "artifact": _version_plain(lineage.root),
        "made_by": _use_plain(lineage, lineage.made_by) if lineage.made_by is not None else None,
        "used_by": [_use_plain(lineage, use) for use in lineage.used_by],
        "versions": [_version_plain(version) for version in lineage.versions.values()],
        "executions": [_use_plain(lineage, use) for use in lineage.executions.values()],
        "edges": [{"from": edge.source, "to": edge.target, "name": edge.name} for edge in lineage.edges],
        "runs": [
            {"id": run.id, "name": run.name, "pipeline": run.pipeline, "status": run.status, "started": run.started}
            for run in lineage.runs.values()
        ],
        "snapshots": list(lineage.snapshots),
        "cut": lineage.is_cut,
    }


def _version_plain(version: VersionNode) -> dict[str, Any]:
    return {
        "id": version.id,
        "name": version.name,
        "version": version.version,
        "type": version.type,
        "model_versions": list(version.models),
    }


def _use_plain(lineage: Lineage, use: Use) -> dict[str, Any]:
    sides = {"inputs": use.inputs, "outputs": use.outputs}
    named = {
        side: {
            name: {"id": one, "artifact": lineage.versions[one].label if one in lineage.versions else None}
            for name, one in ids.items()
        }
        for side, ids in sides.items()
    }
    known = {"run_id": use.run_id, "step_id": use.step_id, "step": use.node, "status": use.status, "level": use.level}
    return {**known, **named}
