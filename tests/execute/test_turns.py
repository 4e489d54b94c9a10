"""Turns: nothing starts before what it waits for, everything gets its turn, the first written goes first."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from nbpipe.execute.turns import Turns
from nbpipe.graph.graph import Node


def node(name: str, *after: str) -> Node:
    return Node(id=name, step=name, after=after)


def names_of(turns: Turns) -> list[str]:
    found = []
    while (following := turns.next()) is not None:
        found.append(following.id)
    return found


def test_what_waits_for_nothing_may_start_at_once_in_the_order_written() -> None:
    turns = Turns([node("b"), node("a"), node("c", "a")], ())

    assert names_of(turns) == ["b", "a"]


def test_a_node_gets_its_turn_when_the_last_that_it_waits_for_is_settled() -> None:
    turns = Turns([node("a"), node("b"), node("c", "a", "b")], ())
    assert names_of(turns) == ["a", "b"]

    turns.settle("b")
    assert names_of(turns) == []
    turns.settle("a")
    assert names_of(turns) == ["c"]


def test_those_that_go_one_by_one_never_overlap() -> None:
    turns = Turns([node("one"), node("two"), node("free"), node("three")], ["one", "two", "three"])
    assert names_of(turns) == ["one", "free"]

    turns.settle("one")
    assert names_of(turns) == ["two"]
    turns.settle("two")
    assert names_of(turns) == ["three"]


def test_two_that_had_their_turn_have_it_again_one_after_the_other() -> None:
    turns = Turns([node("a"), node("b", "a")], ())
    names_of(turns)
    turns.settle("a")
    assert names_of(turns) == ["b"]

    turns.again("a", "b")

    assert names_of(turns) == ["a"]
    turns.settle("a")
    assert names_of(turns) == ["b"]


def test_a_node_is_put_off_until_another_is_settled() -> None:
    turns = Turns([node("a"), node("b")], ())
    assert names_of(turns) == ["a", "b"]

    turns.put_off("b", "a")

    assert names_of(turns) == []
    turns.settle("a")
    assert names_of(turns) == ["b"]


@given(
    edges=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40),
    chained=st.sets(st.integers(0, 11)),
    seed=st.integers(0, 1000),
)
def test_every_node_of_any_graph_gets_exactly_one_turn_after_all_that_it_waits_for(
    edges: list[tuple[int, int]], chained: set[int], seed: int
) -> None:
    waits = {place: sorted({low for low, high in edges if high == place and low < high}) for place in range(12)}
    nodes = [node(f"n{place}", *(f"n{low}" for low in waits[place])) for place in range(12)]
    one_by_one = [f"n{place}" for place in sorted(chained)]
    turns = Turns(nodes, one_by_one)
    chance = random.Random(seed)
    going: list[str] = names_of(turns)
    settled: list[str] = []
    while going:
        name = going.pop(chance.randrange(len(going)))
        assert {f"n{low}" for low in waits[int(name[1:])]} <= set(settled)
        assert len({*going, name} & set(one_by_one)) <= 1
        settled.append(name)
        turns.settle(name)
        going += names_of(turns)

    assert sorted(settled) == sorted(one.id for one in nodes)
