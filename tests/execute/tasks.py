"""Tasks as a driver sends them, made of a few lines of text."""

from __future__ import annotations

import os
import sys
from typing import Any

from nbpipe.base.ids import new_id
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.execute.children import PackedPlan
from nbpipe.execute.context import RunFacts
from nbpipe.execute.sending import SentPlan, SentTask, values_to_send
from nbpipe.source.closure import Source, close_over
from nbpipe.source.pieces import read_unit

FACTS = RunFacts("run-id", "run-name", "training", {})


def source_of(text: str, *cells: str) -> Source:
    """Give the source of a function `work` that leans on cells."""
    units = [read_unit(f"cell {n}", cell) for n, cell in enumerate(cells, 1)]
    return close_over(text, kind="function", entry="work", step="work", units=units)


def plan_of(workspace: WorkspacePaths, *sources: Source, run: str = "run-id") -> SentPlan:
    """Give the plan of a run with these steps."""
    return SentPlan(run, str(workspace.root), sources, tuple(sys.path), dict(os.environ))


def packed_plan_of(workspace: WorkspacePaths, *sources: Source, run: str = "run-id") -> PackedPlan:
    """Give the same, packed."""
    return PackedPlan(plan_of(workspace, *sources, run=run))


def task_of(source: Source, *, timeout_s: float | None = None, folder: str = "", **values: Any) -> SentTask:
    """Give a task that has plain values for arguments and one output."""
    return SentTask(
        id=new_id(),
        node="work",
        source=source.digest,
        outputs=(("output", "work"),),
        is_tuple=False,
        inputs={},
        pointers=frozenset(),
        values=values_to_send("work", values, FACTS),
        folder=folder or os.getcwd(),
        timeout_s=timeout_s,
    )
