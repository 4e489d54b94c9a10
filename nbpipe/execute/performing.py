"""A step that was sent here: its code brought to life, its inputs loaded, run, and its outputs stored.

What it gives are references to what was stored; only the store of the workspace is touched, never its
catalog. This is the same whoever carried the step here.
"""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import ExecutorError, NbpipeError
from nbpipe.execute.attempt import Attempt, pointer_to, values_to_keep
from nbpipe.execute.capture import Capture
from nbpipe.execute.context import StepContext
from nbpipe.execute.glimpses import Glimpses
from nbpipe.execute.randomness import RandomChain
from nbpipe.execute.sending import SentOutcome, SentPlan, SentTask, failure_to_send, values_sent
from nbpipe.execute.worker import LIBRARY, CodeRoom, Failure, Outcome, Task, failure_of, run_task
from nbpipe.records.definitions import Output, StepSignature
from nbpipe.source.closure import Source
from nbpipe.store.keeping import Kept
from nbpipe.store.store import Store

_PLANS_KEPT = 4
Guard = Callable[[Callable[[], Outcome]], Outcome]


class _Room:
    """Where the steps of one run live in this process."""

    def __init__(self, plan: SentPlan) -> None:
        self.plan = plan
        self.sources = {source.digest: source for source in plan.sources}
        self.code = CodeRoom(list(plan.sources))
        self.store = Store(WorkspacePaths(Path(plan.workspace)))


class Performer:
    """Performs the steps of runs, one at a time.

    Args:
        capture: What keeps what this thread prints.
        guard: Calls the body of a step so that it can be interrupted; what is done around it cannot.

    Attributes:
        glimpses: What is to be seen of the step that runs now.
    """

    def __init__(self, capture: Capture, guard: Guard) -> None:
        self._capture = capture
        self._guard = guard
        self.glimpses = Glimpses()
        self._rooms: OrderedDict[str, _Room] = OrderedDict()

    def take(self, plan: SentPlan) -> None:
        """Learn what the steps of a run have in common."""
        self._rooms[plan.run] = _Room(plan)
        while len(self._rooms) > _PLANS_KEPT:
            _, old = self._rooms.popitem(last=False)
            old.store.close()

    def knows(self, run: str) -> bool:
        """Tell whether a run's plan is known here."""
        return run in self._rooms

    def perform(self, run: str, task: SentTask) -> SentOutcome:
        """Perform one task; whatever the user's code does, this returns."""
        room = self._rooms[run]
        self._rooms.move_to_end(run)
        try:
            _enter_surroundings(room.plan, task.folder)
            return self._performed(room, task)
        except NbpipeError as error:
            return SentOutcome(failure=failure_to_send(failure_of(error)))

    def _performed(self, room: _Room, task: SentTask) -> SentOutcome:
        source = room.sources[task.source]
        names = tuple(name for name, _ in task.outputs)
        failure = _brought_to_life(room, source, (*names, *task.inputs))
        if failure is not None:
            return SentOutcome(failure=failure_to_send(failure))
        # Only now: some may be instances of what was brought to life.
        values, facts = values_sent(task.values)
        context = StepContext(facts, task.node, task.id, names, room.plan.workspace)
        context.triggered.extend(task.triggered)
        stored = {name: artifact for name, artifact in task.inputs.items() if name not in task.pointers}
        pointers = {name: pointer_to(task.inputs[name]) for name in task.pointers if name in task.inputs}
        arguments = {**pointers, **room.store.load_all(stored, trust=True)}
        is_cell = source.kind == "cell"
        signature = StepSignature({}, tuple(Output(*output) for output in task.outputs), task.is_tuple)
        wanted = tuple(arguments) if is_cell else ()
        live = Task(source, signature, {**values, **arguments}, context, wanted)
        attempt = Attempt(room.store, live, self._capture, RandomChain(*task.random), self.glimpses)
        outcome = attempt.run(lambda: self._guard(lambda: run_task(live, room.code)))
        return self._kept(room.store, task, context, attempt, outcome, is_cell=is_cell)

    def _kept(
        self, store: Store, task: SentTask, context: StepContext, attempt: Attempt, outcome: Outcome, *, is_cell: bool
    ) -> SentOutcome:
        failure, kept = outcome.failure, Kept({})
        if failure is None:
            try:
                values, beside = values_to_keep(store, outcome, attempt.before)
                kept = store.keep(
                    values,
                    made_by=task.id,
                    artifact_names=dict(task.outputs),
                    beside=beside,
                    paths_as_files=not is_cell,
                )
            except NbpipeError as error:
                failure = failure_of(error)
        return SentOutcome(
            kept.versions,
            kept.not_carried,
            failure_to_send(failure) if failure is not None else None,
            attempt.duration_s,
            context.notes,
            context.tags,
            tuple(context.triggered),
            attempt.logs,
            attempt.files,
            attempt.drawn,
        )


def _brought_to_life(room: _Room, source: Source, outputs: tuple[str, ...]) -> Failure | None:
    """Execute what the steps lean on, so that classes of the notebook are there when inputs are loaded."""
    try:
        room.code.call_of(source, outputs)
    except BaseException as error:  # noqa: BLE001 — what a piece of the user's code raises is the step's failure
        return failure_of(error, is_users_own=True)
    sys.modules[LIBRARY] = room.code.library
    return None


def _enter_surroundings(plan: SentPlan, folder: str) -> None:
    """Give a step the environment, the search path and the folder that it would have had where it came from.

    Raises:
        ExecutorError: The folder is not there.
    """
    if dict(os.environ) != plan.environment:
        os.environ.clear()
        os.environ.update(plan.environment)
    if tuple(sys.path) != plan.search_path:
        sys.path[:] = plan.search_path
    try:
        os.chdir(folder)
    except OSError as error:
        raise ExecutorError(f"A worker cannot enter the working directory {folder}: {error.strerror}.") from None
