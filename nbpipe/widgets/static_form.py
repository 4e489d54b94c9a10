"""A form where nobody can press anything: what is asked for, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from nbpipe.records.parameters import type_text
from nbpipe.views.frames import Bundle, Card, Section, shown_table, written
from nbpipe.views.tables import Table
from nbpipe.widgets.choosing import kind_of, limits_text
from nbpipe.widgets.kinds import UNSET, Group, Hidden, Perhaps
from nbpipe.widgets.written import SECRET, line_of

_COLUMNS = ("parameter", "value", "type", "description")


def static_form(title: str, model: type[BaseModel], values: Mapping[str, Any]) -> Bundle:
    """Write a model's fields with their values, types and descriptions, those of inner models by dotted name."""
    rows = list(_rows(model, values, "", ()))
    table = Table(_COLUMNS, rows) if rows else None
    facts = () if table else (("parameters", "none"),)
    return written(
        Card("form", title, facts=facts, sections=[Section("parameters", shown_table(table))] if table else ())
    )


def _rows(
    model: type[BaseModel], values: Mapping[str, Any], prefix: str, models: tuple[type[BaseModel], ...]
) -> Iterator[tuple[str, str, str, str]]:
    for name, info in model.model_fields.items():
        value = values.get(name, UNSET)
        kind = kind_of(info.annotation, info.metadata, value, models)
        kind = kind.inner if isinstance(kind, Perhaps) else kind
        path = f"{prefix}{name}"
        limits = limits_text(info.annotation, info.metadata)
        said = f"{type_text(info.annotation)} ({limits})" if limits else type_text(info.annotation)
        inner = _taken_apart(value)
        if isinstance(kind, Group) and inner is not None:
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
