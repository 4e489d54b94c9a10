"""The fields of a form: a control for each parameter, chosen by the JSON schema of the parameter's own model.

The model that checks a call, a file and the command line is the one from which the form is made, so that a form cannot
promise what a run then refuses. What is typed is judged by the server alone; a control only makes it easy to type.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema

from nbpipe.records.parameters import HIDDEN, Parameters, as_json, type_text
from nbpipe.records.snapshots import FieldText
from nbpipe.views.markup import Element, part

_LONG_TEXT = 80
_LIMITS = {
    "minimum": "≥",
    "exclusiveMinimum": ">",
    "maximum": "≤",
    "exclusiveMaximum": "<",
    "multipleOf": "a multiple of",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form.

    Attributes:
        place: Where its value stands in a configuration: `("parameters", "rate")`.
        label: What it is called.
        value: What it holds at first, as JSON data; `None` for nothing.
        schema: The JSON schema of what it takes.
        type_said: That in words.
        description: What it is for.
        required: Whether it has no value that would do.
    """

    place: tuple[str, ...]
    label: str
    value: Any
    schema: Mapping[str, Any]
    type_said: str
    description: str = ""
    required: bool = False


def fields_of(parameters: Parameters, values: Mapping[str, Any], hidden: set[str]) -> list[Field]:
    """Give the fields of a pipeline's parameters.

    Args:
        parameters: What the pipeline takes.
        values: The values that it runs with if nothing is said.
        hidden: Names of those whose values are shown to nobody.
    """
    defaults = {**parameters.defaults(), **values}
    found = []
    for name, info in parameters.model.model_fields.items():
        value = as_json(defaults[name]) if name in defaults and name not in hidden else None
        schema = {"format": "password", "type": "string"} if name in hidden else _schema_of(parameters, name)
        found.append(
            Field(
                ("parameters", name),
                name,
                value,
                schema,
                type_text(info.annotation),
                info.description or "",
                name not in defaults,
            )
        )
    return found


def fields_of_steps(steps: Mapping[str, Sequence[FieldText]], hidden: set[str]) -> Iterator[Field]:
    """Give the fields of what can be set for single steps only."""
    for node, fields in steps.items():
        for field in fields:
            is_hidden = field.name in hidden
            yield Field(
                ("steps", node, "parameters", field.name),
                f"{node}.{field.name}",
                None if is_hidden else field.value,
                {"format": "password", "type": "string"} if is_hidden else {},
                field.type,
                field.description,
            )


def drawn_field(field: Field) -> Element:
    """Draw a field: its label, its control, what it takes, and a place for what is wrong with it."""
    place = ".".join(field.place)
    said = " · ".join(filter(None, [field.type_said, *_limits(field.schema), field.description]))
    control = _control(field, place)
    label = part(
        "label", field.label, part("span", " *", title="needs a value") if field.required else None, **{"for": place}
    )
    about = part("small", said, id=f"{place}-about", **{"class": "quiet"})
    wrong = part("output", id=f"{place}-wrong", **{"class": "bad", "for": place, "data-wrong": place})
    return part("div", label, control, about, wrong, **{"class": "field"})


def _control(field: Field, place: str) -> Element:
    schema, is_optional = _without_null(field.schema)
    more: dict[str, Any] = {
        "id": place,
        "name": place,
        "data-place": json.dumps(field.place),
        "aria-describedby": f"{place}-about {place}-wrong",
    }
    if "enum" in schema or "const" in schema:
        return _choice(field, list(schema.get("enum", [schema.get("const")])), is_optional, more)
    match schema.get("type"):
        case "boolean" if not is_optional:
            checked = "" if field.value is True else None
            return part("input", type="checkbox", checked=checked, **{**more, "data-kind": "flag"})
        case "integer" | "number" if field.value is None or isinstance(field.value, int | float):
            mode = "numeric" if schema["type"] == "integer" else "decimal"
            kind = "optional-number" if is_optional else "number"
            return part("input", type="text", inputmode=mode, value=_text(field.value), **{**more, "data-kind": kind})
        case "string":
            return _text_control(field, schema, is_optional, more)
    text = "" if field.value is None and field.required else json.dumps(field.value, ensure_ascii=False)
    rows = min(max(text.count("\n"), len(text) // _LONG_TEXT) + 1, 8)
    return part("textarea", text, rows=rows, spellcheck="false", **{**more, "data-kind": "json", "class": "code"})


def _text_control(field: Field, schema: Mapping[str, Any], is_optional: bool, more: dict[str, Any]) -> Element:
    kind = "optional-text" if is_optional else "text"
    if schema.get("format") == "password" or schema.get("writeOnly") or field.value == HIDDEN:
        # Left empty, the snapshot's own stays.
        return part(
            "input", type="password", autocomplete="off", placeholder="unchanged", **{**more, "data-kind": "secret"}
        )
    value = field.value if isinstance(field.value, str) else ""
    if "\n" in value or len(value) > _LONG_TEXT:
        return part("textarea", value, rows=min(value.count("\n") + 2, 10), **{**more, "data-kind": kind})
    shape = {"date": "date", "time": "time"}.get(schema.get("format", ""), "text")
    return part("input", type=shape, step="any", value=value, **{**more, "data-kind": kind})


def _choice(field: Field, values: list[Any], is_optional: bool, more: dict[str, Any]) -> Element:
    # A choice need not be a text, so each option carries what it means.
    shown = ([None] if is_optional or (field.value is None and field.required) else []) + values
    options = [
        part(
            "option",
            "–" if value is None else str(value),
            value=json.dumps(value),
            selected="" if value == field.value and type(value) is type(field.value) else None,
        )
        for value in shown
    ]
    return part("select", options, **{**more, "data-kind": "choice"})


def _schema_of(parameters: Parameters, name: str) -> Mapping[str, Any]:
    """Give the JSON schema of one parameter; nothing for a type that has none."""
    try:
        whole = parameters.model.model_json_schema(schema_generator=_Forgiving)
    except (PydanticUserError, PydanticInvalidForJsonSchema):
        return {}
    found: Mapping[str, Any] = whole.get("properties", {}).get(name, {})
    if "$ref" in found:
        found = whole.get("$defs", {}).get(str(found["$ref"]).rpartition("/")[2], {})
    return found


class _Forgiving(GenerateJsonSchema):
    """Gives a type that JSON has no form for the schema of anything."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:  # noqa: ARG002
        return {}


def _without_null(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """Take "or nothing" off a schema, and tell whether it was there."""
    choices = schema.get("anyOf", ())
    others = [choice for choice in choices if choice.get("type") != "null"]
    if choices and len(others) == 1 and len(others) < len(choices):
        return others[0], True
    return schema, False


def _limits(schema: Mapping[str, Any]) -> list[str]:
    plain, _ = _without_null(schema)
    return [f"{sign} {plain[name]}" for name, sign in _LIMITS.items() if name in plain]


def _text(value: Any) -> str:
    return "" if value is None else str(value)
