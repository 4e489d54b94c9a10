"""A snapshot as one readable module: what `nbpipe snapshot show --code` prints.

Cells come in the percent form that editors and Jupytext read; functions come as functions. The
text runs by itself.
"""

from __future__ import annotations

import ast

from nbpipe.records.snapshots import FieldText, SnapshotContent, StepText
from nbpipe.source.decorators import without_decorators


def module_text(content: SnapshotContent) -> str:
    """Write a snapshot's pipeline as a module that runs by itself."""
    head = [f'"""{content.pipeline}, as it was frozen."""']
    pieces = [piece.text.rstrip() for piece in content.library]
    body = _cells(content) if content.body is None else _functions(content, content.body)
    return "\n\n".join([*head, *pieces, *body]) + "\n"


def _cells(content: SnapshotContent) -> list[str]:
    values = "\n".join(f"{field.name} = {_python(field)}" for field in content.parameters)
    head = [f"# %% parameters\n{values}"] if values else []
    return [*head, *(f"# %% {text.name}\n{text.text.strip()}" for text in content.steps)]


def _functions(content: SnapshotContent, body: StepText) -> list[str]:
    given = ", ".join(f"{field.name}={_python(field)}" for field in content.parameters if not field.required)
    steps = [_plain(text) for text in content.steps]
    renamed = [f"{text.variable} = {text.entry}" for text in content.steps if text.variable != text.entry]
    main = f'if __name__ == "__main__":\n    print({body.entry}({given}))'
    return [*steps, *renamed, _plain(body), main]


def _plain(text: StepText) -> str:
    node = ast.parse(text.text).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef), "a step's text is one function"
    return without_decorators(text.text, node, text.decorators)[0].strip()


def _python(field: FieldText) -> str:
    return "...  # required" if field.required else repr(field.value)
