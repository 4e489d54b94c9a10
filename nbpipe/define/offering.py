"""What a pipeline can be put together from: the steps in reach, each with what it takes as the notebook writes it.

Types and defaults are taken from the step's own text where every name in them means something in the
notebook; else from what Python made of them, and else they are left out.
"""

from __future__ import annotations

import ast
import builtins
import sys
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic.fields import FieldInfo

from nbpipe.define.cells import CellCall, CellStep
from nbpipe.define.step import Step
from nbpipe.records.composition import OfferedInput, OfferedStep
from nbpipe.records.definitions import AnyStep
from nbpipe.records.parameters import REQUIRED, is_required, type_text
from nbpipe.source.syntax import expression_tree, syntax_tree

_LONGEST_DEFAULT = 2000


def offered(namespace: Mapping[str, Any], cells: Mapping[str, CellStep] | None = None) -> dict[str, OfferedStep]:
    """Give the steps that a pipeline's body could call, by the name that it would call them by.

    Args:
        namespace: The names of the notebook; one step under several names is offered under the first.
        cells: The computing cells that can be called, each with its inputs known.
    """
    found: dict[str, OfferedStep] = {}
    seen: set[int] = set()
    for name, value in list(namespace.items()):
        step = value.step if isinstance(value, CellCall) else value if isinstance(value, Step) else None
        if step is None or id(step) in seen or name.startswith("_") or not name.isidentifier():
            continue
        seen.add(id(step))
        found[name] = offer(name, step, namespace)
    for name, cell in (cells or {}).items():
        if name not in namespace or isinstance(namespace[name], CellCall):
            found[name] = offer(name, cell, namespace)
    for module, name, step in _importable():
        if id(step) not in seen:
            seen.add(id(step))
            key = f"{module}.{name}"
            found[key] = offer(key, step, namespace, module=module)
    return found


def offer(name: str, step: AnyStep, namespace: Mapping[str, Any], *, module: str = "") -> OfferedStep:
    """Describe one step."""
    written = _signature_texts(step.text) if isinstance(step, Step) else {}
    inputs = []
    for argument, (annotation, default) in step.signature.inputs.items():
        kind, value = written.get(argument, ("", ""))
        shown = Any if annotation is REQUIRED else annotation
        said = "" if shown is Any else type_text(shown)
        inputs.append(
            OfferedInput(
                argument,
                shown,
                said,
                next((text for text in (kind, said) if text and is_known(text, namespace)), ""),
                _default_text(default, value, namespace),
                is_required(default),
            )
        )
    return OfferedStep(name, step, tuple(inputs), module)


def is_known(text: str, namespace: Mapping[str, Any]) -> bool:
    """Tell whether a text is an expression all of whose names mean something in the notebook."""
    tree = expression(text)
    return tree is not None and not unknown_names(tree, namespace)


def expression(text: str) -> ast.expr | None:
    """Read an expression; `None` if the text is none, or more than one line can hold."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return expression_tree(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def unknown_names(tree: ast.expr, namespace: Mapping[str, Any]) -> list[str]:
    """Name what an expression reads that means nothing in the notebook."""
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    read = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    return [name for name in read if name not in namespace and name not in bound and not hasattr(builtins, name)]


def value_text(value: Any) -> str:
    """Write a plain value as Python would; `""` if that does not give it back."""
    if isinstance(value, float) and repr(value) in ("nan", "inf", "-inf"):
        return f'float("{value!r}")'
    try:
        text = repr(value)
        is_same = len(text) <= _LONGEST_DEFAULT and ast.literal_eval(text) == value
    except Exception:  # noqa: BLE001 — a default may be of any class, and its repr and == may do anything
        return ""
    return text if is_same else ""


def _default_text(default: Any, written: str, namespace: Mapping[str, Any]) -> str:
    if is_required(default):
        return ""
    if written and is_known(written, namespace):
        return written
    return value_text(default.get_default() if isinstance(default, FieldInfo) else default)


@cache
def _signature_texts(text: str) -> dict[str, tuple[str, str]]:
    """Read annotation and default of each argument from a function's text."""
    try:
        node = syntax_tree(text).body[0]
    except (SyntaxError, ValueError, IndexError):
        return {}
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return {}
    return {name: (kind, default) for name, kind, default in arguments_of(node, text)}


def arguments_of(node: ast.FunctionDef | ast.AsyncFunctionDef, text: str) -> list[tuple[str, str, str]]:
    """Give name, annotation and default of each argument of a function, as they are written in its text."""
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults))
    pairs = [*zip(positional, [*defaults, *given.defaults], strict=True)]
    pairs += zip(given.kwonlyargs, given.kw_defaults, strict=True)
    return [(arg.arg, _as_written(arg.annotation, text), _as_written(default, text)) for arg, default in pairs]


def _as_written(node: ast.expr | None, text: str) -> str:
    """Give an expression as its author wrote it, if that is one line; else as Python would."""
    if node is None:
        return ""
    own = ast.get_source_segment(text, node) or ""
    return own if own and "\n" not in own else ast.unparse(node)


def _importable() -> Iterable[tuple[str, str, Step]]:
    """Give the steps of modules that are imported already: module, name, step."""
    for module, loaded in list(sys.modules.items()):
        if module == "__main__" or module.startswith("nbpipe") or getattr(loaded, "__file__", None) is None:
            continue
        for name, value in list(vars(loaded).items()):
            if isinstance(value, Step) and value.function.__module__ == module and name.isidentifier():
                yield module, name, value
