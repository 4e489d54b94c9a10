"""What a form needs of the page it stands in: its keys, the clipboard, and one column where there is room for one.

The widget shows nothing; it listens within the form that it lies in, and tells what was asked
for. It knows no parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

import anywidget


class FormKeys(anywidget.AnyWidget):
    """Listens to the keys and the copy buttons of a form.

    Args:
        run: Called when Ctrl+Enter is pressed in the form.
        copied: Called when code was copied, with whether that worked.
    """

    _esm = (files("nbpipe") / "static" / "form.js").read_text(encoding="utf-8")
    _css = (files("nbpipe") / "static" / "form.css").read_text(encoding="utf-8")

    def __init__(self, run: Callable[[], None], copied: Callable[[bool], None]) -> None:
        super().__init__()
        self._run = run
        self._copied = copied
        self.on_msg(self._receive)

    def press(self, message: Mapping[str, Any]) -> None:
        """Do what a key or a press in the page does."""
        match message.get("do"):
            case "run":
                self._run()
            case "ask":
                self.send({"do": "answer"})
            case "copied":
                self._copied(bool(message.get("done")))

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        if isinstance(content, Mapping):
            self.press(content)
