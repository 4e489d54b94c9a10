"""What a form holds, in words: the call, the command and the file that do the same, and what another process is sent.

Values come as a form gives them: by name, those of a single step as `step.name`. They are
written as plain data, which the model reads back; so nothing needs to be imported, and a value
of a class that lives elsewhere is understood. A secret is never written: it is left out, and
what was left out is said. Only `revealed` shows secrets; its answer goes to a process, not to a page.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum, auto
from typing import Any

import yaml
from pydantic import BaseModel, RootModel, Secret, SecretBytes, SecretStr

from nbpipe.records.config import PipelineRunConfiguration, StepConfiguration, parse_value
from nbpipe.records.parameters import as_json
from nbpipe.widgets.choosing import key_in_data

_BREAKS = "\x85\u2028\u2029"


class _Nothing(Enum):
    OMITTED = auto()


_OMITTED = _Nothing.OMITTED


def call_arguments(values: Mapping[str, Any]) -> str:
    """Write values as the arguments of a call: `rate=0.2`, steps' as a configuration before them."""
    configuration = as_configuration(values)
    steps = {name: {"parameters": step.parameters} for name, step in configuration.steps.items()}
    first = [repr({"steps": steps})] if steps else []
    return ", ".join([*first, *(f"{name}={value!r}" for name, value in configuration.parameters.items())])


def settings(values: Mapping[str, Any]) -> str:
    """Write values as options of a command, quoted for a shell."""
    return "".join(f" --set {shlex.quote(f'{name}={_word(value)}')}" for name, value in _plain(values).items())


def yaml_text(values: Mapping[str, Any]) -> str:
    """Write values as the file that `--config` takes."""
    configuration = as_configuration(values)
    data: dict[str, Any] = {"parameters": configuration.parameters} if configuration.parameters else {}
    if configuration.steps:
        data["steps"] = {name: {"parameters": step.parameters} for name, step in configuration.steps.items()}
    # Written as they are, these would be read back as the ends of lines.
    has_breaks = any(letter in json.dumps(data, ensure_ascii=False) for letter in _BREAKS)
    text: str = yaml.dump(data, Dumper=_PlainDumper, sort_keys=False, allow_unicode=not has_breaks, width=100)
    return text.rstrip() if data else "{}"


def left_out(values: Mapping[str, Any]) -> list[str]:
    """Name the values that hold a secret, which are not written down."""
    return [name for name, value in values.items() if _holds_secret(value)]


def as_configuration(values: Mapping[str, Any]) -> PipelineRunConfiguration:
    """Give the configuration that says these values, without secrets."""
    return _sorted(_plain(values))


def revealed(values: Mapping[str, Any]) -> PipelineRunConfiguration:
    """Give the configuration that says these values, secrets and all."""
    return _sorted({name: _data(value, reveal=True) for name, value in values.items()})


def by_step(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Tell the pipeline's values from those of single steps."""
    own: dict[str, Any] = {}
    steps: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        step, dot, name = path.rpartition(".")
        if dot:
            steps.setdefault(step, {})[name] = value
        else:
            own[path] = value
    return own, steps


def _sorted(values: Mapping[str, Any]) -> PipelineRunConfiguration:
    own, steps = by_step(values)
    return PipelineRunConfiguration(
        parameters=own, steps={name: StepConfiguration(parameters=given) for name, given in steps.items()}
    )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    written = {name: _data(value, reveal=False) for name, value in values.items()}
    return {name: value for name, value in written.items() if value is not _OMITTED}


def _data(value: Any, *, reveal: bool) -> Any:
    match value:
        case SecretStr() | SecretBytes() | Secret():
            held = value.get_secret_value()
            return (held.decode() if isinstance(held, bytes) else _data(held, reveal=True)) if reveal else _OMITTED
        case RootModel():
            return _data(value.root, reveal=reveal)
        case BaseModel() if (keys := _keys(type(value))) is not None:
            return _items(((key, getattr(value, name)) for name, key in keys.items()), reveal=reveal)
        case Mapping():
            return _items(((str(as_json(key)), inner) for key, inner in value.items()), reveal=reveal)
        case list() | tuple() | set() | frozenset():
            items = [_data(item, reveal=reveal) for item in value]
            return [item for item in items if item is not _OMITTED]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return _items(((field.name, getattr(value, field.name)) for field in fields(value)), reveal=reveal)
    return as_json(value)


def _items(pairs: Iterator[tuple[str, Any]], *, reveal: bool) -> dict[str, Any]:
    written = ((key, _data(value, reveal=reveal)) for key, value in pairs)
    return {key: value for key, value in written if value is not _OMITTED}


def _keys(model: type[BaseModel]) -> dict[str, str] | None:
    keys = {name: key_in_data(model, name) for name in model.model_fields}
    return {name: key for name, key in keys.items() if key is not None} if None not in keys.values() else None


def _holds_secret(value: Any) -> bool:
    match value:
        case SecretStr() | SecretBytes() | Secret():
            return True
        case BaseModel():
            return any(_holds_secret(inner) for _, inner in value)
        case Mapping():
            return any(map(_holds_secret, value.values()))
        case list() | tuple() | set() | frozenset():
            return any(map(_holds_secret, value))
        case _ if is_dataclass(value) and not isinstance(value, type):
            return any(_holds_secret(getattr(value, field.name)) for field in fields(value))
    return False


def _word(value: Any) -> str:
    """Write one value so that a command line reads it back."""
    if isinstance(value, str) and parse_value(value) == value and isinstance(parse_value(value), str):
        return value
    return json.dumps(value, ensure_ascii=False)


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 — the dumper's own signature
        """Write what occurs twice twice: a configuration may hold no alias."""
        return True
