"""One attempt at a step in this process: what it read, printed, drew and took, and what of it is to be kept.

Whoever runs a step here, the driver of a run or a process that an executor has, does it in this way.
It knows the store that values go to; it knows no graph, no cache and no record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nbpipe.execute.capture import Capture
from nbpipe.execute.files import NO_FILES, FilesUsed, FileWatch
from nbpipe.execute.glimpses import Glimpses
from nbpipe.execute.randomness import Drawn, RandomChain
from nbpipe.execute.worker import Outcome, Task
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.steps import UnmaterializedArtifact
from nbpipe.store.store import Store


class Attempt:
    """One attempt.

    Args:
        store: Where values are kept.
        task: What is run.
        capture: What keeps its printed text.
        random: The states of random numbers that a cell finds and leaves.
        glimpses: Where it is seen while it runs.
        watch: What tells of the files that it opens, for whoever runs one step after the other.

    Attributes:
        before: For a cell: what tells whether it changed an input in place.
        duration_s: How long it took, in seconds.
        files: The files that it read and wrote.
        drawn: For a cell: what it did to the process's sources of random numbers.
        logs: What it printed.
    """

    def __init__(
        self,
        store: Store,
        task: Task,
        capture: Capture,
        random: RandomChain,
        glimpses: Glimpses | None = None,
        *,
        watch: FileWatch | None = None,
    ) -> None:
        self._store = store
        self._task = task
        self._capture = capture
        self._random = random
        self._glimpses = glimpses or Glimpses()
        self._watch = watch or FileWatch(store.workspace)
        self.before: Mapping[str, str] = {}
        self.duration_s = 0.0
        self.files: FilesUsed = NO_FILES
        self.drawn: Sequence[Drawn] = ()
        self.logs = ""

    def run(self, body: Callable[[], Outcome]) -> Outcome:
        """Run the step's body and see what it does besides.

        Args:
            body: Runs the task; whatever the user's code does, it returns.
        """
        task, is_cell = self._task, self._task.source.kind == "cell"
        if task.wanted:
            self.before = self._store.fingerprints({name: task.arguments[name] for name in task.wanted})
        watch = self._watch
        transcript = self._capture.begin()
        task.context.report = self._glimpses.begin(task.context.step, transcript)
        if is_cell:
            self._random.begin()
        watch.begin()
        began = time.perf_counter()
        outcome = body()
        self.duration_s = time.perf_counter() - began
        self.files = watch.end(task.source, task.arguments)
        if is_cell:
            self.drawn = self._random.end()
        self._capture.end()
        self._glimpses.end(task.context.step)
        self.logs = transcript.text()
        return outcome


def values_to_keep(
    store: Store, outcome: Outcome, before: Mapping[str, str]
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Tell what a step gave, inputs that it changed in place among it, and the inputs that it left as they were.

    Args:
        store: Where the values will go.
        outcome: What the step gave.
        before: What tells whether an input was changed.
    """
    beside: dict[str, Any] = {}
    if not outcome.inputs_after:
        return outcome.outputs, beside
    values = dict(outcome.outputs)
    # All of them as before, so that what is told by a part of another is told by the same again.
    held = {**outcome.inputs_after, **outcome.outputs}
    after = store.fingerprints({name: held[name] for name in before if name in held})
    for name, value in outcome.inputs_after.items():
        (values if after[name] != before[name] else beside)[name] = value
    return values, beside


def pointer_to(artifact: ArtifactVersion) -> UnmaterializedArtifact:
    """Give what stands for an artifact that a step asked not to be loaded."""
    return UnmaterializedArtifact(artifact.id, artifact.name, artifact.number, artifact.type_name, artifact.digest)
