"""From text to live code: a library of pieces, and the function or cell that leans on it.

A library is a module without a file, named in `sys.modules`, so that classes in it can be
pickled and pydantic can resolve annotations. A function runs in it; a cell runs in a fresh
copy of its namespace each time, as if the notebook had just executed the cells above.

This module knows nothing of runs, inputs or artifacts, and catches nothing that the text raises.
"""

from __future__ import annotations

import ast
import inspect
import io
import sys
import tokenize
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from types import CodeType, ModuleType
from typing import Any

from nbpipe.errors import DefinitionError
from nbpipe.source.closure import Source
from nbpipe.source.decorators import without_decorators
from nbpipe.source.importing import builtins_for
from nbpipe.source.listing import compile_listed
from nbpipe.source.modules import LocalModule
from nbpipe.source.pieces import Piece, read_unit

PIECES = "__nbpipe_pieces__"
"""The name under which a library says which text each of its names was bound by."""

LAST = "__last__"
"""The key under which a cell gives the value of its last expression."""


def load_library(pieces: Sequence[Piece], local_modules: Iterable[LocalModule], *, name: str) -> ModuleType:
    """Execute `pieces` in a new module and name it in `sys.modules`.

    Args:
        pieces: In an order in which they can be executed.
        local_modules: What they and the code that will lean on them import from text.
        name: The name of the module, and of the module of every class in it.

    Raises:
        BaseException: Whatever a piece raises; the module is then forgotten.
    """
    library = ModuleType(name, "What steps lean on, loaded from text.")
    library.__file__ = f"<nbpipe {name}>"
    library.__dict__["display"] = _display
    own_builtins = builtins_for(local_modules)
    if own_builtins is not None:
        library.__dict__["__builtins__"] = own_builtins
    library.__dict__[PIECES] = {bound: piece.digest for piece in pieces for bound in piece.binds}
    former = sys.modules.get(name)
    sys.modules[name] = library
    try:
        for piece in pieces:
            _execute(_compile_piece(piece), library.__dict__)
    except BaseException:
        if former is None:
            del sys.modules[name]
        else:
            sys.modules[name] = former
        raise
    return library


def load_function(source: Source, library: ModuleType) -> Callable[..., Any]:
    """Define the function of a step in `library`, without our own decorators.

    Raises:
        BaseException: Whatever a decorator, a default or an annotation raises.
    """
    _execute(_compile_function(source.text, source.step, source.decorators, source.lazy_annotations), library.__dict__)
    function: Callable[..., Any] = library.__dict__[source.entry]
    return function


def load_cell(
    source: Source, library: ModuleType, *, outputs: Sequence[str]
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Make a function that runs the body of a cell with given inputs.

    It answers every input as it is after the body (the very object that was given, unless the name is
    among `outputs` and was bound anew), those of `outputs` that are bound, and under `LAST` the value of
    the last expression. `await` may stand in the body.

    Args:
        source: Of kind `"cell"`.
        library: Holds its pieces.
        outputs: The names to answer.
    """
    late = [_compile_piece(piece) for piece in source.late_pieces]
    for piece in source.late_pieces:
        library.__dict__[PIECES] |= dict.fromkeys(piece.binds, piece.digest)
    library.__dict__[PIECES] |= own_classes(source)
    body = compile_listed(
        source.text,
        source.step,
        tree=_with_last_kept(source.text),
        lazy_annotations=source.lazy_annotations,
        flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
    )

    def run(inputs: Mapping[str, Any]) -> dict[str, Any]:
        namespace = {**library.__dict__, **inputs}
        for code in late:
            _execute(code, namespace)
        _execute(body, namespace)
        bound = {name: namespace[name] for name in outputs if name in namespace}
        return {**inputs, **bound, LAST: namespace.get(LAST)}

    return run


def own_classes(source: Source) -> dict[str, str]:
    """Give the classes that the body of a cell itself defines, each with the text that it is known by."""
    if "class" not in source.text:
        return {}
    own = read_unit(source.step, source.text).statements(lazy_annotations=source.lazy_annotations)
    return {one.node.name: one.piece.digest for one in own if isinstance(one.node, ast.ClassDef)}


@lru_cache(maxsize=1024)
def _compile_function(text: str, step: str, decorators: tuple[str, ...], lazy_annotations: bool) -> CodeType:
    match ast.parse(text).body:
        case [(ast.FunctionDef() | ast.AsyncFunctionDef()) as node]:
            shown, bare = without_decorators(text, node, decorators)
        case _:
            raise DefinitionError(f"The text of {step} is not the definition of a function.")
    return compile_listed(shown, step, tree=ast.Module([bare], []), lazy_annotations=lazy_annotations)


def _compile_piece(piece: Piece) -> CodeType:
    return compile_listed(piece.text, piece.origin, line=piece.line, lazy_annotations=piece.lazy_annotations)


def _execute(code: CodeType, namespace: dict[str, Any]) -> None:
    """Run `code`, and to its end if it awaits."""
    waiting = eval(code, namespace)  # noqa: S307  # bringing text to life is what this module is for
    if code.co_flags & inspect.CO_COROUTINE:
        _run_to_the_end(waiting)


def _run_to_the_end(coroutine: Coroutine[Any, Any, None]) -> None:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(coroutine)
        return
    # A loop that runs cannot wait for another; a thread of its own can have one.
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(copy_context().run, asyncio.run, coroutine).result()


def _with_last_kept(text: str) -> ast.Module:
    """Parse a body so that the value of its last expression is bound to `LAST`, as IPython would show it."""
    tree = ast.parse(text)
    match tree.body:
        case [*_, ast.Expr(value=value) as last] if not _ends_with_semicolon(text):
            kept = ast.Assign([ast.Name(LAST, ast.Store())], value)
            tree.body[-1] = ast.fix_missing_locations(ast.copy_location(kept, last))
    return tree


def _ends_with_semicolon(text: str) -> bool:
    idle = (tokenize.NEWLINE, tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER, tokenize.INDENT, tokenize.DEDENT)
    words = [token.string for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in idle]
    return words[-1:] == [";"]


def _display(*objects: Any, **options: Any) -> None:
    """Show objects as a notebook does, or as text where none is."""
    notebook = sys.modules.get("IPython.display")
    if notebook is not None:
        notebook.display(*objects, **options)
        return
    for shown in objects:
        print(shown)
