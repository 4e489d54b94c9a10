"""The graph of a pipeline or of a run, to be looked at and walked through: live states, cards, Stop.

`PipelineView(training)` shows a pipeline and marks the steps that would run anew;
`PipelineView(run)`, or a run's id, shows a run, and follows one that goes on. Press a step, or go
to it with the arrows and press Enter, and its card opens beside the graph.

A view can be driven without a front end: set `selected`, `query`, `focus`, `zoom` or `folded`,
call `stop()` or `stop_button.click()`, read `states`, `found`, `shown` and `card`. A value that
will not do is refused, and what was shown stays.
"""

from __future__ import annotations

import contextvars
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from traitlets import HasTraits, Unicode, observe, validate

from nbpipe.commands.calling import Runnable
from nbpipe.errors import BadValueError, NbpipeError, nearest
from nbpipe.records.base import shorten
from nbpipe.services.client import Client
from nbpipe.services.runs import Run
from nbpipe.services.watching import StartedRun
from nbpipe.views.dag_scene import MOST_UNFOLDED, dag_scene
from nbpipe.views.frames import Bundle
from nbpipe.views.markup import element, render
from nbpipe.views.steps_graph import title_of
from nbpipe.widgets.given import Given
from nbpipe.widgets.pipeline_live import LiveRun
from nbpipe.widgets.pipeline_states import State, differs
from nbpipe.widgets.pipeline_subjects import DefinedPipeline, RecordedRun, Subject
from nbpipe.widgets.running import error_text
from nbpipe.widgets.showing import Shown

if TYPE_CHECKING:
    from nbpipe.widgets.pipeline_graph import PipelineGraph

FOCUSES = ("", "ancestors", "descendants", "both")
LEAST_ZOOM, MOST_ZOOM = 0.015, 2.5
# Ten looks a second at a run that goes on here; one on record is asked for once a second.
_LIVE_S, _RECORDED_S = 0.1, 1.0
_MOST_LETTERS = 1_000


@dataclass(frozen=True, slots=True)
class StopButton:
    """The Stop button, for whoever has no page to press it in."""

    _view: PipelineView

    @property
    def disabled(self) -> bool:
        """Whether there is nothing to stop."""
        return not self._view.is_going or bool(self._view.whole.get("stopping"))

    def click(self) -> None:
        """Press it; nothing comes of it where it is disabled."""
        if not self.disabled:
            self._view.stop()


class PipelineView(Shown, HasTraits):
    """The graph of a pipeline or a run.

    Args:
        what: A pipeline, a run, or a run's id, name or beginning of an id.
        static: Show a picture that needs no front end instead.

    Attributes:
        selected: The step whose card is shown, by its name in the graph; `""` for none.
        query: Part of the names that are searched.
        focus: What of the graph is shown in full: `"ancestors"` or `"descendants"` of the selected step, `"both"`, or
            `""` for all of it.
        zoom: The scale of the drawing, 0.015 to 2.5; 0 fits it into the view.
        folded: Whether steps that belong together are one box; a large graph begins so.
        message: What there is to say of the last press.

    Raises:
        BadValueError: It is neither a pipeline nor a run.
        NotFoundError: There is no such run.
    """

    selected = Given("")
    query = Given("")
    focus = Given("")
    zoom = Given(0.0)
    folded = Given(False)
    message = Unicode("")

    def __init__(self, what: Runnable | Run | StartedRun | Subject | str, *, static: bool = False) -> None:
        HasTraits.__init__(self)
        Shown.__init__(self, static=static)
        self._subject = subject_of(what)
        self._lock = threading.RLock()
        self._told: dict[str, State] = {}
        self._told_whole: State = {}
        self._ids: list[str] = []
        self._number: dict[str, int] = {}
        self._titles: dict[str, str] = {}
        self._is_followed = False
        self.stop_button = StopButton(self)
        self._take_graph()
        self.folded = len(self._ids) > MOST_UNFOLDED

    @property
    def subject(self) -> Subject:
        """What is shown."""
        return self._subject

    @property
    def is_going(self) -> bool:
        """Whether what is shown is a run that goes on."""
        return self._subject.is_going and bool(self.whole)

    @property
    def whole(self) -> State:
        """How all of it stands, as plain data."""
        return self._subject.whole()

    @property
    def states(self) -> Mapping[str, State]:
        """How each step stands now, as plain data, by its name in the graph."""
        return self._subject.states()

    @property
    def found(self) -> list[str]:
        """The steps whose names hold what is searched for."""
        wanted = self.query.strip().casefold()
        return [node for node in self._ids if wanted in self._titles[node].casefold()] if wanted else []

    @property
    def shown(self) -> list[str]:
        """The steps that are shown in full by `focus`; all of them where it is `""` or no step is selected."""
        if not self.focus or not self.selected:
            return list(self._ids)
        _, edges = self._subject.graph()
        marked = {self.selected}
        if self.focus != "descendants":
            marked |= _reached(self.selected, [(edge.target, edge.source) for edge in edges])
        if self.focus != "ancestors":
            marked |= _reached(self.selected, [(edge.source, edge.target) for edge in edges])
        return [node for node in self._ids if node in marked]

    @property
    def card(self) -> Bundle:
        """The card of the selected step; of the whole where none is selected."""
        return self._card(self.selected)

    @property
    def widget(self) -> PipelineGraph:
        """The live face."""
        return self._graph

    def static(self) -> Bundle:
        """Give the picture, and what belongs to it."""
        return self._subject.static()

    def stop(self) -> None:
        """Ask the run to stop; what was done before is kept.

        Raises:
            ConflictError: Nothing goes on.
        """
        self._subject.stop()
        self.update()

    def update(self) -> None:
        """Tell the page what has changed since it was told last; without a page there is nothing to do."""
        if "_graph" not in vars(self):
            return
        with self._lock:
            self._tell(self._graph)

    # What may be set -------------------------------------------------------------------------

    @validate("selected")
    def _valid_selected(self, proposal: Any) -> str:
        wanted = proposal["value"]
        if wanted == "" or (isinstance(wanted, str) and wanted in self._number):
            return str(wanted)
        near = nearest(wanted, list(self._number)) if isinstance(wanted, str) else []
        hint = f"Did you mean {near[0]!r}?" if near else 'Give the name of a step, or "" for none.'
        raise BadValueError(f"selected={shorten(wanted)} is no step of {shorten(self._subject.name)}. {hint}")

    @validate("query")
    def _valid_query(self, proposal: Any) -> str:
        wanted = proposal["value"]
        if not isinstance(wanted, str):
            raise BadValueError(f"query={shorten(wanted)} should be a text: part of the names of steps.")
        return wanted[:_MOST_LETTERS]

    @validate("focus")
    def _valid_focus(self, proposal: Any) -> str:
        wanted = proposal["value"]
        if not isinstance(wanted, str) or wanted not in FOCUSES:
            raise BadValueError(f"focus={shorten(wanted)} should be one of {', '.join(map(repr, FOCUSES))}.")
        return wanted

    @validate("zoom")
    def _valid_zoom(self, proposal: Any) -> float:
        wanted = proposal["value"]
        is_number = isinstance(wanted, int | float) and not isinstance(wanted, bool) and math.isfinite(wanted)
        if not is_number or not (wanted == 0 or LEAST_ZOOM <= wanted <= MOST_ZOOM):
            raise BadValueError(
                f"zoom={shorten(wanted)} should be 0, to fit, or a number from {LEAST_ZOOM} to {MOST_ZOOM}."
            )
        return float(wanted)

    @validate("folded")
    def _valid_folded(self, proposal: Any) -> bool:
        wanted = proposal["value"]
        if not isinstance(wanted, bool):
            raise BadValueError(f"folded={shorten(wanted)} should be True or False.")
        return wanted

    @observe("selected", "query", "focus", "zoom", "folded", "message")
    def _set_in_python(self, change: Any) -> None:
        if "_graph" in vars(self):
            value = change["new"]
            setattr(self._graph, change["name"], self._number.get(value, -1) if change["name"] == "selected" else value)

    # The page --------------------------------------------------------------------------------

    @cached_property
    def _graph(self) -> PipelineGraph:
        # Drawn by a library that is loaded when the first view is shown.
        from nbpipe.widgets.pipeline_graph import PipelineGraph

        with self._lock:
            self._told = dict(self._subject.states())
            self._told_whole = self._subject.whole()
            graph = PipelineGraph(
                self._pressed,
                scene=self._scene(),
                states={str(self._number[node]): state for node, state in self._told.items() if node in self._number},
                run=self._told_whole,
                selected=self._number.get(self.selected, -1),
                **{name: getattr(self, name) for name in ("query", "focus", "zoom", "folded", "message")},
            )
            graph.observe(self._set_in_page, ["selected", "query", "focus", "zoom", "folded"])
        # Who follows what goes on must find it.
        vars(self)["_graph"] = graph
        self._follow()
        return graph

    def _scene(self) -> dict[str, Any]:
        return dag_scene(*self._subject.graph(), name=self._subject.name)

    def _take_graph(self) -> bool:
        """Take in which nodes there are; tell whether they are others than before."""
        nodes, _ = self._subject.graph()
        ids = [node.id for node in nodes]
        if ids == self._ids:
            return False
        self._ids = ids
        self._number = {node: place for place, node in enumerate(ids)}
        self._titles = {node.id: title_of(node) for node in nodes}
        return True

    def _tell(self, graph: PipelineGraph) -> None:
        states, whole = self._subject.states(), self._subject.whole()
        if states.keys() != self._told.keys() and self._take_graph():
            # Other boxes stand elsewhere, so all is drawn anew; which happens where runs are triggered.
            graph.states = {str(self._number[node]): state for node, state in states.items() if node in self._number}
            graph.scene = self._scene()
            graph.selected = self._number.get(self.selected, -1)
        else:
            changed = {
                self._number[node]: state
                for node, state in states.items()
                if differs(self._told.get(node), state) and node in self._number
            }
            graph.tell(changed)
        if differs(self._told_whole, whole):
            graph.run = whole
        self._told, self._told_whole = dict(states), whole

    def _pressed(self, message: Mapping[str, Any]) -> None:
        match message.get("do"):
            case "card":
                number = message.get("node")
                is_known = isinstance(number, int) and 0 <= number < len(self._ids)
                self._graph.answer(number if is_known else -1, self._card(self._ids[number] if is_known else "").html)  # type: ignore[index, arg-type]
            case "stop":
                self._graph.heard()
                try:
                    self.stop()
                except NbpipeError as error:
                    self.message = error_text(error)

    def _card(self, node: str) -> Bundle:
        try:
            return self._subject.card(node)
        except NbpipeError as error:
            said = error_text(error)
            return Bundle(render(element("p", said)), said)

    def _set_in_page(self, change: Any) -> None:
        name, value = change["name"], change["new"]
        if name == "selected":
            value = self._ids[value] if 0 <= value < len(self._ids) else ""
        try:
            setattr(self, name, value)
        except NbpipeError as error:
            self.message = error_text(error)

    # Following what goes on ------------------------------------------------------------------

    def _follow(self) -> None:
        if self._is_followed or not self._subject.is_going:
            return
        self._is_followed = True
        # It asks the workspace that is in use where the view was made.
        work = contextvars.copy_context().run
        threading.Thread(target=work, args=(self._keep_up,), name="nbpipe-view", daemon=True).start()

    def _keep_up(self) -> None:
        pause = threading.Event()
        every_s = _LIVE_S if isinstance(self._subject, LiveRun) else _RECORDED_S
        if isinstance(self._subject, DefinedPipeline):
            every_s = 0.0
        while self._subject.is_going:
            pause.wait(every_s)
            try:
                self._subject.catch_up()
                self.update()
            except NbpipeError as error:
                # The run was deleted, or the catalog is gone: what is shown stays.
                self.message = error_text(error)
                return
        self.update()


def subject_of(what: Any) -> Subject:
    """Say what is to be shown.

    Raises:
        BadValueError: It is neither a pipeline nor a run.
        NotFoundError: There is no such run.
    """
    if isinstance(what, DefinedPipeline | RecordedRun | LiveRun):
        return what
    if isinstance(what, StartedRun):
        return LiveRun(what)
    if isinstance(what, Run):
        return RecordedRun(what)
    if hasattr(what, "request") and hasattr(what, "definition"):
        return DefinedPipeline(what)
    if isinstance(what, str):
        return RecordedRun(Client().runs.get(what))
    raise BadValueError(f"{shorten(what)} has no graph to show; give a pipeline, a run, or a run's id.")


def _reached(start: str, links: list[tuple[str, str]]) -> set[str]:
    after: dict[str, list[str]] = {}
    for source, target in links:
        after.setdefault(source, []).append(target)
    found, todo = {start}, [start]
    while todo:
        for node in after.get(todo.pop(), ()):
            if node not in found:
                found.add(node)
                todo.append(node)
    return found
