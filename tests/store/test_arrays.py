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
