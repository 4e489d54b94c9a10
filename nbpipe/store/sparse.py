"""Scipy's sparse arrays and matrices, of every format, as `.npz`.

What `scipy.sparse.save_npz` can write is written as it does, so `load_npz` reads the blob; lists of lists and
dictionaries of keys are arrays of places and values. Types, the order of what is stored, duplicates and zeros
that are stored come back as they were. Scipy's own code trusts the places it is told: those from elsewhere are checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from nbpipe.store.buffers import Piece
from nbpipe.store.loading import Loading
from nbpipe.store.npz import arrays_of, npz_of

if TYPE_CHECKING:
    import numpy as np

_COMPRESSED = ("csr", "csc", "bsr")
FORMATS = (*_COMPRESSED, "coo", "dia", "lil", "dok")
# Some are told to the constructor, and others are answers that scipy notes and finds again.
_KNOWN = frozenset({"_shape", "maxprint", "dtype", "_has_sorted_indices", "_has_canonical_format"})
_PARTS = {
    **dict.fromkeys(_COMPRESSED, ("data", "indices", "indptr")),
    "coo": ("data", "coords", "has_canonical_format"),
    "dia": ("data", "offsets"),
    "lil": ("data", "rows"),
    "dok": ("_dict",),
}


class Sparse:
    """Sparse arrays and matrices."""

    name: ClassVar[str] = "sparse"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ("scipy.sparse._base._spbase",)

    def encode(self, value: Any) -> list[Piece] | None:
        """Write its parts; decline subclasses, objects, and parts that share memory."""
        import numpy as np

        form = value.format
        if type(value) not in _classes_of(form) or not _KNOWN.issuperset(set(vars(value)) - set(_PARTS[form])):
            return None
        parts = parts_of(value)
        if parts is None:
            return None
        said = {"maxprint": value.maxprint, "canonical": bool(getattr(value, "has_canonical_format", False))}
        if form != "coo":
            del said["canonical"]
        arrays = {
            "format": np.array(form.encode("ascii")),
            "shape": np.array(value.shape),
            "_is_array": np.array(type(value) is _classes_of(form)[1]),
            **parts,
        }
        return npz_of(arrays, said)

    def decode(self, data: memoryview, loading: Loading) -> Any:
        """Give it, with its parts in the memory of `data` where its format has them so."""
        parts, said = arrays_of(data)
        form = parts.pop("format").item().decode("ascii")
        shape = tuple(parts.pop("shape").tolist())
        kind = _classes_of(form)[bool(parts.pop("_is_array"))]
        made = _MAKERS[form](kind, shape, parts, loading)
        made.maxprint = said["maxprint"]
        if "canonical" in said and loading.is_trusted:
            made.has_canonical_format = said["canonical"]
        return made


def parts_of(value: Any) -> dict[str, np.ndarray[Any, Any]] | None:
    """Give what a sparse array of one of `FORMATS` stores, as arrays; `None` if they would not say all of it."""
    import numpy as np

    if value.format == "lil":
        rows, data = value.rows.tolist(), value.data.tolist()
        if len(set(map(id, chain(rows, data)))) < len(rows) + len(data) or list(map(len, rows)) != list(map(len, data)):
            return None
        return {
            "lengths": np.fromiter(map(len, rows), np.int64, len(rows)),
            "columns": np.fromiter(chain.from_iterable(rows), np.int64),
            "data": np.fromiter(chain.from_iterable(data), value.dtype),
        }
    if value.format == "dok":
        held = value._dict
        keys = np.array(list(held), np.int64).reshape(len(held), value.ndim)
        return {"keys": keys, "data": np.fromiter(held.values(), value.dtype, len(held))}
    if value.format == "coo":
        names = ("row", "col") if value.ndim == 2 else [f"coords_{axis}" for axis in range(value.ndim)]
        return {"data": value.data, **dict(zip(names, value.coords, strict=True))}
    return {name: getattr(value, name) for name in _PARTS[value.format]}


def _classes_of(form: str) -> tuple[type, type]:
    """Give the class of matrices and the class of arrays of a format."""
    import scipy.sparse

    if form not in FORMATS:
        raise ValueError(f"no sparse format: {form!r}")
    return getattr(scipy.sparse, f"{form}_matrix"), getattr(scipy.sparse, f"{form}_array")


def _compressed(kind: type, shape: tuple[int, ...], parts: Mapping[str, Any], loading: Loading) -> Any:
    given = tuple(parts[name] for name in ("data", "indices", "indptr"))
    made = kind(given, shape=shape, copy=False)
    if not loading.is_trusted:
        _check_integers(parts["indices"], parts["indptr"])
        made.check_format(full_check=True)
    # The constructor chooses the type of indices, and cuts what lies behind the last of them.
    made.data, made.indices, made.indptr = given
    return made


def _coordinates(kind: type, shape: tuple[int, ...], parts: Mapping[str, Any], _loading: Loading) -> Any:
    names = ("row", "col") if len(shape) == 2 else [f"coords_{axis}" for axis in range(len(shape))]
    coords = tuple(parts[name] for name in names)
    _check_integers(*coords)
    # The constructor checks every coordinate.
    made = kind((parts["data"], coords), shape=shape, copy=False)
    made.data, made.coords = parts["data"], coords
    return made


def _diagonals(kind: type, shape: tuple[int, ...], parts: Mapping[str, Any], _loading: Loading) -> Any:
    _check_integers(parts["offsets"])
    made = kind((parts["data"], parts["offsets"]), shape=shape, copy=False)
    made.data, made.offsets = parts["data"], parts["offsets"]
    return made


def _lists(kind: type, shape: tuple[int, ...], parts: Mapping[str, Any], _loading: Loading) -> Any:
    import numpy as np

    lengths, columns, data = parts["lengths"], parts["columns"], parts["data"]
    _check_integers(lengths, columns)
    made = kind(shape, dtype=data.dtype)
    ends = np.cumsum(lengths).tolist()
    fits = len(ends) == shape[0] and (ends or [0])[-1] == len(columns) == len(data)
    if not fits or (lengths < 0).any() or not _are_within(columns, shape[1]):
        raise ValueError("rows that are not of this sparse array")
    places, values = columns.tolist(), data.tolist()
    for row, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        made.rows[row], made.data[row] = places[start:end], values[start:end]
    return made


def _keys(kind: type, shape: tuple[int, ...], parts: Mapping[str, Any], _loading: Loading) -> Any:
    keys, data = parts["keys"], parts["data"]
    _check_integers(keys)
    made: Any = kind(shape, dtype=data.dtype)
    is_within = all(_are_within(keys[:, axis], length) for axis, length in enumerate(shape))
    if keys.shape != (len(data), len(shape)) or not is_within:
        raise ValueError("keys that are not of this sparse array")
    places = keys[:, 0].tolist() if len(shape) == 1 else map(tuple, keys.tolist())
    made._dict = dict(zip(places, data, strict=True))
    return made


_MAKERS = {
    **dict.fromkeys(_COMPRESSED, _compressed),
    "coo": _coordinates,
    "dia": _diagonals,
    "lil": _lists,
    "dok": _keys,
}


def _check_integers(*arrays: np.ndarray[Any, Any]) -> None:
    if any(array.dtype.kind != "i" for array in arrays):
        raise ValueError("places in a sparse array that are no integers")


def _are_within(places: np.ndarray[Any, Any], length: int) -> bool:
    return not places.size or (int(places.min()) >= 0 and int(places.max()) < length)
