"""What a `%%pipeline` cell does: its body becomes a function that is traced, and a pipeline of that name.

It is done in full or refused: a body that cannot be wired leaves the former pipeline.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from nbpipe.commands.showing import pipeline_bundle
from nbpipe.define.body import pipeline_from_body, place_of, said_in
from nbpipe.define.cells import CellCall, CellStep
from nbpipe.define.grammar import PipelineLine
from nbpipe.define.pipeline import wire_cells
from nbpipe.errors import DefinitionError, NbpipeError
from nbpipe.handles import Pipeline
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
    namespace = session.namespace
    offer_cells(session)
    former = namespace.get(line.name)
    try:
        definition = pipeline_from_body(line, body, namespace)
        bundle = pipeline_bundle(definition)
    except BaseException as error:
        # A body that cannot be wired leaves the former pipeline.
        _put_back(namespace, line.name, former)
        if isinstance(error, NbpipeError) or not isinstance(error, Exception):
            raise
        said = said_in(error, place_of(line), [*session.steps, *namespace])
        raise DefinitionError(f"%%pipeline {line.name}: {said}") from None
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


def callable_cells(session: Session) -> dict[str, CellStep]:
    """Give the computing cells that a pipeline's body can call by name, each with its inputs known.

    Raises:
        DefinitionError: One of them cannot be read any more.
    """
    namespace = session.namespace
    wanted = [
        name
        for name in session.steps
        if name.isidentifier() and (name not in namespace or isinstance(namespace[name], CellCall))
    ]
    if not wanted:
        return {}
    _, placed = wire_cells(list(session.steps.values()), session.parameters)
    return {name: placed[name] for name in wanted}


def _put_back(namespace: MutableMapping[str, Any], name: str, former: Any) -> None:
    namespace.pop(name, None)
    if former is not None:
        namespace[name] = former
