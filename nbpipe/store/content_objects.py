"""How instances are written: by their class and their state, as the pickle protocol tells them.

The protocol says of nearly every object by what it is made and what is put into it. Only that is
used, never the bytes that pickle would write. Attributes kept by `cached_property` are no part
of a value. A function, a lock, a module or what lives by something else (`store.live`) has no
canonical form, and so has nothing that holds one.
"""

from __future__ import annotations

import copyreg
import re
import types
from collections import OrderedDict
from collections.abc import Callable
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cached_property
from pathlib import PurePath
from typing import Any

from nbpipe.store.arrays_in_memory import span_of
from nbpipe.store.content_plain import pairs_token, set_token
from nbpipe.store.content_walk import NoCanonicalForm, Walk, node, word
from nbpipe.store.live import refusal

_FORMLESS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.ModuleType,
    types.CodeType,
    types.FrameType,
    types.TracebackType,
)
# Objects that nobody can change, so that it does not count who shares them.
_UNCHANGEABLE = (tzinfo, re.Pattern, date, time, timedelta, Decimal, Fraction)
_UNCHANGEABLE_OF_PANDAS = ("Interval", "Period")
# A figure is full of cycles: the walk would only find out late.
_FORMLESS_ROOTS = frozenset({"matplotlib", "torch", "tensorflow"})


def object_form(walk: Walk, value: Any) -> bytes:
    """Write an instance of any class.

    Raises:
        NoCanonicalForm: It has none.
    """
    kind = type(value)
    if isinstance(value, _FORMLESS) or refusal(kind) or kind.__module__.partition(".")[0] in _FORMLESS_ROOTS:
        raise NoCanonicalForm
    if isinstance(value, type):
        return walk.identity(value)
    if isinstance(value, PurePath):
        return node(b"P", word(b"s", kind.__name__.encode()), walk.token(str(value)))
    if isinstance(value, Enum):
        return node(b"e", walk.identity(kind), walk.token(value.name), walk.token(value.value))
    if hasattr(kind, "__pydantic_fields__"):
        return _pydantic(walk, value)
    if isinstance(value, frozenset):
        return node(b"z", walk.identity(kind), set_token(walk, b"Z", value), _state(walk, kind, vars(value)))
    if isinstance(value, set):
        walk.note_mutable(value)
        return node(b"z", walk.identity(kind), set_token(walk, b"S", value), _state(walk, kind, vars(value)))
    return _reduced(walk, value)


def _pydantic(walk: Walk, value: Any) -> bytes:
    """Write a model by its fields. Which of them were set and which defaulted is no part of it."""
    kind = type(value)
    walk.note_mutable(value)
    extra = value.__pydantic_extra__ or {}
    private = value.__pydantic_private__ or {}
    fields = {name: vars(value)[name] for name in kind.__pydantic_fields__}
    return node(b"M", walk.identity(kind), *(pairs_token(walk, part.items()) for part in (fields, extra, private)))


def _reduced(walk: Walk, value: Any) -> bytes:
    kind = type(value)
    reducer = copyreg.dispatch_table.get(kind)
    reduced: str | tuple[Any, ...] = reducer(value) if reducer is not None else value.__reduce_ex__(4)
    if isinstance(reduced, str):
        return node(b"g", word(b"s", f"{kind.__module__}.{reduced}".encode()))
    if len(reduced) > 5 and reduced[5] is not None:
        raise NoCanonicalForm
    walk.hold(reduced)
    if not _is_unchangeable(value):
        walk.note_mutable(value)
        walk.note_memory(*span_of(value), b"bytes")
    maker, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    tokens = [walk.identity(kind), _name_of(walk, maker), walk.token(arguments), _state(walk, kind, state)]
    if items is not None:
        tokens.append(node(b"l", *map(walk.token, items)))
    if pairs is not None:
        if isinstance(value, OrderedDict):
            tokens.append(node(b"o", *(walk.token(key) + walk.token(part) for key, part in pairs)))
        else:
            tokens.append(pairs_token(walk, pairs))
    return node(b"O", *tokens)


def _is_unchangeable(value: Any) -> bool:
    kind = type(value)
    if isinstance(value, _UNCHANGEABLE) or kind.__module__ == "numpy.dtypes":
        return True
    named = kind.__name__ in _UNCHANGEABLE_OF_PANDAS and kind.__module__.partition(".")[0] == "pandas"
    # Offsets, such as the frequency of a period.
    return named or kind.__module__.startswith("pandas._libs.tslibs")


def _state(walk: Walk, kind: type, state: Any) -> bytes:
    """Write what is put into an object once it is made."""
    if type(state) is not dict:
        return walk.token(state)
    kept = ((key, part) for key, part in state.items() if not _is_cached_property(kind, key))
    return pairs_token(walk, kept)


def _is_cached_property(kind: type, name: Any) -> bool:
    return isinstance(name, str) and isinstance(getattr(kind, name, None), cached_property)


def _name_of(walk: Walk, maker: Callable[..., Any]) -> bytes:
    """Write the class, function or class method by which an object is made."""
    if isinstance(maker, type):
        return walk.identity(maker)
    owner = getattr(maker, "__self__", None)
    if isinstance(owner, type):
        return node(b"a", walk.identity(owner), word(b"s", maker.__name__.encode()))
    name = getattr(maker, "__qualname__", "<>")
    if "<" in name:
        raise NoCanonicalForm
    return word(b"s", f"{maker.__module__}.{name}".encode())
