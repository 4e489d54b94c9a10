"""How Pillow's images are written: mode, size, palette, what stands beside, and pixels.

An image that was opened from a file is the image: of which format the file was does not count, and neither does
whether somebody asked for its EXIF data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xxhash import xxh3_128_digest

from nbpipe.store.content_walk import Form, NoCanonicalForm, Walk, node
from nbpipe.store.images import changed_exif, palette_of

if TYPE_CHECKING:
    from PIL.Image import Image


def form_of(kind: type) -> Form | None:
    """Say how values of a type of Pillow's are written, or `None` if as any object."""
    import PIL.Image

    return _image_form if issubclass(kind, PIL.Image.Image) else None


def _image_form(walk: Walk, value: Image) -> bytes:
    walk.note_mutable(value)
    if getattr(value, "n_frames", 1) > 1:
        raise NoCanonicalForm
    info = dict(value.info)
    walk.hold(info)
    parts = (value.mode, tuple(value.size), palette_of(value), changed_exif(value), xxh3_128_digest(value.tobytes()))
    return node(b"I", *map(walk.token, parts), walk.token(info))
