"""Parallel coordinates: an axis for each thing that varies, a line for each run.

Numbers stand on a scale, whatever else evenly; a run without a value passes below the axis, where
that is said, and its line is dashed. The colour of a line tells one metric, and a legend what the
colour means. Which axes there are is decided here too: of many, the first ones, and how many were
left out is told.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nbpipe.views.amounts import shorten
from nbpipe.views.compared import BEST, NOTHING, ComparedRow, ComparisonFacts, cell_texts, numbers_of, short_names
from nbpipe.views.ink import Ink, drawing, letters, ramp
from nbpipe.views.lettering import fitting, width_px
from nbpipe.views.markup import Element, element, number, one_line
from nbpipe.views.scales import Mark, even_places, natural_order, number_scale

MOST_AXES = 12
_MOST_NAMED = 14
_MOST_LETTERED = 16
_MOST_BOLD = 3
_HEIGHT = 230.0
_TOP = 46.0
_BELOW = 26.0
_SIDE = 64.0
_NAMES_ROOM = 84.0
_NARROWEST, _WIDEST = 92.0, 170.0
_WIDTH = 860.0
_SPREAD = 16.0


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis.

    Attributes:
        title: What stands on it.
        note: What is to be known of it: its group, and whether its scale is logarithmic.
        places: Where each run passes, from 0 (below) to 1 (above), by the run's place; one without a value is left out.
        texts: The value of each run in words.
        marks: The letters beside it.
    """

    title: str
    note: str
    places: Mapping[int, float]
    texts: Mapping[int, str]
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True)
class Coloring:
    """By what lines are coloured.

    Attributes:
        metric: The metric.
        parts: How far along the colours each run stands, from 0 to 1; one without a number is left out.
        ends: The numbers at both ends, written.
        best: The runs that have the best of it.
    """

    metric: str
    parts: Mapping[int, float]
    ends: tuple[str, str]
    best: frozenset[int]


@dataclass(frozen=True, slots=True)
class ParallelAxes:
    """A picture before it is drawn: its axes, the names of its runs, the colours, and how many axes were left out."""

    axes: Sequence[Axis]
    labels: Sequence[str]
    coloring: Coloring | None
    left_out: int

    @property
    def sentence(self) -> str:
        """What the picture shows, in words."""
        names = ", ".join(shorten(one_line(axis.title), 40) for axis in self.axes)
        said = f"{len(self.labels)} runs as lines across {names}"
        if self.coloring is not None:
            said += f", coloured by {shorten(one_line(self.coloring.metric), 40)}"
        return f"{said}; {self.left_out} more differ." if self.left_out else f"{said}."


def parallel_axes(facts: ComparisonFacts, color_by: str | None, *, stable: bool = False) -> ParallelAxes | None:
    """Choose and place the axes; `None` where fewer than two things vary.

    Args:
        facts: The comparison.
        color_by: The metric by which lines are coloured; without, one that most runs have.
        stable: Name runs by their places.
    """
    varying = [row for row in facts.rows if row.group in ("parameters", "metrics") and _varies(row)]
    metrics = [row for row in varying if row.group == "metrics"]
    asked = next((row for row in facts.rows if row.group == "metrics" and row.name == color_by), None)
    # The first of those that most runs have.
    colored = (
        asked
        if asked is not None
        else max(metrics, key=lambda row: (len(_finite(row)), facts.is_more_better(row.name)), default=None)
    )
    kept = [row for row in varying if row is not colored]
    # Parameters first, but never so many that no metric is left.
    wanted = MOST_AXES - (1 if colored is not None else 0)
    others = [row for row in kept if row.group == "metrics"][:3]
    parameters = [row for row in kept if row.group == "parameters"][: wanted - len(others)]
    more = [row for row in kept if row.group == "metrics"][: wanted - len(parameters)]
    rows = [*parameters, *more, *([colored] if colored is not None and _varies(colored) else [])]
    if len(rows) < 2:
        return None
    coloring = _coloring(facts, colored) if colored is not None else None
    titles = short_names([row.name for row in rows])
    axes = [_axis(row, title) for row, title in zip(rows, titles, strict=True)]
    return ParallelAxes(axes, facts.labels(stable=stable), coloring, len(varying) - len(rows))


def parallel_picture(chart: ParallelAxes, ink: Ink) -> Element:
    """Draw the axes and the lines."""
    is_named = len(chart.labels) <= _MOST_NAMED
    side = 2 * _SIDE + (_NAMES_ROOM if is_named else 0)
    gaps = len(chart.axes) - 1
    stride = min(max((_WIDTH - side) / gaps, _NARROWEST), _WIDEST)
    has_gaps = any(len(axis.places) < len(chart.labels) for axis in chart.axes)
    bottom = _TOP + _HEIGHT
    end = bottom + (_BELOW if has_gaps else 0)
    width = max(side + gaps * stride, 380.0)
    xs = [_SIDE + n * stride for n in range(len(chart.axes))]
    order = _drawing_order(chart)
    lines = [_line(chart, run, xs, end, ink) for run in order]
    axes = [_axis_drawn(chart, axis, x, stride, ink) for axis, x in zip(chart.axes, xs, strict=True)]
    names = list(_names(chart, xs[-1], end, ink)) if is_named else None
    legend = _legend(chart, end + 24, ink)
    return drawing(chart.sentence, width, end + 54, ink, [_spine(x, ink) for x in xs], lines, axes, names, legend)


def _varies(row: ComparedRow) -> bool:
    return len({repr(value) for value in row.values.values()}) > 1


def _finite(row: ComparedRow) -> dict[int, float]:
    return {place: value for place, value in numbers_of(row).items() if math.isfinite(value)}


def _texts(row: ComparedRow) -> dict[int, str]:
    values = {place: value for place, value in row.values.items() if isinstance(value, str)}
    # Where there are words only, none of them has to be quoted to be told from a number.
    texts = values if len(values) == len(row.values) else cell_texts(row)
    return {place: shorten(one_line(text[:200]), 60) or "''" for place, text in texts.items()}


def _axis(row: ComparedRow, title: str) -> Axis:
    texts, numbers, finite = _texts(row), numbers_of(row), _finite(row)
    note = "metric" if row.group == "metrics" else "parameter"
    if finite and len(numbers) == len(row.values):
        scale = number_scale(finite.values())
        places = {place: scale.place(value) for place, value in finite.items()}
        return Axis(title, "log scale" if scale.is_log else note, places, texts, scale.marks)
    if row.group == "metrics":
        return Axis(title, note, {}, texts, ())
    even = even_places(natural_order(texts.values()))
    marks = [Mark(place, text) for text, place in even.items()]
    return Axis(title, note, _spread(texts, even), texts, marks)


def _spread(texts: Mapping[int, str], even: Mapping[str, float]) -> dict[int, float]:
    """Let lines through one word pass beside each other, as far as the next word leaves room."""
    room = min(_SPREAD / _HEIGHT, 0.5 / max(len(even) - 1, 1))
    count, met = Counter(texts.values()), Counter[str]()
    places = {}
    for run, text in texts.items():
        rank = met[text] / (count[text] - 1) - 0.5 if count[text] > 1 else 0.0
        met[text] += 1
        places[run] = even[text] + rank * room
    return places


def _coloring(facts: ComparisonFacts, row: ComparedRow) -> Coloring | None:
    finite = _finite(row)
    if not finite:
        return None
    scale = number_scale(finite.values())
    low, high = scale.place(min(finite.values())), scale.place(max(finite.values()))
    span = (high - low) or 1.0
    parts = {place: (scale.place(value) - low) / span for place, value in finite.items()}
    texts = cell_texts(row)
    lowest, highest = min(finite, key=finite.__getitem__), max(finite, key=finite.__getitem__)
    return Coloring(row.name, parts, (texts[lowest], texts[highest]), facts.best(row))


def _drawing_order(chart: ParallelAxes) -> list[int]:
    """Draw what matters last, so that nothing lies over it."""
    coloring = chart.coloring
    if coloring is None:
        return list(range(len(chart.labels)))
    return sorted(range(len(chart.labels)), key=lambda run: (run in coloring.best, run in coloring.parts, run))


def _color(chart: ParallelAxes, run: int, ink: Ink) -> str:
    if chart.coloring is None:
        return ink.dot
    part = chart.coloring.parts.get(run)
    return ink.quiet if part is None else ramp(part)


def _at(axis: Axis, run: int, end: float) -> float:
    place = axis.places.get(run)
    return end - 8 if place is None else _TOP + (1 - place) * _HEIGHT


def _line(chart: ParallelAxes, run: int, xs: Sequence[float], end: float, ink: Ink) -> Element:
    ys = [_at(axis, run, end) for axis in chart.axes]
    is_whole = all(run in axis.places for axis in chart.axes)
    best: frozenset[int] = chart.coloring.best if chart.coloring is not None else frozenset()
    is_best = run in best
    values = (f"{one_line(axis.title)[:60]} {axis.texts.get(run, NOTHING)}" for axis in chart.axes)
    color = _color(chart, run, ink)
    path = "L".join(f"{number(x)} {number(y)}" for x, y in zip(xs, ys, strict=True))
    has_dots = len(chart.labels) <= 2 * _MOST_NAMED
    return element(
        "g",
        element("title", f"{one_line(chart.labels[run])}: {', '.join(values)}"),
        element(
            "path",
            d=f"M{path}",
            fill="none",
            stroke=color,
            stroke_width=3.2 if is_best and len(best) <= _MOST_BOLD else 1.7,
            stroke_linejoin="round",
            stroke_dasharray=None if is_whole else "5 3",
            opacity=1 if is_best else 0.85,
        ),
        [element("circle", cx=x, cy=y, r=2.6, fill=color) for x, y in zip(xs, ys, strict=True)] if has_dots else None,
    )


def _spine(x: float, ink: Ink) -> Element:
    return element("line", x1=x, y1=_TOP - 4, x2=x, y2=_TOP + _HEIGHT + 4, stroke=ink.axis, stroke_width=1.4)


def _axis_drawn(chart: ParallelAxes, axis: Axis, x: float, stride: float, ink: Ink) -> Element:
    room = stride - 10
    has_gap = len(axis.places) < len(chart.labels)
    return element(
        "g",
        element("title", f"{one_line(axis.title)} ({axis.note})"),
        letters(fitting(one_line(axis.title), 11.5, room, bold=True), x, 19, ink.text, size=11.5, anchor="middle",
                bold=True),
        letters(fitting(axis.note, 9.5, room), x, 32, ink.quiet, size=9.5, anchor="middle"),
        [_lettered(mark.text, x - 6, _TOP + (1 - mark.place) * _HEIGHT, ink) for mark in _thinned(axis.marks)],
        _lettered("no value", x - 6, _TOP + _HEIGHT + _BELOW - 8, ink) if has_gap else None,
    )  # fmt: skip


def _thinned(marks: Sequence[Mark]) -> Sequence[Mark]:
    stride = math.ceil(len(marks) / _MOST_LETTERED)
    return marks[::stride] if marks else ()


def _lettered(text: str, x: float, y: float, ink: Ink) -> Element:
    """Write letters beside an axis, on a ground of their own, since lines pass below them."""
    shown = fitting(text, 9.5, _SIDE - 12)
    width = width_px(shown, 9.5)
    ground = element("rect", x=x - width - 2, y=y - 6.5, width=width + 4, height=13, rx=3, fill=ink.ground, opacity=0.8)
    return element("g", ground, letters(shown, x, y + 3.3, ink.quiet, size=9.5, anchor="end"))


def _names(chart: ParallelAxes, x: float, end: float, ink: Ink) -> Iterator[Element]:
    """Name the runs where their lines end; names that would hide each other are moved apart."""
    gap = 12.0
    at = sorted((_at(chart.axes[-1], run, end), run) for run in range(len(chart.labels)))
    ys: list[float] = []
    for y, _ in at:
        ys.append(max(y, ys[-1] + gap) if ys else y)
    # Those that were pushed out at the bottom come back up, and push the others.
    ceiling = end + 2
    for place in range(len(ys) - 1, -1, -1):
        ys[place] = min(ys[place], ceiling)
        ceiling = ys[place] - gap
    for (true_y, run), y in zip(at, ys, strict=True):
        color = _color(chart, run, ink)
        sign = f"{BEST} " if chart.coloring is not None and run in chart.coloring.best else ""
        yield element("line", x1=x + 4, y1=true_y, x2=x + 14, y2=y, stroke=color, stroke_width=0.9)
        text = fitting(f"{sign}{one_line(chart.labels[run])}", 10.5, _NAMES_ROOM + _SIDE - 26)
        yield letters(text, x + 17, y + 3.6, ink.text, size=10.5, bold=bool(sign))


def _legend(chart: ParallelAxes, y: float, ink: Ink) -> Element | None:
    coloring = chart.coloring
    if coloring is None:
        return None
    title = fitting(one_line(coloring.metric), 10.5, 220, bold=True)
    x = 12.0
    parts = [letters(title, x, y + 9, ink.text, size=10.5, bold=True)]
    x += width_px(title, 10.5, bold=True) + 10
    parts.append(letters(coloring.ends[0], x, y + 9, ink.quiet, size=10))
    x += width_px(coloring.ends[0], 10) + 6
    steps = 24
    parts += [element("rect", x=x + n * 5, y=y, width=5.8, height=11, fill=ramp(n / (steps - 1))) for n in range(steps)]
    x += steps * 5 + 6
    parts.append(letters(coloring.ends[1], x, y + 9, ink.quiet, size=10))
    x += width_px(coloring.ends[1], 10) + 18
    if len(coloring.parts) < len(chart.labels):
        parts.append(element("line", x1=x, y1=y + 6, x2=x + 20, y2=y + 6, stroke=ink.quiet, stroke_width=1.7))
        parts.append(letters("no number", x + 25, y + 9, ink.quiet, size=10))
        x += 90
    if any(len(axis.places) < len(chart.labels) for axis in chart.axes):
        parts.append(
            element(
                "line", x1=x, y1=y + 6, x2=x + 20, y2=y + 6, stroke=ink.quiet, stroke_width=1.7, stroke_dasharray="5 3"
            )
        )
        parts.append(letters("a value is missing", x + 25, y + 9, ink.quiet, size=10))
        x += 130
    if coloring.best:
        more = f" and {len(coloring.best) - 2} more" if len(coloring.best) > 2 else ""
        names = ", ".join(chart.labels[run] for run in sorted(coloring.best)[:2]) + more
        parts.append(letters(f"{BEST} {fitting(one_line(names), 10, 160)}", x, y + 9, ink.text, size=10, bold=True))
    return element("g", parts)
