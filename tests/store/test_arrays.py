"""Arrays as `.npy`."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given

from nbpipe.store.arrays import Npy, NumpyScalar
from nbpipe.store.buffers import joined
from tests.store.test_content_arrays import ANY_ARRAY
from tests.store.trials import loading, there_and_back


@given(array=ANY_ARRAY)
def test_an_array_comes_back_as_it_was_and_can_be_written_to(array):
    again = there_and_back(Npy(), array)

    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert again.tobytes() == array.tobytes()
    assert again.flags.writeable


@pytest.mark.parametrize(
    "array", [np.arange(6).reshape(2, 3).T, np.arange(9)[::2], np.zeros(2, [("a", "i4"), ("b", "U3")])]
)
def test_turned_cut_and_structured_arrays_come_back(array):
    np.testing.assert_array_equal(there_and_back(Npy(), array), array)


def test_numpy_itself_reads_the_file():
    array = np.asfortranarray(np.random.default_rng(1).random((30, 4)))

    np.testing.assert_array_equal(np.load(io.BytesIO(joined(Npy().encode(array)))), array)


def test_a_large_array_is_handed_on_without_a_copy():
    array = np.zeros(1000)

    pieces = Npy().encode(array)

    assert np.shares_memory(np.frombuffer(pieces[1], "u1"), array)


@pytest.mark.parametrize(
    "array", [np.array([object()]), np.array([1, "a"], object), np.ma.array([1]), np.rec.array([(1,)])]
)
def test_objects_and_subclasses_are_declined(array):
    assert Npy().encode(array) is None


def test_a_file_that_promises_objects_is_refused():
    file = io.BytesIO()
    np.lib.format.write_array_header_2_0(file, {"descr": "|O", "fortran_order": False, "shape": (1,)})

    with pytest.raises(ValueError, match="objects"):
        Npy().decode(memoryview(file.getvalue() + bytes(8)), loading())
    with pytest.raises(ValueError, match="object"):
        NumpyScalar().decode(memoryview(b"|O\n" + bytes(8)), loading())


@given(array=ANY_ARRAY)
def test_a_scalar_comes_back_as_it_was(array):
    for value in array.reshape(-1)[:2]:
        again = there_and_back(NumpyScalar(), value)

        assert type(again) is type(value)
        assert again.dtype.newbyteorder("=") == value.dtype.newbyteorder("=")
        assert again.tobytes() == value.tobytes()


@pytest.mark.parametrize(
    "array", [np.arange(5), np.zeros((0, 3)), np.asfortranarray(np.zeros((3, 4))), np.arange(9)[::2]]
)
def test_an_array_that_is_read_only_comes_back_so_and_any_tool_reads_it(array):
    array = array[...]
    array.flags.writeable = False

    again = there_and_back(Npy(), array)

    assert not again.flags.writeable
    np.testing.assert_array_equal(np.load(io.BytesIO(joined(Npy().encode(array)))), array)


def test_arrays_that_a_file_of_numpys_would_change_are_declined():
    records = np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]).view(np.recarray).view(np.ndarray)

    assert Npy().encode(records) is None
    assert Npy().encode(np.broadcast_to(np.zeros(3), (2, 3))) is None
    assert Npy().encode(np.zeros(3, np.dtype("f8", metadata={"unit": "mm"}))) is None
