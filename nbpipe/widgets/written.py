"""Values as text, and back: what a reader sees of a value, and what a text stands for.

A text is read as JSON or as itself, whichever the type accepts first; `None`, `True` and `False`
may be written as Python does. A secret is never written.

Pure functions of one value; they know no widget.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from typing import Any

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from nbpipe.records.base import shorten
from nbpipe.records.parameters import as_json
from nbpipe.widgets.kinds import UNSET

SECRET = "••••••"  # noqa: S105
_MOST = 20_000
_WIDE = 60
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_WORDS = {"None": None, "True": True, "False": False}


def text_of(value: Any, *, as_text: bool = False) -> str:
    """Write a value so that it can be read again and edited.

    Args:
        value: Any value; `UNSET` is the empty text.
        as_text: Whether its type is read from text as it stands; else text that would be read
            as something else is quoted.
    """
    if value is UNSET:
        return ""
    if isinstance(value, str):
        return value if as_text or next(_data(value), value) == value else json.dumps(value, ensure_ascii=False)
    try:
        plain = as_json(value)
        if isinstance(plain, str) and not isinstance(value, bytes | bytearray):
            return plain
        if isinstance(plain, str):
            return plain if as_text else json.dumps(plain)
        text = json.dumps(plain, ensure_ascii=False)
        text = text if len(text) <= _WIDE else json.dumps(plain, ensure_ascii=False, indent=2)
    except Exception:  # noqa: BLE001 — a loop in the data, or a user's own __repr__, may raise anything
        return shorten(value, _WIDE)
    return text if len(text) <= _MOST else shorten(value, _WIDE)


def line_of(value: Any) -> str:
    """Write a value for a reader, on one line; a secret is dots."""
    if value is UNSET:
        return ""
    if isinstance(value, SecretStr | SecretBytes | Secret):
        return SECRET
    if isinstance(value, Enum):
        return str(value.value)
    if value is None or isinstance(value, bool):
        return str(value)
    # Where an object lies in memory says nothing, and differs every time.
    return " ".join(_ADDRESS.sub("", text_of(value, as_text=True)).split())


def readings(text: str, *, as_text: bool) -> list[Any]:
    """Give what `text` may stand for, the likeliest first; itself is always among them."""
    data = list(_data(text))
    return [text, *data] if as_text else [*data, text]


def read(text: str, accepts: Callable[[Any], bool], *, as_text: bool) -> Any:
    """Give what `text` stands for: the first reading that is accepted, or the likeliest."""
    found = readings(text, as_text=as_text)
    return next((value for value in found if accepts(value)), found[0])


def json_problem(text: str) -> str:
    """Say where a text that sets out to be JSON goes wrong; empty if it does not, or is none."""
    if not text.lstrip().startswith(("[", "{", '"')):
        return ""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"is no JSON: {error.msg[0].lower()}{error.msg[1:]} (line {error.lineno}, column {error.colno})"
    except (ValueError, RecursionError):
        return "is no JSON that can be read: it is nested too deeply, or a number in it is too long"
    return ""


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same: of one type, equal, and not a number only if both are not."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    match one:
        case float():
            return bool(one == other or (one != one and other != other))  # noqa: PLR0124
        case list() | tuple():
            return len(one) == len(other) and all(map(same, one, other))
        case Mapping():
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        case BaseModel():
            return same(dict(one), dict(other))
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 — a user's or an array's own `==` may answer anything, also by raising
        return False


def _data(text: str) -> Iterator[Any]:
    if text.strip() in _WORDS:
        yield _WORDS[text.strip()]
        return
    with suppress(ValueError, RecursionError):
        yield json.loads(text)
