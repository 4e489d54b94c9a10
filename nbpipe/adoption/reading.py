"""Notebook files: one is read as its cells, and a copy is written with other cells.

The file that is read is never written. What a copy keeps is its text, its metadata and its
Markdown; stored outputs belong to the cells that made them and stay behind.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbpipe.define.first_line import magic_on
from nbpipe.errors import BadValueError, ConflictError
from nbpipe.records.base import shorten
from nbpipe.source.notebook_files import NotebookCell, cell_in, check_is_there, check_language, said

_LOADING = "%load_ext nbpipe"


@dataclass(frozen=True)
class NotebookFile:
    """A notebook as it was read.

    Attributes:
        path: Where it lies.
        cells: Its cells in their order.
        raw: The whole, as nbformat gives it.
    """

    path: Path
    cells: tuple[NotebookCell, ...]
    raw: Any


def read_notebook(path: Path) -> NotebookFile:
    """Read an ordinary notebook of Python.

    Raises:
        SourceNotFoundError: There is no such file.
        BadValueError: It is no notebook, not of Python, without code, or has steps already.
    """
    import nbformat

    check_is_there(path)
    try:
        raw = nbformat.read(path, as_version=4)
    except Exception as error:  # noqa: BLE001 — nbformat raises what its JSON reader, validator or converter does
        raise BadValueError(f"{path.name} is no notebook that can be read: {said(error)}.") from None
    check_language(raw.metadata, path.name)
    cells = tuple(cell_in(cell) for cell in raw.cells)
    if not any(cell.is_code and cell.text.strip() for cell in cells):
        raise BadValueError(f"{path.name} has no code cell; there is nothing to adopt.")
    for cell in cells:
        if cell.is_code and _is_ours(cell.text):
            raise BadValueError(f"{path.name} has steps already; open it and run it as it is.")
    return NotebookFile(path, cells, raw)


def _is_ours(text: str) -> bool:
    """Tell whether a cell is one of ours already."""
    return any(magic_on(line.lstrip())[0] or line.lstrip().startswith(_LOADING) for line in text.splitlines())


def check_free(source: Path, copy_path: Path, *, replace: bool) -> None:
    """Refuse a place for the copy that is taken.

    Raises:
        BadValueError: It is the notebook itself, or no notebook's name, or lies in no folder.
        ConflictError: Something lies there, and it may not be replaced.
    """
    if copy_path.suffix != ".ipynb":
        raise BadValueError(f"{shorten(copy_path.name)} is no notebook's name; let it end in .ipynb.")
    if copy_path.resolve() == source.resolve():
        raise BadValueError(f"{source.name} is never written over. Name another file for the copy.")
    if not copy_path.parent.is_dir():
        raise BadValueError(f"There is no folder {shorten(str(copy_path.parent))} for the copy.")
    if copy_path.exists() and not replace:
        raise ConflictError(
            f"{copy_path.name} is there already. Write it over with --force, or name another with --to."
        )


def copy_with(notebook: NotebookFile, cells: Sequence[str | int]) -> Any:
    """Give a copy of a notebook with other cells.

    Args:
        notebook: The notebook.
        cells: For each cell of the copy its code, or the place of the cell that is kept as it is but for
            its outputs.
    """
    from nbformat import v4

    made = v4.new_notebook(metadata=copy.deepcopy(notebook.raw.metadata))
    for cell in cells:
        if isinstance(cell, str):
            made.cells.append(v4.new_code_cell(cell))
            continue
        kept = copy.deepcopy(notebook.raw.cells[cell])
        if kept.cell_type == "code":
            kept.outputs, kept.execution_count = [], None
        # Cells of older notebooks have no id yet.
        kept["id"] = kept.get("id") or f"kept-{cell}"
        made.cells.append(kept)
    return made


def write_notebook(notebook: Any, path: Path) -> None:
    """Write a notebook in full or not at all.

    Raises:
        BadValueError: It cannot be written there.
    """
    import nbformat

    draft = path.with_name(f".{path.name}.draft")
    try:
        nbformat.write(notebook, draft)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise BadValueError(f"{path.name} cannot be written: {error.strerror or error}.") from None
