"""A graph of steps as SVG: boxes, arrows, and the names of what flows where these are few.

A status shows as colour, sign and word. Whatever stands outside a box has a small ground of its
own, so that it reads on any page. Where things stand is `views.layout`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import ceil, fsum

from nbpipe.views.ink import canvas
from nbpipe.views.layout import Box, Direction, Layout, PlacedBox, Point, Route, layout
from nbpipe.views.lettering import fitting, width_px
from nbpipe.views.markup import Child, Element, element, number, one_line
from nbpipe.views.steps_graph import DagNode, StepsGraph, folding_sentence, note_of, title_of
from nbpipe.views.theme import DEFINED, EDGE, Look, look

MOST_LABELS = 14
_TITLE = 13
_NOTE = 11
_SIGN_ROOM = 18
_PADDING = 11
_ROUND_ROOM = 6
_PILE = 6.0
_LEAST_WIDTH = 84.0
_MOST_WIDTH = 240.0
# Widths go in steps, so that boxes one below the other often are the same.
_WIDTH_STEP = 24
_LABEL_HEIGHT = 16.0
_CAPTION_ROOM = 24
_ARROW = {"fill": "none", "stroke": EDGE, "stroke-width": "1.4", "marker-end": "url(#arrow)"}


def placed(graph: StepsGraph, direction: Direction | None = None) -> Layout:
    """Place the boxes of a graph; edges that run to the right get room for their labels."""
    boxes = [_sized(node) for node in graph.nodes]
    longest = max((_label_width(label) for label in _shown_labels(graph).values()), default=0.0)
    drawing = layout(boxes, list(graph.edges), direction=direction, rank_gap=longest + 30 if longest else 44.0)
    if drawing.direction is Direction.DOWN and longest:
        return layout(boxes, list(graph.edges), direction=Direction.DOWN, rank_gap=56.0)
    return drawing


def picture(graph: StepsGraph, title: str, *, is_light: bool = False) -> Element:
    """Draw a graph; one that is folded says so below.

    Args:
        graph: The graph.
        title: What it shows, in words.
        is_light: Say once what is the same for all edges or all boxes, and leave out what only a pointer would find.
            It looks the same and takes half the room in a notebook's file.
    """
    drawing = placed(graph)
    by_id = {node.id: node for node in graph.nodes}
    caption = folding_sentence(graph)
    width, height = drawing.width, drawing.height
    if caption:
        width, height = max(width, _label_width(caption) + 16), height + _CAPTION_ROOM
    return canvas(
        title,
        width,
        height,
        _arrowhead(),
        _arrows(
            [_arrow(route, drawing.direction, dashes=_dashes(graph, by_id, route)) for route in drawing.routes],
            is_light,
        ),
        _labels(graph, drawing),
        _boxes([_box(by_id[box.id], box) for box in drawing.boxes], is_light),
        _chip(caption, width / 2, drawing.height + 10) if caption else None,
    )


def _arrows(arrows: list[Element], is_light: bool) -> Element | list[Element]:
    return _said_once(arrows, _ARROW) if is_light else arrows


def _boxes(boxes: list[Element], is_light: bool) -> Element | list[Element]:
    if not is_light:
        return boxes
    light = [replace(box, children=tuple(part for part in box.children if not _is_title(part))) for box in boxes]
    return _said_once(light, {"stroke-width": "1.3", "font-size": "13", "font-weight": "600"})


def _is_title(part: object) -> bool:
    return isinstance(part, Element) and part.tag == "title"


def _said_once(parts: list[Element], shared: Mapping[str, str]) -> Element:
    """Put parts into a group that says what is the same for all, where they inherit it."""
    group = element("g", [_without(part, shared) for part in parts])
    return replace(group, attributes=tuple(shared.items()))


def _without(part: Element, shared: Mapping[str, str]) -> Element:
    attributes = tuple(pair for pair in part.attributes if shared.get(pair[0]) != pair[1])
    names = {name for name, _ in attributes}
    if part.tag == "text":
        # What is inherited and not meant has to be taken back, and letters have no outline.
        own = {name for name, _ in part.attributes}
        attributes += (("font-weight", "400"),) if "font-weight" in shared and "font-weight" not in own | names else ()
    children = tuple(_without(child, shared) if isinstance(child, Element) else child for child in _flat(part.children))
    return replace(part, attributes=attributes, children=children)


def _flat(children: Iterable[Child]) -> Iterator[Child]:
    for child in children:
        if isinstance(child, Element | str | int | float) or child is None:
            yield child
        else:
            yield from _flat(child)


def _sized(node: DagNode) -> Box:
    sign = _SIGN_ROOM if node.status else 0
    sign += 2 * _ROUND_ROOM if node.is_run else 0
    text = max(width_px(title_of(node), _TITLE, bold=True), width_px(note_of(node), _NOTE))
    width = max(text + sign + 2 * _PADDING, _LEAST_WIDTH)
    return Box(node.id, min(ceil(width / _WIDTH_STEP) * _WIDTH_STEP, _MOST_WIDTH), 46.0 if note_of(node) else 34.0)


def _box(node: DagNode, box: PlacedBox) -> Element:
    shown, note = look(node.status), note_of(node)
    sign = _SIGN_ROOM if node.status else 0
    edge = box.x + _PADDING + (_ROUND_ROOM if node.is_run else 0)
    left, room = edge + sign, box.width - 2 * (edge - box.x) - sign
    line = box.y + (19 if note else box.height / 2 + 4.5)
    said = [f"{title_of(node)}: {one_line(shown.word)}" if shown.word else title_of(node), one_line(node.detail)]
    pile = [_card_behind(box, offset, shown) for offset in (_PILE, _PILE / 2)] if node.times else []
    frame = element(
        "rect",
        x=box.x,
        y=box.y,
        width=box.width,
        height=box.height,
        # A run of its own is round at its ends.
        rx=box.height / 2 if node.is_run else 6,
        fill=shown.fill,
        stroke=shown.line,
        stroke_width=1.3,
        stroke_dasharray="4 3" if node.status in ("skipped", "not taken") else None,
    )
    return element(
        "g",
        element("title", ". ".join(filter(None, said))),
        pile,
        frame,
        _line(shown.sign, edge, line, _TITLE, shown.line, bold=True) if shown.sign else None,
        _line(fitting(title_of(node), _TITLE, room, bold=True), left, line, _TITLE, shown.text, bold=True),
        _line(fitting(note, _NOTE, room), left, box.y + 35, _NOTE, shown.text) if note else None,
    )


def _card_behind(box: PlacedBox, offset: float, shown: Look) -> Element:
    """Draw one of the cards that peep out behind the box of a step that is executed many times."""
    return element(
        "rect",
        x=box.x + offset,
        y=box.y + offset,
        width=box.width,
        height=box.height,
        rx=6,
        fill=shown.fill,
        stroke=shown.line,
        stroke_width=1,
    )


def _line(text: str, x: float, y: float, size: int, color: str, *, bold: bool = False, middle: bool = False) -> Element:
    return element(
        "text",
        text,
        x=x,
        y=y,
        font_size=size,
        fill=color,
        font_weight="600" if bold else None,
        text_anchor="middle" if middle else None,
    )


def _arrowhead() -> Element:
    tip = element("path", d="M0 0 L8 4 L0 8 z", fill=EDGE)
    return element(
        "defs",
        element(
            "marker",
            tip,
            id="arrow",
            refX=7,
            refY=4,
            markerWidth=8,
            markerHeight=8,
            markerUnits="userSpaceOnUse",
            orient="auto",
            viewBox="0 0 8 8",
        ),
    )


def _dashes(graph: StepsGraph, by_id: Mapping[str, DagNode], route: Route) -> str | None:
    """Tell what flows from what merely asks for a run, or decides whether a step runs."""
    if by_id[route.target].is_run:
        return "5 4"
    return "2 3" if (route.source, route.target) in graph.deciding else None


def _arrow(route: Route, direction: Direction, *, dashes: str | None) -> Element:
    pen = [f"M{_pair(route.points[0])}"]
    for place, point in enumerate(route.points[1:], start=1):
        before = route.points[place - 1]
        if place % 2 == 0:
            one, two = _handles(before, point, direction)
            pen.append(f"C{_pair(one)} {_pair(two)} {_pair(point)}")
        elif point != before:
            # A piece without length has no direction, and the arrowhead would take it for its own.
            pen.append(f"L{_pair(point)}")
    return element(
        "path",
        d=" ".join(pen),
        fill="none",
        stroke=EDGE,
        stroke_width=1.4,
        stroke_dasharray=dashes,
        marker_end="url(#arrow)",
    )


def _handles(start: Point, end: Point, direction: Direction) -> tuple[Point, Point]:
    if direction is Direction.RIGHT:
        middle = (start[0] + end[0]) / 2
        return (middle, start[1]), (middle, end[1])
    middle = (start[1] + end[1]) / 2
    return (start[0], middle), (end[0], middle)


def _shown_labels(graph: StepsGraph) -> dict[tuple[str, str], str]:
    labels = {pair: fitting(label, _NOTE, _MOST_WIDTH / 2) for pair, label in graph.edges.items() if label}
    return labels if len(labels) <= MOST_LABELS else {}


def _labels(graph: StepsGraph, drawing: Layout) -> list[Element]:
    """Write labels on their edges, each where it hides no other; one for which there is no room is left out."""
    shown = _shown_labels(graph)
    leaving = Counter(source for source, _ in graph.edges)
    taken: list[tuple[float, float, float]] = []
    chips = []
    for route in drawing.routes:
        label = shown.get((route.source, route.target))
        if not label:
            continue
        # Edges that fan out are far apart at their ends, those that come together at their starts.
        start, end = route.points[-3:-1] if leaving[route.source] > 1 else route.points[1:3]
        width = _label_width(label)
        for part in (0.5, 0.6, 0.4, 0.7, 0.3):
            x, y = _on_swing(start, end, drawing.direction, part)
            if all(abs(x - a) > (width + b) / 2 or abs(y - c) > _LABEL_HEIGHT for a, c, b in taken):
                taken.append((x, y, width))
                chips.append(_chip(label, x, y))
                break
    return chips


def _on_swing(start: Point, end: Point, direction: Direction, part: float) -> Point:
    rest = 1 - part
    weights = (rest**3, 3 * rest**2 * part, 3 * rest * part**2, part**3)
    points = (start, *_handles(start, end, direction), end)
    return (
        fsum(weight * point[0] for weight, point in zip(weights, points, strict=True)),
        fsum(weight * point[1] for weight, point in zip(weights, points, strict=True)),
    )


def _label_width(label: str) -> float:
    return width_px(label, _NOTE) + 10


def _chip(text: str, x: float, y: float) -> Element:
    width = _label_width(text)
    ground = element(
        "rect",
        x=x - width / 2,
        y=y - _LABEL_HEIGHT / 2,
        width=width,
        height=_LABEL_HEIGHT,
        rx=4,
        fill=DEFINED.fill,
    )
    return element("g", ground, _line(text, x, y + 4, _NOTE, DEFINED.text, middle=True))


def _pair(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"
