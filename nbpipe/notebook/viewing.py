"""A view of a graph in a cell: the widget, and before it the picture that is left when the widget is gone.

A widget that is saved and opened again without its kernel is an error message, and a notebook
shows no other form of what has one. So the picture is an output of its own. As long as the widget
lives the picture is not shown; once it does not, the message is not. Both is done by a few rules
that are saved with the picture; where a notebook does not heed them, both stand below each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from IPython.display import display

from nbpipe.handles import Pipeline
from nbpipe.views.frames import Bundle
from nbpipe.widgets.pipeline_view import PipelineView

_STILL = "nbpipe-still"
_WIDGET = "application/vnd.jupyter.widget-view+json"
_OUTPUT = ".jp-OutputArea-child"
# No data is in this; what it is put before is escaped.
_RULES = (
    "<style>"
    f"{_OUTPUT}:has(.{_STILL}):has(+ {_OUTPUT} .nbp-view){{display:none}}"
    f"{_OUTPUT}:has(.{_STILL})+{_OUTPUT}:has(>.jp-OutputArea-output.lm-Panel):not(:has(.nbp-view)){{display:none}}"
    "</style>"
)


def show_view(view: PipelineView) -> None:
    """Show a view, and the picture that outlives it."""
    # The picture of a large graph takes its time, and nobody needs it before the widget.
    place = display(_still(Bundle("", "")), raw=True, display_id=True)  # type: ignore[no-untyped-call]
    _show({_WIDGET: view.widget_data()[_WIDGET], "text/plain": ""})
    place.update(_still(view.static()), raw=True)


def _still(bundle: Bundle) -> dict[str, Any]:
    return {"text/html": f'{_RULES}<div class="{_STILL}">{bundle.html}</div>', "text/plain": bundle.text}


def show_bundle(bundle: Bundle) -> None:
    """Show a card."""
    _show({"text/html": bundle.html, "text/plain": bundle.text})


def _show(data: dict[str, Any]) -> None:
    display(data, raw=True)  # type: ignore[no-untyped-call]


class ViewFormatters:
    """Views in one shell's formatters: a pipeline, and a view that a command or a cell gives.

    Args:
        shell: The shell.
        takes_widgets: Whether what the present cell gives may be a widget.
    """

    def __init__(self, shell: Any, takes_widgets: Callable[[], bool]) -> None:
        self._formatter = shell.display_formatter.ipython_display_formatter
        self._takes_widgets = takes_widgets

    def register(self) -> None:
        """Show them as views from now on."""
        self._formatter.for_type(PipelineView, self._view)
        self._formatter.for_type(Pipeline, self._pipeline)

    def unregister(self) -> None:
        """Show them as they show themselves."""
        for kind in (PipelineView, Pipeline):
            self._formatter.pop(kind, None)

    def _view(self, view: PipelineView) -> None:
        if view.is_static or not self._takes_widgets():
            # So says a formatter that it is another's turn.
            raise NotImplementedError
        show_view(view)

    def _pipeline(self, pipeline: Pipeline) -> None:
        self._view(PipelineView(pipeline, static=not self._takes_widgets()))
