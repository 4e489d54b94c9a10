"""Plain data as JSON, text as UTF-8 and bytes as they are.

JSON has fewer types than Python, so what it lacks is written as an object with one key that
begins with `$`: `{"$tuple": [1, 2]}`, `{"$date": "2026-11-20"}`. A value that would not come back as it
was (a subclass, one list at two places, a list inside itself) is declined, and the next
materializer has its turn.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from math import isfinite
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from nbpipe.store.buffers import Piece
from nbpipe.store.loading import Loading

_BIGGEST = 2**63
_AS_THEY_ARE = frozenset({type(None), bool, str, int, float})


class NotPlain(Exception):
    """Inside this room: the value would not come back from JSON as it was."""


class Json:
    """Plain data of any nesting."""

    name: ClassVar[str] = "json"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = (
        *(type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset),
        *(date, datetime, time, timedelta, Decimal, UUID, range, slice, PurePath),
    )

    def encode(self, value: Any) -> list[Piece] | None:
        """Write JSON, or decline what would not come back as it was."""
        try:
            return [json.dumps(to_plain(value), separators=(",", ":"), allow_nan=False).encode()]
        except (NotPlain, RecursionError):
            return None

    def decode(self, data: memoryview, _loading: Loading) -> Any:
        """Read JSON back."""
        return from_plain(json.loads(bytes(data)))


class Text:
    """Text too long to stand in a record."""

    name: ClassVar[str] = "text"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = (str,)

    def encode(self, value: Any) -> list[Piece] | None:
        """Write UTF-8; decline subclasses, and text that has no UTF-8."""
        try:
            return [value.encode()] if type(value) is str else None
        except UnicodeEncodeError:
            return None

    def decode(self, data: memoryview, _loading: Loading) -> str:
        """Read UTF-8 back."""
        return str(data, "utf-8")


class Bytes:
    """Bytes."""

    name: ClassVar[str] = "bytes"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = (bytes,)

    def encode(self, value: Any) -> list[Piece] | None:
        """Write them as they are; decline subclasses."""
        return [value] if type(value) is bytes else None

    def decode(self, data: memoryview, _loading: Loading) -> bytes:
        """Read them back."""
        return bytes(data)


def to_plain(value: Any) -> Any:
    """Write `value` as what JSON has.

    Raises:
        NotPlain: It would not come back as it was.
    """
    return _written(value, set())


def from_plain(said: Any) -> Any:
    """Read back what `to_plain` wrote.

    Raises:
        KeyError, TypeError, ValueError: It was not written by `to_plain`.
    """
    if isinstance(said, list):
        return said if _needs_no_look(said) else [from_plain(part) for part in said]
    if not isinstance(said, dict):
        return said
    if len(said) == 1:
        ((key, held),) = said.items()
        if key.startswith("$"):
            return _READERS[key](held)
    return {key: from_plain(part) for key, part in said.items()}


def _written(value: Any, seen: set[int]) -> Any:
    kind = type(value)
    if kind is str:
        return value if _is_unicode(value) else {"$str": _base64(value.encode("utf-8", "surrogatepass"))}
    if kind is bool or value is None:
        return value
    if kind is int:
        return value if -_BIGGEST <= value < _BIGGEST else {"$int": hex(value)}
    if kind is float:
        return value if isfinite(value) else {"$float": repr(value)}
    scalar = _SCALARS.get(kind)
    if scalar is not None:
        name, write = scalar
        return {name: write(value)}
    if kind in _CONTAINERS:
        return _CONTAINERS[kind](value, seen)
    raise NotPlain


def _once(value: Any, seen: set[int]) -> None:
    """Refuse a container that was met before: JSON would make two of it."""
    if id(value) in seen:
        raise NotPlain
    seen.add(id(value))


def _list(value: list[Any], seen: set[int]) -> Any:
    _once(value, seen)
    if _needs_no_look(value):
        return value
    return [_written(part, seen) for part in value]


def _dict(value: dict[Any, Any], seen: set[int]) -> Any:
    _once(value, seen)
    if all(type(key) is str and key[:1] != "$" and _is_unicode(key) for key in value):
        return {key: _written(part, seen) for key, part in value.items()}
    return {"$dict": [[_written(key, seen), _written(part, seen)] for key, part in value.items()]}


def _tuple(value: tuple[Any, ...], seen: set[int]) -> Any:
    return {"$tuple": [_written(part, seen) for part in value]}


def _unordered(value: set[Any] | frozenset[Any], seen: set[int]) -> Any:
    if type(value) is set:
        _once(value, seen)
    # Sorted, so that equal sets make equal bytes.
    parts = sorted((_written(part, seen) for part in value), key=json.dumps)
    return {"$set" if type(value) is set else "$frozenset": parts}


def _bytearray(value: bytearray, seen: set[int]) -> Any:
    _once(value, seen)
    return {"$bytearray": _base64(value)}


def _moment(value: datetime | time) -> list[Any]:
    zone = value.tzinfo
    if zone is None:
        said: Any = None
    elif type(zone) is timezone:
        offset = zone.utcoffset(None)
        if zone != timezone(offset) or zone.tzname(None) != timezone(offset).tzname(None):
            raise NotPlain
        said = offset.total_seconds()
    elif type(zone) is ZoneInfo and zone.key is not None:
        said = zone.key
    else:
        raise NotPlain
    return [value.replace(tzinfo=None).isoformat(), value.fold, said]


def _zone(said: Any) -> Any:
    if said is None:
        return None
    return ZoneInfo(said) if isinstance(said, str) else timezone(timedelta(seconds=said))


def _needs_no_look(parts: list[Any]) -> bool:
    """Tell whether a list holds only what JSON has, without a look at each part in Python."""
    kinds = set(map(type, parts))
    if not kinds <= _AS_THEY_ARE or len(kinds - {type(None)}) > 1:
        return False
    if float in kinds:
        return all(map(isfinite, (part for part in parts if part is not None)))
    if int in kinds:
        present = [part for part in parts if part is not None]
        return all(-_BIGGEST <= bound < _BIGGEST for bound in (min(present), max(present)))
    return str not in kinds or all(map(_is_unicode, (part for part in parts if part is not None)))


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _base64(data: bytes | bytearray) -> str:
    return b64encode(data).decode()


def _bounds(value: slice) -> list[Any]:
    return [to_plain(bound) for bound in (value.start, value.stop, value.step)]


_PATHS: dict[str, type[PurePath]] = {kind.__name__: kind for kind in (type(Path()), PurePosixPath, PureWindowsPath)}
_CONTAINERS: dict[type, Callable[[Any, set[int]], Any]] = {
    list: _list,
    tuple: _tuple,
    dict: _dict,
    set: _unordered,
    frozenset: _unordered,
    bytearray: _bytearray,
}
_SCALARS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    bytes: ("$bytes", _base64),
    complex: ("$complex", lambda value: [repr(value.real), repr(value.imag)]),
    datetime: ("$datetime", _moment),
    time: ("$time", _moment),
    date: ("$date", date.isoformat),
    timedelta: ("$timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    Decimal: ("$decimal", str),
    UUID: ("$uuid", str),
    **{kind: ("$path", lambda value: [type(value).__name__, str(value)]) for kind in _PATHS.values()},
    range: ("$range", lambda value: [value.start, value.stop, value.step]),
    slice: ("$slice", _bounds),
}
_READERS: dict[str, Callable[[Any], Any]] = {
    "$str": lambda held: b64decode(held).decode("utf-8", "surrogatepass"),
    "$int": lambda held: int(held, 16),
    "$float": float,
    "$bytes": b64decode,
    "$bytearray": lambda held: bytearray(b64decode(held)),
    "$complex": lambda held: complex(float(held[0]), float(held[1])),
    "$datetime": lambda held: datetime.fromisoformat(held[0]).replace(fold=held[1], tzinfo=_zone(held[2])),
    "$time": lambda held: time.fromisoformat(held[0]).replace(fold=held[1], tzinfo=_zone(held[2])),
    "$date": date.fromisoformat,
    "$timedelta": lambda held: timedelta(*held),
    "$decimal": Decimal,
    "$uuid": UUID,
    "$path": lambda held: _PATHS[held[0]](held[1]),
    "$range": lambda held: range(*held),
    "$slice": lambda held: slice(*map(from_plain, held)),
    "$tuple": lambda held: tuple(map(from_plain, held)),
    "$set": lambda held: set(map(from_plain, held)),
    "$frozenset": lambda held: frozenset(map(from_plain, held)),
    "$dict": lambda held: {from_plain(key): from_plain(part) for key, part in held},
}
