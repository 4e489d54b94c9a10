"""What `%nbpipe` answers in a notebook: a widget, a run, or what the terminal prints.

A line is answered at once, or awaited by a cell that can: while a cell awaits, the kernel hears what is pressed.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nbpipe.commands.answers import Answer
from nbpipe.commands.calling import Surroundings
from nbpipe.commands.dispatch import begin
from nbpipe.errors import Interrupted
from nbpipe.services.artifact_records import Artifact
from nbpipe.services.model_records import ModelRecord
from nbpipe.services.runs import Run
from nbpipe.services.snapshot_records import Snapshot


def answered(line: str, notebook: Surroundings, *, is_watched: bool, takes_widgets: bool) -> Any:
    """Answer a line as it stands behind `%nbpipe`; a run that it begins is waited for.

    Args:
        line: What stands behind `%nbpipe`.
        notebook: The notebook that it stands in.
        is_watched: Whether a front end shows the answer.
        takes_widgets: Whether it may be a widget where a picture would do.

    Raises:
        NbpipeError: What the command says.
        KeyboardInterrupt: The kernel was interrupted; a run that it began was stopped.
    """
    came = begin(line, notebook)
    if isinstance(came, Answer):
        return _answer(came, line, is_watched=is_watched, takes_widgets=takes_widgets)
    try:
        return _run(came.wait())
    except KeyboardInterrupt:
        raise Interrupted from None


async def awaited(line: str, notebook: Surroundings, *, is_watched: bool, takes_widgets: bool) -> Any:
    """Answer a line as `answered` does, but await the run that it begins.

    Raises:
        NbpipeError: What the command says.
        KeyboardInterrupt: As for `answered`.
    """
    with _heard_at_once():
        came = begin(line, notebook)
    if isinstance(came, Answer):
        return _answer(came, line, is_watched=is_watched, takes_widgets=takes_widgets)
    if came.handle.is_debugged:
        with _heard_at_once():
            return _run(came.wait())
    return _run(await came.wait_async())


@contextmanager
def _heard_at_once() -> Iterator[None]:
    """Have an interrupt raise where the code is: in a cell that awaits, IPython heeds one only at the next `await`."""
    # Only there can a process say what a signal does; a subshell's cell is elsewhere, and no interrupt reaches it.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted from None
    finally:
        signal.signal(signal.SIGINT, before)


def _run(answer: Answer) -> Any:
    return answer.record if isinstance(answer.record, Run) and not answer.as_json else answer


def _answer(answer: Answer, line: str, *, is_watched: bool, takes_widgets: bool) -> Any:
    is_static = not (takes_widgets if answer.widget == "PipelineView" else is_watched)
    return _shown(answer, is_watched=is_watched, is_static=is_static, wants_code="--code" in line.split())


def _shown(answer: Answer, *, is_watched: bool, is_static: bool, wants_code: bool) -> Any:
    if answer.as_json or wants_code:
        return answer
    if answer.widget is None:
        # Where nobody looks, a record's own card leaves out what differs from one run to the next.
        has_stable_card = isinstance(answer.record, Snapshot | Artifact | ModelRecord)
        return answer.record if has_stable_card and not is_watched else answer
    from nbpipe.widgets.opening import widget_for

    return widget_for(answer, static=is_static)
