"""The notebook as one puts a pipeline together in it, and which notebook that is.

It stands apart from what is done with it (`commands.composing`), so that loading the extension need not load that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from nbpipe.commands.calling import Runnable

if TYPE_CHECKING:
    from nbpipe.define.cells import CellStep


@runtime_checkable
class Workbench(Protocol):
    """A notebook, as one puts a pipeline together in it."""

    def pipelines(self) -> Mapping[str, Runnable]:
        """Give the pipelines that are defined there, by name."""

    def names(self) -> Mapping[str, Any]:
        """Give its names and values."""

    def cells(self) -> Mapping[str, CellStep]:
        """Give the computing cells that a pipeline's body can call, by name."""


_notebooks: list[Workbench] = []


def use_notebook(notebook: Workbench) -> None:
    """Let pipelines be put together in this notebook from now on."""
    _notebooks.append(notebook)


def leave_notebook(notebook: Workbench) -> None:
    """Undo `use_notebook`."""
    if notebook in _notebooks:
        _notebooks.remove(notebook)


def notebook_in_use() -> Workbench | None:
    """Give the notebook that was named last, if any is."""
    return _notebooks[-1] if _notebooks else None
