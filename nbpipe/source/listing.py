"""Where tracebacks, `inspect` and the debugger find the text of code that has no file.

Code is compiled under a name such as `<nbpipe train>` and its text is given to `linecache`
under the same name, each line at its own number.
"""

from __future__ import annotations
import __future__

import ast
import linecache
from threading import Lock
from types import CodeType

from nbpipe.base.digest import quick
from nbpipe.source.normal import lines_of
from nbpipe.source.syntax import syntax_tree

_FLAGS_OF_LAZY_ANNOTATIONS = __future__.annotations.compiler_flag
_one_at_a_time = Lock()


def compile_listed(
    text: str,
    place: str,
    *,
    tree: ast.Module | None = None,
    line: int = 1,
    lazy_annotations: bool = False,
    flags: int = 0,
) -> CodeType:
    """Compile `text` so that tracebacks show its own lines.

    Args:
        text: What tracebacks show.
        place: What they call it: the name of a step, cell or file.
        tree: What is compiled, if it is not quite the tree of `text`; it is changed.
        line: The number of the first line.
        lazy_annotations: Compile under `from __future__ import annotations`.
        flags: Further flags of `compile`.

    Raises:
        SyntaxError: The text is not Python.
    """
    filename = _list_lines(text, place, line)
    module = tree if tree is not None else syntax_tree(text, filename)
    if line > 1:
        ast.increment_lineno(module, line - 1)
    flags |= _FLAGS_OF_LAZY_ANNOTATIONS if lazy_annotations else 0
    code: CodeType = compile(module, filename, "exec", flags, dont_inherit=True)
    return code


def _list_lines(text: str, place: str, line: int) -> str:
    """Give `text` to `linecache` from `line` on, and say under which name.

    Pieces of one cell share a listing. A text that contradicts what is listed, because the
    cell has changed since, has one of its own: older code still shows what it ran.
    """
    filename = f"<nbpipe {place}>"
    new = [ending if ending.endswith("\n") else f"{ending}\n" for ending in lines_of(text)]
    with _one_at_a_time:
        listed = _lines_of(filename)
        if any(old not in ("\n", fresh) for old, fresh in zip(listed[line - 1 :], new, strict=False)):
            filename = f"<nbpipe {place} {quick('listing', text)[:6]}>"
            listed = _lines_of(filename)
        listed += ["\n"] * (line - 1 + len(new) - len(listed))
        listed[line - 1 : line - 1 + len(new)] = new
        # Without a time of change, `linecache.checkcache` leaves an entry alone.
        linecache.cache[filename] = (sum(map(len, listed)), None, listed, filename)
    return filename


def _lines_of(filename: str) -> list[str]:
    entry = linecache.cache.get(filename)
    return list(entry[2]) if entry is not None and len(entry) == 4 else []
