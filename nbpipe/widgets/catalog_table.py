"""The live table of the catalog browser: one widget for all rows, drawn in the page.

A widget for each cell would take seconds; this one is sent a page as data. It knows no catalog:
it is told what to show, and tells what was pressed through the one function it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

import anywidget
from traitlets import Dict, List

_STATIC = files("nbpipe") / "static"


class CatalogTable(anywidget.AnyWidget):
    """A table whose headers sort, whose rows are selected and opened, and whose tags filter.

    Args:
        told: Called with each press: its `do` is `sort` (with `column`), `open` (with `id`), `tag` (with `tag`) or
            `page` (with `by`).

    Attributes:
        view: What is shown: see `catalog_rows.view_of`.
        selected: The ids of all rows that are selected, on this page or another.
    """

    _esm = (_STATIC / "catalog_table.js").read_text(encoding="utf-8")
    _css = (_STATIC / "catalog_table.css").read_text(encoding="utf-8")

    view: Any = Dict().tag(sync=True)
    selected: Any = List().tag(sync=True)

    def __init__(self, told: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__()
        self._told = told
        self.on_msg(self._receive)

    def press(self, message: Mapping[str, Any]) -> None:
        """Do what a press in the page does."""
        self._told(message)

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        if isinstance(content, Mapping):
            self._told(content)
