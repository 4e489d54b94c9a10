"""Deciding whether a step runs or is reused, and saying why.

Pure functions of what a step is made of, what it is given, and what was recorded. A key holds
the step's source with all it leans on, its typed parameters and the content of its inputs;
names of runs, tags, retries and executors are not in it. The half key is the same without the
inputs: where no execution has it, no input can make a hit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nbpipe.base.digest import quick
from nbpipe.execute.sources import changed_parts, said_of
from nbpipe.records.base import shorten
from nbpipe.records.executions import Facts


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
    if len(inputs) == 1:
        [(name, digest)] = inputs.items()
        return quick("key", half, name, digest)
    parts = [part for name in sorted(inputs) for part in (name, inputs[name])]
    return quick("key", half, *parts)


def mapped_half(half: str, mapped: Sequence[str]) -> str:
    """Make the half key of a step that is mapped over these arguments; for its items see `item_half`."""
    return quick("mapped", half, *mapped)


def item_half(half: str, mapped: Sequence[str]) -> str:
    """Make the half key of one item of a mapped step: apart from that of a plain call, which is kept in another way."""
    return quick("item", half, *mapped)


SourceLookup = Callable[[str], Mapping[str, Any]]


def reason(now: Facts, before: Facts | None, source_of: SourceLookup) -> str:
    """Say why a step runs, against the last execution of the same node.

    Args:
        now: What it is about to run with.
        before: What it ran with then; `None` if it never did.
        source_of: Gives what a source's digest stands for (`execute.sources`).
    """
    if before is None:
        return "no result so far"
    changes = []
    if now.source != before.source:
        parts = changed_parts(source_of(now.source), source_of(before.source))
        changes += [said_of(*part) for part in parts][:_MOST_PARTS] or ["its source changed"]
    if now.parameters:
        changes += [said for _, said in parameter_changes(now.parameters, before.parameters)]
    changes += [f"input {name} changed" for name, digest in now.inputs.items() if before.inputs.get(name) != digest]
    return "; ".join(changes) if changes else "no result is kept"


def parameter_changes(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Tell which parameters differ; each with words such as `"rate 0.1 → 0.2"`."""
    changes = []
    for name, value in now.items():
        former = before.get(name, _ABSENT)
        if former is _ABSENT:
            changes.append((name, f"{name} is new"))
        elif type(former) is not type(value) or former != value:
            changes.append((name, f"{name} {shorten(former, 30)} → {shorten(value, 30)}"))
    return changes


_ABSENT = object()
_MOST_PARTS = 4


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
