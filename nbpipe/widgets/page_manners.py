"""What every page of widgets needs besides them: that keys reach all of it, and that it says aloud how it stands.

The widget shows nothing; it attends to the page that it lies in. It knows no page in particular, so that one
serves all of them.
"""

from __future__ import annotations

from importlib.resources import files

import anywidget

_STATIC = files("nbpipe") / "static"


class PageManners(anywidget.AnyWidget):
    """Attends to whatever `appearance.page` it lies in."""

    _esm = (_STATIC / "page.js").read_text(encoding="utf-8")
    _css = (_STATIC / "page.css").read_text(encoding="utf-8")
