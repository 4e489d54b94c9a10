"""Notebook files, read as the text of their cells.

What cells once showed is dropped while it is read, so that a notebook full of pictures costs no
more than its code. What the text of a cell means is not known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbpipe.errors import BadValueError, SourceNotFoundError

_FORMAT = 4
_KINDS = frozenset(("code", "markdown", "raw"))
_PARTS = {"source": str, "cell_type": str, "metadata": dict}
_MAY_RAISE = "raises-exception"
_LONGEST_SAID = 120


@dataclass(frozen=True, slots=True)
class NotebookCell:
    """One cell of a notebook.

    Attributes:
        is_code: Whether it is code; else it is shown as it stands.
        text: What stands in it.
        may_raise: It is marked as one that raises on purpose.
    """

    is_code: bool
    text: str
    may_raise: bool = False


def name_of_file(path: str | Path) -> str:
    """Name a notebook's own pipeline after its file: `my notebook.ipynb` is `my_notebook`."""
    return re.sub(r"\W+", "_", Path(path).stem).strip("_") or "notebook"


def read_cells(path: Path) -> tuple[NotebookCell, ...]:
    """Read the cells of a notebook of Python.

    Raises:
        SourceNotFoundError: There is no such file.
        BadValueError: It is no notebook, not of Python, or of a format that is too old or too new.
    """
    check_is_there(path)
    try:
        plain = json.loads(path.read_bytes())
    except (ValueError, RecursionError, OSError) as error:
        raise BadValueError(f"{path.name} is no notebook that can be read: {said(error)}.") from None
    notebook = _checked(plain, path.name)
    check_language(notebook.get("metadata", {}), path.name)
    return tuple(cell_in(cell) for cell in notebook["cells"])


def cell_in(cell: Mapping[str, Any]) -> NotebookCell:
    """Give what counts of a cell, as nbformat has it."""
    tags = cell["metadata"].get("tags") or ()
    return NotebookCell(cell["cell_type"] == "code", cell["source"], _MAY_RAISE in tags)


def check_is_there(path: Path) -> None:
    """Refuse what is no file, and name those beside it.

    Raises:
        SourceNotFoundError: There is no such file.
        BadValueError: It is a folder.
    """
    if path.is_dir():
        raise BadValueError(f"{_short(str(path))} is a folder; name a notebook in it.")
    if not path.is_file():
        beside = sorted(other.name for other in path.parent.glob("*.ipynb")) if path.parent.is_dir() else []
        raise SourceNotFoundError(path.name, f"There is no notebook {_short(str(path))}.", beside)


def check_language(metadata: Mapping[str, Any], name: str) -> None:
    """Refuse a notebook of another language.

    Args:
        metadata: The notebook's.
        name: The file's.

    Raises:
        BadValueError: It is not of Python.
    """
    language = metadata.get("kernelspec", {}).get("language") or metadata.get("language_info", {}).get("name")
    if language is not None and str(language).lower() not in ("python", "ipython"):
        raise BadValueError(f"{name} is a notebook of {_short(str(language))}; nbpipe reads notebooks of Python.")


def said(error: Exception) -> str:
    """Give what an error says in one short line."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    return (text if len(text) <= _LONGEST_SAID else f"{text[: _LONGEST_SAID - 1]}…").rstrip(".")


def _checked(plain: Any, name: str) -> Any:
    """Give a notebook as nbformat means it, as far as it is read here.

    Its own validator is not asked: it takes seconds to load, and most of what it checks is what cells showed.
    """
    if not isinstance(plain, dict) or not isinstance(plain.get("nbformat"), int):
        raise BadValueError(f"{name} is no notebook: it does not say its nbformat.")
    major, minor = plain["nbformat"], plain.get("nbformat_minor", 0)
    if not isinstance(minor, int):
        raise BadValueError(f"{name} is no notebook that can be read: its nbformat_minor is {_short(str(minor))}.")
    if major < _FORMAT:
        raise BadValueError(
            f"{name} is of notebook format {major}, and {_FORMAT} is read. "
            f"Save it once in Jupyter, or write: jupyter nbconvert --to notebook --inplace {name}"
        )
    if major > _FORMAT:
        raise BadValueError(f"{name} is of notebook format {major}, newer than the {_FORMAT} that is read here.")
    cells = plain.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise BadValueError(f"{name} is no notebook that can be read: it has no cells.")
    for place, cell in enumerate(cells, 1):
        if isinstance(cell.get("source"), list) and all(isinstance(line, str) for line in cell["source"]):
            cell["source"] = "".join(cell["source"])
        cell.setdefault("metadata", {})
        wrong = [part for part, kind in _PARTS.items() if not isinstance(cell.get(part), kind)]
        if wrong or cell["cell_type"] not in _KINDS:
            part = wrong[0] if wrong else "cell_type"
            value = _short(str(cell.get(part)))
            raise BadValueError(f"{name} is no notebook that can be read: cell {place} has {part} {value}.")
    if not isinstance(plain.setdefault("metadata", {}), dict):
        value = _short(str(plain["metadata"]))
        raise BadValueError(f"{name} is no notebook that can be read: its metadata is {value}.")
    return plain


def _short(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SAID else f"{text[: _LONGEST_SAID - 1]}…")
