"""One metric of several runs as dots on a scale.

A few runs stand one below the other with their names and numbers; many stand side by side, and
their names are in what a pointer shows. A run without a number keeps its place, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nbpipe.views.amounts import number_text
from nbpipe.views.compared import BEST, NOTHING
from nbpipe.views.ink import Ink, drawing, letters
from nbpipe.views.lettering import fitting, width_px
from nbpipe.views.markup import Element, element, one_line
from nbpipe.views.scales import NumberScale, number_scale

WIDTH = 268.0
_MOST_LISTED = 10
_ROW = 19.0
_TOP = 30.0
_SCALE_ROOM = 22.0
_MARGIN = 10.0
_SIZE = 11
_STANDING_HEIGHT = 120.0


@dataclass(frozen=True, slots=True)
class Dots:
    """What a chart of one metric shows.

    Attributes:
        title: The metric.
        labels: The runs, in order.
        values: Their numbers, by the run's place; one that has none is left out.
        best: The places of the best.
        more_is_better: Whether more is.
    """

    title: str
    labels: Sequence[str]
    values: Mapping[int, float]
    best: frozenset[int]
    more_is_better: bool

    @property
    def sentence(self) -> str:
        """What the chart shows, in words."""
        known = [value for value in self.values.values() if not math.isnan(value)]
        said = f"{one_line(self.title)[:80]} of {len(self.labels)} runs"
        if not known:
            return f"{said}: no numbers."
        said += f", from {number_text(min(known))} to {number_text(max(known))}"
        names = [f"{self.labels[place]} with {number_text(self.values[place])}" for place in sorted(self.best)[:3]]
        return f"{said}; best {', '.join(names)}." if names else f"{said}."


def dot_chart(dots: Dots, ink: Ink) -> Element | None:
    """Draw a metric; `None` where no run has a finite number."""
    finite = {place: value for place, value in dots.values.items() if math.isfinite(value)}
    if not finite:
        return None
    scale = number_scale(finite.values())
    draw = _listed if len(dots.labels) <= _MOST_LISTED else _standing
    height, parts = draw(dots, finite, scale, ink)
    arrow = "↑" if dots.more_is_better else "↓"
    better = f"{arrow} {'more' if dots.more_is_better else 'less'} is better{', log scale' if scale.is_log else ''}"
    room = WIDTH - 2 * _MARGIN
    title = fitting(one_line(dots.title), 12, room - width_px(better, 9.5) - 8, bold=True)
    head = element(
        "g",
        element("title", one_line(dots.title)),
        letters(title, _MARGIN, 18, ink.text, size=12, bold=True),
        letters(better, WIDTH - _MARGIN, 18, ink.quiet, size=9.5, anchor="end"),
    )
    return drawing(dots.sentence, WIDTH, height, ink, head, parts)


def _listed(
    dots: Dots, finite: Mapping[int, float], scale: NumberScale, ink: Ink
) -> tuple[float, list[Element | list[Element]]]:
    labels = [fitting(one_line(label), _SIZE, 78) for label in dots.labels]
    texts = [_number(dots, place) for place in range(len(labels))]
    left = _MARGIN + max(width_px(label, _SIZE) for label in labels) + 8
    right = WIDTH - _MARGIN - max(width_px(text, _SIZE, bold=True) for text in texts) - 8
    bottom = _TOP + len(labels) * _ROW
    parts: list[Element | list[Element]] = [_marks(scale, (left, right), bottom, ink)]
    for place, label in enumerate(labels):
        y = _TOP + (place + 0.5) * _ROW
        is_best = place in dots.best
        color = ink.best if is_best else ink.text
        drawn = [
            element("title", f"{one_line(dots.labels[place])}: {texts[place]}"),
            letters(label, _MARGIN, y + 4, ink.text),
            letters(texts[place], WIDTH - _MARGIN, y + 4, color, anchor="end", bold=is_best),
            element("line", x1=left, y1=y, x2=right, y2=y, stroke=ink.axis, stroke_width=0.7, stroke_dasharray="1 3"),
        ]
        if place in finite:
            x = left + scale.place(finite[place]) * (right - left)
            drawn.append(element("circle", cx=x, cy=y, r=5 if is_best else 4, fill=ink.best if is_best else ink.dot))
        parts.append(element("g", drawn))
    return bottom + _SCALE_ROOM, parts


def _standing(
    dots: Dots, finite: Mapping[int, float], scale: NumberScale, ink: Ink
) -> tuple[float, list[Element | list[Element]]]:
    room = max(width_px(mark.text, 9.5) for mark in scale.marks)
    left, right = _MARGIN + min(room, 60) + 10, WIDTH - _MARGIN - 6
    top, bottom = _TOP + 8, _TOP + _STANDING_HEIGHT
    parts: list[Element | list[Element]] = []
    for mark in scale.marks:
        y = bottom - mark.place * (bottom - top)
        parts.append(element("line", x1=left - 4, y1=y, x2=right + 6, y2=y, stroke=ink.axis, stroke_width=0.6))
        parts.append(letters(fitting(mark.text, 9.5, 60), left - 8, y + 3.5, ink.quiet, size=9.5, anchor="end"))
    stride = (right - left) / max(len(dots.labels) - 1, 1)
    for place, label in enumerate(dots.labels):
        x = left + place * stride
        said = element("title", f"{one_line(label)}: {_number(dots, place)}")
        if place not in finite:
            parts.append(element("g", said, letters(NOTHING, x, bottom + 14, ink.quiet, anchor="middle", size=9.5)))
            continue
        y = bottom - scale.place(finite[place]) * (bottom - top)
        is_best = place in dots.best
        dot = element(
            "circle", cx=x, cy=y, r=4.5 if is_best else 3, fill=ink.best if is_best else ink.dot,
            opacity=1 if is_best else 0.8,
        )  # fmt: skip
        star = letters(BEST, x, y - 6, ink.best, size=10, anchor="middle") if is_best else None
        parts.append(element("g", said, dot, star))
    first = fitting(one_line(dots.labels[0]), 9.5, 90)
    last = fitting(one_line(dots.labels[-1]), 9.5, 90)
    parts.append(letters(first, left - 2, bottom + 26, ink.quiet, size=9.5))
    parts.append(letters(last, right + 6, bottom + 26, ink.quiet, size=9.5, anchor="end"))
    return bottom + 36, parts


def _marks(scale: NumberScale, across: tuple[float, float], bottom: float, ink: Ink) -> list[Element]:
    """Draw the scale below; of its letters those that hide no other."""
    (left, right), drawn, free_from = across, [], -math.inf
    for mark in scale.marks:
        x = left + mark.place * (right - left)
        drawn.append(element("line", x1=x, y1=_TOP, x2=x, y2=bottom + 2, stroke=ink.axis, stroke_width=0.7))
        room = width_px(mark.text, 9.5) / 2
        if x - room > free_from:
            drawn.append(letters(mark.text, x, bottom + 13, ink.quiet, size=9.5, anchor="middle"))
            free_from = x + room + 4
    return drawn


def _number(dots: Dots, place: int) -> str:
    if place not in dots.values:
        return NOTHING
    text = number_text(dots.values[place])
    return f"{BEST} {text}" if place in dots.best else text
