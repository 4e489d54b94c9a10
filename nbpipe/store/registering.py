"""What a materializer must have before it is registered."""

from __future__ import annotations

from typing import Any

from nbpipe.errors import BadValueError
from nbpipe.store.content_walk import is_of_a_notebook

_NEEDED = ("name", "version", "types", "pickled", "encode", "decode")
_LONGEST_NAME = 64


def check_materializer(kind: Any, taken: frozenset[str]) -> None:
    """Refuse a class that is no materializer.

    Args:
        kind: The class.
        taken: The names of our own.

    Raises:
        BadValueError: It lacks something that a materializer has, or has it wrongly.
    """
    if not isinstance(kind, type):
        raise BadValueError(f"A materializer is registered by its class; this is a {type(kind).__name__}.")
    missing = [name for name in _NEEDED if not hasattr(kind, name)]
    if missing:
        raise BadValueError(f"{kind.__qualname__} is no materializer: it lacks {', '.join(missing)}.")
    said: Any = kind
    _check_name(kind, said.name, taken)
    if not _is_version(said.version):
        raise BadValueError(f"The version of {kind.__qualname__} must be a whole number from 1 on.")
    if not isinstance(getattr(said, "reads", ()), (tuple, list)) or not all(
        map(_is_version, getattr(said, "reads", ()))
    ):
        raise BadValueError(f"What {kind.__qualname__} reads must be versions, as in reads = (1, 2).")
    if type(said.pickled) is not bool:
        raise BadValueError(f"{kind.__qualname__} must say pickled = True if reading runs code, or False.")
    _check_types(kind, said.types)
    for name in ("encode", "decode", "preview"):
        if not callable(getattr(kind, name, check_materializer)):
            raise BadValueError(f"{name} of {kind.__qualname__} must be a method.")


def registered_as(kind: type | str) -> type | str:
    """Give what a type is registered by: a class of a notebook by its name, for its cell may run again."""
    return f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) and is_of_a_notebook(kind) else kind


def _check_name(kind: type, name: object, taken: frozenset[str]) -> None:
    if not isinstance(name, str) or not 0 < len(name.strip()) == len(name) <= _LONGEST_NAME or not name.isprintable():
        raise BadValueError(f"The name of {kind.__qualname__} must be a text of 1 to {_LONGEST_NAME} characters.")
    if "@" in name:
        raise BadValueError(f"{name!r} cannot be a materializer's name: leave the '@' out.")
    if name in taken:
        raise BadValueError(f"{name!r} is the name of a materializer of nbpipe's own. Choose another.")


def _is_version(version: object) -> bool:
    return type(version) is int and version >= 1


def _check_types(kind: type, types: object) -> None:
    if not isinstance(types, (tuple, list)) or not types or not all(isinstance(one, (type, str)) for one in types):
        raise BadValueError(
            f'The types of {kind.__qualname__} must be a tuple of classes or of names such as ("polars.DataFrame",).'
        )
    for one in types:
        if isinstance(one, str) and not all(part.isidentifier() for part in one.split(".")):
            raise BadValueError(f"{one[:100]!r} in the types of {kind.__qualname__} is no name of a class.")
