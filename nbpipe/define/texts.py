"""Where the text around a function is found: its file, or the cells of the notebook.

A notebook tells us its cells as they are executed (`follow_notebook`). Without that, the cells
that IPython keeps for its tracebacks serve: they lie in `linecache` in the order in which they
were first run.
"""

from __future__ import annotations

import inspect
import linecache
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nbpipe.errors import DefinitionError
from nbpipe.source.corpus import Corpus
from nbpipe.source.pieces import read_unit


class Notebook(Protocol):
    """What a notebook session tells of its plain cells."""

    def corpus(self) -> Corpus:
        """Give the executed cells, indexed."""

    def value_of(self, name: str) -> object:
        """Give the live value of a name; raises `KeyError`."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a piece of text can lean on.

    Attributes:
        corpus: The units, indexed.
        value_of: The live value of a name, where the units are cells.
        search_path: Folders in which local modules are found, before `sys.path`.
    """

    corpus: Corpus
    value_of: Callable[[str], object] | None
    search_path: tuple[str, ...]


CELLS = "__nbpipe_cells__"
"""The name under which a namespace says what its text can lean on, where that is no live notebook's."""

_notebook: Notebook | None = None
_files: dict[str, tuple[tuple[int, int], Corpus]] = {}
_cells: tuple[tuple[str, ...], Corpus] | None = None


def follow_notebook(notebook: Notebook | None) -> None:
    """Take the text around notebook functions from `notebook` from now on; `None` ends it."""
    global _notebook
    _notebook = notebook


def text_of(function: Callable[..., Any], what: str) -> str:
    """Give the text of a function as it was written, decorators included.

    Raises:
        DefinitionError: It has no text (a builtin, a console line) or stands inside another function.
    """
    if "<locals>" in function.__qualname__:
        outer = function.__qualname__.split(".")[0]
        raise DefinitionError(f"{what} {function.__name__!r} is defined inside {outer!r}; move it to the top level.")
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        raise DefinitionError(
            f"The text of {what} {function.__name__!r} cannot be read; define it in a file or in a notebook cell."
        ) from None


def surroundings_of(function: Callable[..., Any]) -> Surroundings:
    """Say what the text of `function` can lean on."""
    path = inspect.getsourcefile(inspect.unwrap(function)) or ""
    if path and Path(path).is_file() and not _is_cell_file(path):
        return Surroundings(_file_corpus(path), None, (str(Path(path).resolve().parent),))
    return notebook_surroundings(function.__globals__)


def notebook_surroundings(namespace: Mapping[str, Any]) -> Surroundings:
    """Say what a cell can lean on.

    Args:
        namespace: What it says itself wins; it holds the live values if no notebook is followed.
    """
    own = namespace.get(CELLS)
    if isinstance(own, Surroundings):
        return own
    here = (str(Path.cwd()),)
    if _notebook is not None:
        return Surroundings(_notebook.corpus(), _notebook.value_of, here)
    return Surroundings(_cached_cells(), namespace.__getitem__, here)


def _is_cell_file(path: str) -> bool:
    return "ipykernel_" in path or path.startswith("<")


def _file_corpus(path: str) -> Corpus:
    found = Path(path).stat()
    stamp = (found.st_mtime_ns, found.st_size)
    known = _files.get(path)
    if known is None or known[0] != stamp:
        text = Path(path).read_text(encoding="utf-8")
        known = (stamp, Corpus([read_unit(Path(path).name, text, is_file=True)]))
        _files[path] = known
    return known[1]


def _cached_cells() -> Corpus:
    global _cells
    names = tuple(name for name in linecache.cache if "ipykernel_" in name or name.startswith("<ipython-input"))
    if _cells is None or _cells[0] != names:
        units = []
        for n, name in enumerate(names, 1):
            entry = linecache.cache[name]
            if len(entry) == 4:
                units.append(read_unit(f"cell {n}", "".join(entry[2])))
        _cells = (names, Corpus(units))
    return _cells[1]
