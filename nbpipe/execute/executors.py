"""Executors: who has steps run elsewhere than in the thread of their run.

An executor is handed tasks as plain data and answers each with one outcome, whatever becomes of whoever
performed it. Retries, reuse and what is written down are the driver's. It is asked for by a text that can be
kept in a configuration: `processes`, `processes:4`, `dask`, `dask:tcp://127.0.0.1:8786`.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from typing import Protocol

from nbpipe.execute.children import Hear, PackedPlan
from nbpipe.execute.sending import SentOutcome, SentTask
from nbpipe.records.executors import check_executor


class Executor(Protocol):
    """Performs tasks.

    Attributes:
        slots: How many tasks it is worth handing over at a time.
    """

    slots: int

    def submit(self, plan: PackedPlan, task: SentTask, hear: Hear) -> Future[SentOutcome]:
        """Have a task performed.

        Args:
            plan: What the steps of its run have in common.
            task: The task.
            hear: Called, in any thread, with what the step prints and how far it is.

        Returns:
            Ends with what came of the task, never with an exception but `ExecutorError`.
        """

    def cancel(self, task: str) -> None:
        """End a task, by its id: its outcome is an interrupt, unless it has one already."""

    def close(self) -> None:
        """End everything that it started."""


def executor_for(asked: str) -> Executor | None:
    """Give the executor that is meant; `None` for the run's own thread.

    Raises:
        BadValueError: There is no such executor.
        ExecutorError: It cannot be reached, or its package is missing.
    """
    name, _, rest = check_executor(asked).partition(":")
    if name == "processes":
        from nbpipe.execute.processes import process_pool

        return process_pool(int(rest) if rest else os.cpu_count() or 1)
    return None
