"""Pillow's images as PNG, where PNG loses nothing of them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, ClassVar

from nbpipe.store.buffers import Piece
from nbpipe.store.loading import Loading

if TYPE_CHECKING:
    from PIL.Image import Image

_LOSSLESS_MODES = frozenset({"1", "L", "LA", "RGB", "RGBA"})


class Png:
    """An image; mode, size and pixels come back, what a file said beside them does not."""

    name: ClassVar[str] = "png"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ("PIL.Image.Image",)

    def encode(self, value: Image) -> list[Piece] | None:
        """Write a PNG, or decline a mode that PNG does not have."""
        if value.mode not in _LOSSLESS_MODES or 0 in value.size:
            return None
        file = io.BytesIO()
        value.save(file, "PNG", compress_level=1)
        return [file.getvalue()]

    def decode(self, data: memoryview, _loading: Loading) -> Any:
        """Read it; an image too large to be meant is refused by Pillow."""
        import PIL.Image

        with PIL.Image.open(io.BytesIO(data), formats=["PNG"]) as file:
            return file.copy()
