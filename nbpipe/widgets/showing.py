"""Two faces of one thing: live where a front end listens, static wherever else it is read.

The static one is in every display, so that a saved notebook says something true on a page that
runs no widgets. Without a kernel, or if `NBPIPE_DISPLAY` is `static`, it is the only one, and no
widget is made.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from nbpipe.views.amounts import value_text
from nbpipe.views.frames import Bundle
from nbpipe.views.markup import element, render
from nbpipe.views.theme import MONOSPACE


class Shown:
    """Base of what has both faces.

    Args:
        static: Show the static face only.
    """

    # Of those that draw themselves anew: who draws, and whether somebody does.
    _lock: AbstractContextManager[bool]
    _is_drawing: bool = False

    def __init__(self, *, static: bool = False) -> None:
        self.is_static = static

    @property
    def widget(self) -> Any:
        """The live face, an ipywidget; made when it is first asked for."""
        raise NotImplementedError

    def static(self) -> Bundle:
        """Give the static face: HTML and text that depend on nothing but the values."""
        raise NotImplementedError

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Draw in the block, one thread at a time; what controls tell meanwhile comes from drawing, and from nobody."""
        with self._lock:
            self._is_drawing = True
            try:
                yield
            finally:
                self._is_drawing = False

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002
        bundle = self.static()
        readable = {"text/plain": bundle.text, "text/html": bundle.html}
        if self.is_static or not has_front_end():
            return readable
        return {**self.widget_data(), **readable}

    def widget_data(self) -> dict[str, Any]:
        """Give what displays the live face, and nothing else."""
        shown = self.widget._repr_mimebundle_()
        # Some widgets give what is shown together with what is known of it.
        return dict(shown[0] if isinstance(shown, tuple) else shown or {})


def has_front_end() -> bool:
    """Tell whether this is a kernel, and one that was not told to show the static face only."""
    if os.environ.get("NBPIPE_DISPLAY", "").strip().casefold() == "static":
        return False
    application = sys.modules.get("ipykernel.kernelapp")
    return application is not None and bool(application.IPKernelApp.initialized())


def html_of(value: Any) -> str:
    """Give the HTML in which a notebook would show `value`; its text where it has none.

    What an object writes about itself is its author's affair, here as in every cell.
    """
    try:
        html = value._repr_html_() if hasattr(value, "_repr_html_") else None
        if html is None and hasattr(value, "_repr_mimebundle_"):
            bundle = value._repr_mimebundle_()
            html = (bundle[0] if isinstance(bundle, tuple) else bundle).get("text/html")
        if isinstance(html, str):
            return html
    except Exception:  # noqa: BLE001 — a display that fails must not look like a run that failed
        html = None
    return render(element("pre", value_text(value, most=2000), style=f"font-family:{MONOSPACE}; white-space:pre-wrap;"))
