"""A snapshot run in a process of its own.

The child is handed one JSON line, the request, on its standard input, and answers in JSON lines on
a pipe: the run once it has begun, each step as it starts and is settled, now and then how far those
are that run, and how the run ended.
What it prints comes by two more pipes (`services.relaying`). One thread a child hears all of them,
and sees to it that no process, pipe or thread is left.

A child that is waited for is *bound*: it ends with whoever waits, however that ends. Its standard
input stays open as long as this process lives, so it notices even a kill. One that nobody waits
for goes on by itself. An answer that never comes means the child died; its run is then told as
interrupted by its log.

A process has at most as many children at a time as the machine has cores, two at least and eight at
most; whoever asks it for one more waits. Other processes, its own children among them, count for themselves.
"""

from __future__ import annotations

import contextvars
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbpipe.errors import Interrupted, NbpipeError, RunInterruptedError, StepFailedError, UserError
from nbpipe.execute.context import RunFacts
from nbpipe.execute.glimpses import Glimpse, Glimpses, nothing_seen
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.records.definitions import Traced
from nbpipe.records.parameters import as_json
from nbpipe.records.runs import Status
from nbpipe.records.secrets import revealed
from nbpipe.services.ancestry import as_environment, descended
from nbpipe.services.ended import EndedStep
from nbpipe.services.relaying import Relay
from nbpipe.services.runs import RunService
from nbpipe.services.starting import StartedRun, observe
from nbpipe.services.workspace import Workspace

if TYPE_CHECKING:
    from nbpipe.snapshot.rebuilt import Rebuilt

AT_ONCE = min(max(2, os.cpu_count() or 2), 8)
# How often a wait looks up: what stops this thread comes between two instructions of its own.
_LOOK_UP_S = 0.05
_SILENCE_S = 2.0
_PATIENCE_S = 5.0
_LAST_WORDS_S = 0.5
_CHUNK = 1 << 16
_CHILD = "nbpipe.services.child"


class _Turns:
    """How many may still begin."""

    def __init__(self) -> None:
        self.anew()
        os.register_at_fork(after_in_child=self.anew)

    def anew(self) -> None:
        """Nobody has begun yet: a forked child has no children."""
        self._free = threading.Semaphore(AT_ONCE)

    def take(self) -> Callable[[], None]:
        """Wait for a turn; what is given ends it."""
        free, asked_s, is_told = self._free, time.monotonic(), False
        while not free.acquire(timeout=_LOOK_UP_S):
            if not is_told and time.monotonic() - asked_s > _SILENCE_S:
                is_told = True
                print(f"{AT_ONCE} runs go on in processes of their own; the next waits for its turn.", file=sys.stderr)
        return free.release


_turns = _Turns()


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
    """

    snapshot_id: str
    digest: str
    traced: Traced
    pipeline: str
    configuration: PipelineRunConfiguration
    parent: tuple[str, str] = ("", "")
    is_bound: bool = False
    place: Rebuilt | None = None


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
        self.id = ""
        self._listeners: Sequence[Callable[[str, Any], None]] = ()
        self._glimpses = Glimpses()
        self._refused: dict[str, Any] | None = None
        self._end: dict[str, Any] | None = None
        self._pipes: tuple[int, ...] = ()
        # Whoever has this tidies up after the child.
        self._tidying = threading.Lock()
        self._has_begun = threading.Event()
        self._is_over = threading.Event()
        self._relays = Relay("stdout"), Relay("stderr")
        for relay in self._relays:
            relay.mark = f"[{asked.pipeline}] "
        # Held before the wait for a turn: what it is to run in may not be removed meanwhile.
        held = (asked.place.hold(),) if asked.place is not None else ()
        try:
            end_turn = _turns.take()
            try:
                self._start({"NBPIPE_HOME": str(workspace.paths.root), **as_environment(line)}, held)
                hear = contextvars.copy_context().run
                name = f"nbpipe-apart-{self._process.pid}"
                threading.Thread(target=hear, args=(self._hear, end_turn), name=name, daemon=True).start()
            except BaseException:
                self._give_up(end_turn)
                raise
        finally:
            for descriptor in held:
                os.close(descriptor)
        try:
            self._say(
                snapshot=asked.snapshot_id,
                configuration=as_json(revealed(given)),
                parent=list(asked.parent),
                bound=asked.is_bound,
                pid=os.getpid(),
            )
            while not self._has_begun.wait(_LOOK_UP_S):
                pass
        except BaseException:
            self._kill()
            raise
        if not self.id:
            self._is_over.wait()
            raise _refusal(self._refused)

    def _start(self, environment: dict[str, str], held: tuple[int, ...]) -> None:
        place = self._asked.place
        # The working directory is no place to import from: what a snapshot needs of it travels as text.
        words = place.command(_CHILD) if place is not None else [sys.executable, "-P", "-m", _CHILD]
        variables = place.variables() if place is not None else dict(os.environ)
        answers, out, err = os.pipe(), os.pipe(), os.pipe()
        try:
            # It has the reading ends too: with nobody left to hear it, it need not die of what it says.
            theirs = answers[1], out[0], err[0]
            self._process = subprocess.Popen(  # noqa: S603 — an interpreter, a module of ours, and numbers of ours
                [*words, *map(str, theirs)],
                stdin=subprocess.PIPE,
                stdout=out[1],
                stderr=err[1],
                # As long as the child has open what is held, nobody removes the environment that it runs in.
                pass_fds=(*theirs, *held),
                env={**variables, **environment},
                # An interrupt at the terminal is ours to pass on, and a run that nobody waits for outlives it.
                start_new_session=True,
            )
            self._pipes = answers[0], out[0], err[0]
        except BaseException:
            for end in (answers[0], out[0], err[0]):
                os.close(end)
            raise
        finally:
            for end in (answers[1], out[1], err[1]):
                os.close(end)

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
        if not self._is_over.is_set():
            return Status.RUNNING
        return Status(self._end["status"]) if self._end is not None else self.run.status

    @property
    def run(self) -> Any:
        """The run as the catalog knows it."""
        return RunService(self._workspace).get(self.id)

    def is_over(self) -> bool:
        """Tell whether the run has ended."""
        return self._is_over.is_set()

    def look(self) -> Mapping[str, Glimpse]:
        """Give what is to be seen of the steps that run now, by node, as the child told it last."""
        return nothing_seen() if self.is_over() else self._glimpses.look()

    def stop(self) -> None:
        """Ask the run to stop; what was done before is kept."""
        self._say(stop=True)

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
        self._say(bound=True)
        try:
            while not self._is_over.wait(_LOOK_UP_S):
                if deadline_s is not None and time.monotonic() >= deadline_s:
                    self._say(bound=self._asked.is_bound)
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

    # Ending it -------------------------------------------------------------------------------

    def _end_it(self) -> None:
        """Have it stop; if it does not, whatever the reason, kill it."""
        try:
            self.stop()
            self._is_over.wait(_PATIENCE_S)
        finally:
            self._kill()

    def _kill(self) -> None:
        if not self._is_over.is_set():
            self._process.kill()
            self._is_over.wait(_PATIENCE_S)

    def _give_up(self, end_turn: Callable[[], None]) -> None:
        """Leave nothing of a child that had no time to begin."""
        if not self._pipes:
            end_turn()
            return
        # An interrupt may come when its thread is there already, and does not know it yet.
        if self._tidying.acquire(blocking=False):
            self._process.kill()
            self._tidy_up(end_turn)
        else:
            self._kill()

    def _say(self, **said: Any) -> None:
        pipe = self._process.stdin
        # Who has ended hears nothing any more.
        with suppress(OSError, ValueError):
            assert pipe is not None, "the child was given a pipe"
            pipe.write(json.dumps(said).encode() + b"\n")
            pipe.flush()

    # Hearing it ------------------------------------------------------------------------------

    def _hear(self, end_turn: Callable[[], None]) -> None:
        """Hear the child until it is gone, and tidy up after it."""
        if not self._tidying.acquire(blocking=False):
            return
        answers, out, err = self._pipes
        heard = {out: self._relays[0].feed, err: self._relays[1].feed, answers: self._answered()}
        try:
            with selectors.DefaultSelector() as selector:
                for pipe in heard:
                    selector.register(pipe, selectors.EVENT_READ)
                until_s: float | None = None
                while selector.get_map() and (until_s is None or time.monotonic() < until_s):
                    for key, _ in selector.select(_LAST_WORDS_S):
                        data = os.read(key.fd, _CHUNK)
                        if data:
                            heard[key.fd](data)
                        else:
                            selector.unregister(key.fd)
                    # What a step has left running may hold the pipes for ever.
                    if until_s is None and self._process.poll() is not None:
                        until_s = time.monotonic() + _LAST_WORDS_S
                    if self._end is not None and not self._is_over.is_set() and not selector.select(0):
                        # All is said; that it still tidies up is nothing to wait for.
                        self._is_over.set()
            for relay in self._relays:
                relay.end()
        finally:
            self._tidy_up(end_turn)

    def _tidy_up(self, end_turn: Callable[[], None]) -> None:
        self._process.wait()
        for pipe in self._pipes:
            os.close(pipe)
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        end_turn()
        self._is_over.set()
        self._has_begun.set()

    def _answered(self) -> Callable[[bytes], None]:
        begun = b""

        def feed(data: bytes) -> None:
            nonlocal begun
            *lines, begun = (begun + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

        return feed

    def _take(self, answer: dict[str, Any]) -> None:
        match answer:
            case {"run": run_id, "name": name, "started": started}:
                self.id = run_id
                for relay in self._relays:
                    relay.mark = f"[{self._asked.pipeline} {run_id[:8]}] "
                traced = self._asked.traced
                facts = RunFacts(run_id, name, self._asked.pipeline, traced.parameters)
                begun = StartedRun(facts, traced, started, self, self._asked.parent, self.look, self.is_over)
                # Who shows the run may fail at that; the run goes on.
                with suppress(Exception):
                    self._listeners = observe(begun)
                self._has_begun.set()
            case {"node": node, "settled": settled}:
                told = EndedStep.read(node, settled) if settled is not None else None
                if told is None:
                    self._glimpses.begin(node)
                else:
                    self._glimpses.end(node)
                for listener in self._listeners:
                    with suppress(Exception):
                        listener(node, told)
            case {"seen": seen}:
                self._glimpses.hear(seen)
            case {"refused": _}:
                self._refused = answer
            case {"status": _}:
                self._end = answer

    def __repr__(self) -> str:
        return f"<run {self.id[:8]} of {self._asked.pipeline} in process {self._process.pid}: {self.status.value}>"


class RefusedApartError(UserError):
    """The process that was to run a snapshot refused it; its exit code is that of the refusal."""

    def __init__(self, said: str, exit_code: int = UserError.exit_code) -> None:
        super().__init__(said)
        self.exit_code = exit_code  # type: ignore[misc]


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
