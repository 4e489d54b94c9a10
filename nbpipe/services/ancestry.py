"""Which pipelines asked for which, down to this process: how a ring is seen, and where it ends.

A process that runs a snapshot for another is told by its environment whose children it has: what
a step starts by way of a shell is counted, too. A run that asks for itself with the very same
values would go on for ever, and is refused at once; one that asks for itself with other values
may come to an end, and has eight levels to do so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

from nbpipe.base.digest import quick
from nbpipe.errors import ConflictError

DEEPEST = 8
ANCESTRY = "NBPIPE_TRIGGERED_BY"
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One that was asked for, and is still to end.

    Attributes:
        pipeline: Its pipeline's name, cut if it is long.
        asked: What tells it from others: its snapshot's content and its values.
    """

    pipeline: str
    asked: str


def ancestors() -> tuple[Ancestor, ...]:
    """Give whose child this process is, the oldest first; a text that is not ours counts as none."""
    try:
        return tuple(Ancestor(str(name), str(asked)) for name, asked in json.loads(os.environ.get(ANCESTRY, "[]")))
    except (ValueError, TypeError):
        return ()


def descended(pipeline: str, digest: str, configuration: object) -> tuple[Ancestor, ...]:
    """Give the ancestors that a run will have which is asked for here, itself the last.

    Args:
        pipeline: What it runs.
        digest: The digest of its snapshot's content.
        configuration: Its configuration as JSON data.

    Raises:
        ConflictError: It is one of its own ancestors, or the limit is reached.
    """
    line = ancestors()
    new = Ancestor(_cut(pipeline), quick("asked", digest, json.dumps(configuration, sort_keys=True)))
    if any(one.asked == new.asked for one in line):
        first = next(place for place, one in enumerate(line) if one.asked == new.asked)
        raise ConflictError(
            f"Pipelines trigger one another in a ring: {_path((*line[first:], new))}, each time with the same values.\n"
            "Let one of them pass other values, or trigger it on a condition."
        )
    if len(line) >= DEEPEST:
        raise ConflictError(
            f"Pipelines trigger one another {DEEPEST} levels deep, which is the limit: {_path((*line, new))}.\n"
            "Look for one that never ends."
        )
    return (*line, new)


def as_environment(line: Sequence[Ancestor]) -> dict[str, str]:
    """Write ancestors down for a process that is about to start."""
    return {ANCESTRY: json.dumps([[one.pipeline, one.asked] for one in line])}


def _path(line: Sequence[Ancestor]) -> str:
    return " → ".join(one.pipeline for one in line)


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
