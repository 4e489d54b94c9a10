"""What a user's own model passed over: keys of plain data that none of its fields reads.

Pydantic drops them without a word unless a model says otherwise, so that a mistyped key in a file or a form
would leave the default in place. Whoever wrote `extra="ignore"` meant it; whoever wrote nothing is told.

Left alone is data that a model takes apart itself before its fields see it: its keys are its own affair.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel

from nbpipe.errors import nearest

_DEEPEST = 32
_MOST = 20
_LONGEST = 60


def unread_keys(given: Any, checked: Any, name: str = "", depth: int = 0) -> dict[str, str]:
    """Say of each key that was passed over what is wrong with it, by its dotted name.

    Args:
        given: What was given.
        checked: What became of it.
        name: How the value is called.
        depth: How deep in a value it lies.
    """
    if depth > _DEEPEST or type(given) not in (dict, list, tuple):
        return {}
    found: dict[str, str] = {}
    known = _known(checked) if isinstance(given, dict) else None
    if known is not None:
        # Not the value, which may be a secret under a mistyped name.
        for key in [key for key in given if key not in known][:_MOST]:
            near = nearest(str(key), tuple(known))
            hint = f"; did you mean {near[0]!r}?" if near else ""
            found[_dotted(name, str(key)[:_LONGEST])] = f"is not known here{hint}"
    for part, one, other in _pairs(given, checked):
        if len(found) >= _MOST:
            break
        found |= unread_keys(one, other, _dotted(name, part), depth + 1)
    return found


def _dotted(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part


def _known(checked: Any) -> set[str] | None:
    """Give the keys that a model reads; `None` where nothing can be said of them."""
    kind = type(checked)
    if isinstance(checked, BaseModel):
        if "extra" in kind.model_config or kind.__pydantic_root_model__ or _takes_apart(kind):
            return None
        found = {*kind.model_fields, *kind.model_computed_fields}
        for info in (*kind.model_fields.values(), *kind.model_computed_fields.values()):
            aliases = (info.alias, getattr(info, "serialization_alias", None))
            found |= {alias for alias in aliases if alias is not None}
            found |= set(_read_by(getattr(info, "validation_alias", None)))
        return found
    if is_dataclass(checked) and not _takes_apart(kind) and not getattr(kind, "__pydantic_config__", None):
        return {part.name for part in fields(checked)}
    return None


def _takes_apart(kind: type) -> bool:
    decorators = getattr(kind, "__pydantic_decorators__", None)
    checks = decorators.model_validators.values() if decorators is not None else ()
    return any(check.info.mode != "after" for check in checks) or "__get_pydantic_core_schema__" in vars(kind)


def _read_by(alias: str | AliasPath | AliasChoices | None) -> Iterator[str]:
    match alias:
        case str():
            yield alias
        case AliasPath():
            yield str(alias.path[0])
        case AliasChoices():
            for one in alias.choices:
                yield from _read_by(one)


def _pairs(given: Any, checked: Any) -> Iterator[tuple[str, Any, Any]]:
    """Walk side by side through what was given and what became of it, as far as the one is seen in the other."""
    if isinstance(given, dict):
        for key, value in given.items():
            if isinstance(checked, Mapping):
                if key in checked:
                    yield str(key), value, checked[key]
            elif isinstance(key, str) and (isinstance(checked, BaseModel) or is_dataclass(checked)):
                # An alias leads nowhere here; what lies under it is not looked at.
                yield key, value, getattr(checked, key, None)
    elif isinstance(checked, list | tuple) and len(checked) == len(given):
        for place, (one, other) in enumerate(zip(given, checked, strict=True)):
            yield str(place), one, other
