"""Calling hooks: once what they are told of is recorded, in the run's own thread.

A hook that fails is warned about and changes nothing: the run is what it is. A hook is not called
for what was reused, skipped or stopped, for nothing of the user's own succeeded or failed there.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from nbpipe.define.hooks import NO_HOOKS, Hook, Hooks
from nbpipe.define.pipeline import PipelineDefinition
from nbpipe.errors import HookWarning
from nbpipe.execute.settled import Listener, RunOutcome, Settled
from nbpipe.records.definitions import Traced
from nbpipe.records.runs import Status


class HookCalls:
    """The hooks of one run.

    Args:
        definition: The pipeline.
        traced: The same, for the values of the run.
        step_of: Gives the facts of a step that was settled.
        record: Has what was settled so far written down.
    """

    def __init__(
        self,
        definition: PipelineDefinition,
        traced: Traced,
        *,
        step_of: Callable[[Settled], Any],
        record: Callable[[], None],
    ) -> None:
        self._of_run = definition.hooks
        steps: Mapping[str, Hooks] = {node: getattr(step, "hooks", NO_HOOKS) for node, step in traced.steps.items()}
        self._of_steps = {node: hooks for node, hooks in steps.items() if hooks is not NO_HOOKS}
        self._step_of = step_of
        self._record = record

    @property
    def listeners(self) -> list[Listener]:
        """What is to be told of the steps: nobody, if none has a hook."""
        return [self.tell] if self._of_steps else []

    def tell(self, node: str, settled: Settled | None) -> None:
        """Take note of what became of a step; a listener of the driver."""
        hooks = self._of_steps.get(node)
        if hooks is None or settled is None:
            return
        failure = settled.failure
        hook = _hook_for(hooks, settled.status)
        if hook is not None:
            self._record()
            _call(hook, lambda: (self._step_of(settled), failure.exception if failure is not None else None))

    def end(self, outcome: RunOutcome, run_of: Callable[[], Any]) -> None:
        """Take note of what became of the run, whose end is recorded."""
        hook = _hook_for(self._of_run, outcome.status)
        if hook is not None:
            _call(hook, lambda: (run_of(),))


def _hook_for(hooks: Hooks, status: Status) -> Hook | None:
    if status is Status.COMPLETED:
        return hooks.on_success
    return hooks.on_failure if status is Status.FAILED else None


def _call(hook: Hook, facts: Callable[[], tuple[Any, ...]]) -> None:
    try:
        hook.function(*facts()[: hook.takes])
    except (Exception, SystemExit) as error:  # noqa: BLE001 — whatever a hook raises, the run is what it is
        said = f"{hook.function.__name__}, {hook.when} of {hook.owner}, failed; the run is what it is: {error!r}"
        try:
            warnings.warn(said, HookWarning, stacklevel=2)
        except HookWarning:
            # Where warnings are made errors, this one still must not end the run.
            print(said, file=sys.stderr)
