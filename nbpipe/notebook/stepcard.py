"""The card of a step that the notebook defines: what an empty `%%step NAME` cell shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbpipe.define.cells import CellStep
from nbpipe.define.step import Step
from nbpipe.errors import BadValueError, nearest
from nbpipe.notebook.session import Session
from nbpipe.records.parameters import type_text
from nbpipe.services.foreseeing import foresee
from nbpipe.services.starting import RunRequest
from nbpipe.views.cards import step_card
from nbpipe.views.facts import StepFacts
from nbpipe.views.frames import Bundle


def step_bundle(name: str, session: Session) -> Bundle:
    """Show a step: what it takes and gives, how it last went, and its source.

    Raises:
        BadValueError: There is no step of that name; the nearest one is told.
    """
    functions = {step.name: step for step in list(session.namespace.values()) if isinstance(step, Step)}
    steps: Mapping[str, Any] = {**functions, **session.pipeline().trace({}, partial=True).steps}
    if name not in steps:
        near = nearest(name, steps)
        hint = f" Did you mean {near[0]!r}?" if near else " Write its body below the first line."
        named = f"%%step {name}: there is no step of that name yet." if name else "%%step: the cell is empty."
        raise BadValueError(named + hint)
    step = steps[name]
    last = session.workspace.executions.last(session.name, name)
    signature = step.signature
    foreseen = foresee(session.workspace, RunRequest(session.pipeline())).get(name)
    is_stale = foreseen is not None and foreseen.standing == "stale"
    return step_card(
        StepFacts(
            node=name,
            status="stale" if is_stale else str(last["status"]) if last is not None else "pending",
            why=(
                foreseen.why
                if foreseen is not None and is_stale
                else str(last["why"])
                if last is not None
                else "it has not run yet"
            ),
            outputs=[output.name for output in signature.outputs],
            inputs={field: _origin(step, field, session) for field in signature.inputs},
            source=step.text.strip("\n"),
        ),
        stable=True,
    )


def _origin(step: Any, name: str, session: Session) -> str:
    """Say where an input comes from: a step, a parameter, or for a function its type."""
    if isinstance(step, CellStep):
        producer = session.producer_of(name, step.name)
        return f"from {producer}" if producer is not None else "a parameter"
    annotation, _ = step.signature.inputs[name]
    return type_text(annotation)
