"""How a composition looks: the titles of its calls, its graph as it would be, and its static card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbpipe.commands.composing import Materials
from nbpipe.records.composition import ComposedCall, Composition, FromCall, OfferedStep
from nbpipe.records.parameters import type_text
from nbpipe.views.dag import DagEdge, DagNode, dag_element, dag_text
from nbpipe.views.frames import Bundle, Card, Section, shown_facts, written
from nbpipe.views.markup import Element, element, render
from nbpipe.views.previews import Shown
from nbpipe.views.theme import MONOSPACE

_LONGEST = 80
_MOST_NAMED = 40


def offer_said(offer: OfferedStep) -> str:
    """Say what a step takes and gives: `train(data: DataFrame, rate: float = 0.1) → model`."""
    taken = [
        (f"{one.name}: {_cut(one.said)}" if one.said else one.name) + (f" = {_cut(one.default)}" if one.default else "")
        for one in offer.inputs
    ]
    return f"{offer.name}({', '.join(taken)}) → {_given(offer) or 'nothing'}"


def call_title(call: ComposedCall, offer: OfferedStep | None) -> str:
    """Write the title of a call as HTML: its key, and what it gives."""
    given = f" → {_given(offer) or 'nothing'}" if offer is not None else ""
    named = offer.step.name if offer is not None else call.step
    other = f" ({_cut(named)})" if named not in (call.key, call.step, call.step.rpartition(".")[2]) else ""
    style = "font-size:13px; line-height:1.4; color:var(--jp-ui-font-color1, inherit); overflow-wrap:anywhere;"
    return render(
        element("div", element("b", call.key), element("span", f"{other}{given}", style="opacity:0.8;"), style=style)
    )


def graph_of(composition: Composition, materials: Materials) -> Element | None:
    """Draw the graph as it would be; `None` where there is none, or where it runs in a circle."""
    if not composition.calls or composition.circle:
        return None
    nodes, edges = _shape(composition, materials)
    return dag_element(nodes, edges, name=composition.name)


def composed_bundle(composition: Composition, materials: Materials, problems: Mapping[str, str]) -> Bundle:
    """Write what is put together as a card: its problems, its graph and the cell."""
    if not composition.calls and not composition.name:
        # What a saved notebook says of a composer that was opened with nothing.
        offered = ", ".join(_cut(name) for name in list(materials.offers)[:_MOST_NAMED]) or "none"
        return written(Card("nothing is put together yet", "Compose a pipeline", facts=[("steps in reach", offered)]))
    sections = []
    if composition.calls and not composition.circle:
        nodes, edges = _shape(composition, materials)
        drawn = Shown(dag_element(nodes, edges, name=composition.name), dag_text(nodes, edges, name=composition.name))
        sections.append(Section("steps", drawn))
    if problems:
        sections.append(Section("to be mended", shown_facts(list(problems.items()))))
    else:
        text = materials.text(composition)
        style = f"font-family:{MONOSPACE}; font-size:12px; white-space:pre-wrap; margin:4px 0;"
        sections.append(Section("cell", Shown(element("pre", text, style=style), text)))
    facts: list[tuple[str, Any]] = [
        ("parameters", ", ".join(one.text for one in composition.parameters)),
        ("model", f"{composition.model}@{composition.version}" if composition.version else composition.model),
    ]
    name = composition.name or "unnamed"
    return written(Card("pipeline, put together", name, facts=facts, tags=composition.tags, sections=sections))


def _shape(composition: Composition, materials: Materials) -> tuple[list[DagNode], list[DagEdge]]:
    known = {call.key for call in composition.calls}
    nodes = [
        DagNode(call.key, detail=offer_said(materials.offers[call.step]) if call.step in materials.offers else "")
        for call in composition.calls
    ]
    edges = []
    for call in composition.calls:
        edges += [
            DagEdge(feed.call, call.key, "" if feed.output in ("", "output") else feed.output)
            for feed in call.inputs.values()
            if isinstance(feed, FromCall) and feed.call in known
        ]
        edges += [DagEdge(key, call.key) for key in call.after if key in known]
    return nodes, edges


def _given(offer: OfferedStep) -> str:
    outputs = offer.step.signature.outputs
    kinds = ["" if output.annotation is Any else _cut(type_text(output.annotation)) for output in outputs]
    return ", ".join(
        kind if output.name == "output" and kind else f"{output.name}: {kind}" if kind else output.name
        for output, kind in zip(outputs, kinds, strict=True)
    )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
