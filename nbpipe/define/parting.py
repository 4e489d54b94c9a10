"""Cutting a traced pipeline down to a part of it.

What is left out is not in the part's graph. Where something flowed from there, the graph names
the artifact version that it gave, as it does for any artifact that is there before a run. Which
version that is, whoever asks must know: this module only says which outputs are wanted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.graph.graph import EitherOf, ExistingArtifact, Graph, Node, Origin, outputs_behind
from nbpipe.graph.order import ancestors, descendants
from nbpipe.records.base import shorten
from nbpipe.records.definitions import Traced
from nbpipe.records.parts import Part, Taken


def chosen(traced: Traced, part: Part) -> frozenset[str]:
    """Give the nodes that a part means.

    Raises:
        NotFoundError: The pipeline has no such step; the nearest is told.
        BadValueError: Nothing lies between the two ends.
    """
    upstream = traced.graph.upstream
    if part.only_steps:
        return _named(traced, part.only_steps)
    found = frozenset(upstream)
    if part.from_steps:
        first = _named(traced, part.from_steps)
        found &= first | descendants(upstream, first)
    if part.until_steps:
        last = _named(traced, part.until_steps)
        found &= last | ancestors(upstream, last)
    if not found:
        ends = shorten(", ".join(part.from_steps)), shorten(", ".join(part.until_steps))
        raise BadValueError(f"Nothing lies from {ends[0]} until {ends[1]}: the one does not wait for the other.")
    return found


def _named(traced: Traced, names: Collection[str]) -> frozenset[str]:
    found: set[str] = set()
    for name in names:
        # As with values for single steps: a step's name means every call of it, a node's just that one.
        nodes = [node.id for node in traced.graph.nodes if name in (node.id, node.step)]
        if not nodes:
            known = dict.fromkeys(word for node in traced.graph.nodes for word in (node.id, node.step))
            error = NotFoundError("step", name, known)
            near = f" Did you mean {error.near[0]!r}?" if error.near else ""
            error.args = (f"Pipeline {traced.pipeline} has no step {shorten(name)}.{near}",)
            raise error
        found.update(nodes)
    return frozenset(found)


def cut(traced: Traced, nodes: Collection[str], taken: Iterable[Taken]) -> Traced:
    """Give the part of a pipeline that these nodes are.

    Args:
        traced: The pipeline.
        nodes: The nodes.
        taken: What they read from those that are left out.
    """
    lent: dict[str, dict[str, Origin]] = {}
    asked: dict[tuple[str, str, str], Origin] = {}
    for one in taken:
        artifact = ExistingArtifact(id=one.artifact, name=one.name)
        if one.argument:
            lent.setdefault(one.reader, {})[one.argument] = artifact
        else:
            asked[one.reader, one.node, one.output] = artifact
    kept = []
    for node in traced.graph.nodes:
        if node.id not in nodes:
            continue
        own = lent.get(node.id, {})
        conditions = []
        for condition in node.conditions:
            behind = outputs_behind(condition.origin)
            given = next((asked[key] for one in behind if (key := (node.id, one.node, one.output)) in asked), None)
            origin = given or _within(condition.origin, nodes)
            # What the origin is was checked when the pipeline was traced.
            conditions.append(condition.model_copy(update={"origin": origin}))
        kept.append(
            # Not copied: a copy would go on knowing what its original waited for.
            Node(
                id=node.id,
                step=node.step,
                inputs={name: own.get(name) or _within(origin, nodes) for name, origin in node.inputs.items()},
                after=tuple(name for name in node.after if name in nodes),
                mapped=node.mapped,
                conditions=tuple(conditions),
            )
        )
    results = {
        name: _within(origin, nodes)
        for name, origin in traced.graph.results.items()
        if not (behind := outputs_behind(origin)) or any(one.node in nodes for one in behind)
    }
    return replace(
        traced,
        graph=Graph(nodes=tuple(kept), results=results),
        steps={node: step for node, step in traced.steps.items() if node in nodes},
        values={node: values for node, values in traced.values.items() if node in nodes},
    )


def _within(origin: Origin, nodes: Collection[str]) -> Origin:
    """Leave of several branches those that are in the part."""
    if not isinstance(origin, EitherOf):
        return origin
    kept = tuple(one for one in origin.of if one.node in nodes)
    return kept[0] if len(kept) == 1 else EitherOf(of=kept)
