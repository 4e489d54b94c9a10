"""The first line of a cell: which of our magics stands there, and what stands behind it.

A magic may stand as a comment, `#| step train --tag v1`: such a cell is plain Python for everybody who does not know
us, for editors, linters and a kernel without the extension. (`%%catalog` has no such form: its body is no Python.)

Both faces of a notebook read it the same way: a kernel that runs the cells, and a file that is
only read. What may stand behind a magic is `define.grammar`.
"""

from __future__ import annotations

import re

MAGICS = ("step", "params", "pipeline", "catalog")
_COMMENT = re.compile(r"#\|[ \t]*(step|params|pipeline)(?=\s|$)[ \t]*(.*)")
# No name has a question mark in it.
_QUESTION = re.compile(r"[\w-]*\?{1,2}")
_INDENTATION = re.compile(r"[ \t]+")


def magic_on(line: str) -> tuple[str, str]:
    """Give our cell magic on a line and what stands behind it; two empty texts if there is none."""
    comment = _COMMENT.match(line)
    if comment is not None:
        return comment[1], comment[2].strip()
    name, _, arguments = line.removeprefix("%%").strip().partition(" ")
    return (name, arguments.strip()) if line.startswith("%%") and name in MAGICS else ("", "")


def asks_for_help(arguments: str) -> bool:
    """Tell whether the first line asks for help and for nothing else: `-h`, `--help`, or a question as in `load?`."""
    first = arguments.split(maxsplit=1)[:1]
    return first in (["-h"], ["--help"]) or (bool(first) and _QUESTION.fullmatch(first[0]) is not None)


def without_comment(text: str) -> str:
    """Leave out a comment at the end: a `#` between spaces and what stands behind it. `#5` is a word like any other."""
    quote = ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "#" and not text[place - 1 : place].strip() and not text[place + 1 : place + 2].strip():
            return text[:place].rstrip()
    return text


def as_marked(cell: str) -> str:
    """Give a cell as its magic is looked for: no blank lines or indentation before it, and no `%%time`."""
    lines = _cleaned(cell.splitlines(keepends=True))
    own = list(lines)
    while own and own[0].startswith("%%") and not magic_on(own[0])[0]:
        own = _cleaned(own[1:])
    return "".join(own if own and magic_on(own[0])[0] else lines)


def _cleaned(lines: list[str]) -> list[str]:
    """Leave out blank lines at the beginning, and the indentation of the first line everywhere, as IPython does."""
    first = next((place for place, line in enumerate(lines) if line.strip()), 0)
    kept = lines[first:]
    indentation = _INDENTATION.match(kept[0]) if kept else None
    return [line.removeprefix(indentation[0]) for line in kept] if indentation else kept
