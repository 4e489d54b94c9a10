"""The walk that writes a value in its canonical form, and what every form is made of.

A token says one value and ends where it ends, so that tokens can be joined without a separator.
Containers enter their parent by a digest once they are longer than a few words: what is reached
by many paths is then walked once, and the form still says nothing about sharing.

This module knows scalars only; how larger things are written is handed in (`store.content`).
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from math import isnan
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from xxhash import xxh3_128_digest, xxh3_128_hexdigest

ClassIdentity = Callable[[type], str]
Form = Callable[["Walk", Any], bytes]

# Some 300 frames deep, which any thread has left. Deeper values have no form, whatever the depth
# of the stack that asks, so that the answer is the same everywhere.
MAX_DEPTH = 150
_LONGEST_WORD = 64
_DOUBLE = struct.Struct("<d")
_NAN = _DOUBLE.pack(float("nan"))
_texts: WeakKeyDictionary[type, str] = WeakKeyDictionary()


class NoCanonicalForm(Exception):
    """Inside this room: the walk met something that has none."""


@dataclass(frozen=True, slots=True)
class Mutables:
    """The parts of a value that could be changed in place.

    Attributes:
        ids: Identities of mutable objects.
        ranges: Memory of arrays, from the first byte to behind the last.
        aliases: Tells how parts are shared within the value: one list at two places, an array and a
            view of it. Empty if nothing is, which is the rule. Two values that are equal and share
            differently behave differently once they are changed.
        alive: What was made on the way; held so that no identity is given out twice.
    """

    ids: frozenset[int] = frozenset()
    ranges: tuple[tuple[int, int], ...] = ()
    aliases: str = ""
    alive: tuple[Any, ...] = field(default=(), repr=False)


def identity_by_name(kind: type) -> str:
    """Identify a class by where it is defined and what it is called."""
    return f"{kind.__module__}.{kind.__qualname__}"


def identity_by_source(kind: type) -> str:
    """Identify a class of a notebook by the texts that define it and its bases, others by name.

    A module made of pieces of text says under `__nbpipe_pieces__` which piece bound each of its names.
    """
    texts = [text_of_class(base) for base in kind.__mro__ if is_of_a_notebook(base)]
    return f"{kind.__qualname__} {' '.join(texts)}" if all(texts) else identity_by_name(kind)


def text_of_class(kind: type) -> str:
    """Give the digest of the text that defines a class of a notebook; `""` if nobody says."""
    pieces = getattr(sys.modules.get(kind.__module__), "__nbpipe_pieces__", None)
    found = str(pieces.get(kind.__qualname__.partition(".")[0], "")) if pieces is not None else ""
    return found or _texts.get(kind, "")


def say_text_of_class(kind: type, text: str) -> None:
    """Say which text a class was defined by that comes from elsewhere: here, no module has its text."""
    _texts[kind] = text


def is_of_a_notebook(kind: type) -> bool:
    """Tell whether a class was defined in a cell: its name says nothing about its code."""
    return kind.__module__ == "__main__" or kind.__module__.startswith("nbpipe_")


def word(tag: bytes, data: bytes) -> bytes:
    """Write `data` behind its tag and length; long data by its digest."""
    if len(data) > _LONGEST_WORD:
        return b"%b#%d:%b" % (tag, len(data), xxh3_128_digest(data))
    return b"%b%d:%b" % (tag, len(data), data)


def node(tag: bytes, *parts: bytes) -> bytes:
    """Write a form that is made of tokens."""
    return b"%b%d:%b" % (tag, len(parts), b"".join(parts))


def _float(value: float) -> bytes:
    return b"f" + (_NAN if isnan(value) else _DOUBLE.pack(value))


LEAVES: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"N",
    type(...): lambda _: b"E",
    bool: lambda value: b"T" if value else b"F",
    int: lambda value: b"i%x;" % value,
    float: _float,
    complex: lambda value: b"c" + _float(value.real) + _float(value.imag),
    str: lambda value: word(b"s", value.encode("utf-8", "surrogatepass")),
    bytes: lambda value: word(b"b", value),
    date: lambda value: word(b"D", value.isoformat().encode()),
    timedelta: lambda value: b"d%d,%d,%d;" % (value.days, value.seconds, value.microseconds),
    Decimal: lambda value: word(b"n", str(value).encode()),
    UUID: lambda value: b"U" + value.bytes,
}


class Walk:
    """One walk through one value.

    Args:
        form_of: Says how values of a type are written.
        class_identity: Says what a class defined in a notebook is.
    """

    __slots__ = (
        *("_active", "_again", "_alive", "_class_identity", "_form_of", "_ids", "_known", "_noted", "_orders"),
        "_spans",
    )

    def __init__(self, form_of: Callable[[type], Form], class_identity: ClassIdentity) -> None:
        self._form_of = form_of
        self._class_identity = class_identity
        self._known: dict[int, tuple[bytes, Any, int]] = {}
        self._active: set[int] = set()
        # When each mutable part was met first, and when any was met once more: the count of notes is the time.
        self._ids: dict[int, int] = {}
        self._again: list[tuple[int, int]] = []
        self._noted = 0
        self._spans: list[tuple[int, int, int, bytes]] = []
        self._alive: list[Any] = []
        self._orders: dict[int, tuple[Set[Any], list[Any]]] = {}

    def token(self, value: Any) -> bytes:
        """Write `value`.

        Raises:
            NoCanonicalForm: It has no form, contains itself, or is nested too deeply.
        """
        kind = type(value)
        leaf = LEAVES.get(kind)
        if leaf is not None:
            return leaf(value)
        key = id(value)
        known = self._known.get(key)
        if known is not None:
            token, _, since = known
            if since >= 0:
                self._noted += 1
                self._again.append((self._noted, since))
            return token
        if key in self._active or len(self._active) >= MAX_DEPTH:
            raise NoCanonicalForm
        self._active.add(key)
        since = self._noted
        token = self._form_of(kind)(self, value)
        self._active.discard(key)
        if len(token) <= _LONGEST_WORD:
            return token
        token = b"#" + xxh3_128_digest(token)
        # Only what is long can multiply by being shared. The value is held with its token, so that
        # nothing else can come by its identity.
        self._known[key] = (token, value, since if self._noted > since else -1)
        return token

    def tokens_of_unordered(self, parts: Set[Any]) -> list[bytes]:
        """Write the parts of a set, in the order of their tokens.

        Objects lie in a set by their addresses, in another order in every process. What is noted in them is noted in
        the order of the tokens, or equal values would seem to share their parts differently.
        """
        if all(type(part) in LEAVES for part in parts):
            return sorted(map(self.token, parts))
        known = self._orders.get(id(parts))
        if known is None:
            scout = Walk(self._form_of, self._class_identity)
            scout._active, scout._orders = set(self._active), self._orders
            found = sorted(((scout.token(part), part) for part in parts), key=lambda pair: pair[0])
            self._alive.append(scout._alive)
            if not scout._noted:
                return [token for token, _ in found]
            known = self._orders[id(parts)] = parts, [part for _, part in found]
        return [self.token(part) for part in known[1]]

    def identity(self, kind: type) -> bytes:
        """Write a class."""
        return word(b"C", (self._class_identity if is_of_a_notebook(kind) else identity_by_name)(kind).encode())

    def note_mutable(self, value: Any) -> None:
        """Note that `value` can be changed in place."""
        self._noted += 1
        first = self._ids.setdefault(id(value), self._noted)
        if first != self._noted:
            self._again.append((self._noted, first))

    def note_memory(self, first: int, behind: int, layout: bytes) -> None:
        """Note memory that can be changed in place, and how an array lies in it."""
        self._noted += 1
        if behind > first:
            self._spans.append((first, behind, self._noted, layout))

    def hold(self, made: Any) -> None:
        """Keep something made on the way alive as long as what was noted in it."""
        self._alive.append(made)

    def mutables(self) -> Mutables:
        """Give what was noted so far."""
        ranges = tuple((first, behind) for first, behind, _, _ in self._spans)
        return Mutables(frozenset(self._ids), ranges, self._aliases(), tuple(self._alive))

    def _aliases(self) -> str:
        shared = _overlapping(self._spans)
        if not self._again and not shared:
            return ""
        return xxh3_128_hexdigest(b"aliases" + repr((self._again, shared)).encode())


def _overlapping(spans: list[tuple[int, int, int, bytes]]) -> list[list[tuple[int, int, bytes]]]:
    """Group the arrays that reach into each other's memory; each by when it was met, its place and its layout."""
    groups: list[list[tuple[int, int, bytes]]] = []
    start = reach = 0
    for first, behind, noted, layout in sorted(spans):
        if first >= reach:
            groups.append([])
            start = first
        groups[-1].append((noted, first - start, layout))
        reach = max(reach, behind)
    for group in groups:
        if len({(place, layout) for _, place, layout in group}) == 1:
            # One array met several times: how it lies does not tell them apart.
            group[:] = [(noted, place, b"") for noted, place, _ in group]
    return sorted(sorted(group) for group in groups if len(group) > 1)
