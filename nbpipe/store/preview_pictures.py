"""Thumbnails: of Pillow's images and matplotlib's figures."""

from __future__ import annotations

import io
from base64 import b64decode, b64encode
from typing import Any

from nbpipe.errors import BadValueError
from nbpipe.store.preview_texts import text_preview

MAX_IMAGE_LETTERS = 64 * 1024

# In pixels; the last of each fits whatever the picture shows.
_FIGURE_EDGES, _IMAGE_EDGES = (640, 320, 120), (320, 160, 80)
_SHOWN_AS_THEY_ARE = ("1", "L", "LA", "RGB", "RGBA", "P")
_BEFORE_COLOURS = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}
_PNG = b"\x89PNG\r\n\x1a\n"


def figure_preview(figure: Any) -> dict[str, Any] | None:
    """Draw a figure; its size is told as it was drawn."""
    for edge in _FIGURE_EDGES:
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=min(72, edge / max(figure.get_size_inches())))
        shown = png_preview(file.getvalue())
        if shown is not None:
            return shown
    return None


def image_preview(image: Any) -> dict[str, Any] | None:
    """Make a thumbnail; size and mode are those of the image itself."""
    said = f"image {image.mode}, {image.width:,} × {image.height:,} pixels"
    if 0 in image.size:
        return text_preview(said)
    for edge in _IMAGE_EDGES:
        shrunk = min(1.0, edge / max(image.size))
        size = max(1, round(image.width * shrunk)), max(1, round(image.height * shrunk))
        small = image if size == image.size else image.resize(size, reducing_gap=2.0)
        file = io.BytesIO()
        _in_colours(small).save(file, "PNG")
        shown = png_preview(file.getvalue())
        if shown is not None:
            return shown | {"width": image.width, "height": image.height, "note": said}
    return None


def png_preview(png: Any) -> dict[str, Any] | None:
    """Show a PNG, given as bytes or in base64; `None` if it is too large for a preview.

    Raises:
        BadValueError: It is none.
    """
    data = b64decode(png, validate=True) if isinstance(png, str) else bytes(png)
    if not data.startswith(_PNG) or len(data) < 33:
        raise BadValueError("its image is no PNG")
    letters = b64encode(data).decode()
    if len(letters) > MAX_IMAGE_LETTERS:
        return None
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    return {"kind": "image", "png": letters, "width": width, "height": height}


def _in_colours(image: Any) -> Any:
    """Give an image in a mode that a browser shows; numbers are spread over the shades there are."""
    if image.mode in _SHOWN_AS_THEY_ARE:
        return image
    if image.mode in _BEFORE_COLOURS:
        return image.convert(_BEFORE_COLOURS[image.mode])
    if image.mode.startswith("I") or image.mode == "F":
        return _in_shades(image)
    return image.convert("RGB")


def _in_shades(image: Any) -> Any:
    import numpy as np
    import PIL.Image

    numbers = np.asarray(image).astype("f8")
    finite = np.isfinite(numbers)
    lowest = numbers[finite].min() if finite.any() else 0.0
    highest = numbers[finite].max() if finite.any() else 1.0
    spread = np.where(finite, numbers - lowest, 0.0) * (255 / ((highest - lowest) or 1.0))
    return PIL.Image.fromarray(spread.clip(0, 255).astype("u1"))
