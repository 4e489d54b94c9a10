"""How two compared snapshots are shown: the service's values, handed to the card of the views."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nbpipe.services.snapshot_differences import FactChange, SnapshotDifferences
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.views.amounts import value_text
from nbpipe.views.frames import Bundle
from nbpipe.views.snapshot_differences import SnapshotDifferenceFacts, snapshot_differences_card


def differences_bundle(found: SnapshotDifferences, *, stable: bool = False) -> Bundle:
    """Show in what two snapshots differ; `stable` leaves out their ids."""
    left, right = found.left, found.right
    pipelines = dict.fromkeys((left.pipeline, right.pipeline))
    facts = SnapshotDifferenceFacts(
        " and ".join(pipelines),
        _label(left, "first", stable=stable),
        _label(right, "second", stable=stable),
        [(change.step, change.said, change.diff) for change in found.code],
        [
            ("parameter", _rows(found.parameters)),
            ("option", _rows(found.options)),
            ("environment", _rows(found.environment)),
        ],
    )
    return snapshot_differences_card(facts)


def _label(snapshot: Snapshot, place: str, *, stable: bool) -> str:
    return snapshot.name or (place if stable else snapshot.id[:8])


def _rows(changes: Iterable[FactChange]) -> list[tuple[str, str, str]]:
    return [(change.name, _text(change.before), _text(change.after)) for change in changes]


def _text(value: Any) -> str:
    # A number in full, so that no rounding hides the difference; text as it is, for most of it are versions.
    return "" if value is None else value_text(repr(value) if isinstance(value, float) else value)
