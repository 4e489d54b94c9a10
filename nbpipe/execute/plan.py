"""Deciding whether a step runs or is reused, and saying why.

Pure functions of what a step is made of, what it is given, and what was recorded. A key holds
the step's source with all it leans on, its typed parameters and the content of its inputs;
names of runs, tags, retries and executors are not in it. The half key is the same without the
inputs: where no execution has it, no input can make a hit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nbpipe.base.digest import quick
from nbpipe.records.base import shorten


@dataclass(frozen=True, slots=True)
class Keys:
    """What an execution is known by.

    Attributes:
        key: Source, parameters and inputs.
        half: Source and parameters.
    """

    key: str
    half: str


def half_key(source: str, parameters: str, outputs: Sequence[str]) -> str:
    """Make the half key.

    Args:
        source: The digest of the step's source.
        parameters: The digest of its typed parameters, by name.
        outputs: The names of its outputs.
    """
    return quick("half", source, parameters, *outputs)


def full_key(half: str, inputs: Mapping[str, str]) -> str:
    """Make the key from the half key and the content digest of each input."""
    parts = [part for name in sorted(inputs) for part in (name, inputs[name])]
    return quick("key", half, *parts)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a step is about to run with, for a comparison with an earlier execution.

    Attributes:
        source: The digest of its source.
        leans: The digest of each piece it leans on, by the names that the piece binds.
        parameters: Its parameters as JSON data.
        inputs: The content digest of each input.
    """

    source: str
    leans: Mapping[str, str]
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str]


def reason(now: Facts, before: Facts | None) -> str:
    """Say why a step runs, against the last execution of the same node."""
    if before is None:
        return "never ran before"
    changes = [*_source_changes(now, before), *_parameter_changes(now, before)]
    changes += [f"input {name} changed" for name, digest in now.inputs.items() if before.inputs.get(name) != digest]
    return "; ".join(changes) if changes else "no result is kept"


def _source_changes(now: Facts, before: Facts) -> list[str]:
    if now.source == before.source:
        return []
    changed = [f"source of {name} changed" for name, digest in now.leans.items() if before.leans.get(name) != digest]
    gone = [f"{name} is no longer used" for name in before.leans if name not in now.leans]
    return [*changed, *gone][:4] or ["its source changed"]


def _parameter_changes(now: Facts, before: Facts) -> list[str]:
    changes = []
    for name, value in now.parameters.items():
        former = before.parameters.get(name, _ABSENT)
        if former is _ABSENT:
            changes.append(f"{name} is new")
        elif type(former) is not type(value) or former != value:
            changes.append(f"{name} {shorten(former, 30)} → {shorten(value, 30)}")
    return changes


_ABSENT = object()


def is_expired(recorded_at: str, expiry_s: float | None, now: datetime) -> bool:
    """Tell whether an execution is too old to be reused.

    Args:
        recorded_at: When it ended, ISO 8601.
        expiry_s: For how long it may be reused, in seconds; `None` for ever.
        now: The present instant.
    """
    if expiry_s is None:
        return False
    return now - datetime.fromisoformat(recorded_at) > timedelta(seconds=expiry_s)
