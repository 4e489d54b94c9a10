"""Which control a parameter gets: decided from its annotation, its limits and a sample of its value.

Pure: a type goes in, a small value comes out. What cannot be shown by a control of its own is
`Written`, a text that is read by the model's own rules, so that there is an answer for every type.

This module knows annotations. It knows no widget and no form.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, is_typeddict

from pydantic import (
    AwareDatetime,
    BaseModel,
    FutureDate,
    FutureDatetime,
    NaiveDatetime,
    PastDate,
    PastDatetime,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
)

from nbpipe.records.limits import bare_type, rule
from nbpipe.records.parameters import type_text
from nbpipe.widgets.kinds import (
    UNSET,
    Choice,
    Clock,
    Day,
    Group,
    Hidden,
    Kind,
    Moment,
    Number,
    Perhaps,
    Place,
    Several,
    Switch,
    Variants,
    Words,
    Written,
    is_showable,
)

_MOST_STEPS = 200
_DEEPEST = 3
_LONG = 80
_DAYS = (date, PastDate, FutureDate)
_MOMENTS = (datetime, AwareDatetime, NaiveDatetime, PastDatetime, FutureDatetime)


def kind_of(
    annotation: Any, metadata: Iterable[Any] = (), sample: Any = None, models: tuple[type[BaseModel], ...] = ()
) -> Kind:
    """Say which kind of control suits a type.

    Args:
        annotation: The type as written.
        metadata: What stands beside it, such as limits.
        sample: The value to begin with; `UNSET` for none, `None` where any will do.
        models: The models around it, for those that contain themselves.
    """
    bare, rules = bare_type(annotation, tuple(metadata))
    origin = get_origin(bare)
    if origin is Union or origin is UnionType:
        return _union_kind(bare, rules, sample, models)
    if origin is Literal:
        return _choice(get_args(bare))
    if origin is Secret or (isinstance(bare, type) and issubclass(bare, SecretStr | SecretBytes | Secret)):
        return Hidden(_secret_maker(bare))
    if origin in (list, set, frozenset, tuple):
        return _several_kind(origin, get_args(bare), sample)
    if not isinstance(bare, type):
        return Written(as_text=False, is_long=isinstance(origin, type))
    return _class_kind(bare, rules, sample, models)


def _union_kind(bare: Any, rules: tuple[Any, ...], sample: Any, models: tuple[type[BaseModel], ...]) -> Kind:
    members = [part for part in get_args(bare) if part is not NoneType]
    inner = kind_of(members[0], rules, sample, models) if len(members) == 1 else _variants(members, models)
    return Perhaps(inner) if len(members) < len(get_args(bare)) else inner


def _variants(members: list[Any], models: tuple[type[BaseModel], ...]) -> Kind:
    kinds = tuple(kind_of(member, (), _empty(member), models) for member in members)
    # Plain types are told apart by what is typed; a model needs its fields.
    if not any(isinstance(kind, Group) for kind in kinds):
        return Written(as_text=False)
    labels = tuple(type_text(bare_type(member, ())[0]) for member in members)
    if len(set(labels)) < len(labels):
        labels = tuple(f"{label} ({place})" for place, label in enumerate(labels, 1))
    return Variants(tuple(members), kinds, labels)


def _empty(member: Any) -> Any:
    """Give the value that a variant nobody has chosen yet begins with, so that it gets a control of its own."""
    return {bool: False, int: 0, float: 0.0, str: ""}.get(bare_type(member, ())[0], UNSET)


def _choice(values: Iterable[Any]) -> Kind:
    found = tuple(values)
    labels = [str(value.value) if isinstance(value, Enum) else str(value) for value in found]
    if len(set(labels)) < len(labels):
        # "1" and 1 would read the same.
        labels = [value.name if isinstance(value, Enum) else repr(value) for value in found]
    if not found or len(set(labels)) < len(labels):
        return Written(as_text=True)
    return Choice(found, tuple(label.strip() or "(empty)" for label in labels))


def _secret_maker(bare: Any) -> Any:
    if isinstance(bare, type) and issubclass(bare, SecretBytes):
        return lambda text: bare(text.encode())
    return bare


def _several_kind(origin: Any, arguments: tuple[Any, ...], sample: Any) -> Kind:
    items = arguments[:1] if origin is tuple and arguments[1:] == (Ellipsis,) else arguments
    if len(items) != 1 or items[0] not in (str, int, float) or (origin is tuple and len(arguments) != 2):
        return Written(as_text=False, is_long=True)
    wanted = items[0]
    given = list(sample) if isinstance(sample, list | tuple | set | frozenset) else []
    if wanted is not str and not all(isinstance(one, int | float) and is_showable(one) for one in given):
        return Written(as_text=False)
    return Several(origin, wanted)


def _class_kind(bare: type, rules: tuple[Any, ...], sample: Any, models: tuple[type[BaseModel], ...]) -> Kind:
    if issubclass(bare, Enum):
        return _choice(bare)
    if bare is bool:
        return _choice((True, False)) if sample is UNSET else Switch()
    if bare in (int, float):
        return _number_kind(rules, sample, whole=bare is int)
    if bare is str:
        return Words(long=isinstance(sample, str) and (len(sample) > _LONG or "\n" in sample))
    if bare in _DAYS:
        return Day()
    if bare in _MOMENTS:
        is_aware = isinstance(sample, datetime) and sample.tzinfo is not None
        return Moment(aware=bare is AwareDatetime or (is_aware and bare is not NaiveDatetime))
    if bare is time:
        return Clock()
    if issubclass(bare, PurePath):
        return Place()
    if issubclass(bare, BaseModel) and _is_group(bare, models):
        return Group(bare, (*models, bare))
    holds_data = _holds_data(bare)
    return Written(as_text=not holds_data, is_long=holds_data and bare not in (object, Any))


def _number_kind(rules: tuple[Any, ...], sample: Any, *, whole: bool) -> Kind:
    low, high, step = (
        _end(rules, "ge", "gt", whole),
        _end(rules, "le", "lt", whole),
        _plain(rule(rules, "multiple_of")),
    )
    stated = [limit for limit in (low, high, step) if limit is not None]
    if sample is UNSET or not all(map(is_showable, stated)) or not is_showable(sample):
        return Written(as_text=True)
    if low is not None and high is not None and low > high:
        return Written(as_text=True)
    if low is None or high is None:
        return Number(whole, low, high, step)
    stride = step or (1 if whole else None)
    if stride and stride > 0 and (high - low) / stride <= _MOST_STEPS:
        first, last = math.ceil(low / stride) * stride, math.floor(high / stride) * stride
        open_low, open_high = (_plain(rule(rules, name)) for name in ("gt", "lt"))
        first, last = first + stride * (first == open_low), last - stride * (last == open_high)
        if first <= last:
            return Number(whole, first, last, stride, few=True)
    return Number(whole, low, high, step)


def _end(rules: tuple[Any, ...], closed: str, open_: str, whole: bool) -> float | None:
    found = _plain(rule(rules, closed))
    if found is not None:
        return found
    found = _plain(rule(rules, open_))
    if found is None or not whole or not math.isfinite(found):
        return found
    return math.floor(found) + 1 if open_ == "gt" else math.ceil(found) - 1


def _plain(limit: Any) -> float | None:
    if isinstance(limit, Decimal | Fraction):
        return float(limit)
    return limit if isinstance(limit, int | float) else None


def _is_group(bare: type[BaseModel], models: tuple[type[BaseModel], ...]) -> bool:
    if issubclass(bare, RootModel) or bare in models or len(models) >= _DEEPEST:
        return False
    return all(isinstance(key_in_data(bare, name), str) for name in bare.model_fields)


def key_in_data(model: type[BaseModel], name: str) -> str | None:
    """Give the key under which a model reads a field from data; `None` if that is more than a key."""
    info = model.model_fields[name]
    if info.validation_alias is None or model.model_config.get("populate_by_name"):
        return name
    return info.validation_alias if isinstance(info.validation_alias, str) else None


def _holds_data(bare: type) -> bool:
    if issubclass(bare, BaseModel | Mapping | tuple | list | set | frozenset) or bare in (object, Any):
        return True
    return is_dataclass(bare) or is_typeddict(bare)
