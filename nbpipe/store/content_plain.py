"""How Python's own containers and everyday values are written.

A list and a tuple differ, a dictionary's order does not count, and a set has the order of its
parts' tokens. Subclasses of these are objects (`store.content_objects`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Set
from datetime import datetime, time
from math import isnan
from operator import ne
from typing import Any

from xxhash import xxh3_128_digest

from nbpipe.store.arrays_in_memory import span_of
from nbpipe.store.content_walk import Form, Walk, node, word
from nbpipe.store.live import MAPPING_VIEWS, mapping_behind

_WORTH_PACKING = 16


def list_form(walk: Walk, value: list[Any]) -> bytes:
    """Write a list."""
    walk.note_mutable(value)
    return _parts(walk, b"l", value)


def tuple_form(walk: Walk, value: tuple[Any, ...]) -> bytes:
    """Write a tuple."""
    return _parts(walk, b"t", value)


def set_form(walk: Walk, value: set[Any]) -> bytes:
    """Write a set."""
    walk.note_mutable(value)
    return set_token(walk, b"S", value)


def frozenset_form(walk: Walk, value: frozenset[Any]) -> bytes:
    """Write a frozenset."""
    return set_token(walk, b"Z", value)


def dict_form(walk: Walk, value: dict[Any, Any]) -> bytes:
    """Write a dictionary."""
    walk.note_mutable(value)
    return pairs_token(walk, value.items())


def set_token(walk: Walk, tag: bytes, parts: Set[Any]) -> bytes:
    """Write things whose order does not count."""
    return node(tag, *walk.tokens_of_unordered(parts))


def pairs_token(walk: Walk, pairs: Iterable[tuple[Any, Any]]) -> bytes:
    """Write keys and values whose order does not count."""
    return node(b"m", *sorted(walk.token(key) + walk.token(value) for key, value in pairs))


def _parts(walk: Walk, tag: bytes, value: list[Any] | tuple[Any, ...]) -> bytes:
    packed = _packed(value) if len(value) >= _WORTH_PACKING else None
    if packed is not None:
        return b"%bp%d:%b" % (tag, len(value), packed)
    return node(tag, *map(walk.token, value))


def _packed(value: list[Any] | tuple[Any, ...]) -> bytes | None:
    """Write numbers or texts that are all of one type, without looking at each in turn."""
    kinds = set(map(type, value))
    if kinds == {float}:
        if any(map(ne, value, value)):
            value = [float("nan") if isnan(part) else part for part in value]
        return b"f" + xxh3_128_digest(struct.pack(f"<{len(value)}d", *value))
    if kinds == {int}:
        return b"i" + xxh3_128_digest(",".join(map(hex, value)).encode())
    if kinds == {str}:
        lengths = struct.pack(f"<{len(value)}q", *map(len, value))
        return b"s" + xxh3_128_digest(lengths + "".join(value).encode("utf-8", "surrogatepass"))
    return None


def _bytearray(walk: Walk, value: bytearray) -> bytes:
    walk.note_mutable(value)
    walk.note_memory(*span_of(value), b"bytes")
    return word(b"B", bytes(value))


def _datetime(walk: Walk, value: datetime) -> bytes:
    wall = word(b"w", value.replace(tzinfo=None).isoformat().encode())
    return node(b"Y", wall, b"%d" % value.fold, walk.token(value.tzinfo))


def _time(walk: Walk, value: time) -> bytes:
    wall = word(b"w", value.replace(tzinfo=None).isoformat().encode())
    return node(b"y", wall, b"%d" % value.fold, walk.token(value.tzinfo))


def _range(_walk: Walk, value: range) -> bytes:
    # range(0) equals range(3, 3), and range(0, 2, 5) equals range(0, 1).
    step = value.step if len(value) > 1 else 0
    return b"r%d,%d,%d;" % (len(value), value.start if value else 0, step)


def _slice(walk: Walk, value: slice) -> bytes:
    return node(b"k", walk.token(value.start), walk.token(value.stop), walk.token(value.step))


def _view_of_mapping(walk: Walk, value: Any) -> bytes:
    return node(b"V", walk.identity(type(value)), walk.token(mapping_behind(value)))


def _class(walk: Walk, value: type) -> bytes:
    return walk.identity(value)


PLAIN_FORMS: dict[type, Form] = {
    list: list_form,
    tuple: tuple_form,
    set: set_form,
    frozenset: frozenset_form,
    dict: dict_form,
    bytearray: _bytearray,
    datetime: _datetime,
    time: _time,
    range: _range,
    slice: _slice,
    type: _class,
    **dict.fromkeys(MAPPING_VIEWS, _view_of_mapping),
}
