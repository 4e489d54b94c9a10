"""How a cell comes into the notebook when a button is pressed: the page is asked to put it there, and answers.

IPython's own way, `set_next_input`, goes with the reply of a cell, and a press of a button is none:
what is asked for then would come out below whichever cell is run next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

import anywidget


class CellWriter(anywidget.AnyWidget):
    """Asks the page for a cell below the one that shows a widget.

    Args:
        told: Called with the page's answer: its `do` is `written` (with `id` of the cell, `where` and `text`) or
            `refused` (with `why`).
    """

    _esm = (files("nbpipe") / "static" / "composer.js").read_text(encoding="utf-8")

    def __init__(self, told: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__()
        self._told = told
        self.on_msg(self._receive)

    def write(self, text: str, *, shown: str, former: Mapping[str, str] | None) -> None:
        """Ask for a cell.

        Args:
            text: What is to stand in it.
            shown: The id of the widget below whose cell it belongs.
            former: The cell that was written before, with `id` and `text`: it is written anew if nobody changed it.
        """
        self.send({"do": "write", "text": text, "shown": shown, "former": dict(former) if former else None})

    def answer(self, message: Mapping[str, Any]) -> None:
        """Take the page's answer."""
        self._told(message)

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        if isinstance(content, Mapping):
            self._told(content)
