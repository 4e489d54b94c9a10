"""The cell that is running: how much of its text has been executed so far.

A cell is text for steps to lean on once it is over. But it may itself begin a run, a line below the
function or the constant that it has just defined anew; what is run must be what stands there by
then. The line at which the cell is says how far that is. The same holds of a script, whose text is no
cell at all.
"""

from __future__ import annotations

import ast
import linecache
import sys
import threading
from collections.abc import Mapping
from functools import lru_cache
from types import FrameType
from typing import Any

from nbpipe.notebook.first_line import MARKER
from nbpipe.source.syntax import syntax_tree

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_NESTED = ("<lambda>", "<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>")


class Underway:
    """What is running in one shell.

    Args:
        namespace: The notebook's names; code that has them as its globals is a cell's, or a script's.
    """

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self._thread = threading.main_thread().ident
        self._text = ""

    def begin(self, text: str) -> None:
        """Take note that a plain cell begins; `""` for one that is no text for steps."""
        self._thread = threading.get_ident()
        self._text = text

    def end(self) -> None:
        """Take note that it is over."""
        self._text = ""

    def so_far(self) -> tuple[str, tuple[str, ...]]:
        """Give what has been executed of it, and the names that a loop or a block binds which is not over.

        It is all of it where nobody can tell, as while it awaits something.
        """
        frame = self._outermost()
        if frame is None or self._text.startswith("%%"):
            # Under `%%time` and its like the lines are those of a text that only the magic has.
            return self._text, ()
        return _executed(frame.f_code.co_filename, frame.f_lineno)

    def _outermost(self) -> FrameType | None:
        found, frame = None, sys._current_frames().get(self._thread or 0)
        while frame is not None:
            is_of_a_module = frame.f_code.co_name.startswith("<") and frame.f_code.co_name not in _NESTED
            if is_of_a_module and frame.f_globals is self._namespace:
                found = frame
            frame = frame.f_back
        return found


# One place is asked many times while a run is planned. A name of a file is another for each cell and text.
@lru_cache(64)
def _executed(filename: str, line: int) -> tuple[str, tuple[str, ...]]:
    lines = linecache.getlines(filename)
    if not lines or lines[0].startswith((f"{MARKER}(", "%%")):
        return "", ()
    try:
        tree = syntax_tree("".join(lines))
    except (SyntaxError, ValueError):
        return "", ()
    done = [statement for statement in tree.body if (statement.end_lineno or 0) < line]
    text = "".join(lines[: done[-1].end_lineno]) if done else ""
    # What a loop binds is live as long as it goes on, and no text says it.
    live = set[str]().union(*(_bound_in(one) for one in tree.body if one not in done and one.lineno < line))
    return text, tuple(sorted(live))


def _bound_in(statement: ast.AST) -> set[str]:
    if isinstance(statement, _SCOPES):
        return set()
    own = {statement.id} if isinstance(statement, ast.Name) and isinstance(statement.ctx, ast.Store) else set()
    return own.union(*(_bound_in(inner) for inner in ast.iter_child_nodes(statement)))
