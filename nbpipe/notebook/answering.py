"""What `%nbpipe` answers in a notebook: a widget, a run, or what the terminal prints."""

from __future__ import annotations

from typing import Any

from nbpipe.commands.answers import Answer, Started
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
        is_static = not (takes_widgets if came.widget == "PipelineView" else is_watched)
        return _shown(came, is_watched=is_watched, is_static=is_static, wants_code="--code" in line.split())
    answer = _waited(came)
    return answer.record if isinstance(answer.record, Run) and not answer.as_json else answer


def _shown(answer: Answer, *, is_watched: bool, is_static: bool, wants_code: bool) -> Any:
    if answer.as_json or wants_code:
        return answer
    if answer.widget is None:
        # Where nobody looks, a record's own card leaves out what differs from one run to the next.
        has_stable_card = isinstance(answer.record, Snapshot | Artifact | ModelRecord)
        return answer.record if has_stable_card and not is_watched else answer
    from nbpipe.widgets.opening import widget_for

    return widget_for(answer, static=is_static)


def _waited(started: Started) -> Answer:
    try:
        return started.wait()
    except KeyboardInterrupt:
        raise Interrupted from None
