"""A snapshot run in a process of its own.

The child is handed one JSON line, the request, and answers in JSON lines: the run once it has
begun, each step as it starts and is settled, and how the run ended. An answer that never comes
means the child died; its run is then told as interrupted by its log.

A child that is waited for is *bound*: it ends with whoever waits, however that ends. One that
nobody waits for goes on by itself.

This module knows what is asked, what the answers mean and who waits. How a process is started,
heard and tidied up after is `services.child_process`; the other side is `services.child`.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbpipe.errors import Interrupted, NbpipeError, RefusedApartError, RunInterruptedError, StepFailedError
from nbpipe.execute.context import RunFacts
from nbpipe.execute.glimpses import Glimpse, Glimpses, nothing_seen
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.records.definitions import Traced
from nbpipe.records.parameters import as_json
from nbpipe.records.runs import Status
from nbpipe.records.secrets import revealed
from nbpipe.services.ancestry import as_environment, descended
from nbpipe.services.child_process import LOOK_UP_S, PATIENCE_S, ChildProcess
from nbpipe.services.ended import EndedStep
from nbpipe.services.runs import RunService
from nbpipe.services.watching import StartedRun, observe
from nbpipe.services.workspace import Workspace

if TYPE_CHECKING:
    from nbpipe.snapshot.rebuilt import Rebuilt

_CHILD = "nbpipe.services.child"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be run apart.

    Attributes:
        snapshot_id: The snapshot.
        digest: The digest of its content.
        traced: Its pipeline for the values of this run.
        pipeline: Its pipeline's name.
        configuration: How the run is to differ.
        parent: The run and the step that ask, or two empty texts.
        is_bound: Whether it is to end with this process.
        place: The environment in which it runs; that of this process if not given.
        run_id: The id that the run is to have; a new one if `""`.
        held: Open files that its process gets too.
        schedule_id: The schedule that fired it, or `""`.
    """

    snapshot_id: str
    digest: str
    traced: Traced
    pipeline: str
    configuration: PipelineRunConfiguration
    parent: tuple[str, str] = ("", "")
    is_bound: bool = False
    place: Rebuilt | None = None
    run_id: str = ""
    held: tuple[int, ...] = ()
    schedule_id: str = ""


class RunApart:
    """A run that goes on in another process; made when it has begun.

    Args:
        workspace: Where it is recorded.
        asked: What is run.

    Raises:
        ConflictError: Pipelines trigger one another too deeply, or in a ring.
        NbpipeError: The child refused the request.
        KeyboardInterrupt: This thread was stopped before it had begun; nothing is left of it.
    """

    def __init__(self, workspace: Workspace, asked: Asked) -> None:
        given = _with_plain_numbers(asked.configuration.model_dump(exclude_unset=True))
        line = descended(asked.pipeline, asked.digest, as_json(given))
        self._workspace = workspace
        self._asked = asked
        # As for a run in this process, whoever watches is told where it was asked for.
        self._asked_in = contextvars.copy_context()
        self.id = ""
        self._listeners: Sequence[Callable[[str, Any], None]] = ()
        self._glimpses = Glimpses()
        self._refused: dict[str, Any] | None = None
        self._end: dict[str, Any] | None = None
        self._is_answered = threading.Event()
        self._child = self._started({"NBPIPE_HOME": str(workspace.paths.root), **as_environment(line)})
        try:
            self._child.say(
                snapshot=asked.snapshot_id,
                configuration=as_json(revealed(given)),
                parent=list(asked.parent),
                bound=asked.is_bound,
                id=asked.run_id,
                schedule=asked.schedule_id,
                held=list(asked.held),
                pid=os.getpid(),
            )
            while not self._is_answered.wait(LOOK_UP_S) and not self._child.is_over():
                pass
        except BaseException:
            self._child.kill()
            raise
        if not self.id:
            self._child.wait()
            raise _refusal(self._refused)

    def _started(self, variables: Mapping[str, str]) -> ChildProcess:
        asked, place = self._asked, self._asked.place
        # Held before the wait for a turn, and by the child as long as it lives: what it runs in may not be removed.
        held = (place.hold(),) if place is not None else ()
        try:
            # The working directory is no place to import from: what a snapshot needs of it travels as text.
            command = place.command(_CHILD) if place is not None else [sys.executable, "-P", "-m", _CHILD]
            around = place.variables() if place is not None else os.environ
            return ChildProcess(
                command, {**around, **variables}, held=(*held, *asked.held), title=asked.pipeline, take=self._take
            )
        finally:
            for descriptor in held:
                os.close(descriptor)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.id

    @property
    def pipeline(self) -> str:
        """The name of its pipeline."""
        return self._asked.pipeline

    @property
    def status(self) -> Status:
        """How the run stands."""
        if not self._child.is_over():
            return Status.RUNNING
        return Status(self._end["status"]) if self._end is not None else self.run.status

    @property
    def run(self) -> Any:
        """The run as the catalog knows it."""
        return RunService(self._workspace).get(self.id)

    def is_over(self) -> bool:
        """Tell whether the run has ended."""
        return self._child.is_over()

    def is_over_within(self, timeout_s: float) -> bool:
        """Wait for its end, so many seconds at most, without being bound to it; tell whether it is over."""
        return self._child.wait(timeout_s)

    @property
    def is_debugged(self) -> bool:
        """Whether it runs in the thread that waits for it: never, that is another process's."""
        return False

    def look(self) -> Mapping[str, Glimpse]:
        """Give what is to be seen of the steps that run now, by node, as the child told it last."""
        return nothing_seen() if self.is_over() else self._glimpses.look()

    def stop(self) -> None:
        """Ask the run to stop; what was done before is kept."""
        self._child.say(stop=True)

    def wait_quietly(self) -> None:
        """Wait for the end of a run that was stopped, whatever came of it."""
        with suppress(NbpipeError):
            self.wait()

    def wait(self, timeout_s: float | None = None) -> Any:
        """Wait for the run's end and give the run. From here on it ends with whoever waits.

        Args:
            timeout_s: How long to wait at most, in seconds; `None` for as long as it takes.

        Raises:
            TimeoutError: It still goes on; it is not stopped, nor bound any more.
            StepFailedError: A step failed in it.
            RunInterruptedError: It was stopped, or its process died.
            Interrupted: The wait was interrupted, and the run with it.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        self._child.say(bound=True)
        try:
            while not self._child.wait(LOOK_UP_S):
                if deadline_s is not None and time.monotonic() >= deadline_s:
                    self._child.say(bound=self._asked.is_bound)
                    raise TimeoutError(f"The run still goes on after {timeout_s:g} s; it was not stopped.")
        except TimeoutError:
            raise
        except BaseException as error:
            self._end_it()
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted from None
            raise
        return self._result()

    def _result(self) -> Any:
        end = self._end
        if end is None or end["status"] == Status.INTERRUPTED:
            raise RunInterruptedError(self.id, pipeline=self._asked.pipeline)
        error = end["error"]
        if error is not None:
            raise StepFailedError(
                error["step"],
                self.id,
                error["type"],
                error["message"],
                error["traceback"],
                pipeline=self._asked.pipeline,
            )
        return self.run

    def _end_it(self) -> None:
        """Have it stop; if it does not, whatever the reason, kill it."""
        try:
            self.stop()
            self._child.wait(PATIENCE_S)
        finally:
            self._child.kill()

    def _take(self, answer: dict[str, Any]) -> bool:
        match answer:
            case {"run": run_id, "name": name, "started": started}:
                self.id = run_id
                self._child.entitle(f"{self._asked.pipeline} {run_id[:8]}")
                traced = self._asked.traced
                facts = RunFacts(run_id, name, self._asked.pipeline, traced.parameters)
                begun = StartedRun(facts, traced, started, self, self._asked.parent, self.look, self.is_over)
                self._listeners = self._asked_in.run(observe, begun)
                self._is_answered.set()
            case {"node": node, "settled": settled}:
                told = EndedStep.read(node, settled) if settled is not None else None
                if told is None:
                    self._glimpses.begin(node)
                else:
                    self._glimpses.end(node)
                for listener in self._listeners:
                    listener(node, told)
            case {"seen": seen}:
                self._glimpses.hear(seen)
            case {"refused": _}:
                self._refused = answer
                self._is_answered.set()
            case {"status": _}:
                self._end = answer
                return True
        return False

    def __repr__(self) -> str:
        return f"<run {self.id[:8]} of {self._asked.pipeline} in process {self._child.pid}: {self.status.value}>"


def _with_plain_numbers(value: Any) -> Any:
    """Give numbers of numpy as Python's own, which are all that can be said in JSON."""
    # A value can only be of numpy's types if that is loaded already.
    numpy = sys.modules.get("numpy")
    match value:
        case dict():
            return {name: _with_plain_numbers(each) for name, each in value.items()}
        case list() | tuple():
            return [_with_plain_numbers(each) for each in value]
    if numpy is None or isinstance(value, numpy.timedelta64):
        return value
    return value.item() if isinstance(value, numpy.integer | numpy.floating | numpy.bool_) else value


def _refusal(answer: dict[str, Any] | None) -> NbpipeError:
    if answer is None:
        return RefusedApartError(
            "The process that was to run the snapshot ended before it began; see what it printed above."
        )
    return RefusedApartError(answer["refused"], answer["exit_code"])
