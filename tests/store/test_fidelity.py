"""What does not come back as it was is not carried."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.spatial

from nbpipe.store.store import Store


@pytest.fixture
def store(workspace):
    with_thread = Store(workspace)
    yield with_thread
    with_thread.close()


class Turncoat:
    """Says that it is a list."""

    def __reduce__(self):
        return list, ()


class Forgetful:
    """Comes back without what it held."""

    def __init__(self, held):
        self.held = held

    def __setstate__(self, state):
        self.held = None


class Unreadable:
    """Can be written and not read."""

    def __setstate__(self, state):
        raise RuntimeError("lost the key")

    def __init__(self):
        self.held = 1


class Copier:
    """Holds an array, and takes a copy of it when it comes back."""

    def __init__(self, array):
        self.array = array

    def __setstate__(self, state):
        self.array = state["array"].copy()


class Pair:
    """Holds one list twice, and two when it comes back."""

    def __init__(self, left, right):
        self.left, self.right = left, right

    def __setstate__(self, state):
        self.left, self.right = list(state["left"]), list(state["right"])


TWICE = [1]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (Turncoat(), "it would come back as a list"),
        (Forgetful([1]), "it would come back with another content"),
        (Unreadable(), "it would not come back: lost the key"),
        (Pair(TWICE, TWICE), "its parts share memory in a way that cannot be stored"),
        (Forgetful(np.zeros(5000)), "it would come back with another content"),
    ],
    ids=["type", "content", "unreadable", "parts", "large"],
)
def test_a_value_that_would_come_back_as_another_is_not_carried(store, value, why):
    answer = store.keep({"value": value, "n": 1}, made_by="step")

    assert [(left.name, left.why) for left in answer.not_carried] == [("value", why)]
    assert list(answer.versions) == ["n"]


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (Forgetful, "it would come back with another content"),
        (lambda table: Copier(table[1:]), "it shares memory with 'table' in a way that cannot be stored"),
        (lambda table: [Turncoat(), table], "it would come back with another content"),
        (lambda table: (Unreadable(), table), "lost the key"),
    ],
    ids=["content", "memory", "type", "unreadable"],
)
def test_a_member_that_would_come_back_as_another_is_left_out_of_its_bundle(store, member, why):
    table = np.arange(3000.0)
    outputs = {"table": table, "head": table[:10], "odd": member(table), "alone": [1]}

    answer = store.keep(outputs, made_by="step")
    again = store.load_all(answer.versions, trust=True)

    assert [(left.name, left.why) for left in answer.not_carried] == [("odd", why)]
    assert np.shares_memory(again["table"], again["head"])
    assert again["alone"] == [1]


def test_memory_of_a_library_that_an_array_looks_into_is_noticed(store):
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier().fit(np.arange(20.0).reshape(10, 2), np.arange(10) % 2)
    values = tree.tree_.value

    answer = store.keep({"tree": tree, "values": values}, made_by="step")

    assert [left.why for left in answer.not_carried] == ["it shares memory with 'tree' in a way that cannot be stored"]
    assert list(answer.versions) == ["tree"]


def test_memory_that_was_lent_by_two_is_noticed(store):
    data = bytearray(b"0123456789")
    longer = np.frombuffer(data, "u1")
    inside = longer[2:].view(np.ndarray)

    answer = store.keep({"data": data, "longer": longer, "inside": inside}, made_by="step")
    again = store.load_all(answer.versions, trust=True)
    again["data"][3] = ord("x")

    assert (again["longer"][3], again["inside"][1]) == (ord("x"), ord("x"))


def test_a_value_whose_state_holds_addresses_is_carried(store):
    """Its digest is another each time it is loaded, which says nothing of it."""
    tree = scipy.spatial.cKDTree(np.arange(200.0).reshape(100, 2))

    answer = store.keep({"tree": tree, "both": [tree]}, made_by="step")

    assert store.load(answer.versions["tree"], trust=True).query([4.0, 5.0])[1] == 2
    assert answer.not_carried == ()


class Node:
    """Lies in a set by its address."""

    def __init__(self, names):
        self.names = names


def test_objects_in_a_set_that_share_something_are_carried_whatever_their_order(store):
    for _ in range(20):
        names = ["a"]
        nodes = {Node(names), Node(names), Node([1]), Node([2])}

        assert store.keep({"nodes": nodes, "names": names}, made_by="step").not_carried == ()
