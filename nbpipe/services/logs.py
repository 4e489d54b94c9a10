"""What the steps of a run printed, in the order in which they ran, each attempt for itself.

What a step prints is kept when it is over. Of one that goes on it is seen only where it runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nbpipe.base.displaying import Displayed
from nbpipe.catalog.finding import by_head, near
from nbpipe.errors import NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.runs import Status
from nbpipe.services.workspace import Workspace

_LOGS = f"""
    {near("steps", "run_head")}
    SELECT id, node, attempt, status, why, duration_s, logs FROM near
    WHERE run_id = $run AND ($node IS NULL OR node = $node) ORDER BY seq
"""  # noqa: S608 — made of constants
_LOOK_UP_S = 0.3


@dataclass(frozen=True, slots=True)
class StepLog(Displayed):
    """What one attempt of a step printed.

    Attributes:
        step_id: The id of the execution.
        node: The step's name in the graph.
        attempt: Which attempt it was, from 1.
        status: How it ended, or that it goes on.
        why: Why it ran or was reused.
        duration_s: How long it took, in seconds.
        text: What it printed.
    """

    step_id: str
    node: str
    attempt: int
    status: Status
    why: str
    duration_s: float | None
    text: str

    def __repr__(self) -> str:
        return f"<StepLog {shorten(self.node)}: {self.status.value}>"

    def as_row(self) -> dict[str, Any]:
        """Give its plain facts."""
        return {
            "node": self.node,
            "attempt": self.attempt,
            "status": self.status.value,
            "why": self.why,
            "duration_s": self.duration_s,
            "text": self.text,
        }


def logs_of(workspace: Workspace, run_id: str, nodes: Callable[[], Iterator[str]], step: str | None) -> list[StepLog]:
    """Give what the steps of a run printed so far.

    Args:
        workspace: Where it is recorded.
        run_id: The run.
        nodes: Names the steps that it has.
        step: Only this one.

    Raises:
        NotFoundError: It has no such step; the nearest is told.
    """
    rows = workspace.catalog.rows(_LOGS, {**by_head(run=run_id), "node": step})
    if not rows and step is not None:
        known = list(nodes())
        if step not in known:
            raise NotFoundError("step", step, known)
    return [
        StepLog(
            row["id"],
            row["node"],
            row["attempt"] or 1,
            Status(row["status"]),
            row["why"] or "",
            row["duration_s"],
            row["logs"] if isinstance(row["logs"], str) else "",
        )
        for row in rows
    ]


def followed(ask: Callable[[], list[StepLog]], is_over: Callable[[], bool]) -> Iterator[StepLog]:
    """Give what steps printed as each of them ends, until the run is over."""
    told: set[str] = set()
    while True:
        # Asked before: what is recorded until the run's end is then seen for certain.
        last = is_over()
        for log in ask():
            if log.status.is_over and log.step_id not in told:
                told.add(log.step_id)
                yield log
        if last:
            return
        time.sleep(_LOOK_UP_S)
