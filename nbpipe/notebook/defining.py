"""What a `%%pipeline` cell does: its body becomes a function that is traced, and a pipeline of that name.

It is done in full or refused: a body that cannot be wired leaves the former pipeline.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import MutableMapping
from typing import Any

from nbpipe.commands.showing import pipeline_bundle
from nbpipe.define.cells import CellCall
from nbpipe.define.pipeline import FunctionPipeline, wire_cells
from nbpipe.errors import DefinitionError, NbpipeError
from nbpipe.handles import Pipeline
from nbpipe.notebook.body import function_text
from nbpipe.notebook.grammar import PipelineLine
from nbpipe.notebook.session import Session
from nbpipe.views.frames import Bundle


def define_pipeline(line: PipelineLine, body: str, session: Session) -> Bundle:
    """Make the body of a `%%pipeline` cell a pipeline, bind it to its name, and give its card.

    Args:
        line: The first line.
        body: The cell without it.
        session: Where the names that the body uses are found, and where it is bound.

    Raises:
        DefinitionError: The body does not compile, or raises when it is traced.
        NbpipeError: The pipeline is written wrongly.
    """
    place = f"<%%pipeline {line.name}>"
    try:
        text = function_text(line.name, line.signature, body)
        code = compile(text, place, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise DefinitionError(f"%%pipeline {line.name} does not compile: {error.msg} (line {error.lineno}).") from None
    linecache.cache[place] = (len(text), None, text.splitlines(keepends=True), place)
    namespace = session.namespace
    offer_cells(session)
    former = namespace.get(line.name)
    try:
        exec(code, namespace)  # type: ignore[arg-type]  # noqa: S102 — the user's own cell
        definition = _definition(line, namespace[line.name], text)
        bundle = pipeline_bundle(definition)
    except BaseException as error:
        # A body that cannot be wired leaves the former pipeline.
        _put_back(namespace, line.name, former)
        if isinstance(error, NbpipeError) or not isinstance(error, Exception):
            raise
        raise DefinitionError(f"%%pipeline {line.name}: {_said(error, place)}") from None
    namespace[line.name] = Pipeline(definition)
    return bundle


def offer_cells(session: Session, *, only_known: bool = False) -> None:
    """Let a pipeline's body call the computing cells by name, where no variable has that name.

    Args:
        session: The session.
        only_known: Bring those up to date that were offered before, and offer no others.
    """
    namespace = session.namespace
    names = [name for name in session.steps if name.isidentifier()]
    wanted = [name for name in names if isinstance(namespace.get(name), CellCall)]
    if not only_known:
        wanted += [name for name in names if name not in namespace]
    if wanted:
        _, placed = wire_cells(list(session.steps.values()), session.parameters)
        namespace.update({name: CellCall(placed[name]) for name in wanted})


def _definition(line: PipelineLine, function: Any, text: str) -> FunctionPipeline:
    return FunctionPipeline.of(function, text=text, tags=line.tags, model=line.model, cache=line.cache)


def _put_back(namespace: MutableMapping[str, Any], name: str, former: Any) -> None:
    namespace.pop(name, None)
    if former is not None:
        namespace[name] = former


def _said(error: Exception, place: str) -> str:
    """Say what a body raised, with the line of the cell."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == place]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}."
