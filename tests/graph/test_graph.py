"""Graphs: no circle, no loose end, no two nodes of one name, one order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.errors import DefinitionError
from nbpipe.graph.graph import Condition, Constant, EitherOf, ExistingArtifact, Graph, Node, OutputOf, ParameterOf
from nbpipe.graph.order import ancestors, cycle_in, descendants, generations, in_order

LONG = 10_000


@st.composite
def dags(draw: st.DrawFn) -> dict[str, list[str]]:
    """Draw a mapping without circles, its names in any order."""
    names = [f"n{n}" for n in range(draw(st.integers(0, 12)))]
    upstream = {
        name: draw(st.lists(st.sampled_from(names[:n]), unique=True)) if n else [] for n, name in enumerate(names)
    }
    return {name: upstream[name] for name in draw(st.permutations(names))}


@st.composite
def any_mappings(draw: st.DrawFn) -> dict[str, list[str]]:
    names = [f"n{n}" for n in range(draw(st.integers(1, 8)))]
    return {name: draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) for name in names}


def reachable(upstream: dict[str, list[str]], start: str) -> set[str]:
    found: set[str] = set()
    edge = {start}
    while edge:
        edge = {source for name in edge for source in upstream[name]} - found
        found |= edge
    return found


def graph_of(upstream: dict[str, list[str]]) -> Graph:
    nodes = tuple(
        Node(id=name, step=name, inputs={source: OutputOf(node=source, output="o") for source in sources})
        for name, sources in upstream.items()
    )
    return Graph(nodes=nodes)


@given(upstream=dags())
def test_each_node_comes_after_those_it_waits_for_and_order_is_the_same_every_time(upstream: dict) -> None:
    order = in_order(upstream)

    assert sorted(order) == sorted(upstream)
    for name, sources in upstream.items():
        assert all(order.index(source) < order.index(name) for source in sources)
    assert in_order(dict(upstream)) == order
    assert in_order({name: upstream[name] for name in order}) == order


@given(upstream=dags())
def test_a_generation_is_the_earliest_that_is_possible(upstream: dict) -> None:
    groups = generations(upstream)

    level = {name: n for n, group in enumerate(groups) for name in group}
    assert len(level) == len(upstream)
    for name, sources in upstream.items():
        assert level[name] == max((level[source] + 1 for source in sources), default=0)


@given(upstream=dags())
def test_ancestors_and_descendants_are_each_others_mirror(upstream: dict) -> None:
    for name in upstream:
        assert ancestors(upstream, [name]) == reachable(upstream, name)
        assert descendants(upstream, [name]) == {other for other in upstream if name in reachable(upstream, other)}


@given(upstream=any_mappings())
def test_a_circle_is_found_exactly_if_there_is_one_and_can_be_walked(upstream: dict) -> None:
    circle = cycle_in(upstream)

    assert bool(circle) == any(name in reachable(upstream, name) for name in upstream)
    for name, follower in pairwise(circle):
        assert name in upstream[follower]
    if circle:
        assert circle[0] == circle[-1]
        with pytest.raises(DefinitionError, match="circle"):
            graph_of(upstream)


def test_a_chain_of_ten_thousand_nodes_needs_no_recursion() -> None:
    names = [f"n{n}" for n in range(LONG)]
    chain = {name: [names[n - 1]] if n else [] for n, name in enumerate(names)}

    graph = graph_of(dict(reversed(chain.items())))

    assert [node.id for node in graph.ordered] == names
    assert len(generations(chain)) == LONG
    assert len(ancestors(chain, [names[-1]])) == LONG - 1
    assert len(cycle_in({**chain, names[0]: [names[-1]]})) == LONG + 1


def test_two_nodes_of_one_name_are_refused() -> None:
    with pytest.raises(DefinitionError, match="'a'"):
        Graph(nodes=(Node(id="a", step="a"), Node(id="b", step="b"), Node(id="a", step="c")))


@pytest.mark.parametrize(
    "node",
    [
        Node(id="a", step="a", after=("ghost",)),
        Node(id="a", step="a", inputs={"x": OutputOf(node="ghost", output="o")}),
    ],
)
def test_an_edge_from_nowhere_is_refused(node: Node) -> None:
    with pytest.raises(DefinitionError, match="'a' waits for 'ghost'"):
        Graph(nodes=(node,))


def test_a_graph_knows_its_edges_once_and_its_nodes_by_name() -> None:
    graph = Graph(
        nodes=(
            Node(id="a", step="s"),
            Node(
                id="b",
                step="s",
                after=("a",),
                inputs={"x": OutputOf(node="a", output="1"), "y": OutputOf(node="a", output="2")},
            ),
        )
    )

    assert graph.edges == (("a", "b"),)
    assert graph.by_id["b"].upstream == ("a",)
    assert Graph().ordered == ()


def test_equal_graphs_have_equal_digests_and_come_back_from_json() -> None:
    origins = {"a": ParameterOf(name="rate"), "b": Constant(value=[1, "x"]), "c": ExistingArtifact(id="i", name="n")}
    graph = Graph(nodes=(Node(id="s", step="s", inputs=origins),), results={"r": OutputOf(node="s", output="o")})

    again = Graph.model_validate_json(graph.model_dump_json())

    assert again == graph
    assert again.digest == graph.digest
    assert graph.digest != Graph(nodes=graph.nodes).digest


def test_a_graph_without_maps_and_conditions_is_written_as_it_always_was() -> None:
    graph = Graph(nodes=(Node(id="load", step="load"),))

    assert graph.as_json == b'{"nodes":[{"id":"load","step":"load","inputs":{},"after":[]}],"results":{}}'


def test_a_node_waits_for_what_decides_and_for_each_branch() -> None:
    decides = Condition(origin=OutputOf(node="check", output="output"), equals=("b",), negated=True)
    either = EitherOf(of=(OutputOf(node="a", output="output"), OutputOf(node="b", output="output")))

    node = Node(id="end", step="end", inputs={"x": either}, conditions=(decides,), mapped=("x",))

    assert node.upstream == ("a", "b", "check")
    assert decides.said == "unless 'b'"
    assert Node.model_validate_json(node.model_dump_json()) == node
