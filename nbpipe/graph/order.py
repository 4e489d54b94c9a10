"""Order in a graph: who comes before whom.

Functions of a mapping from each name to the names it waits for. Ties keep the mapping's own
order, so that every answer is the same on every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Upstream = Mapping[str, Iterable[str]]


def in_order(upstream: Upstream) -> list[str]:
    """List all names so that each comes after those it waits for, else as they stand.

    The mapping must hold no circle (`cycle_in`).
    """
    done: dict[str, None] = {}
    for name in upstream:
        _visit(name, upstream, done)
    return list(done)


def _visit(start: str, upstream: Upstream, done: dict[str, None]) -> None:
    # An explicit stack: a chain of ten thousand steps is deeper than Python's own.
    stack = [(start, iter(upstream[start]))]
    while stack:
        name, waiting = stack[-1]
        for source in waiting:
            if source not in done:
                stack.append((source, iter(upstream[source])))
                break
        else:
            done.setdefault(name)
            stack.pop()


def generations(upstream: Upstream) -> list[list[str]]:
    """Group the names: each as early as it can be, in the group after its latest source."""
    level: dict[str, int] = {}
    for name in in_order(upstream):
        level[name] = max((level[source] + 1 for source in upstream[name]), default=0)
    groups: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in upstream:
        groups[level[name]].append(name)
    return groups


def ancestors(upstream: Upstream, of: Iterable[str]) -> set[str]:
    """Give everything that the names in `of` wait for, near or far; not the names themselves."""
    found: set[str] = set()
    edge = [source for name in of for source in upstream[name]]
    while edge:
        name = edge.pop()
        if name not in found:
            found.add(name)
            edge.extend(upstream[name])
    return found


def descendants(upstream: Upstream, of: Iterable[str]) -> set[str]:
    """Give everything that waits for a name in `of`, near or far; not the names themselves."""
    downstream: dict[str, list[str]] = {name: [] for name in upstream}
    for name, sources in upstream.items():
        for source in sources:
            downstream[source].append(name)
    return ancestors(downstream, of)


def cycle_in(upstream: Upstream) -> list[str]:
    """Give the names of one circle, first name last again, or nothing if there is none."""
    settled: set[str] = set()
    for start in upstream:
        path: dict[str, None] = {}
        stack = [(start, iter(upstream[start]))] if start not in settled else []
        if stack:
            path[start] = None
        while stack:
            name, waiting = stack[-1]
            for source in waiting:
                if source in path:
                    names = list(path)
                    circle = names[names.index(source) :]
                    # The path was walked against the flow; a reader follows the flow.
                    return [source, *reversed(circle)]
                if source not in settled and source in upstream:
                    path[source] = None
                    stack.append((source, iter(upstream[source])))
                    break
            else:
                settled.add(name)
                path.pop(name, None)
                stack.pop()
    return []
