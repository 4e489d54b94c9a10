"""A run while it goes on, in the cell that started it; and a cell that is a step, while it runs.

Where the front end takes widgets, a run is a `PipelineView`: its graph with how far its steps are,
to be walked through and stopped. Elsewhere its graph is drawn again in place, at most four times a
second, and below it stands how far the steps are that run. When the run is over, the same output is
a picture alone, which survives saving, reopening and a notebook nobody trusts. Where nobody looks,
none of this is made.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from IPython.display import display

from nbpipe.base.ids import new_id
from nbpipe.commands.looking import running_facts
from nbpipe.execute.glimpses import Look
from nbpipe.notebook.viewing import Place
from nbpipe.records.runs import Status
from nbpipe.services.watching import StartedRun
from nbpipe.views.frames import Bundle
from nbpipe.views.markup import element, render
from nbpipe.views.running import RunningFacts, shown_running
from nbpipe.widgets.pipeline_live import LiveRun as Subject

_REDRAW_S = 0.25
# A bar stands where the cell's output had come to when it was first drawn; that is to be its beginning.
_FIRST_S = 0.05
# How the run stands is kept for later readers: seldom, and of a graph whose picture takes long, more seldom.
_KEEP_S, _MOST_SHARE = 5.0, 0.02
# A page that is opened again finds the widgets of the last runs as they ended, and those of older ones no more.
_MOST_KEPT = 8
_kept: deque[Any] = deque()


class LiveRun:
    """A run that goes on, shown in the cell in which it was begun.

    Args:
        started: The run.
        takes_widgets: Whether the front end shows widgets.
        is_deaf: Tells whether the kernel hears nothing of what is pressed in them.
    """

    def __init__(self, started: StartedRun, *, takes_widgets: bool = False, is_deaf: Callable[[], bool] = bool) -> None:
        # Asked now, it is known when the first press may come.
        is_deaf()
        self._subject = Subject(started, is_in_cell=True, is_deaf=is_deaf)
        self._face: _Face = _LiveView(self._subject) if takes_widgets else _LivePicture(self._subject)

    def __call__(self, node: str, settled: Any) -> None:
        """Take in that a node has started or is settled."""
        self._subject.take(node, settled)
        if settled is not None and self._subject.all_settled:
            # What comes next in the cell is drawn after it.
            self._face.end()

    def leave_cell(self) -> None:
        """Take note that the cell in which it was begun is over; the run may go on behind it."""
        self._subject.is_in_cell = False

    def child(self, started: StartedRun) -> Callable[[str, Any], None]:
        """Show a run that a step asked for beside that step; the answer is to be told of its steps."""
        tell: Callable[[str, Any], None] = self._subject.take_child(started)
        return tell


class _Face(Protocol):
    """How a run is shown while it goes on."""

    def end(self) -> None:
        """Show it as it stands now that it is over; more than once is harmless."""


class _LiveView:
    """A run as a widget, until it is over.

    One that is over at once never becomes a widget: it would only flicker. Beside the widget is kept how the run
    stood, for whoever opens the notebook when neither is there any more.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._lock = threading.Lock()
        self._view: Any = None
        self._is_over = False
        # Its place is above what the steps print.
        self._place = Place()
        # It draws for the cell in which the run was begun, wherever that thread's output would go.
        self._context = contextvars.copy_context()
        work = contextvars.copy_context().run
        threading.Thread(target=work, args=(self._show,), name="nbpipe-live", daemon=True).start()

    def _show(self) -> None:
        time.sleep(_FIRST_S)
        # Who looks may be gone, and the run goes on.
        with suppress(Exception):
            # Loaded before anything is held: a run that ends meanwhile need not wait for it.
            from nbpipe.widgets.pipeline_view import PipelineView

            with self._lock:
                if not self._is_over:
                    self._view = PipelineView(self._subject)
                    self._place.show(self._view.widget_data())
        self._keep_up()
        self.end()

    def _keep_up(self) -> None:
        """Keep now and then how the run stands, as long as it goes on."""
        changes, next_s = -1, time.monotonic() + _REDRAW_S
        while not self._subject.started.is_over():
            time.sleep(_REDRAW_S)
            began_s = time.monotonic()
            if began_s < next_s or changes == self._subject.changes:
                continue
            changes = self._subject.changes
            # Who looks may be gone, and the run goes on.
            with self._lock, suppress(Exception):
                if self._is_over:
                    return
                self._place.keep(self._so_far())
            next_s = time.monotonic() + max(_KEEP_S, (time.monotonic() - began_s) / _MOST_SHARE)

    def _so_far(self) -> Bundle:
        picture, run = self._subject.static(), self._subject.started.facts.id[:8]
        said = f"So it stood while it went on. How it ended: %nbpipe runs show {run}"
        below = element("div", said, style="opacity:0.75; font-size:12px;")
        return Bundle(f"{picture.html}{render(below)}", f"{picture.text}\n\n{said}")

    def end(self) -> None:
        """See `_Face`."""
        with self._lock, suppress(Exception):
            if self._is_over:
                return
            self._is_over = True
            self._context.run(self._place.end, self._subject.static())
        if self._view is not None:
            _keep(self._view)


class _LivePicture:
    """A run as a picture that is drawn again in place, and how far its steps are."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._lock = threading.Lock()
        self._picture: tuple[int, Bundle] | None = None
        self._drawn = self._bundle()
        self._handle = display(_as_data(self._drawn), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        # It draws for the cell in which the run was begun, wherever that thread's output would go.
        work = contextvars.copy_context().run
        self._thread = threading.Thread(target=work, args=(self._redraw,), name="nbpipe-live", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """See `_Face`."""
        with self._lock:
            self._draw()

    def _redraw(self) -> None:
        """Draw it again now and then, as long as the run goes on."""
        while not self._subject.started.is_over():
            time.sleep(_REDRAW_S)
            # Who looks may be gone, and the run goes on.
            with self._lock, suppress(Exception):
                if self._subject.all_settled:
                    return
                self._draw()

    def _draw(self) -> None:
        bundle = self._bundle()
        if bundle != self._drawn:
            self._handle.update(_as_data(bundle), raw=True)
            self._drawn = bundle

    def _bundle(self) -> Bundle:
        changes = self._subject.changes
        if self._picture is None or self._picture[0] != changes:
            self._picture = changes, self._subject.static()
        picture, running = self._picture[1], self._subject.running()
        if not running:
            return picture
        below = shown_running(running)
        return Bundle(f"{picture.html}{render(below.element)}", f"{picture.text}\n\n{below.text}")


def _keep(view: Any) -> None:
    """Keep the widget of a run that is over, and let the oldest go."""
    _kept.append(view)
    while len(_kept) > _MOST_KEPT:
        # The kernel may be ending.
        with suppress(Exception):
            _kept.popleft().widget.close()


class LiveBar:
    """How far the step of a cell is, in that cell; nothing, as long as it does not say.

    It is drawn past whoever keeps what the cell shows: a cell that is reused shows no bar again.

    Args:
        publish: Shows something, as the shell's publisher does.
        look: Gives what is to be seen of the step.
    """

    def __init__(self, publish: Callable[..., Any], look: Look) -> None:
        self._publish = publish
        self._look = look
        self._id = new_id()
        self._drawn: Bundle | None = None
        self._last: RunningFacts | None = None
        self._is_over = threading.Event()
        work = contextvars.copy_context().run
        self._thread = threading.Thread(target=work, args=(self._redraw,), name="nbpipe-bar", daemon=True)
        self._thread.start()

    def end(self, status: Status) -> None:
        """Draw it a last time, as it stands now that the step is over."""
        self._is_over.set()
        self._thread.join()
        # A look of long ago missed what was said since; a quick cell has not been looked at yet.
        self._take_a_look()
        if self._last is not None:
            with suppress(Exception):
                self._draw(replace(self._last, status=status.value))

    def _redraw(self) -> None:
        pause_s = _FIRST_S
        while not self._is_over.wait(pause_s):
            pause_s = min(2 * pause_s, _REDRAW_S) if self._drawn is None else _REDRAW_S
            # Who looks may be gone, and the cell goes on.
            with suppress(Exception):
                self._take_a_look()
                if self._last is not None:
                    self._draw(self._last)

    def _take_a_look(self) -> None:
        for node, seen in self._look().items():
            if seen.progress is not None:
                self._last = running_facts(node, seen)

    def _draw(self, facts: RunningFacts) -> None:
        shown = shown_running([facts], prints_elsewhere=True)
        bundle = Bundle(render(shown.element), shown.text)
        if bundle != self._drawn:
            is_update = self._drawn is not None
            self._publish(_as_data(bundle), {}, transient={"display_id": self._id}, update=is_update)
            self._drawn = bundle


def _as_data(bundle: Bundle) -> dict[str, str]:
    return {"text/html": bundle.html, "text/plain": bundle.text}
