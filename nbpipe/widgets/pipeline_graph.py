"""The one widget that a graph is drawn with: positions and states go to the page, presses come back.

There is one for a whole graph, however large; a widget for each step would take seconds. How the
steps stand is told as small differences: a trait that is set is sent as a whole. The trait holds
all of it nevertheless, so that a page that is opened again is told everything.

It knows no pipeline: it is told what to show, and tells what was pressed through the one function
it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

import anywidget
from traitlets import Bool, Dict, Float, Int, Unicode

_STATIC = files("nbpipe") / "static" / "pipeline_view"
# One module, written in parts; the last one has what the page asks for.
_PARTS = ("shapes.js", "canvas.js", "states.js", "view.js")

State = Mapping[str, Any]


class PipelineGraph(anywidget.AnyWidget):
    """A drawn graph.

    Args:
        told: Called with each press: its `do` is `card` (with `node`) or `stop`.
        traits: What it begins with, by name.

    Attributes:
        scene: What is drawn: see `views.dag_scene`.
        states: How each step stands, by its number as text: `status`, and where they apply `elapsed` (in seconds,
            while it runs), `about` (how long it usually takes), `took`, `share`, `said`, `line`, `why` and `items`.
        run: How the whole stands: `status`, `live`, `stopping`, `elapsed`, `about`, `took`, `note`, `blocking` (the
            cell in which it was begun goes on) and `deaf` (the kernel hears nothing meanwhile).
        selected: The number of the step whose card is shown; -1 for none.
        query: Part of the names that are searched.
        focus: What of the graph is shown in full: see `PipelineView.focus`.
        zoom: The scale; 0 fits the graph into the view.
        folded: Whether the overview of a large graph is shown.
        message: What there is to say below.
    """

    _esm = "\n".join((_STATIC / part).read_text(encoding="utf-8") for part in _PARTS)
    _css = (_STATIC / "view.css").read_text(encoding="utf-8")

    scene: Any = Dict().tag(sync=True)
    states: Any = Dict().tag(sync=True)
    run: Any = Dict().tag(sync=True)
    selected: Any = Int(-1).tag(sync=True)
    query: Any = Unicode("").tag(sync=True)
    focus: Any = Unicode("").tag(sync=True)
    zoom: Any = Float(0.0).tag(sync=True)
    folded: Any = Bool(False).tag(sync=True)
    message: Any = Unicode("").tag(sync=True)

    def __init__(self, told: Callable[[Mapping[str, Any]], None], **traits: Any) -> None:
        super().__init__(**traits)
        self._told = told
        self.on_msg(self._receive)

    def tell(self, changed: Mapping[int, State]) -> None:
        """Tell how steps stand now, these and no others."""
        if not changed:
            return
        by_text = {str(node): dict(state) for node, state in changed.items()}
        # Put in place and not set: setting would send all of them.
        self.states.update(by_text)
        self.send({"do": "states", "nodes": by_text})

    def answer(self, node: int, html: str) -> None:
        """Give the card that was asked for."""
        self.send({"do": "card", "node": node, "html": html})

    def heard(self) -> None:
        """Say that a press was heard."""
        self.send({"do": "heard"})

    def press(self, message: Mapping[str, Any]) -> None:
        """Do what a press in the page does."""
        self._told(message)

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        if isinstance(content, Mapping):
            self._told(content)
