"""A parameter's value as a Python expression: what stands for it in a module that people read.

Standard types are written by their modules under names of our own (`_datetime.date(2024, 1, 2)`), which no
text of a user's can take; classes of the user's by the name that their text gives them. A secret
is never written.
"""

from __future__ import annotations

import datetime
import decimal
import math
import pathlib
import re
import uuid
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel

# The modules that an expression may name, with an underscore before.
MODULES = ("datetime", "decimal", "pathlib", "uuid", "zoneinfo")
_OF_MODULES = re.compile(rf"\b({'|'.join(MODULES)})\.")
_DEEPEST = 20


class _Unwritable(Exception):
    """There is no expression for a value."""


def expression_of(value: Any) -> str | None:
    """Give a Python expression whose value is `value`; `None` if there is none."""
    try:
        return _written(value, 0)
    except _Unwritable:
        return None


def imports_for(expressions: Iterable[str | None]) -> list[str]:
    """Give the import statements that expressions need."""
    text = "\n".join(filter(None, expressions))
    return [f"import {name} as _{name}" for name in MODULES if f"_{name}." in text]


def _written(value: Any, depth: int) -> str:
    if depth > _DEEPEST:
        raise _Unwritable
    kind = type(value)
    if kind is float and not math.isfinite(value):
        return f'float("{value}")'
    if value is None or kind in (bool, int, float, complex, str, bytes):
        return repr(value)
    if kind in (list, tuple, set, frozenset):
        return _of_several(value, kind, depth)
    if kind is dict:
        pairs = [f"{_written(key, depth + 1)}: {_written(each, depth + 1)}" for key, each in value.items()]
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, Enum):
        return f"{_name(kind)}.{value.name}" if value.name is not None else f"{_name(kind)}({value.value!r})"
    if isinstance(value, pathlib.PurePath):
        return f"_pathlib.Path({str(value)!r})"
    if kind in (decimal.Decimal, uuid.UUID, ZoneInfo):
        return f"_{kind.__module__.partition('.')[0]}.{kind.__name__}({str(value)!r})"
    if kind in (datetime.date, datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone):
        return _of_time(value)
    if isinstance(value, BaseModel):
        named = {name: getattr(value, name) for name in kind.model_fields}
        if value.__pydantic_extra__ or any(info.validation_alias for info in kind.model_fields.values()):
            raise _Unwritable
        return _of_class(kind, named, depth)
    if is_dataclass(value):
        return _of_class(kind, {part.name: getattr(value, part.name) for part in fields(value) if part.init}, depth)
    raise _Unwritable


def _of_several(value: Any, kind: type, depth: int) -> str:
    items = [_written(item, depth + 1) for item in value]
    if kind is list:
        return f"[{', '.join(items)}]"
    if kind is tuple:
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    # Sets have no order of their own; what is written has one, so that equal snapshots read the same.
    inner = f"{{{', '.join(sorted(items))}}}" if items else ""
    return f"frozenset({inner})" if kind is frozenset else inner or "set()"


def _of_time(value: Any) -> str:
    zone = getattr(value, "tzinfo", None)
    if zone is not None and type(zone) not in (datetime.timezone, ZoneInfo):
        raise _Unwritable
    return _OF_MODULES.sub(r"_\1.", repr(value))


def _of_class(kind: type, named: dict[str, Any], depth: int) -> str:
    return f"{_name(kind)}({', '.join(f'{name}={_written(each, depth + 1)}' for name, each in named.items())})"


def _name(kind: type) -> str:
    if "<" in kind.__qualname__:
        raise _Unwritable
    return kind.__qualname__
