"""Whether one statement may be carried for a name, and what to say if not.

Definitions may; so may bindings of constants, and in a live notebook every binding whose
value nobody can change. What is said of the others completes the sentence "train reads
'limit' (line 3), which …" and ends with the cure.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterable
from typing import Final

from nbpipe.errors import nearest
from nbpipe.source.corpus import is_rebinding
from nbpipe.source.pieces import Statement
from nbpipe.source.values import is_code, is_plain, type_word

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_OF_THE_SHELL = re.compile(r"get_ipython|In|Out|_{1,3}|_i{1,3}|_i?\d+|_[diop]h")
_ALWAYS_THERE = frozenset([*dir(builtins), "display", "__annotations__", "__file__"]) - {"get_ipython"}
GOING_ON = "a statement that is going on"
"""The unit that stands for a statement of the running cell: what it binds is no text yet."""
_CURE = "Make that cell a step (%%step), or pass it as a parameter."


class _Absent:
    """Stands for the live value of a name that has none."""


ABSENT: Final = _Absent()
ValueOf = Callable[[str], object]


def live_value(name: str, value_of: ValueOf | None) -> object:
    """Give the live value of `name`, or `ABSENT`."""
    if value_of is None:
        return ABSENT
    try:
        return value_of(name)
    except LookupError:
        return ABSENT


def objection(statement: Statement, name: str, live: object) -> str:
    """Say why `statement` may not be carried as what binds `name`; empty if it may.

    Args:
        statement: It may bind `name`.
        name: The name that is read.
        live: Its live value, if this statement is what made it; else `ABSENT`.
    """
    node, origin = statement.node, statement.unit.name
    if statement.unit.is_file or isinstance(node, _DEFINITIONS):
        return ""
    if is_rebinding(statement, name) and not is_code(live):
        return f"is changed in place by {origin}. Bind it in one statement, or pass it as a parameter."
    if statement.awaits:
        return f"is awaited in {origin}. {_CURE}"
    if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Lambda):
        return ""
    if live is not ABSENT:
        return "" if is_plain(live) else f"is a live {type_word(live)} from {origin}. {_CURE}"
    if statement.is_defining:
        # What the names in it stand for is looked at when they are followed in turn.
        return ""
    return f"is computed in {origin}. {_CURE}"


def objection_to_nothing(name: str, live: object, existing: Iterable[str], *, deleted_in: str = "") -> str:
    """Say what is wrong with a name that no statement binds."""
    if _OF_THE_SHELL.fullmatch(name):
        return "belongs to the notebook session and does not exist where steps run. Leave it out of the step."
    if deleted_in == GOING_ON:
        return (
            "is bound by a loop or a block that is not over. Bind it in a line of its own, or pass it as a parameter."
        )
    if deleted_in:
        return f"is deleted in {deleted_in}. Leave it there, or pass it as a parameter."
    if live is not ABSENT:
        return f"is a live {type_word(live)} that no plain cell binds. Bind it in a cell above, or make it a parameter."
    near = nearest(name, existing)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"is not defined anywhere. Define it in a cell above, or make it a parameter.{hint}"


def is_always_there(name: str) -> bool:
    """Tell whether every step finds `name` without anybody binding it."""
    return name in _ALWAYS_THERE
