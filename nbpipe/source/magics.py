"""Lines of a cell that are IPython's and not Python's: magics, shell lines, questions.

Those that only show or time something are dropped, or replaced by the statement that they
time, and the lines keep their numbers. The others are told, so that a step that holds one
can be refused: what `!pip install` or `%run` did cannot be replayed from text.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass

from nbpipe.errors import DefinitionError
from nbpipe.source.normal import lines_of
from nbpipe.source.syntax import syntax_tree

_LINE = re.compile(r"^(?P<indent>\s*)(?P<target>[\w\s.,\[\]'\"*()]+=\s*)?(?P<sign>%%|%|!!|!)\s*(?P<rest>\S.*)$")
_QUESTION = re.compile(r"^\s*(\?{1,2}\s*[%\w.*\[\]]+|[%\w.*\[\]]+\s*\?{1,2})\s*;?\s*$")
_SHOWS = re.compile(
    "alias_magic|aimport|autoreload|colors|config|hist|history|load_ext|lsmagic|matplotlib|page|pdb|pdoc|pfile|pinfo|"
    "pinfo2|pprint|precision|psearch|psource|pwd|quickref|reload_ext|timeit|unload_ext|who|who_ls|whos|xmode"
)


@dataclass(frozen=True, slots=True)
class DroppedLine:
    """A line that was not Python.

    Attributes:
        line: Its number, counted from 1.
        text: What stood there.
        is_harmless: It only showed or timed something; without it the step computes the same.
    """

    line: int
    text: str
    is_harmless: bool


def strip_magics(text: str) -> tuple[str, list[DroppedLine]]:
    """Replace what is not Python in a cell, and tell what it was.

    `%time x = f()` becomes `x = f()`, and any other such line `pass`; every remaining line
    keeps its number. Python is given back as it is.

    Returns:
        The text, and the lines that were dropped in their order. Under a cell magic that does
        not run its cell as Python (`%%bash`), that magic alone is told, and nothing is left.
    """
    if not text.lstrip().startswith("%%") and _is_python(text):
        return text, []
    lines = [line.rstrip("\n") for line in lines_of(text)]
    kept: list[str] = []
    dropped: list[DroppedLine] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        found = _look_at(line, is_first=not any(map(str.strip, kept)))
        if found is None or _is_inside(kept):
            kept.append(line)
            number += 1
            continue
        replacement, is_harmless, ends_the_cell = found
        last = _last_line(lines, number)
        dropped.append(DroppedLine(number + 1, "\n".join(lines[number : last + 1]).strip(), is_harmless))
        if ends_the_cell:
            return "\n" * len(lines), dropped
        kept.extend([replacement, *[""] * (last - number)])
        number = last + 1
    return "\n".join(kept) + ("\n" if text.endswith("\n") else ""), dropped


def refuse_unreplayable(step: str, dropped: Iterable[DroppedLine], *, cell: str = "") -> None:
    """Refuse a step that holds a line which cannot be replayed.

    Args:
        step: The name of the step.
        dropped: What `strip_magics` told of its text.
        cell: Where it stands, such as `"cell 3"`.

    Raises:
        DefinitionError: One of them is not harmless.
    """
    for line in dropped:
        if not line.is_harmless:
            where = f"{cell}, line {line.line}" if cell else f"line {line.line}"
            first = line.text.partition("\n")[0]
            raise DefinitionError(
                f"{step} holds {first!r} ({where}), which cannot be replayed. Move it to a plain cell above."
            )


def _look_at(line: str, *, is_first: bool) -> tuple[str, bool, bool] | None:
    """Say what becomes of a line that may not be Python, or `None` if it is.

    Returns:
        What stands in its place, whether it is harmless, and whether the rest of the cell is not Python either.
    """
    match = _LINE.match(line)
    if match is None:
        return ("pass", True, False) if _QUESTION.match(line) else None
    indent, target, sign, rest = match["indent"], match["target"], match["sign"], match["rest"].strip()
    name, _, arguments = rest.partition(" ")
    if sign == "%%":
        if not is_first:
            return None
        is_harmless = rest in ("time", "capture")
        return "", is_harmless, not is_harmless
    if target or sign != "%":
        return f"{indent}pass", False, False
    if name == "time":
        return f"{indent}{arguments.strip() or 'pass'}", True, False
    return f"{indent}pass", _SHOWS.fullmatch(name) is not None, False


def _last_line(lines: list[str], number: int) -> int:
    """Give the line on which the one at `number` ends: a backslash carries it on."""
    while lines[number].endswith("\\") and number + 1 < len(lines):
        number += 1
    return number


def _is_python(text: str) -> bool:
    try:
        syntax_tree(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _is_inside(lines: list[str]) -> bool:
    """Tell whether what follows `lines` is still inside brackets, a long string or a continued line."""
    if lines and lines[-1].rstrip().endswith("\\"):
        return True
    try:
        for _ in tokenize.generate_tokens(io.StringIO("\n".join(lines) + "\n").readline):
            pass
    except tokenize.TokenError:
        return True
    except SyntaxError:
        return False
    return False
