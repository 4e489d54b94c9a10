"""A widget in a cell, and before it the picture that is left when the widget is gone.

A widget that is saved and opened again without its kernel is an error message, and a notebook
shows no other form of what has one. So the picture is an output of its own. As long as the widget
lives the picture is not shown; while it is awaited, and once it is gone, the message is not. Both
is done by a few rules that are saved with the picture; where a notebook does not heed them, both
stand below each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

from IPython.display import display

from nbpipe.handles import Pipeline
from nbpipe.services.deployment_records import Deployment
from nbpipe.views.frames import Bundle
from nbpipe.widgets.pipeline_view import PipelineView
from nbpipe.widgets.showing import Shown

_SOON_S = 0.05
_STILL, _NOTHING = "nbpipe-still", "nbpipe-nothing"
_WIDGET = "application/vnd.jupyter.widget-view+json"
_OUTPUT = ".jp-OutputArea-child"
# What a widget is drawn in; one that is awaited or cannot be had is a text in it, and no part of its own.
_FRAME = ".jp-OutputArea-output.lm-Panel"
# No data is in this; what it is put before is escaped.
_RULES = (
    "<style>"
    f"{_OUTPUT}:has(.{_STILL}):has(+ {_OUTPUT}>{_FRAME}>.lm-Widget),"
    f"{_OUTPUT}:has(.{_STILL})+{_OUTPUT}:has(>{_FRAME}):not(:has(>{_FRAME}>.lm-Widget)),"
    f"{_OUTPUT}:has(.{_STILL})+{_OUTPUT}:has(.{_NOTHING})"
    "{display:none}</style>"
)


def load_ahead() -> None:
    """Have what draws views loaded when the kernel has nothing else to do: else the first view waits for it."""
    # A shell without an event loop shows none.
    with suppress(RuntimeError):
        asyncio.get_running_loop().call_later(_SOON_S, import_module, "nbpipe.widgets.pipeline_graph")


def show_live(thing: Shown) -> None:
    """Show what has two faces: the live one, and the static one that outlives it."""
    place = Place()
    place.show(thing.widget_data())
    # The picture of a large graph takes its time, and nobody needs it before the widget.
    place.keep(thing.static())


class Place:
    """Two outputs of the present cell, one below the other: what is kept, and what is live."""

    def __init__(self) -> None:
        self._still = display(_as_data(_still(Bundle("", ""))), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        self._live = display(_as_data(_none()), raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def show(self, widget_data: Mapping[str, Any]) -> None:
        """Show a widget."""
        self._live.update({_WIDGET: widget_data[_WIDGET], "text/plain": ""}, raw=True)

    def keep(self, bundle: Bundle) -> None:
        """Keep what is to be seen where the widget is not."""
        self._still.update(_as_data(_still(bundle)), raw=True)

    def end(self, bundle: Bundle) -> None:
        """Keep this alone, and show no widget any more."""
        self.keep(bundle)
        self._live.update(_as_data(_none()), raw=True)


def _still(bundle: Bundle) -> Bundle:
    return Bundle(f'{_RULES}<div class="{_STILL}">{bundle.html}</div>', bundle.text)


def _none() -> Bundle:
    return Bundle(f'<div class="{_NOTHING}"></div>', "")


def _as_data(bundle: Bundle) -> dict[str, str]:
    return {"text/html": bundle.html, "text/plain": bundle.text}


def show_bundle(bundle: Bundle) -> None:
    """Show a card."""
    display(_as_data(bundle), raw=True)  # type: ignore[no-untyped-call]


class ViewFormatters:
    """What has two faces, in one shell's formatters: whatever a command or a cell gives, a pipeline, a deployment.

    Args:
        shell: The shell.
        takes_widgets: Whether what the present cell gives may be a widget with a picture beside it.
    """

    def __init__(self, shell: Any, takes_widgets: Callable[[], bool]) -> None:
        self._formatter = shell.display_formatter.ipython_display_formatter
        self._takes_widgets = takes_widgets

    def register(self) -> None:
        """Show them so from now on."""
        self._formatter.for_type(Shown, self._shown)
        self._formatter.for_type(Pipeline, self._pipeline)
        self._formatter.for_type(Deployment, self._deployment)

    def unregister(self) -> None:
        """Show them as they show themselves."""
        for kind in (Shown, Pipeline, Deployment):
            self._formatter.pop(kind, None)

    def _shown(self, thing: Shown) -> None:
        if thing.is_static or not self._takes_widgets():
            # So says a formatter that it is another's turn.
            raise NotImplementedError
        show_live(thing)

    def _pipeline(self, pipeline: Pipeline) -> None:
        self._shown(PipelineView(pipeline, static=not self._takes_widgets()))

    def _deployment(self, deployment: Deployment) -> None:
        if not self._takes_widgets():
            # As for any other: it shows itself.
            raise NotImplementedError
        # Widgets are loaded when the first is shown.
        from nbpipe.widgets.deployment_card import DeploymentCard

        show_live(DeploymentCard(deployment))
