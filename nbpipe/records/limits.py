"""The limits that stand beside a type: read from annotations, said as a reader would write them.

Pure; a form, the help of a command and a table ask the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo


def limits_text(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """Say the limits that stand beside a type: `> 0, < 1`; empty for none."""
    bare, rules = bare_type(annotation, tuple(metadata))
    inner = [part for part in get_args(bare) if part is not NoneType]
    if get_origin(bare) in (Union, UnionType) and len(inner) == 1:
        return limits_text(inner[0], rules)
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "multiple_of": "a multiple of"}
    said = [f"{sign} {value}" for name, sign in signs.items() if (value := rule(rules, name)) is not None]
    pattern = rule(rules, "pattern")
    if pattern is not None:
        said.append(f"matches {getattr(pattern, 'pattern', pattern)}")
    least, most = rule(rules, "min_length"), rule(rules, "max_length")
    if least or most is not None:
        said.append(f"length {least or 0} to {most}" if most is not None else f"length {least} or more")
    return ", ".join(said)


def bare_type(annotation: Any, metadata: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Take off what only wraps a type: `Annotated`, `type X = …`, `NewType`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            metadata = (*metadata, *more)
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        else:
            flat = [rule for part in metadata for rule in (part.metadata if isinstance(part, FieldInfo) else (part,))]
            return annotation, tuple(flat)


def rule(rules: tuple[Any, ...], name: str) -> Any:
    """Give what the first rule that says anything of `name` says."""
    return next((value for rule in rules if (value := getattr(rule, name, None)) is not None), None)
