"""Our own decorators, `@step` and `@pipeline`, seen in a text.

They say how a function is to be run and are no part of what it computes: they do not count
in its digest, and it is loaded without them.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Iterable
from typing import TypeAlias

from nbpipe.source.normal import lines_of

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

STEP = "step"
PIPELINE = "pipeline"
_PACKAGE = "nbpipe"


def own_decorators(imports: Iterable[ast.stmt], bound: Collection[str]) -> dict[str, str]:
    """Give the dotted names by which a text may call our decorators, each with the decorator it means.

    Args:
        imports: The import statements, one name each, that are in force.
        bound: Every name that the text binds; `step` means ours unless something else binds it.
    """
    found = {name: name.rpartition(".")[2] for name in (STEP, PIPELINE) if name not in bound}
    if _PACKAGE not in bound:
        found |= {f"{_PACKAGE}.{name}": name for name in (STEP, PIPELINE)}
    for node in imports:
        match node:
            case ast.ImportFrom(module=str(module), names=[ast.alias(name=name, asname=asname)]):
                if name in (STEP, PIPELINE) and module.partition(".")[0] == _PACKAGE:
                    found[asname or name] = name
            case ast.Import(names=[ast.alias(name=name, asname=asname)]) if name.partition(".")[0] == _PACKAGE:
                found |= {f"{asname or _PACKAGE}.{decorator}": decorator for decorator in (STEP, PIPELINE)}
    return found


def without_decorators(
    text: str, node: Definition, own: Collection[str], *, first_line: int = 1
) -> tuple[str, Definition]:
    """Take the decorators named in `own` off a function; their lines in `text` are left blank.

    Args:
        text: The text in which the function stands.
        node: Its tree.
        own: Dotted names of decorators, bare or called.
        first_line: The number that the lines of `node` give to the first line of `text`.
    """
    dropped = [decorator for decorator in node.decorator_list if dotted_name(decorator) in own]
    if not dropped:
        return text, node
    lines = lines_of(text)
    for decorator in dropped:
        for number in range(decorator.lineno, (decorator.end_lineno or decorator.lineno) + 1):
            lines[number - first_line] = "\n"
    bare = copy.copy(node)
    bare.decorator_list = [decorator for decorator in node.decorator_list if decorator not in dropped]
    return "".join(lines), bare


def dotted_name(decorator: ast.expr) -> str:
    """Give `nbpipe.step` for `@nbpipe.step` and for `@nbpipe.step(cache=False)`; empty if it is anything else."""
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""
