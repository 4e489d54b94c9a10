"""The body of a `%%pipeline` cell as text: a function.

Every line keeps its number, so that whatever is said of one names the line that the user sees.
"""

from __future__ import annotations

import ast

from nbpipe.source.indenting import indented


def function_text(name: str, signature: str, body: str) -> str:
    """Write a pipeline's body as a function, line for line: the body's lines keep their numbers.

    Its last expression becomes what it returns.

    Args:
        name: The function's name.
        signature: Its parameters as Python writes them.
        body: The cell without its first line.

    Raises:
        SyntaxError: The body is not Python.
    """
    lines = indented(_with_return(body)).splitlines()
    if not any(line.strip() and not line.strip().startswith("#") for line in lines):
        lines.append("    pass")
    return "\n".join([f"def {name}({signature}):", *lines]) + "\n"


def _with_return(body: str) -> str:
    tree = _parsed(body)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr) or isinstance(last.value, ast.Constant):
        return body
    lines = body.splitlines()
    line = lines[last.lineno - 1].encode()
    before, after = line[: last.col_offset].decode(), line[last.col_offset :].decode()
    lines[last.lineno - 1] = f"{before}return {after}"
    return "\n".join(lines)


def _parsed(body: str) -> ast.Module:
    """Parse a body in which `return` may stand at the top; lines and columns are the body's own."""
    return ast.parse(body, "<%%pipeline>")
