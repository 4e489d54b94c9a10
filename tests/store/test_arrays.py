"""Arrays as `.npy`."""

from __future__ import annotations

import io

import numpy as np
import numpy.ma.mrecords
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nbpipe.store.arrays import MaskedArray, Npy, NumpyScalar, Records
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


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=3)
PLAIN_TYPES = arrays.scalar_dtypes()


@given(array=arrays.arrays(arrays.nested_dtypes(PLAIN_TYPES | arrays.array_dtypes(PLAIN_TYPES)), st.integers(0, 3)))
def test_an_array_of_any_fields_comes_back_with_its_very_type(array):
    again = there_and_back(Records(), array)

    assert repr(again.dtype) == repr(array.dtype)
    assert again.tobytes() == array.tobytes()


@given(fields=st.lists(st.tuples(NAMES, PLAIN_TYPES, NAMES | st.none()), max_size=4), is_aligned=st.booleans())
def test_titles_and_alignment_come_back(fields, is_aligned):
    names = [word for name, _, title in fields for word in (name, title) if word is not None]
    if len(set(names)) < len(names):
        return
    said = [(name if title is None else (title, name), kind) for name, kind, title in fields]
    array = np.zeros(2, np.dtype(said, align=is_aligned))

    again = there_and_back(Records(), array)

    assert repr(again.dtype) == repr(array.dtype)
    assert again.dtype.isalignedstruct == array.dtype.isalignedstruct
    assert dict(again.dtype.fields or {}) == dict(array.dtype.fields or {})


def test_records_come_back_as_records_and_numpy_reads_their_file():
    array = np.rec.array([(1, "a"), (2, "b")], dtype=[("number", "i4"), ("name", "U3")])
    array.flags.writeable = False

    again = there_and_back(Records(), array)

    assert type(again) is np.recarray
    assert again[1].name == "b"
    assert again.dtype.type is np.record
    assert not again.flags.writeable
    by_numpy = np.load(io.BytesIO(joined(Records().encode(array))))
    assert by_numpy["number"].tolist() == [1, 2]


def test_records_with_notes_on_them_objects_and_metadata_are_declined():
    noted = np.rec.array([(1,)], dtype=[("a", "i4")])
    noted.unit = "mm"
    with_metadata = np.zeros(2, [("a", np.dtype("f8", metadata={"unit": "mm"}))])

    for array in (noted, with_metadata, np.zeros(2, [("a", object)]), np.zeros(2, [(((1, 2), "a"), "f8")])):
        assert Records().encode(array) is None


@given(
    elements=ANY_ARRAY,
    mask=st.sampled_from(["none", "all", "some"]),
    fills=st.booleans(),
    is_hard=st.booleans(),
    asks=st.booleans(),
)
def test_a_masked_array_comes_back_in_every_part(elements, mask, fills, is_hard, asks):
    masks = {"none": np.ma.nomask, "all": np.ones(elements.shape, bool), "some": np.zeros(elements.shape, bool)}
    masks["some"].reshape(-1)[::2] = True
    fill = elements.ravel()[0] if fills and elements.size else None
    array = np.ma.array(elements, mask=masks[mask], hard_mask=is_hard)
    array.fill_value = fill
    if asks:
        assert array.fill_value is not None

    again = there_and_back(MaskedArray(), array)

    assert type(again) is np.ma.MaskedArray
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert again.data.tobytes() == array.data.tobytes()
    assert again.hardmask == array.hardmask
    assert (again.mask is np.ma.nomask) == (array.mask is np.ma.nomask)
    np.testing.assert_array_equal(again.mask, array.mask)
    assert repr(vars(again)["_fill_value"]) == repr(vars(array)["_fill_value"])
    assert again.data.flags.writeable


def test_numpy_reads_the_parts_of_a_masked_array():
    array = np.ma.array(np.arange(600.0).reshape(20, 30), mask=np.arange(600).reshape(20, 30) % 3 == 0)

    with np.load(io.BytesIO(joined(MaskedArray().encode(array)))) as archive:
        np.testing.assert_array_equal(archive["data"], array.data)
        np.testing.assert_array_equal(archive["mask"], array.mask)


def test_what_is_more_than_a_masked_array_or_shares_its_memory_is_declined():
    noted = np.ma.array([1.0, 2.0])
    noted.unit = "mm"
    flags = np.zeros(3, bool)
    of_itself = np.ma.array(flags, mask=flags, copy=False)
    of_itself._mask = flags

    for array in (noted, of_itself, np.ma.masked, np.ma.array([object()]), np.ma.mrecords.fromrecords([(1, 2)])):
        assert MaskedArray().encode(array) is None
