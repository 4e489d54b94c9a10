"""The first line of a cell: a marker in place of the magic; and a cell of `%nbpipe` lines, which awaits them.

IPython transforms a cell twice and more, so the marker decides nothing; what it means is decided
on the syntax tree (`notebook.cells`). The body keeps its line numbers and runs natively: `await`
works, tracebacks point at the user's own line, and an error stops Run All.

A question about one of our commands, `%nbpipe run?`, becomes the `--help` that is meant: IPython would
explain whatever else is called `run`.

Everything here is a pure function of text. What stands on a first line is `define.first_line`.
"""

from __future__ import annotations

import ast
import re

from nbpipe.define.first_line import magic_on

MARKER = "__nbpipe__"
_QUESTION = re.compile(r"(?P<before>\?{0,2})(?P<line>%nbpipe\b[^'\"\n]*?)\s*(?P<after>\?{0,2})")
HOOK = "__nbpipe_cell__"
# A line that is continued is left to IPython; one that asks for help is another by then.
_COMMAND = re.compile(r"(?P<target>[^\W\d]\w* *= *)?%nbpipe(?: +(?P<line>.*?))?(?<![?\\])[ \t\r\n]*")


def mark_first_line(lines: list[str]) -> list[str]:
    """Turn `%%step train --tag v1` into a marker and leave the body as it is."""
    magic, arguments = magic_on(lines[0]) if lines else ("", "")
    if not magic:
        return _with_help_for_a_question(lines)
    if magic == "catalog":
        # SQL is no Python: the body travels in the marker, and as many lines are left blank.
        body = "".join(lines[1:])
        return [f"{MARKER}({magic!r}, {arguments!r}, {body!r})\n", *["\n" for _ in lines[1:]]]
    return [f"{MARKER}({magic!r}, {arguments!r})\n", *lines[1:]]


def _with_help_for_a_question(lines: list[str]) -> list[str]:
    """Ask the command that a cell asks about, and nothing else, for its help."""
    asked = _QUESTION.fullmatch(lines[0].strip()) if len(lines) == 1 else None
    return [f"{asked['line']} --help\n"] if asked is not None and (asked["before"] or asked["after"]) else lines


def await_commands(lines: list[str]) -> list[str]:
    """Turn the lines of a cell that holds nothing but `%nbpipe` commands into ones that are awaited.

    While a cell awaits, the kernel hears what is pressed. Another cell is left as it is: IPython interrupts code
    that stands in an awaiting cell only where it awaits.
    """
    found = [None if _is_idle(line) else _COMMAND.fullmatch(line) for line in lines]
    if not any(found) or any(match is None and not _is_idle(line) for match, line in zip(found, lines, strict=True)):
        return lines
    return [_awaiting(match) if match is not None else line for match, line in zip(found, lines, strict=True)]


def _is_idle(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _awaiting(match: re.Match[str]) -> str:
    return f"{match['target'] or ''}await {HOOK}.awaited({match['line'] or ''!r})\n"


def marker_in(tree: ast.Module) -> tuple[str, str, str] | None:
    """Find the marker at the head of a cell's tree: the magic, its arguments, and for SQL its body."""
    if not tree.body or not isinstance(tree.body[0], ast.Expr):
        return None
    call = tree.body[0].value
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != MARKER:
        return None
    words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    magic, arguments, *body = (str(word) for word in words)
    return magic, arguments, body[0] if body else ""
