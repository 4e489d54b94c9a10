"""One step, once: code from text, values in, values out.

What goes wrong in the user's code is an answer, not an exception: a `Failure` with the user's own
frames. The worker knows nothing of graphs, caches or records.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CoroutineType, ModuleType, TracebackType
from typing import Any

from nbpipe.errors import DefinitionError, NbpipeError
from nbpipe.execute.context import StepContext, running
from nbpipe.records.definitions import StepSignature
from nbpipe.records.jsonable import writable
from nbpipe.source.closure import Source
from nbpipe.source.load import load_cell, load_function, load_library

_OUR_FOLDER = str(Path(__file__).parents[1])
LAST = "__last__"
LIBRARY = "nbpipe_library"
"""The name of the module in which the pieces live that steps lean on."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a step raised.

    Attributes:
        exception: The exception itself.
        type_name: Its type.
        message: What it said.
        traceback_text: The user's frames, formatted.
        is_users_own: Whether it came out of the user's code, and not of what we do around it.
    """

    exception: BaseException
    type_name: str
    message: str
    traceback_text: str
    is_users_own: bool = False

    def as_record(self) -> dict[str, str]:
        """Give it as plain data."""
        return {"type": self.type_name, "message": self.message, "traceback": self.traceback_text}


def failure_of(exception: BaseException, *, is_users_own: bool = False) -> Failure:
    """Describe an exception; one that came out of the user's code by the user's own frames."""
    frames = _users_frames(exception.__traceback__) if is_users_own else None
    exception.__traceback__ = frames
    text = "".join(traceback.format_exception(type(exception), exception, _without_ours_behind(exception, frames)))
    # It is to be written down, whatever it says.
    return Failure(exception, type(exception).__name__, writable(str(exception)), writable(text), is_users_own)


def _without_ours_behind(exception: BaseException, frames: TracebackType | None) -> TracebackType | None:
    """Leave out the frames by which what we raise on purpose came out of a call of the user's: they help nobody."""
    if not isinstance(exception, NbpipeError):
        return frames
    kept: list[TracebackType] = []
    users = 0
    while frames is not None:
        kept.append(frames)
        if not frames.tb_frame.f_code.co_filename.startswith(_OUR_FOLDER):
            users = len(kept)
        frames = frames.tb_next
    last: TracebackType | None = None
    for one in reversed(kept[:users]):
        last = TracebackType(last, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return last


def _users_frames(frames: TracebackType | None) -> TracebackType | None:
    found = frames
    while found is not None and found.tb_frame.f_code.co_filename.startswith(_OUR_FOLDER):
        found = found.tb_next
    return found


class CodeRoom:
    """Where text has come to life: a library of shared pieces, and the steps that lean on it.

    All steps of a plan share one library, so that a class that a cell defines is one class for
    all of them. It is executed when the first step really runs.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._library: ModuleType | None = None
        self._calls: dict[str, Callable[..., Any]] = {}

    def call_of(self, source: Source, outputs: Sequence[str]) -> Callable[..., Any]:
        """Give the live form of a step: a function, or for a cell a function of its inputs."""
        known = self._calls.get(source.digest)
        if known is None:
            library = self.library
            known = (
                load_function(source, library)
                if source.kind == "function"
                else load_cell(source, library, outputs=outputs)
            )
            self._calls[source.digest] = known
        return known

    @property
    def library(self) -> ModuleType:
        """The library; executed when it is first asked for."""
        if self._library is None:
            pieces = {piece.digest: piece for source in self._sources for piece in source.pieces}
            modules = {module.name: module for source in self._sources for module in source.local_modules}
            self._library = load_library(list(pieces.values()), list(modules.values()), name=LIBRARY)
        return self._library


@dataclass(frozen=True, slots=True)
class Task:
    """One execution of a step.

    Attributes:
        source: What it is made of.
        signature: What it takes and gives.
        arguments: A live value for each argument.
        context: What the step may know, and where its notes go.
        wanted: For a cell: the names it should give besides its outputs, to see whether it changed them.
    """

    source: Source
    signature: StepSignature
    arguments: Mapping[str, Any]
    context: StepContext
    wanted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task: its outputs, or a failure.

    Attributes:
        outputs: The values by output name.
        inputs_after: For a cell: the inputs as they are now.
        failure: What it raised; `None` if it did not.
    """

    outputs: Mapping[str, Any] = field(default_factory=dict)
    inputs_after: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None


def run_task(task: Task, room: CodeRoom) -> Outcome:
    """Run a step and answer with what it gave or raised.

    `KeyboardInterrupt` and `SystemExit` are answers too: the driver knows whether somebody
    stopped the run.
    """
    is_cell = task.source.kind == "cell"
    names = tuple(output.name for output in task.signature.outputs) if is_cell else ()
    try:
        call = room.call_of(task.source, (*names, *task.wanted))
        with running(task.context):
            returned = call(task.arguments) if is_cell else call(**task.arguments)
            if isinstance(returned, CoroutineType):
                import asyncio

                returned = asyncio.run(returned)
    except BaseException as error:  # noqa: BLE001 — whatever the user's code raises is data for the driver
        return Outcome(failure=failure_of(error, is_users_own=True))
    if is_cell:
        return _cell_outcome(returned, names, task.wanted)
    try:
        return Outcome(outputs_by_name(returned, task.signature, task.context.step))
    except DefinitionError as error:
        return Outcome(failure=failure_of(error))


def _cell_outcome(bound: Mapping[str, Any], names: tuple[str, ...], wanted: tuple[str, ...]) -> Outcome:
    outputs = {name: bound[name] for name in names if name in bound}
    return Outcome(outputs, {name: bound[name] for name in wanted if name in bound and name not in outputs})


def outputs_by_name(returned: Any, signature: StepSignature, step: str) -> dict[str, Any]:
    """Name what a function returned.

    Raises:
        DefinitionError: It did not return a tuple of as many items as it has outputs.
    """
    if not signature.outputs:
        return {}
    if not signature.is_tuple:
        return {signature.outputs[0].name: returned}
    if not isinstance(returned, tuple) or len(returned) != len(signature.outputs):
        found = f"a tuple of {len(returned)}" if isinstance(returned, tuple) else f"a {type(returned).__name__}"
        raise DefinitionError(
            f"Step {step!r} says it gives {len(signature.outputs)} outputs "
            f"({', '.join(output.name for output in signature.outputs)}), but returned {found}."
        )
    return {output.name: value for output, value in zip(signature.outputs, returned, strict=True)}
