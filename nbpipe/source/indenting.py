"""A body made the body of a function: moved to the right, but not what stands inside a text."""

from __future__ import annotations

import ast

from nbpipe.source.syntax import syntax_tree


def indented(body: str) -> str:
    """Move each line four columns to the right; lines keep their numbers.

    A line that begins inside a text of several lines stays: to move it would change the text.

    Raises:
        SyntaxError: It is not Python (`return` may stand at its top).
    """
    inside: set[int] = set()
    for node in ast.walk(syntax_tree(body)):
        if isinstance(node, ast.JoinedStr | ast.Constant):
            inside.update(range(node.lineno + 1, (node.end_lineno or node.lineno) + 1))
    lines = body.splitlines()
    moved = [line if n in inside or not line.strip() else f"    {line}" for n, line in enumerate(lines, 1)]
    return "\n".join(moved)
