"""Digests of arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nbpipe.store.content import content_digest


def digest(value: object) -> str | None:
    return content_digest(value).digest


ANY_ARRAY = arrays.arrays(
    st.sampled_from(["f8", "f4", "i8", "u1", "?", "c16", "M8[s]", "m8[ms]", "U3", "S2", ">i4", "f2"]),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@given(array=ANY_ARRAY)
def test_how_an_array_lies_in_memory_does_not_count(array):
    twins = [
        array.copy(order="F"),
        np.ascontiguousarray(array).reshape(array.shape),
        array.T.copy().T,
        np.repeat(array, 2, axis=0)[::2] if array.ndim else array.copy(),
    ]

    assert {digest(twin) for twin in twins} == {digest(array)}


def test_an_array_of_many_pieces_has_one_digest_however_it_lies():
    array = np.random.default_rng(1).random((300, 1000))

    assert digest(array) == digest(np.asfortranarray(array)) == digest(np.repeat(array, 2, axis=1)[:, ::2])


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "c8", "c16"])
def test_every_nan_is_one_nan(kind):
    plus, minus = np.zeros(70_000, kind), np.zeros(70_000, kind)
    plus[[1, -1]], minus[[1, -1]] = np.nan, -np.nan

    assert plus.tobytes() != minus.tobytes() or kind.startswith("c")
    assert digest(plus) == digest(minus)
    assert digest(plus[1]) == digest(minus[1])


def test_shape_type_sign_of_zero_and_every_element_count():
    array = np.arange(6.0)
    changed = array.copy()
    changed[5] = 7

    variants = [
        array,
        array.reshape(2, 3),
        array.reshape(3, 2),
        array.astype("f4"),
        array.astype(">f8"),
        changed,
        -0.0 * array,
        0.0 * array,
    ]

    assert len({digest(variant) for variant in variants}) == len(variants)


def test_an_array_of_objects_is_walked():
    one = np.array([[1, "a"], [None, [2]]], dtype=object)

    assert digest(one) == digest(one.T.copy().T)
    assert digest(one) != digest(np.array([[1, "a"], [None, [3]]], dtype=object))
    assert digest(np.array([lambda: 1])) is None


def test_what_lies_between_the_fields_of_a_record_does_not_count():
    layout = np.dtype([("flag", "u1"), ("value", "f8")], align=True)
    clean, dirty = np.zeros(3, layout), np.frombuffer(bytearray(b"\xff" * 3 * layout.itemsize), layout).copy()
    for name in layout.names:
        dirty[name] = 0

    assert dirty.view("u1").any()
    assert digest(clean) == digest(dirty)


def test_extended_precision_has_no_digest():
    assert digest(np.longdouble(1)) is None
    assert digest(np.zeros(2, np.longdouble)) is None


def test_a_scalar_is_not_the_array_or_the_number_that_equals_it():
    assert (
        len({digest(np.float64(1)), digest(np.array(1.0)), digest(1.0), digest(np.float32(1)), digest(np.int64(1))})
        == 5
    )
