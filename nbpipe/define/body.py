"""The body of a `%%pipeline` cell: a function, and the pipeline that is made of it.

Every line keeps its number, so that whatever is said of one names the line that the user sees.
"""

from __future__ import annotations

import ast
import linecache
import traceback
from collections.abc import Iterable, MutableMapping
from typing import Any

from nbpipe.define.grammar import PipelineLine
from nbpipe.define.pipeline import FunctionPipeline
from nbpipe.errors import DefinitionError, meant
from nbpipe.source.indenting import indented
from nbpipe.source.syntax import syntax_tree


def pipeline_from_body(line: PipelineLine, body: str, namespace: MutableMapping[str, Any]) -> FunctionPipeline:
    """Make the body of a `%%pipeline` cell a pipeline; its function is left in `namespace` under its name.

    Args:
        line: The first line.
        body: The cell without it.
        namespace: Where the names that the body uses are found.

    Raises:
        DefinitionError: The body does not compile.
        NbpipeError: The pipeline is written wrongly.
        Exception: Whatever a default or an annotation raises.
    """
    place = place_of(line)
    try:
        text = function_text(line.name, line.signature, body)
        code = compile(text, place, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise DefinitionError(f"%%pipeline {line.name} does not compile: {error.msg} (line {error.lineno}).") from None
    linecache.cache[place] = (len(text), None, text.splitlines(keepends=True), place)
    exec(code, namespace)  # type: ignore[arg-type]  # noqa: S102 — the user's own cell
    return FunctionPipeline.of(namespace[line.name], text=text, tags=line.tags, model=line.model, cache=line.cache)


def place_of(line: PipelineLine) -> str:
    """Say what tracebacks call the body of a `%%pipeline` cell."""
    return f"<%%pipeline {line.name}>"


def said_in(error: Exception, place: str, existing: Iterable[str] = ()) -> str:
    """Say what a body raised, with the line of the cell.

    Args:
        error: What it raised.
        place: What tracebacks call the body.
        existing: Names that it could have meant.
    """
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == place]
    where = f" (line {lines[-1]})" if lines else ""
    hint = meant(error.name, existing) if isinstance(error, NameError) and error.name else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}.{hint}"


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
    return syntax_tree(body, "<%%pipeline>")
