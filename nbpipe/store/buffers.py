"""Bytes in pieces, as encoders hand them to the blob store without copying them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Piece: TypeAlias = bytes | bytearray | memoryview
Pieces: TypeAlias = Sequence[Piece]


def size_of(pieces: Pieces) -> int:
    """Give the length of all pieces together, in bytes."""
    return sum(piece.nbytes if isinstance(piece, memoryview) else len(piece) for piece in pieces)


def joined(pieces: Pieces) -> bytes:
    """Copy the pieces into one."""
    return pieces[0] if len(pieces) == 1 and isinstance(pieces[0], bytes) else b"".join(pieces)


def as_bytes_view(buffer: object) -> memoryview:
    """See any contiguous buffer as plain bytes, in place."""
    view = memoryview(buffer)  # type: ignore[arg-type]
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")
