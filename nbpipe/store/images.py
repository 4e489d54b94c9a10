"""Pillow's images: as PNG where PNG loses nothing of them, and else as arrays of their pixels.

Mode, size, pixels, palette and what stands in `info` and in the EXIF data come back. What PNG has a place for is
also written there, so that other tools see it. An image opened from a file comes back as one in memory: of the file
it knows no more.
"""

from __future__ import annotations

import io
import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, ClassVar

from nbpipe.errors import BadValueError
from nbpipe.store.buffers import Piece
from nbpipe.store.loading import Loading
from nbpipe.store.npz import arrays_of, npz_of
from nbpipe.store.plain import NotPlain, from_plain, to_plain

if TYPE_CHECKING:
    from PIL.Image import Image

_LOSSLESS_MODES = frozenset({"1", "L", "LA", "RGB", "RGBA", "I;16", "P"})
_PALETTES = ("P", "PA")
# Private, and not to be copied into an image that is edited: what it says would no longer be so.
_CHUNK = b"nbPX"


class Png:
    """An image of a mode that PNG has."""

    name: ClassVar[str] = "png"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[int, ...]] = (1,)
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ("PIL.Image.Image",)

    def encode(self, value: Image) -> list[Piece] | None:
        """Write a PNG; decline a mode, palette or size that PNG does not have.

        Raises:
            BadValueError: It has several frames.
        """
        import PIL.Image
        from PIL.PngImagePlugin import PngInfo

        said = described(value)
        most = PIL.Image.MAX_IMAGE_PIXELS
        if said is None or value.mode not in _LOSSLESS_MODES or not _fits_a_palette(value, said):
            return None
        if 0 in value.size or (most is not None and value.width * value.height > most):
            return None
        beside = PngInfo()
        beside.add(_CHUNK, json.dumps(said, separators=(",", ":")).encode())
        file = io.BytesIO()
        bare = value.copy()
        bare.info = {}
        bare.save(file, "PNG", compress_level=1, pnginfo=beside, **_known_to_png(value))
        return [file.getvalue()]

    def decode(self, data: memoryview, _loading: Loading) -> Any:
        """Read it; an image too large to be meant is refused by Pillow."""
        import PIL.Image

        with PIL.Image.open(io.BytesIO(data), formats=["PNG"]) as file:
            image = file.copy()
            said = [chunk[1] for chunk in getattr(file, "private_chunks", ()) if chunk[0] == _CHUNK]
        if not said:
            # The first version wrote no more than the picture.
            return image
        return _completed(image, json.loads(said[0]))


class Pixels:
    """An image of any other mode: HSV, CMYK, numbers with a point, premultiplied, one without pixels."""

    name: ClassVar[str] = "pixels"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ("PIL.Image.Image",)

    def encode(self, value: Image) -> list[Piece] | None:
        """Write an `.npz` of its pixels.

        Raises:
            BadValueError: It has several frames.
        """
        import numpy as np
        from PIL.ImageMode import getmode

        said = described(value)
        if said is None:
            return None
        mode = getmode(value.mode)
        shape = (value.height, value.width, len(mode.bands))
        held = np.frombuffer(value.tobytes(), "u1" if value.mode == "1" else mode.typestr)
        return npz_of({"pixels": held if value.mode == "1" else held.reshape(shape)}, said)

    def decode(self, data: memoryview, _loading: Loading) -> Any:
        """Read it."""
        import PIL.Image

        arrays, said = arrays_of(data)
        held = arrays["pixels"].tobytes()
        width, height = said["size"]
        # Pillow would first take memory for as many pixels as anybody says.
        if not (isinstance(width, int) and isinstance(height, int)) or width * height > 8 * len(held):
            raise ValueError("an image of more pixels than were stored")
        return _completed(PIL.Image.frombytes(said["mode"], (width, height), held), said)


def described(value: Image) -> dict[str, Any] | None:
    """Give all of an image but its pixels, as JSON; `None` if there is more to it.

    Raises:
        BadValueError: It has several frames, and so hangs on the file it was opened from; or it has EXIF data that
            cannot be written.
    """
    if not type(value).__module__.startswith("PIL."):
        return None
    frames = getattr(value, "n_frames", 1)
    if frames > 1:
        raise BadValueError(
            f"an image of {frames} frames hangs on the file it was opened from. "
            "Store the path of the file, or a list of copies of its frames"
        )
    try:
        info = to_plain(dict(value.info))
    except NotPlain:
        return None
    exif = changed_exif(value)
    if exif is not None and not _says_all(value, exif):
        raise BadValueError("its EXIF data holds a text that EXIF has no letters for. Put it into `image.info`")
    return {
        "mode": value.mode,
        "size": list(value.size),
        "info": info,
        "palette": palette_of(value),
        "exif": None if exif is None else b64encode(exif).decode(),
    }


def changed_exif(value: Image) -> bytes | None:
    """Give the EXIF data if somebody changed it since; what the image was opened with stands in its `info`."""
    import PIL.Image

    held = getattr(value, "_exif", None)
    if held is None or not getattr(held, "_loaded", True):
        return None
    fresh = PIL.Image.Exif()
    if "exif" in value.info:
        fresh.load(value.info["exif"])
    said: bytes = held.tobytes()
    return said if said != fresh.tobytes() else None


def _says_all(value: Image, exif: bytes) -> bool:
    """Tell whether EXIF data that was changed comes back: its texts are ASCII."""
    import PIL.Image

    again = PIL.Image.Exif()
    again.load(exif)
    return dict(again) == dict(value.getexif())


def palette_of(value: Image) -> list[str] | None:
    """Give the mode and the colours of a palette; `None` if the image has none."""
    if value.mode not in _PALETTES:
        return None
    value.load()
    colours = value.getpalette(None) or []
    return [value.im.getpalettemode(), b64encode(bytes(colours)).decode()]


def _fits_a_palette(value: Image, said: dict[str, Any]) -> bool:
    """Tell whether PNG keeps the palette: of colours alone, and as many as the pixels speak of."""
    if value.mode != "P":
        return True
    mode, colours = said["palette"]
    highest = max(value.tobytes(), default=0)
    return bool(mode == "RGB" and len(b64decode(colours)) // 3 > highest)


def _known_to_png(value: Image) -> dict[str, Any]:
    """Give what PNG has a place for."""
    info, known = value.info, {}
    for name in ("icc_profile", "exif"):
        if type(info.get(name)) is bytes and info[name]:
            known[name] = info[name]
    clear = info.get("transparency")
    if (type(clear) is int and value.mode in ("1", "L", "I;16", "P")) or (type(clear) is bytes and value.mode == "P"):
        known["transparency"] = clear
    return known


def _completed(image: Any, said: dict[str, Any]) -> Any:
    if (image.mode, list(image.size)) != (said["mode"], said["size"]):
        raise ValueError(f"an image of mode {said['mode']} was read as one of mode {image.mode}")
    if said["palette"] is not None:
        mode, colours = said["palette"]
        image.putpalette(b64decode(colours), mode)
        image.load()
    image.info = from_plain(said["info"])
    if said["exif"] is not None:
        image.getexif().load(b64decode(said["exif"]))
    return image
