"""Bytes in pieces, as encoders hand them to the blob store without copying them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

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


class Gathered:
    """A file that keeps what is written to it in pieces, without copying them.

    Attributes:
        pieces: What was written.
        size_bytes: How long they are together.
    """

    closed = False

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.size_bytes = 0

    def write(self, data: Any) -> int:
        """Keep a piece."""
        piece = data if isinstance(data, bytes) else as_bytes_view(data)
        self.pieces.append(piece)
        self.size_bytes += len(piece)
        return len(piece)

    def flush(self) -> None:
        """Everything is where it will stay."""

    def close(self) -> None:
        """There is nothing to close."""
