"""What a command answers: a record, how it is shown, and its plain facts.

The terminal prints the text, `--json` prints the facts, a notebook shows the HTML or the widget
that is named. Which of them is wanted, the command does not know.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from nbpipe.commands.calling import current_call
from nbpipe.views.frames import Bundle
from nbpipe.views.markup import element, render
from nbpipe.views.tables import Table, table_html, table_text

if TYPE_CHECKING:
    from nbpipe.services.apart import RunApart
    from nbpipe.services.run_handle import RunHandle
    from nbpipe.services.runs import Run
    from nbpipe.services.scheduler_process import SchedulerSettings
    from nbpipe.services.serving_settings import ServerSettings

_DEEPEST = 40


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a command.

    Attributes:
        bundle: How it is shown.
        record: What it is about: a record of a service or a listing of them.
        rows: Its plain facts, for `--json`.
        widget: The widget that a notebook shows in place of the bundle, by name.
        asked: What the widget begins with, by name.
        as_json: Whether the facts were asked for.
        note: A remark beside it, not part of it.
        exit_code: What the command line ends with.
        serving: How the workspace is to be served from now on, by whoever can: that is the command line.
        scheduling: How its schedules are to be fired from now on; likewise.
    """

    bundle: Bundle
    record: object = None
    rows: Any = None
    widget: str | None = None
    as_json: bool = False
    note: str = ""
    exit_code: int = 0
    asked: Mapping[str, Any] = field(default_factory=dict)
    serving: ServerSettings | None = None
    scheduling: SchedulerSettings | None = None

    def to_serve(self, settings: ServerSettings) -> Answer:
        """Give this answer as one that is to serve."""
        return replace(self, serving=settings)

    def to_schedule(self, settings: SchedulerSettings) -> Answer:
        """Give this answer as one that is to fire schedules."""
        return replace(self, scheduling=settings)

    @property
    def text(self) -> str:
        """What a terminal prints."""
        return json_text(self.rows) if self.as_json else self.bundle.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        if self.as_json:
            return {"text/plain": self.text}
        return {"text/html": self.bundle.html, "text/plain": self.bundle.text}


@dataclass(frozen=True, slots=True)
class Started:
    """A run that a command began.

    Attributes:
        handle: The run: it can be awaited, stopped and asked how it stands.
        finish: Makes the answer from the run once it has completed.
        over: To be called once the run is over, with whether it completed.
    """

    handle: RunHandle | RunApart
    finish: Callable[[Run], Answer]
    over: Callable[[bool], None]

    async def wait_async(self) -> Answer:
        """Wait for the run's end while the event loop goes on, and give the answer; a cancelled await stops the run.

        Raises:
            NbpipeError: As for `wait`.
            Interrupted: The await was cancelled.
        """
        # Who asks for the version or for help waits for no run.
        from nbpipe.services.run_handle import until_over

        try:
            await until_over(self.handle)
        except BaseException:
            self.over(False)
            raise
        return self.wait()

    def wait(self) -> Answer:
        """Wait for the run's end and give the answer.

        Raises:
            StepFailedError: A step failed.
            RunInterruptedError: The run was stopped.
            KeyboardInterrupt: This process was interrupted; the run was stopped.
        """
        completed = False
        try:
            run = self.handle.wait()
            completed = True
        finally:
            self.over(completed)
        return self.finish(run)


def sentence(said: str, record: object = None, rows: Any = None, *, as_json: bool = False) -> Answer:
    """Answer with a sentence."""
    return Answer(Bundle(render(element("p", said)), said), record, rows, as_json=as_json)


def listing(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    record: object,
    plain: Any,
    as_json: bool,
    widget: str | None = None,
    note: str = "",
    asked: Mapping[str, Any] | None = None,
) -> Answer:
    """Answer with a table, as wide as the caller has room; `asked` is what its widget begins with."""
    table = Table(columns, rows)
    bundle = Bundle(table_html(table), table_text(table, width=current_call().width))
    return Answer(bundle, record, plain, widget, as_json, note, asked=asked or {})


def json_text(facts: Any) -> str:
    """Write plain facts as JSON that any reader takes: times as ISO 8601, what is no number as `null`."""
    return json.dumps(as_plain(facts), ensure_ascii=False, indent=2, allow_nan=False)


def as_plain(value: Any, depth: int = 0) -> Any:
    """Give a value as JSON data; what has no such form stands as its text."""
    match value:
        case Enum():
            return as_plain(value.value, depth)
        case None | bool() | int() | str():
            return _readable(value) if isinstance(value, str) else value
        case float():
            return float(value) if math.isfinite(value) else None
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case _ if depth > _DEEPEST:
            return "…"
        case Mapping():
            return {_readable(str(key)): as_plain(inner, depth + 1) for key, inner in value.items()}
        case Set():
            return sorted((as_plain(inner, depth + 1) for inner in value), key=str)
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return [as_plain(inner, depth + 1) for inner in value]
    return _readable(str(value))


def _readable(text: str) -> str:
    # Half a surrogate pair cannot be written as UTF-8.
    return text.encode("utf-8", "replace").decode("utf-8")
