"""What is seen of steps that run, as the facts that views draw.

Whoever runs a step knows no views, and views know nobody who runs steps; here they meet, without
all that it takes to show a record.
"""

from __future__ import annotations

from typing import Protocol

from nbpipe.views.running import RunningFacts


class SeenProgress(Protocol):
    """How far a running step says it is."""

    @property
    def done(self) -> float:
        """How much is done."""

    @property
    def total(self) -> float | None:
        """How much there is to do, if that is known."""

    @property
    def note(self) -> str:
        """What it is at."""


class SeenStep(Protocol):
    """What is seen of a step that runs (`StartedRun.look`)."""

    @property
    def elapsed_s(self) -> float:
        """How long it has been running, in seconds."""

    @property
    def progress(self) -> SeenProgress | None:
        """How far it is, if it says so."""

    @property
    def last_line(self) -> str:
        """What it printed last."""


def running_facts(node: str, seen: SeenStep | None, *, elapsed_s: float | None = None) -> RunningFacts:
    """Give the facts of a step that runs.

    Args:
        node: The step.
        seen: What is seen of it, if anything yet.
        elapsed_s: How long it has been running, where that is known better.
    """
    if seen is None:
        return RunningFacts(node, elapsed_s or 0.0)
    elapsed_s = seen.elapsed_s if elapsed_s is None else elapsed_s
    if seen.progress is None:
        return RunningFacts(node, elapsed_s, last_line=seen.last_line)
    said = seen.progress
    return RunningFacts(node, elapsed_s, said.done, said.total, said.note, seen.last_line)
