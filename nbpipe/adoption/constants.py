"""The obvious constants of a notebook as parameters of its pipeline: `TEST_SIZE = 0.25`."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from nbpipe.adoption.cells import ReadCell, Role
from nbpipe.source.syntax import syntax_tree

_SIMPLE = {bool: "bool", int: "int", float: "float", str: "str"}


def parameters_in(read: Sequence[ReadCell], roles: Mapping[int, Role]) -> tuple[str, dict[int, str]]:
    """Take the obvious constants out of cells that are no steps: bound once, to a plain value, and read later.

    Returns:
        The body of `%%params`, and for each cell from which something was taken what is left of it.
    """
    bound: dict[str, int] = {}
    touched: set[str] = set()
    for one in read:
        for name in (*one.names.binds, *one.names.deletes):
            bound[name] = bound.get(name, 0) + 1
        touched |= one.names.changes | one.names.declared
    lines: list[str] = []
    without: dict[int, str] = {}
    for place, one in enumerate(read):
        if roles[one.index] not in (Role.DEFINES, Role.SETTINGS):
            continue
        later = [name for other in read[place + 1 :] for name in other.names.reads]
        kept = one.text.split("\n")
        for node in syntax_tree(one.text).body:
            said = _constant(node)
            if said is None or bound[said[0]] != 1 or said[0] in touched or said[0] not in later:
                continue
            name, kind = said
            source = ast.get_source_segment(one.text, node.value) if isinstance(node, ast.Assign) else None
            if (
                source is None
                or node.end_lineno != node.lineno
                or kept[node.lineno - 1].lstrip() != kept[node.lineno - 1]
            ):
                continue
            _, hash_sign, remark = kept[node.lineno - 1].partition("#")
            lines.append(
                f"{name}: {kind} = {source}{f'  # {remark.strip()}' if hash_sign and '#' not in source else ''}"
            )
            kept[node.lineno - 1] = ""
        if len([line for line in kept if line.strip()]) < len([line for line in one.text.split("\n") if line.strip()]):
            without[one.index] = "\n".join(kept)
    return "\n".join(lines), without


def _constant(node: ast.stmt) -> tuple[str, str] | None:
    """Give name and type of a plain constant such as `TEST_SIZE = 0.25`; `None` for any other statement."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            try:
                found = ast.literal_eval(value)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                return None
            kind = _SIMPLE.get(type(found))
            return (name, kind) if kind is not None else None
    return None
