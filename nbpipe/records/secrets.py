"""Values that hide themselves: pydantic's `SecretStr`, `SecretBytes` and `Secret`, wherever in a value they lie.

What holds one is never written down: not in a snapshot, not in a run's differences. Where another
process is handed it over a pipe, it is revealed.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

_DEEPEST = 32


def holds_secret(value: Any, depth: int = 0) -> bool:
    """Tell whether a value is a secret or has one in it."""
    if isinstance(value, SecretStr | SecretBytes | Secret):
        return True
    return depth < _DEEPEST and any(holds_secret(part, depth + 1) for part in _parts(value))


def revealed(value: Any) -> Any:
    """Give plain data with what hides itself in clear: for a pipe, never for a file."""
    match value:
        case SecretStr() | SecretBytes() | Secret():
            return revealed(value.get_secret_value())
        case BaseModel():
            return revealed(dict(value))
        case Mapping():
            return {key: revealed(part) for key, part in value.items()}
        case list() | tuple() | Set():
            return [revealed(part) for part in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: revealed(getattr(value, part.name, None)) for part in fields(value) if part.init}
    return value


def _parts(value: Any) -> list[Any]:
    match value:
        case BaseModel():
            return [part for _, part in value]
        case Mapping():
            return list(value.values())
        case list() | tuple() | Set():
            return list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, part.name, None) for part in fields(value)]
    return []
