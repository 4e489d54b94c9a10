"""What of a snapshot's content looks like a secret: constants in the code that it carries, and values.

A snapshot is kept, exported and handed on, so whoever makes one is told; nothing is stopped by it.
What a constant looks like is `source.suspicion`. A value is never said, only where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbpipe.records.snapshots import FieldText, SnapshotContent
from nbpipe.source.suspicion import FINE, hits_in, looks_like_secret

_LONGEST_NAME = 60
_HIDDEN = "**********"


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Something in a snapshot that looks like a secret.

    Attributes:
        where: Such as `"step load, line 3"`.
        name: The name that it goes by; `""` if nothing names it.
        looks_like: Such as `"an AWS access key"`.
        is_value: Whether it is the value of a parameter, and stands in no text.
    """

    where: str
    name: str
    looks_like: str
    is_value: bool = False

    def __str__(self) -> str:
        name = f"{self.name!r} " if self.name else "a constant "
        return f"{self.where}: {name}looks like {self.looks_like}"


def suspicions(content: SnapshotContent) -> tuple[Suspicion, ...]:
    """Find what looks like a secret in a content, each once."""
    found = dict.fromkeys((*_in_code(content), *_in_values(content)))
    return tuple(found)


def _in_code(content: SnapshotContent) -> Iterator[Suspicion]:
    texts = [(f"step {text.name}", text.text, 1) for text in content.steps]
    if content.body is not None:
        texts.append((f"pipeline {content.pipeline}", content.body.text, 1))
    texts += [(hook.text.name, hook.text.text, 1) for hook in content.hooks]
    texts.append(("%%params", content.parameters_text, 1))
    texts += [(piece.origin, piece.text, piece.line) for piece in content.library]
    texts += [(f"module {module.name}", module.text, 1) for module in content.local_modules]
    for where, text, first in texts:
        for hit in hits_in(text):
            yield Suspicion(f"{where}, line {hit.line + first - 1}", _cut(hit.name), hit.looks_like)


def _in_values(content: SnapshotContent) -> Iterator[Suspicion]:
    declared = [content.parameters_text, *([content.body.text] if content.body is not None else [])]
    own = {}
    for field in content.parameters:
        looks_like = _of_field(field, declared)
        if looks_like:
            own[field.name] = field.value
            yield Suspicion(f"parameter {_cut(field.name)}", _cut(field.name), looks_like, is_value=True)
    texts = {text.name: text.text for text in content.steps}
    for node in content.graph.nodes:
        for field in content.step_parameters.get(node.id, ()):
            looks_like = _of_field(field, [*declared, texts.get(node.step, "")])
            if looks_like and own.get(field.name) != field.value:
                where = f"{node.id}.{field.name}"
                yield Suspicion(f"parameter {_cut(where)}", _cut(field.name), looks_like, is_value=True)


def _of_field(field: FieldText, declared: Sequence[str]) -> str:
    """Say what the value of a parameter looks like; nothing if a line that declares it says that it is fine."""
    declares = re.compile(rf"\b{re.escape(field.name)}\b.*#.*{re.escape(FINE)}")
    if any(declares.search(line) for text in declared for line in text.splitlines()):
        return ""
    found = (looks_like_secret(name, value) for name, value in _texts_in(field.name, field.value))
    return next(filter(None, found), "")


def _texts_in(name: str, value: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and value != _HIDDEN:
        yield name, value
    elif isinstance(value, Mapping) and depth < 32:
        for key, part in value.items():
            yield from _texts_in(str(key), part, depth + 1)
    elif isinstance(value, list | tuple) and depth < 32:
        for part in value:
            yield from _texts_in(name, part, depth + 1)


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
