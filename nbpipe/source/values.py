"""Which live values can be made again from the statement that bound them.

A value that nobody can change is the same wherever its statement runs: functions, classes,
modules, and plain immutable values. Anything else (a list, a frame, a connection) has a life
of its own, and a step must be handed it.

Libraries are never imported here: a value of one implies that it is loaded.
"""

from __future__ import annotations

import datetime
import enum
import functools
import logging
import numbers
import re
import sys
import types
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

_PLAIN = (
    type(None),
    bool,
    str,
    bytes,
    numbers.Number,
    Decimal,
    UUID,
    PurePath,
    re.Pattern,
    range,
    slice,
    enum.Enum,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    logging.Logger,
    type(...),
    type(NotImplemented),
)
_CODE = (type, types.ModuleType, types.FunctionType, types.MethodDescriptorType, types.WrapperDescriptorType)
_TYPING_MODULES = frozenset(["typing", "typing_extensions"])


def is_plain(value: object) -> bool:
    """Tell whether `value` is code or an immutable plain value, through and through."""
    if is_code(value) or isinstance(value, _PLAIN):
        return True
    if isinstance(value, tuple | frozenset):
        return all(is_plain(part) for part in value)
    if isinstance(value, functools.partial):
        return is_plain(value.func) and is_plain(value.args) and all(map(is_plain, value.keywords.values()))
    return _is_numpy_scalar(value) or _is_type_form(value)


def is_code(value: object) -> bool:
    """Tell whether `value` is a function, a class or a module, and not bound to a live object."""
    if isinstance(value, types.MethodType | types.BuiltinFunctionType):
        owner: Any = value.__self__
        return owner is None or isinstance(owner, type | types.ModuleType)
    if isinstance(value, _CODE):
        return True
    # Wrappers such as those of `functools.lru_cache` and `functools.singledispatch`.
    return callable(value) and isinstance(getattr(value, "__wrapped__", None), types.FunctionType)


def may_hold_code(value: object) -> bool:
    """Tell whether code that can be called may be reached from a plain `value`."""
    if isinstance(value, tuple | frozenset):
        return any(map(may_hold_code, value))
    return is_code(value) or not isinstance(value, _PLAIN)


def type_word(value: object) -> str:
    """Give the word by which a reader knows the type of `value`: `DataFrame`."""
    return type(value).__qualname__


def _is_type_form(value: object) -> bool:
    return isinstance(value, types.GenericAlias | types.UnionType) or type(value).__module__ in _TYPING_MODULES


def _is_numpy_scalar(value: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic | numpy.dtype | numpy.ufunc)
