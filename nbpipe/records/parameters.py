"""Parameters: what a pipeline or a step takes from outside, with types, bounds and defaults.

A pydantic model is the only source of truth: the same one checks a call, a file, a form and the
command line. Its report of bad values becomes one line a field, with the nearest known name for
one that is not known.
"""

from __future__ import annotations

import inspect
import math
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from enum import Enum
from types import FunctionType, ModuleType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Secret,
    SecretBytes,
    SecretStr,
    ValidationError,
    create_model,
)
from pydantic.fields import FieldInfo
from pydantic.warnings import ArbitraryTypeWarning
from pydantic_core import PydanticUndefined, to_jsonable_python

from nbpipe.errors import DefinitionError, ParameterError
from nbpipe.records.base import problems_of
from nbpipe.records.unread import unread_keys

REQUIRED = inspect.Parameter.empty
HIDDEN = "**********"  # what pydantic itself writes for a secret
_PLAIN = (bool, int, float, str)
_NESTED = (dict, list, tuple)
# Where a class comes from is no news to who wrote it; what stands in quotes is a value and stays.
_QUALIFIED = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?<![\w.])(?:(?:[^\W\d]\w*|<locals>)\.)+(?=\w)""")


class ParameterModel(BaseModel):
    """Base of the models that parameters are made of."""

    model_config = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, validate_default=True, protected_namespaces=()
    )


@dataclass(frozen=True, slots=True)
class Parameters:
    """What something takes.

    Attributes:
        subject: Whose they are, such as `"training"`.
        model: The pydantic model; its fields are the parameters, in order.
    """

    subject: str
    model: type[BaseModel]

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(self.model.model_fields)

    @property
    def required(self) -> tuple[str, ...]:
        """The names of those without a default."""
        return tuple(name for name, info in self.model.model_fields.items() if info.is_required())

    def defaults(self) -> dict[str, Any]:
        """Give the default of each parameter that has one."""
        found = {}
        for name, info in self.model.model_fields.items():
            value = info.get_default(call_default_factory=True, validated_data={})
            if value is not PydanticUndefined:
                found[name] = value
        return found

    def check(self, values: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
        """Give the value of every parameter, each of its declared type.

        Args:
            values: Some of the values; the others take their defaults.
            partial: Leave out what is required and not given instead of refusing.

        Raises:
            ParameterError: An unknown name, also within a model, a value that does not fit, or a required one that is
                missing; all of them are named.
        """
        try:
            checked = self.model.model_validate(dict(values))
        except ValidationError as error:
            problems = problems_of(error, self.names)
            missing = {problem["loc"][0] for problem in error.errors() if problem["type"] == "missing"}
            if partial and missing.issuperset(problems):
                given = {name: value for name, value in values.items() if name not in missing}
                return self._check_without(missing, given)
            raise ParameterError(self.subject, problems) from None
        found = {name: getattr(checked, name) for name in self.names}
        unread: dict[str, str] = {}
        for name, value in values.items():
            if type(value) in _NESTED:
                unread |= unread_keys(value, found[name], name)
        if unread:
            raise ParameterError(self.subject, unread)
        return found

    def _check_without(self, missing: Iterable[Any], values: Mapping[str, Any]) -> dict[str, Any]:
        left = {name: info for name, info in self.model.model_fields.items() if name not in set(missing)}
        fields: dict[str, Any] = {name: (info.annotation, info) for name, info in left.items()}
        smaller = create_model(self.model.__name__, __base__=ParameterModel, **fields)
        return Parameters(self.subject, smaller).check(values)

    def as_json(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Write checked values as JSON data; `check` reads them back."""
        return {name: as_json(value) for name, value in values.items()}


def as_json(value: Any) -> Any:
    """Write one parameter's value as JSON data; what has no such form stands as its text."""
    if type(value) in (str, int, bool, type(None)):
        return value
    try:
        return _finite(to_jsonable_python(value, fallback=repr, serialize_unknown=True))
    except ValueError:
        # Bytes that are no text, or data that holds itself.
        return repr(value)


def may_hold_secret(annotation: Any, seen: tuple[Any, ...] = ()) -> bool:
    """Tell whether a value of this type is a secret, or may have one in it."""
    if annotation in seen:
        return False
    around = (*seen, annotation)
    if isinstance(annotation, type) and issubclass(annotation, SecretStr | SecretBytes | Secret):
        return True
    inner = [*get_args(annotation), getattr(annotation, "__value__", None), getattr(annotation, "__supertype__", None)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        inner += [info.annotation for info in annotation.model_fields.values()]
    elif isinstance(annotation, type) and is_dataclass(annotation):
        inner += get_type_hints(annotation).values()
    return get_origin(annotation) is Secret or any(
        may_hold_secret(part, around)
        for part in inner
        if part is not None and not isinstance(part, str | int | bytes | Enum)
    )


def is_hidden(value: Any) -> bool:
    """Tell whether a value, as JSON data, stands for a secret or has one in it: what it was is not known any more."""
    match value:
        case str():
            return value == HIDDEN
        case Mapping():
            return any(map(is_hidden, value.values()))
        case list():
            return any(map(is_hidden, value))
    return False


def is_plain(value: Any) -> bool:
    """Tell whether a value can be written as data, so that another process can have it too."""
    if isinstance(value, bytes | type | FunctionType | ModuleType):
        return True
    try:
        to_jsonable_python(value)
    except ValueError:
        return False
    return True


def _finite(value: Any) -> Any:
    """Write what JSON has no number for as text, which a float reads back."""
    match value:
        case float() if not math.isfinite(value):
            return repr(value)
        case list():
            return [_finite(item) for item in value]
        case dict():
            return {key: _finite(item) for key, item in value.items()}
    return value


def parameters_of(subject: str, fields: Mapping[str, tuple[Any, Any]]) -> Parameters:
    """Make parameters from names, annotations and defaults (`REQUIRED` for none).

    Raises:
        DefinitionError: A name that begins with an underscore.
    """
    made: dict[str, Any] = {}
    for name, (annotation, default) in fields.items():
        if name.startswith("_") or name == "model_config":
            raise DefinitionError(f"{subject} takes {name!r}, which cannot be a parameter's name; choose another.")
        made[name] = (_annotation(annotation, default), ... if default is REQUIRED else default)
    with warnings.catch_warnings():
        # `copy`, `json` or `schema` are good names for a parameter, though a model has methods called so; and an
        # annotation that is no type takes anything.
        warnings.filterwarnings("ignore", message="Field name .* shadows an attribute", category=UserWarning)
        warnings.filterwarnings("ignore", category=ArbitraryTypeWarning)
        return Parameters(subject, create_model(subject or "Parameters", __base__=ParameterModel, **made))


def _annotation(annotation: Any, default: Any) -> Any:
    if annotation is not REQUIRED:
        return annotation
    # A default says enough of what was meant: `rate=0.1` takes numbers, `n=None` takes anything.
    return type(default) if type(default) in _PLAIN else Any


def signature_fields(function: Any, names: Iterable[str] | None = None) -> dict[str, tuple[Any, Any]]:
    """Give the annotation and default of a function's arguments, all or those named.

    Annotations written as text are resolved where they can be; one that cannot takes anything.
    """
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError):
        hints = {}
    wanted = None if names is None else set(names)
    fields: dict[str, tuple[Any, Any]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if wanted is not None and name not in wanted:
            continue
        raw = parameter.annotation
        annotation = hints.get(name, Any if isinstance(raw, str) else raw)
        default = parameter.default
        if isinstance(default, FieldInfo) and default.annotation is None:
            annotation = annotation if annotation is not REQUIRED else Any
        fields[name] = (annotation, default)
    return fields


def is_required(default: Any) -> bool:
    """Tell whether a default, as `signature_fields` gives it, is none."""
    return default is REQUIRED or (isinstance(default, FieldInfo) and default.is_required())


def type_text(annotation: Any) -> str:
    """Say a type as a user would write it."""
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    if get_origin(annotation) is Annotated:
        # What stands beside a type is told as its limits.
        return type_text(get_args(annotation)[0])
    return _QUALIFIED.sub(lambda found: found[1] or "", str(annotation)).replace("NoneType", "None")


_NUMBERS = (bool, int, float, complex)


def contradict(given: Any, wanted: Any) -> bool:
    """Tell whether no value can be of both types: two plain classes, neither of which is the other's kin.

    Where anything is left open (a union, a generic, a protocol, a pointer, a number for a number) they do not.
    """
    if not all(_is_closed(annotation) for annotation in (given, wanted)):
        return False
    if given in _NUMBERS and wanted in _NUMBERS:
        return False
    return not (issubclass(given, wanted) or issubclass(wanted, given))


def _is_closed(annotation: Any) -> bool:
    # A pointer takes anything; a class with hooks of its own may, too.
    is_class = isinstance(annotation, type) and type(annotation) is type and annotation not in (object, REQUIRED)
    return is_class and not hasattr(annotation, "__args__") and annotation.__name__ != "UnmaterializedArtifact"
