"""What the help of a command says of the pipeline that it names: each parameter with type, limits, default and meaning.

The pipeline's own model says it, as in a form. A source that cannot be found is told in a line;
help is help, and never fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from nbpipe.commands.calling import current_call
from nbpipe.commands.running import look_up, request_of
from nbpipe.commands.settable import settable_steps, traced_with
from nbpipe.errors import NbpipeError
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.records.limits import limits_text
from nbpipe.records.parameters import HIDDEN, as_json, may_hold_secret, type_text
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.views.amounts import value_text
from nbpipe.views.tables import Table, table_text

_VALUED = ("--set", "--config", "--tag")  # the word behind one of these is its value
_COLUMNS = ("--set", "type", "value", "description")


def parameter_help(words: Sequence[str]) -> str:
    """Say what can be set with `--set` on what the first word names; nothing if no word does."""
    before = ("", *words)
    named = next(
        (word for word, last in zip(words, before, strict=False) if not word.startswith("-") and last not in _VALUED),
        None,
    )
    if named is None:
        return ""
    try:
        found = look_up(named)
        request = request_of(found, PipelineRunConfiguration())
        definition, configuration = request.definition, request.configuration
        traced = traced_with(definition, configuration)
    except NbpipeError as error:
        return f"{error}"
    # What may be a secret is not put on a screen, nor into a log.
    suspect = {one.name for one in found.warnings if one.is_value} if isinstance(found, Snapshot) else set[str]()
    rows = [*_rows(definition.parameters.model, traced.parameters, "")]
    for node, step in settable_steps(traced).items():
        follows = {name: f"as {parameter}" for name, parameter in step.follows.items()}
        rows += _rows(step.parameters.model, step.values, f"{node}.", follows)
    rows = [
        (name, said, HIDDEN if name.rpartition(".")[2] in suspect else value, about)
        for name, said, value, about in rows
    ]
    if not rows:
        return f"{definition.name} takes no parameters."
    table = table_text(Table(_COLUMNS, rows), width=current_call().width)
    return f"Parameters of {definition.name}:\n{table}"


def _rows(
    model: type[BaseModel], values: Mapping[str, Any], prefix: str, follows: Mapping[str, str] | None = None
) -> Iterator[tuple[str, str, str, str]]:
    for name, info in model.model_fields.items():
        limits = limits_text(info.annotation, info.metadata)
        said = f"{type_text(info.annotation)} ({limits})" if limits else type_text(info.annotation)
        value = (follows or {}).get(name) or _value(info.annotation, values, name)
        yield f"{prefix}{name}", said, value, info.description or ""


def _value(annotation: Any, values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return "(required)"
    if values[name] is not None and may_hold_secret(annotation) and not isinstance(values[name], BaseModel):
        return HIDDEN
    return value_text(as_json(values[name]))
