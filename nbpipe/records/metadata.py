"""Metadata: nested plain data on runs, steps, artifact versions and model versions.

Keys are strings; a leaf is of one of the types below and comes back as that type. In a record a
leaf that JSON cannot hold stands as `{"$type": name, "value": …}`. A value of any other type
refuses the whole call. Numeric leaves are metrics, named by their dotted path.
"""

from __future__ import annotations

import math
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten

_DEEPEST = 64


class Uri(str):
    """A text that points somewhere, such as `Uri("s3://bucket/data.csv")`."""

    __slots__ = ()


class StorageSize(int):
    """A number of bytes, as in `StorageSize(5 * 2**20)`."""

    __slots__ = ()


class DType(str):
    """The name of an array's or a column's type."""

    __slots__ = ()


def _timedelta(seconds: str) -> timedelta:
    whole, _, micros = seconds.partition(".")
    return timedelta(seconds=int(whole), microseconds=int(micros or 0))


_READERS: dict[str, Callable[[Any], Any]] = {
    "bytes": b64decode,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "decimal": Decimal,
    "dtype": DType,
    "float": float,
    "int": lambda digits: int(digits, 16),
    "path": Path,
    "size": StorageSize,
    "time": time.fromisoformat,
    "timedelta": _timedelta,
    "uri": Uri,
    "uuid": UUID,
}


def encode(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write metadata as JSON data with typed leaves.

    Raises:
        BadValueError: Not a mapping, a key that is no text, or a value that cannot be kept; the
            key and the type are named and nothing is kept.
    """
    if not isinstance(values, Mapping):
        raise BadValueError(f"Metadata is a dict of names and values, not {shorten(values)}.")
    return {_key(key, ""): _encode(value, str(key), 1) for key, value in values.items()}


def _key(key: object, path: str) -> str:
    if not isinstance(key, str) or not key:
        where = f" in {shorten(path)}" if path else ""
        raise BadValueError(f"Metadata key {shorten(key)}{where} is no text; keys are strings.")
    return str(_encode_plain(str.__str__(key)))


def _encode(value: Any, path: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise BadValueError(f"Metadata {shorten(path)} is nested deeper than {_DEEPEST} levels.")
    plain = _encode_plain(value)
    if plain is not _NOT_PLAIN:
        return plain
    match value:
        case MetadataEntry():
            return _encode(value.value, path, depth)
        case Mapping():
            inner = {_key(key, path): _encode(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
            return _as_dict(inner)
        case list():
            return [_encode(item, f"{path}.{n}", depth + 1) for n, item in enumerate(value)]
        case tuple() | set() | frozenset():
            kind = "tuple" if isinstance(value, tuple) else type(value).__name__
            items = [_encode(item, f"{path}.{n}", depth + 1) for n, item in enumerate(value)]
            if kind != "tuple":
                items.sort(key=repr)
            return {"$type": kind, "value": items}
    return _encode_special(value, path, depth)


def _as_dict(inner: dict[str, Any]) -> dict[str, Any]:
    """Write a dict, also one with a key that would be taken for a type."""
    return {"$type": "dict", "value": inner} if "$type" in inner else inner


def inner_of(value: Any) -> dict[str, Any] | None:
    """Give what is in an encoded dict, however it was written; `None` of anything else."""
    if not isinstance(value, dict):
        return None
    kind = value.get("$type")
    return value if kind is None else value["value"] if kind == "dict" else None


_NOT_PLAIN = object()


def _encode_plain(value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (str, bool):
        return value.encode("utf-8", "replace").decode() if kind is str and not value.isascii() else value
    if kind is int and -(2**63) <= value < 2**63:
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$type": "float", "value": repr(value)}
    return _NOT_PLAIN


def _encode_special(value: Any, path: str, depth: int) -> Any:
    def typed(kind: str, written: Any) -> dict[str, Any]:
        return {"$type": kind, "value": written}

    match value:
        case Uri():
            return typed("uri", str(value))
        case DType():
            return typed("dtype", str(value))
        case StorageSize():
            return typed("size", int(value))
        case int():
            # In hexadecimal: Python refuses to write or read more than some thousand decimal digits.
            return int(value) if -(2**63) <= value < 2**63 else typed("int", f"{int(value):x}")
        case str():
            # What it holds, also where a class of the user's prints itself in another way.
            return _encode(str.__str__(value), path, depth)
        case float():
            return _encode(float(value), path, depth)
        case bytes() | bytearray():
            return typed("bytes", b64encode(bytes(value)).decode())
        case datetime() if value != value:  # noqa: PLR0124 — pandas' "not a time" is no instant
            return None
        case datetime():
            return typed("datetime", value.isoformat())
        case date():
            return typed("date", value.isoformat())
        case time():
            return typed("time", value.isoformat())
        case timedelta():
            micros = value // timedelta(microseconds=1)
            return typed("timedelta", f"{micros // 10**6}.{micros % 10**6:06d}")
        case Decimal():
            return typed("decimal", str(value))
        case UUID():
            return typed("uuid", str(value))
        case PurePath():
            return typed("path", str(value))
    return _encode_numpy(value, path, depth)


def _encode_numpy(value: Any, path: str, depth: int) -> Any:
    # A value can only be of numpy's or pandas' types if those are loaded already.
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if isinstance(value, numpy.dtype):
            return {"$type": "dtype", "value": str(value)}
        if isinstance(value, numpy.longdouble):
            return _encode(float(value), path, depth)
        if isinstance(value, numpy.datetime64 | numpy.timedelta64):
            # In nanoseconds their `item` is a bare number.
            unit = "datetime64[us]" if isinstance(value, numpy.datetime64) else "timedelta64[us]"
            return _encode(value.astype(unit).item(), path, depth)
        if isinstance(value, numpy.generic) and not isinstance(value, numpy.void | numpy.complexfloating):
            return _encode(value.item(), path, depth)
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.api.extensions.ExtensionDtype):
        return {"$type": "dtype", "value": str(value)}
    raise BadValueError(
        f"Metadata {shorten(path)} is a {type(value).__name__}, which cannot be kept as metadata; "
        "return it from the step instead."
    )


def decode(value: Any) -> Any:
    """Give back what `encode` wrote, each leaf as its type."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("$type")
    if kind is None:
        return {key: decode(item) for key, item in value.items()}
    match kind:
        case "dict":
            return {key: decode(item) for key, item in value["value"].items()}
        case "tuple":
            return tuple(decode(item) for item in value["value"])
        case "set":
            return {decode(item) for item in value["value"]}
        case "frozenset":
            return frozenset(decode(item) for item in value["value"])
    return _READERS[kind](value["value"])


def merge(former: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Merge encoded metadata: dicts deeply, anything else replaced by the later value."""
    merged = dict(former)
    for key, value in later.items():
        old, new = inner_of(merged.get(key)), inner_of(value)
        merged[key] = value if old is None or new is None else _as_dict(merge(old, new))
    return merged


def metrics_in(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Walk through the numeric leaves of encoded metadata: (dotted path, number). A bool is no number."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        inner = inner_of(value)
        if inner is not None:
            yield from metrics_in(inner, f"{path}.")
        elif isinstance(value, dict) and value["$type"] in ("float", "size"):
            yield path, float(value["value"])
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield path, float(value)


@dataclass(frozen=True, slots=True, eq=False)
class MetadataEntry:
    """One piece of metadata: it can be used like its value.

    Attributes:
        value: The value.
        logged_at: When it was last logged.
        history: Earlier values, oldest first, each with its instant.
        is_reused: Whether it was said last by a step that was reused: it was found out in an earlier run.
    """

    value: Any
    logged_at: datetime
    history: tuple[tuple[datetime, Any], ...] = field(default=())
    is_reused: bool = False

    @property
    def type(self) -> str:
        """The name of the value's type."""
        return type(self.value).__name__

    def __eq__(self, other: object) -> bool:
        return bool(self.value == (other.value if isinstance(other, MetadataEntry) else other))

    def __hash__(self) -> int:
        return hash(self.value)

    def __lt__(self, other: Any) -> bool:
        return bool(self.value < (other.value if isinstance(other, MetadataEntry) else other))

    def __gt__(self, other: Any) -> bool:
        return bool(self.value > (other.value if isinstance(other, MetadataEntry) else other))

    def __le__(self, other: Any) -> bool:
        return bool(self == other or self < other)

    def __ge__(self, other: Any) -> bool:
        return bool(self == other or self > other)

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __contains__(self, item: object) -> bool:
        return item in self.value

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __str__(self) -> str:
        return str(self.value)
