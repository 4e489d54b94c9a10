"""What charts are drawn with: colours for a page that is known, and for one that is not.

A saved chart is an image, which cannot know whether the page around it is light or dark: it
brings its own ground. A live one stands in the page and takes the page's own colours.

Nothing is told by colour alone: what is best has a sign, what has no value a dashed line.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from nbpipe.views.markup import Child, Element, element, number, render
from nbpipe.views.theme import DEFINED, FONT

Color = tuple[int, int, int]

# From blue over plum to orange: of one lightness, so that both ends show on either ground, and told apart
# by who does not see red and green.
_RAMP: tuple[Color, ...] = ((31, 102, 196), (128, 104, 190), (190, 88, 140), (214, 98, 24))


@dataclass(frozen=True, slots=True)
class Ink:
    """Colours of a chart.

    Attributes:
        text: Of letters.
        quiet: Of letters that matter less.
        axis: Of axes and scales.
        ground: Behind letters that stand on lines.
        dot: Of what is one among others.
        best: Of what is best.
        brings_ground: Whether the chart stands on a ground of its own.
    """

    text: str
    quiet: str
    axis: str
    ground: str
    dot: str
    best: str
    brings_ground: bool


PAPER = Ink(DEFINED.text, "#4b5563", "#c3c8d0", DEFINED.fill, "#1668c7", "#1a7f37", brings_ground=True)
PAGE = Ink(
    "var(--jp-content-font-color1, currentColor)",
    "var(--jp-content-font-color2, currentColor)",
    "rgba(128,128,128,0.55)",
    "var(--jp-layout-color0, transparent)",
    "var(--jp-brand-color1, #1668c7)",
    "var(--jp-success-color1, #1a7f37)",
    brings_ground=False,
)


def ramp(part: float) -> str:
    """Give a colour between the first (0) and the last (1) of those by which lines are told apart."""
    along = min(max(part, 0.0), 1.0) * (len(_RAMP) - 1)
    lower = min(int(along), len(_RAMP) - 2)
    mix = along - lower
    red, green, blue = (
        round(one + (other - one) * mix) for one, other in zip(_RAMP[lower], _RAMP[lower + 1], strict=True)
    )
    return f"#{red:02x}{green:02x}{blue:02x}"


def drawing(title: str, width: float, height: float, ink: Ink, *parts: Child) -> Element:
    """Put what was drawn together as a picture."""
    ground = element("rect", x=0, y=0, width=width, height=height, rx=6, fill=ink.ground) if ink.brings_ground else None
    return canvas(title, width, height, ground, *parts)


def canvas(title: str, width: float, height: float, *parts: Child) -> Element:
    """Put what was drawn together, with a title for who cannot see it."""
    return element(
        "svg",
        element("title", title),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        font_family=FONT,
        role="img",
    )


def carried(picture: Element, said: str) -> Element:
    """Build the `<img>` that carries a picture: of all forms it alone survives saving and an untrusted notebook.

    Args:
        picture: An `<svg>`.
        said: What it shows, in words.
    """
    svg = base64.b64encode(render(picture).encode()).decode()
    style = "max-width:100%; height:auto; margin:4px 8px 4px 0; background-color:transparent; vertical-align:top;"
    return element("img", alt=said, src=f"data:image/svg+xml;base64,{svg}", style=style)


def letters(
    text: str, x: float, y: float, color: str, *, size: float = 11, anchor: str | None = None, bold: bool = False
) -> Element:
    """Write a line of text."""
    weight = "600" if bold else None
    return element("text", text, x=x, y=y, font_size=size, fill=color, text_anchor=anchor, font_weight=weight)
