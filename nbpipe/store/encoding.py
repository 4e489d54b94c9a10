"""One value as bytes: which materializer takes it, and how a small encoding stands in a record."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii
from math import isfinite
from typing import Any

from nbpipe.errors import NbpipeError, NotStorableError
from nbpipe.records.artifacts import type_name_of
from nbpipe.store.buffers import Pieces, as_bytes_view, joined
from nbpipe.store.files import Files
from nbpipe.store.materializers import REGISTRY, Materializer, label_of
from nbpipe.store.plain import Json

MAX_INLINE_BYTES = 4096
JSON_LABEL = label_of(Json())
_BIGGEST = 2**63


def encoded(name: str, value: Any, *, paths_as_files: bool = True) -> tuple[Materializer, Pieces]:
    """Have the first materializer that takes it write `value`.

    Args:
        name: What to call it in errors.
        value: The value.
        paths_as_files: Write what lies at a path, and not the path.

    Raises:
        NotStorableError: None can.
    """
    kind = type(value)
    why = "no materializer takes it"
    for materializer in REGISTRY.for_type(kind):
        if materializer.name == Files.name and not paths_as_files:
            continue
        try:
            pieces = materializer.encode(value)
        except NbpipeError as error:
            raise NotStorableError(name, type_name_of(kind), str(error)) from error
        except Exception as error:
            if not is_ours(materializer):
                # Somebody wrote it for such values: a pickle in its place would hide that it is broken.
                said = f"{type(error).__name__}: {reason(error)}"
                why = f"its materializer {materializer.name!r} failed: {said}. To decline a value, encode gives None"
                raise NotStorableError(name, type_name_of(kind), why) from error
            # The value's own code; the next may still take it.
            why = reason(error)
            continue
        if pieces is not None:
            return materializer, pieces if is_ours(materializer) else _checked(name, kind, materializer, pieces)
    raise NotStorableError(name, type_name_of(kind), why)


def is_ours(materializer: Materializer) -> bool:
    """Tell whether a materializer is one of nbpipe's own."""
    return materializer.name in REGISTRY.built_in


def _checked(name: str, kind: type, materializer: Materializer, pieces: Any) -> Pieces:
    """Give the bytes that somebody's materializer wrote, whether as one piece or as several."""
    held = [pieces] if isinstance(pieces, (bytes, bytearray, memoryview)) else pieces
    if not isinstance(held, (list, tuple)) or not all(isinstance(one, (bytes, bytearray, memoryview)) for one in held):
        why = f"its materializer {materializer.name!r} gave a {type_name_of(type(pieces))} where encode gives bytes"
        raise NotStorableError(name, type_name_of(kind), why)
    return [one if isinstance(one, bytes) else as_bytes_view(one) for one in held]


def reason(error: Exception) -> str:
    """Say in one short line what somebody else's code raised."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


def inline(materializer: Materializer, pieces: Pieces) -> dict[str, Any]:
    """Write a small encoding as a part of a record."""
    data = joined(pieces)
    if materializer.name == Json.name:
        return {"json": json.loads(data)}
    return {"base64": b64encode(data).decode()}


def bytes_of_inline(said: Mapping[str, Any]) -> memoryview:
    """Give the encoding that `inline` wrote into a record; the memory may be written to."""
    if "json" in said:
        return memoryview(json.dumps(said["json"]).encode())
    return memoryview(bytearray(b64decode(said["base64"], validate=True)))


def scalar_json(value: Any) -> str | None:
    """Give the JSON of a number, a truth value, `None` or a short text; `None` for anything else.

    Nearly every small output is one of these, so they take no further step.
    """
    kind = type(value)
    if kind is int:
        return repr(value) if -_BIGGEST <= value < _BIGGEST else None
    if kind is float:
        return repr(value) if isfinite(value) else None
    if kind is str:
        if len(value) >= MAX_INLINE_BYTES or not value.isascii():
            return None
        text = encode_basestring_ascii(value)
        return text if len(text) <= MAX_INLINE_BYTES else None
    if kind is bool:
        return "true" if value else "false"
    return "null" if value is None else None
