"""A notebook's code cell, read: its text, its names, and what a plain run of it has shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nbpipe.adoption.kernels import CellRun
from nbpipe.source.magics import DroppedLine, strip_magics
from nbpipe.source.names import Names, names_of
from nbpipe.source.notebook_files import NotebookCell
from nbpipe.source.pieces import Unit, read_unit
from nbpipe.source.syntax import syntax_tree


class Role(StrEnum):
    """What becomes of a cell."""

    STEP = "step"
    DEFINES = "defines"
    SETTINGS = "settings"
    PLAIN = "plain"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class ReadCell:
    """A code cell, read.

    Attributes:
        index: Its place among the notebook's cells.
        text: It, without lines that are not Python.
        dropped: Those lines.
        unit: It as a part of what was executed.
        names: What it reads and binds.
        run: What came of it in the plain run.
    """

    index: int
    text: str
    dropped: tuple[DroppedLine, ...]
    unit: Unit
    names: Names
    run: CellRun


def read_cell(index: int, cell: NotebookCell, run: CellRun) -> ReadCell:
    """Read a code cell.

    Args:
        index: Its place among the notebook's cells.
        cell: The cell.
        run: What came of it in the plain run.
    """
    text, dropped = strip_magics(cell.text)
    unit = read_unit(f"cell {index + 1}", cell.text)
    return ReadCell(index, text, tuple(dropped), unit, names_of(syntax_tree(text)), run)
