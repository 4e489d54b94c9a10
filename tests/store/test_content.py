"""The digest of what a value is."""

from __future__ import annotations

import copy
import os
import random
import re
import subprocess
import sys
import threading
from collections import OrderedDict
from types import MappingProxyType

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given

from nbpipe.store.content import content_digest
from nbpipe.store.content_walk import MAX_DEPTH
from tests.store.trials import shown
from tests.store.values import PLAIN, Colour, Order, Point, one_of_each


def digest(value: object) -> str | None:
    return content_digest(value).digest


@given(value=PLAIN)
def test_a_copy_has_the_digest_of_its_original(value):
    twin = copy.deepcopy(value)

    assert digest(twin) == digest(value) is not None


@given(value=PLAIN)
def test_a_value_and_the_same_in_a_list_or_a_tuple_are_three_things(value):
    assert len({digest(value), digest([value]), digest((value,))}) == 3


@pytest.mark.parametrize("name", one_of_each())
def test_every_kind_of_value_has_a_digest_that_is_the_same_for_its_twin(name):
    assert digest(one_of_each()[name]) == digest(one_of_each()[name]) is not None


def test_values_of_different_kinds_differ_even_where_python_calls_them_equal():
    digests = [digest(value) for value in one_of_each().values()]

    assert len(set(digests)) == len(digests)


def test_digests_are_the_same_in_other_processes_with_other_hash_seeds():
    program = (
        "from tests.store.values import one_of_each\n"
        "from nbpipe.store.content import content_digest\n"
        "print([content_digest(value).digest for value in one_of_each().values()])"
    )

    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert said == {f"{[digest(value) for value in one_of_each().values()]}\n"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.0, -0.0),
        ([0.0] * 20, [-0.0] * 20),
        ([1] * 20, [1.0] * 20),
        ([1] * 20, [True] * 20),
        (["a"] * 20, [b"a"] * 20),
        (["ab", "c"] * 10, ["a", "bc"] * 10),
        (("ab", "c"), ("a", "bc")),
        ({"a": 1}, {"a": 2}),
        ({"a": "b"}, {"b": "a"}),
        (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)),
        (Point(1.0), Point(1)),
        (Order(number=1), Order(number=2)),
        (Colour.RED, Colour.BLUE),
        (random.Random(1), random.Random(2)),
        (np.random.default_rng(1), np.random.default_rng(2)),
        (np.random.RandomState(1), np.random.RandomState(2)),
    ],
    ids=shown,
)
def test_what_can_be_told_apart_has_two_digests(one, other):
    assert digest(one) != digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (float("nan"), -float("nan")),
        ([1.0, float("nan")] * 10, [1.0, -float("nan")] * 10),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (range(0), range(3, 3)),
        (range(0, 2, 5), range(1)),
        (re.compile("a+"), re.compile("a+")),
        (random.Random(1), random.Random(1)),
        (np.random.default_rng(1), np.random.default_rng(1)),
        (np.random.RandomState(1), np.random.RandomState(1)),
        (np.dtype("f8"), np.dtype("float64")),
        (Order(number=1), Order(number=1, when=None)),
        (scipy.sparse.eye(3, format="csr"), scipy.sparse.eye(3, format="csr")),
    ],
    ids=shown,
)
def test_what_cannot_be_told_apart_has_one_digest(one, other):
    assert digest(one) == digest(other) is not None


def test_drawing_from_a_generator_changes_its_digest():
    for generator in (np.random.default_rng(1), np.random.RandomState(1), random.Random(1)):
        before = digest(generator)
        generator.random()

        assert digest(generator) != before


def test_a_property_that_was_asked_for_is_no_part_of_a_value():
    point = Point(-1.0)
    before = digest(point)

    assert point.length == 1.0
    assert digest(point) == before


def test_a_flag_that_scipy_sets_when_asked_is_no_part_of_a_matrix():
    matrix = scipy.sparse.random(20, 20, 0.2, format="csr", random_state=1)
    before = digest(matrix)

    assert matrix.has_sorted_indices in (True, False)
    assert digest(matrix) == before


def test_an_estimator_fitted_twice_on_the_same_data_is_one_and_on_other_data_another():
    # Here, or each process that runs some tests would load it to know of this one.
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    inputs, targets = np.random.default_rng(1).random((40, 3)), np.arange(40) % 2
    forest = RandomForestClassifier(5, random_state=1)

    first = digest(forest.fit(inputs, targets))
    again = digest(RandomForestClassifier(5, random_state=1).fit(inputs, targets))
    other = digest(RandomForestClassifier(5, random_state=1).fit(inputs + targets[:, None], targets))

    assert first == again is not None
    assert first != other
    assert digest(StandardScaler().fit(inputs)) == digest(StandardScaler().fit(inputs)) is not None
    assert digest(OneHotEncoder()) == digest(OneHotEncoder()) is not None


def test_how_objects_lie_in_a_set_does_not_count_for_how_they_share():
    def nodes():
        names = ["a"]
        return {Bearer(names), Bearer(names), Bearer([1]), Bearer([frozenset({Bearer(names)})])}

    assert len({(found.digest, found.mutables.aliases) for found in (content_digest(nodes()) for _ in range(20))}) == 1
    assert content_digest(nodes()).mutables.aliases != ""


class Bearer:
    def __init__(self, held):
        self.held = held


def test_sets_in_sets_are_walked_once_each():
    tower: object = Bearer(["ground"])
    for _ in range(40):
        tower = Bearer({tower})

    assert digest(tower) is not None


def test_a_view_of_a_dictionary_is_what_it_follows():
    stock = {"nuts": 3}
    views = [stock.keys(), stock.values(), stock.items(), MappingProxyType(stock), OrderedDict(stock).keys()]

    digests = {digest(view) for view in views}

    assert None not in digests
    assert len(digests) == len(views)
    assert id(stock) in content_digest(stock.keys()).mutables.ids


def test_what_is_noted_on_an_array_of_a_subclass_counts_and_a_masks_fill_that_was_asked_for_does_not():
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    before = digest(masked)

    assert masked.fill_value == 1e20
    assert digest(masked) == before is not None
    assert digest(np.ma.array([1.0, 2.0], mask=[False, True])) != before
    assert digest(np.ma.array([1.0, 2.0], mask=[True, False], fill_value=0)) != before
    assert digest(np.ma.masked) is not None
    assert content_digest([np.ma.masked, np.ma.masked]).mutables.aliases == ""


def test_what_holds_a_function_a_lock_a_module_or_a_file_has_no_digest(tmp_path):
    with (tmp_path / "open").open("w") as file:
        for value in (lambda: 1, len, np.log, [].append, threading.Lock(), os, (x for x in ()), file, object.__new__):
            assert digest(value) is None
            assert digest({"inside": [value]}) is None


def test_a_value_that_contains_itself_has_no_digest():
    inside: list[object] = []
    inside.append(inside)
    parent, child = Point(1.0), Point(2.0)
    parent.names, child.names = [child], [parent]

    assert digest(inside) is None
    assert digest(parent) is None


def test_a_value_reached_by_more_paths_than_could_be_walked_has_a_digest():
    tower: object = ["ground"]
    for _ in range(100):
        tower = [tower, tower]

    assert digest(tower) is not None


def test_depth_is_refused_at_the_same_place_however_deep_the_asking_stack_is():
    def nested(depth: int) -> object:
        value: object = 1
        for _ in range(depth):
            value = [value]
        return value

    def asked_below(frames: int) -> tuple[str | None, str | None]:
        if frames:
            return asked_below(frames - 1)
        return digest(nested(MAX_DEPTH)), digest(nested(MAX_DEPTH + 1))

    assert asked_below(0) == asked_below(300)
    assert asked_below(0)[0] is not None
    assert asked_below(0)[1] is None
    assert digest(nested(100_000)) is None


def test_a_class_whose_state_cannot_be_asked_for_has_no_digest():
    class Shy:
        def __getstate__(self):
            raise RuntimeError("mind your own business")

    assert digest(Shy()) is None


def test_a_notebook_class_is_what_the_caller_says_and_others_are_not_asked_about():
    asked: list[type] = []
    cell_class = type("Cell", (), {"__module__": "__main__"})

    def by_source(kind: type) -> str:
        asked.append(kind)
        return "source 1"

    first = content_digest([cell_class(), Point(1.0)], by_source).digest
    second = content_digest([cell_class(), Point(1.0)], lambda _: "source 2").digest

    assert set(asked) == {cell_class}
    assert first != second


def test_the_mutable_parts_of_a_value_are_noted_and_those_made_on_the_way_stay_alive():
    names = ["a"]
    array = np.arange(10.0)
    point = Point(1.0, names)

    mutables = content_digest((point, {"array": array}, "text")).mutables

    assert {id(point), id(names)} <= mutables.ids
    start = array.__array_interface__["data"][0]
    assert mutables.ranges == ((start, start + array.nbytes),)
    assert mutables.alive
