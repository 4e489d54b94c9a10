"""A list whose items are artifact versions of their own: what is stored of it names them, and holds none of them.

A step that was mapped over ten thousand items gives such a list. To keep it costs nothing per value: each was kept
when it was made, and is loaded when somebody asks for it or for the whole list.

The bytes (version 1) are one JSON object::

    kinds   for each sort of item: [name, output, type_name, materializer, pickled]
    items   for each item: [place in kinds, id, digest, aliases, size_bytes, inline, blob, member, made_by]

This module knows the form. Whether the items are still there, the store knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

from pydantic_core import from_json

from nbpipe.base.digest import quick
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.base import shorten
from nbpipe.store.loading import Loading

_DIGEST = re.compile(rb"[0-9a-f]{64}")


class Collected:
    """A list of artifact versions. No type asks for it: only whoever has the versions can write it."""

    name: ClassVar[str] = "collected"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ()

    def encode(self, _value: Any) -> None:
        """Decline every value."""

    def decode(self, _data: memoryview, _loading: Loading) -> NoReturn:
        """Refuse: the items lie in the store, which loads them itself."""
        raise LookupError("its items lie in the workspace that made it")


COLLECTED = f"{Collected.name}@{Collected.version}"


def written(items: Sequence[ArtifactVersion]) -> bytes:
    """Write what names the items."""
    kinds: dict[tuple[Any, ...], int] = {}
    rows = []
    for item in items:
        kind = item.name, item.output, item.type_name, item.materializer, item.pickled
        place = kinds.setdefault(kind, len(kinds))
        held = item.inline, item.blob, item.member, item.made_by
        rows.append((place, item.id, item.digest, item.aliases, item.size_bytes, *held))
    return json.dumps({"kinds": list(kinds), "items": rows}, separators=(",", ":"), ensure_ascii=False).encode()


def items_in(data: memoryview) -> list[ArtifactVersion]:
    """Read the items that `written` names.

    Raises:
        KeyError, TypeError, ValueError: It was not written by `written`.
    """
    said = from_json(bytes(data))
    kinds = said["kinds"]
    found = []
    for place, id, digest, aliases, size_bytes, inline, blob, member, made_by in said["items"]:
        name, output, type_name, materializer, pickled = kinds[place]
        found.append(
            ArtifactVersion(
                id,
                name,
                output,
                digest,
                type_name,
                materializer,
                size_bytes,
                inline,
                blob,
                member,
                pickled,
                {},
                made_by,
                aliases=aliases,
            )
        )
    return found


def digests_in(data: memoryview) -> set[str]:
    """Give every digest of 64 letters that stands in what was written: the blobs that hold items."""
    return {found.decode() for found in _DIGEST.findall(data)}


def digest_of(tokens: Sequence[str]) -> str:
    """Give the digest of a list by what identifies the content of each item."""
    return quick("collected", *tokens)


def said(items: Sequence[ArtifactVersion]) -> str:
    """Say in a line what is in a list: how many items, and the first few that are known without loading them."""
    shown = [shorten(item.inline["json"], 40) if item.inline and "json" in item.inline else "…" for item in items[:8]]
    more = ", …" if len(items) > len(shown) else ""
    count = f"{len(items):,} item{'' if len(items) == 1 else 's'}"
    return f"{count}: {', '.join(shown)}{more}" if shown else count
