"""A form where nobody can press anything: what is asked for, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from nbpipe.commands.settable import Settable
from nbpipe.records.limits import limits_text
from nbpipe.records.parameters import type_text
from nbpipe.views.frames import Bundle, Card, Section, shown_table, written
from nbpipe.views.tables import Table
from nbpipe.widgets.choosing import kind_of
from nbpipe.widgets.kinds import UNSET, Group, Hidden, Perhaps, Variants
from nbpipe.widgets.written import SECRET, line_of

_COLUMNS = ("parameter", "value", "type", "description")


def static_form(
    title: str, model: type[BaseModel], values: Mapping[str, Any], steps: Mapping[str, Settable] | None = None
) -> Bundle:
    """Write a model's fields with their values, types and descriptions, those of inner models by dotted name.

    Args:
        title: What stands above.
        model: The parameters.
        values: Their values.
        steps: What can be set on single steps.
    """
    own = list(_rows(model, values, "", ()))
    single = [
        row
        for node, step in (steps or {}).items()
        for row in _rows(step.parameters.model, step.values, f"{node}.", (), step.follows)
    ]
    named = (("parameters", own, False), ("for single steps only", single, True))
    sections = [
        Section(name, shown_table(Table(_COLUMNS, rows)), is_folded=is_folded)
        for name, rows, is_folded in named
        if rows
    ]
    return written(Card("form", title, facts=() if own else (("parameters", "none"),), sections=sections))


def _rows(
    model: type[BaseModel],
    values: Mapping[str, Any],
    prefix: str,
    models: tuple[type[BaseModel], ...],
    follows: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, str, str, str]]:
    for name, info in model.model_fields.items():
        value = values.get(name, UNSET)
        kind = kind_of(info.annotation, info.metadata, value, models)
        kind = kind.inner if isinstance(kind, Perhaps) else kind
        path = f"{prefix}{name}"
        limits = limits_text(info.annotation, info.metadata)
        said = f"{type_text(info.annotation)} ({limits})" if limits else type_text(info.annotation)
        inner = _taken_apart(value)
        if follows and name in follows:
            yield path, f"as {follows[name]}", said, info.description or ""
        elif isinstance(kind, Variants) and isinstance(value, BaseModel):
            yield path, type(value).__name__, said, info.description or ""
            yield from _rows(type(value), dict(value), f"{path}.", (*models, type(value)))
        elif isinstance(kind, Group) and inner is not None:
            yield path, "", said, info.description or ""
            yield from _rows(kind.model, inner, f"{path}.", kind.models)
        else:
            yield path, _shown(value, is_secret=isinstance(kind, Hidden)), said, info.description or ""


def _shown(value: Any, *, is_secret: bool) -> str:
    if value is UNSET:
        return "(needs a value)"
    return SECRET if is_secret and value is not None else line_of(value)


def _taken_apart(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, BaseModel):
        return dict(value)
    return value if isinstance(value, Mapping) else None
