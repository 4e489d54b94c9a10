"""A pipeline's graph as a picture, as HTML that carries the picture, and as lines of text.

The HTML is an `<img>` whose SVG travels inside it: of all forms tried it alone survives saving,
reopening without a kernel, an untrusted notebook and nbconvert. What the picture shows is also
said in words, in its `alt` and as a tree of lines for terminals and screen readers.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from nbpipe.errors import BadValueError
from nbpipe.views.dag_picture import picture, placed
from nbpipe.views.layout import Direction, Layout
from nbpipe.views.lettering import text_columns
from nbpipe.views.markup import Element, element, one_line, render
from nbpipe.views.steps_graph import (
    DagEdge,
    DagNode,
    StepsGraph,
    folded,
    folding_sentence,
    sentence,
    steps_graph,
    title_of,
)
from nbpipe.views.theme import look

__all__ = ["DagEdge", "DagNode", "dag_element", "dag_html", "dag_layout", "dag_sentence", "dag_svg", "dag_text"]

MOST_LINES = 400
_MOST_NAMED = 12
_DEEPEST = 12


def dag_layout(nodes: Sequence[DagNode], edges: Sequence[DagEdge], *, direction: Direction | None = None) -> Layout:
    """Place every step of a graph, none of them folded: the positions a live view draws at.

    Raises:
        BadValueError: An id twice, an edge to nowhere, or edges that go round in a circle.
    """
    return placed(steps_graph(nodes, edges), direction)


def dag_svg(nodes: Sequence[DagNode], edges: Sequence[DagEdge], *, name: str = "", is_light: bool = False) -> str:
    """Draw a graph as SVG. One of more than sixty steps is folded, and the picture says how many are.

    `is_light` is said at `views.dag_picture.picture`.

    Raises:
        BadValueError: As for `dag_layout`.
    """
    said = dag_sentence(nodes, edges, name=name)
    return render(picture(folded(steps_graph(nodes, edges)), said, is_light=is_light))


def dag_html(nodes: Sequence[DagNode], edges: Sequence[DagEdge], *, name: str = "", is_light: bool = False) -> str:
    """Write the `<img>` that carries the picture.

    Raises:
        BadValueError: As for `dag_layout`.
    """
    return render(dag_element(nodes, edges, name=name, is_light=is_light))


def dag_element(
    nodes: Sequence[DagNode], edges: Sequence[DagEdge], *, name: str = "", is_light: bool = False
) -> Element:
    """Build the `<img>` that carries the picture, to be put into something larger."""
    if not nodes:
        return element("em", "no steps")
    svg = base64.b64encode(dag_svg(nodes, edges, name=name, is_light=is_light).encode()).decode()
    return element(
        "img",
        alt=dag_sentence(nodes, edges, name=name),
        src=f"data:image/svg+xml;base64,{svg}",
        style="max-width:100%; height:auto; background-color:transparent;",
    )


def dag_sentence(nodes: Sequence[DagNode], edges: Sequence[DagEdge], *, name: str = "") -> str:
    """Say in one line what the picture shows, with the names of the steps if they are few."""
    graph = steps_graph(nodes, edges)
    said = sentence(graph, name)
    if 0 < len(nodes) <= _MOST_NAMED:
        said += f". Steps: {', '.join(title_of(node) for node in nodes if not node.is_run)}"
        runs = [f"{title_of(node)} ({one_line(look(node.status).word)})" for node in nodes if node.is_run]
        said += f". Triggered: {', '.join(runs)}" if runs else ""
    folding = folding_sentence(folded(graph))
    return f"{said}. {folding}." if folding else f"{said}."


def dag_text(nodes: Sequence[DagNode], edges: Sequence[DagEdge], *, name: str = "") -> str:
    """Write a graph as lines: each step after all that it waits for, indented by its depth, and with their names.

    Raises:
        BadValueError: As for `dag_layout`.
    """
    graph = steps_graph(nodes, edges)
    titles = {node.id: title_of(node) for node in graph.nodes}
    before = _sources(graph)
    rows = [
        (f"{'  ' * min(depth, _DEEPEST)}{'↳ ' if node.is_run else ''}{_sign(node)} {titles[node.id]}", node)
        for node, depth in _walk(graph, before)
    ]
    room = max((text_columns(text) for text, _ in rows[:MOST_LINES]), default=0)
    lines = [f"{sentence(graph, name)}."]
    for text, node in rows[:MOST_LINES]:
        verb = "triggered by" if node.is_run else "←"
        waits = ", ".join(_awaited(graph, source, node.id) for source in before[node.id])
        waits = f"{verb} {waits}" if waits else ""
        said = filter(None, (one_line(look(node.status).word), one_line(node.subtitle), waits))
        lines.append(f"{text}{' ' * (room - text_columns(text))}  {'  '.join(said)}".rstrip())
    if len(rows) > MOST_LINES:
        lines.append(f"… and {len(rows) - MOST_LINES} more steps")
    return "\n".join(lines)


def _awaited(graph: StepsGraph, source: str, target: str) -> str:
    """Name what a step waits for; of what only decides whether it runs, how it does."""
    title = graph.names[source]
    return f"{graph.edges[source, target]} {title}" if (source, target) in graph.deciding else title


def _sign(node: DagNode) -> str:
    return look(node.status).sign or "·"


def _sources(graph: StepsGraph) -> dict[str, list[str]]:
    before: dict[str, list[str]] = {node.id: [] for node in graph.nodes}
    for source, target in graph.edges:
        before[target].append(source)
    return before


def _walk(graph: StepsGraph, before: dict[str, list[str]]) -> list[tuple[DagNode, int]]:
    """List the steps with their depths, each as soon as the last that it waits for was listed."""
    after: dict[str, list[str]] = {node.id: [] for node in graph.nodes}
    for source, target in graph.edges:
        after[source].append(target)
    by_id = {node.id: node for node in graph.nodes}
    waiting = {name: len(sources) for name, sources in before.items()}
    depth = dict.fromkeys(by_id, 0)
    todo = [name for name in reversed(by_id) if not waiting[name]]
    found = []
    while todo:
        name = todo.pop()
        found.append((by_id[name], depth[name]))
        for target in reversed(after[name]):
            depth[target] = max(depth[target], depth[name] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                todo.append(target)
    if len(found) < len(graph.nodes):
        raise BadValueError("The steps wait for each other in a circle, or two of them have the same id.")
    return found
