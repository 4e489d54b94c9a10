"""Random graphs without circles, for the tests of this room."""

from __future__ import annotations

from hypothesis import strategies as st

Graph = tuple[int, list[tuple[int, int]]]


@st.composite
def numbered_graphs(draw: st.DrawFn, most: int = 14) -> Graph:
    """Give a number of nodes and edges between them, from lower to higher numbers, under shuffled names."""
    count = draw(st.integers(1, most))
    pairs = [(tail, head) for head in range(count) for tail in range(head)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=30)) if pairs else []
    names = draw(st.permutations(range(count)))
    return count, [(names[tail], names[head]) for tail, head in edges]
