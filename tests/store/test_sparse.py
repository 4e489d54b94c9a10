"""Sparse arrays and matrices."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.store.buffers import joined
from nbpipe.store.content import content_digest
from nbpipe.store.npz import npz_of
from nbpipe.store.sparse import FORMATS, Sparse
from tests.store.kinds import matrix
from tests.store.trials import loading, there_and_back

TYPES = st.sampled_from(["f8", "f4", "i8", "u1", "?", "c16"])


@st.composite
def matrices(draw):
    rows, columns = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    cells = st.tuples(st.integers(0, max(rows - 1, 0)), st.integers(0, max(columns - 1, 0)))
    places = draw(st.lists(cells, unique=draw(st.booleans()), max_size=8)) if rows and columns else []
    data = np.array(draw(st.lists(st.integers(0, 3), min_size=len(places), max_size=len(places))), draw(TYPES))
    row, column = [place[0] for place in places], [place[1] for place in places]
    kind = draw(st.sampled_from([scipy.sparse.coo_array, scipy.sparse.coo_matrix]))
    made = kind((data, (row, column)), shape=(rows, columns))
    form = draw(st.sampled_from(["coo", "csr", "csc", "lil", "dok"]))
    return made.asformat(form)


@given(value=matrices())
def test_a_sparse_array_comes_back_with_all_that_it_stores(value):
    again = there_and_back(Sparse(), value)

    assert type(again) is type(value)
    assert (again.shape, again.dtype) == (value.shape, value.dtype)
    assert content_digest(again).digest == content_digest(value).digest is not None
    assert (again != value).nnz == 0
    for name in ("data", "indices", "indptr", "row", "col"):
        held = getattr(value, name, None)
        if isinstance(held, np.ndarray):
            assert getattr(again, name).dtype == held.dtype
            assert getattr(again, name).tolist() == held.tolist()


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "dia"])
@pytest.mark.parametrize("is_array", [True, False])
def test_scipy_reads_the_file(form, is_array):
    value = matrix(form, is_array=is_array)

    again = scipy.sparse.load_npz(io.BytesIO(joined(Sparse().encode(value))))

    assert type(again) is type(value)
    assert (again != value).nnz == 0


@pytest.mark.parametrize("form", FORMATS)
def test_what_came_back_can_be_calculated_with_and_changed(form):
    value = matrix(form, is_array=True)

    again = there_and_back(Sparse(), value)

    if form in ("csr", "csc", "lil", "dok"):
        again[0, 5], value[0, 5] = 3, 3

    np.testing.assert_array_equal((2 * again).toarray(), 2 * value.toarray())
    np.testing.assert_array_equal(again.T @ np.ones(4), value.T @ np.ones(4))


def test_long_indices_what_lies_behind_the_last_and_the_order_of_a_dictionary_come_back():
    wide = scipy.sparse.csr_array(matrix("csr", is_array=True))
    wide.indices, wide.indptr = wide.indices.astype("i8"), wide.indptr.astype("i8")
    roomy = matrix("csr", is_array=True)
    roomy.data, roomy.indices = np.append(roomy.data, 9.0), np.append(roomy.indices, 1)
    keyed = scipy.sparse.dok_array((3, 3))
    keyed[2, 2], keyed[0, 0] = 1, 2

    assert there_and_back(Sparse(), wide).indices.dtype == np.dtype("i8")
    assert len(there_and_back(Sparse(), roomy).data) == len(roomy.data)
    assert list(there_and_back(Sparse(), keyed)._dict) == [(2, 2), (0, 0)]


def test_the_order_in_which_a_dictionary_was_filled_does_not_count():
    one, other = scipy.sparse.dok_array((3, 3)), scipy.sparse.dok_array((3, 3))
    one[2, 2], one[0, 0] = 1, 2
    other[0, 0], other[2, 2] = 2, 1

    assert content_digest(one).digest == content_digest(other).digest


def test_what_a_sparse_array_does_not_say_of_itself_is_declined():
    class Mine(scipy.sparse.csr_array):
        pass

    noted = matrix("csr", is_array=True)
    noted.unit = "mm"
    shared = np.array([0, 1, 2])
    alike = scipy.sparse.coo_array((np.ones(3), (shared, shared)), shape=(3, 3))
    alike.coords = (shared, shared)
    twice = scipy.sparse.lil_array((2, 2))
    twice.rows[1] = twice.rows[0]

    for value in (Mine(matrix("csr", is_array=True)), noted, alike, twice):
        assert Sparse().encode(value) is None


@pytest.mark.parametrize(
    ("form", "changes"),
    [
        ("csr", {"indices": np.array([0, 5, 99, 1], "i4")}),
        ("csr", {"indices": np.array([0, 5, -1, 1], "i4")}),
        ("csr", {"indptr": np.array([0, 4, 1, 4, 4], "i4")}),
        ("csc", {"indptr": np.array([0, 1], "i4")}),
        ("bsr", {"indices": np.array([7] * 4, "i4")}),
        ("csr", {"indices": np.array([0.0, 1.0, 2.0, 3.0])}),
        ("coo", {"row": np.array([0, 0, 99, 0], "i4")}),
        ("coo", {"col": np.array([-1, 0, 0, 0], "i4")}),
        ("dia", {"offsets": np.array([0, 0, 0, 0], "i4")}),
        ("lil", {"columns": np.array([0, 99, 1, 1])}),
        ("lil", {"lengths": np.array([2, -1, 1, 2])}),
        ("dok", {"keys": np.array([[0, 0], [9, 9], [1, 1], [2, 2]])}),
        ("dok", {"data": np.zeros(1)}),
        ("csr", {"format": np.array(b"os")}),
        ("csr", {"shape": np.array([-1, 4])}),
    ],
    ids=str,
)
def test_places_from_elsewhere_that_lie_outside_are_refused(form, changes):
    value = matrix(form, is_array=True)
    with np.load(io.BytesIO(joined(Sparse().encode(value)))) as archive:
        parts = {name: archive[name] for name in archive.files if name != "nbpipe.json"}
        said = json.loads(archive["nbpipe.json"])
    data = joined(npz_of({**parts, **changes}, said))

    with pytest.raises((ValueError, TypeError)):
        Sparse().decode(memoryview(bytearray(data)), loading())
