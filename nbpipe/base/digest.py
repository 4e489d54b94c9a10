"""Digests: the true names of things that are what they hold.

Two kinds. `identity` is SHA-256 and names blobs, snapshots and whatever somebody may later
have to trust. `quick` is XXH3-128 (https://xxhash.com), fast enough for every step, and serves
keys and change detection, where nobody gains by forging one. The kind of thing stands inside
the hash, so that a graph and a step can never share a digest.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import xxhash


def canonical_json(value: Any) -> bytes:
    """Write plain data in its one form: sorted keys, no spaces, UTF-8, no NaN.

    Raises:
        TypeError, ValueError: `value` is not plain data.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def identity(kind: str, data: bytes) -> str:
    """Give the SHA-256 of `data` as a `kind`: 64 hexadecimal letters."""
    return hashlib.sha256(kind.encode() + b"\0" + data).hexdigest()


def quick(kind: str, *parts: bytes | str) -> str:
    """Give the XXH3-128 of `parts` as a `kind`: 32 hexadecimal letters.

    Each part is preceded by its length, so that `("ab", "c")` and `("a", "bc")` differ.
    """
    pieces = [kind.encode()]
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        pieces += (b"\0%d:" % len(data), data)
    return xxhash.xxh3_128_hexdigest(b"".join(pieces))
