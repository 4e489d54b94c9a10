"""How numpy's arrays, scalars and generators, and scipy's sparse matrices, are written.

An array is its type, its shape and its elements in C order, so that a view, a transposed and a
copied array are one. A subclass adds what is noted on the array. Every NaN is one NaN. Elements are
hashed where they lie, in pieces that fit a processor's cache. Extended precision has no canonical
form: its padding is anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128

from nbpipe.store.arrays_in_memory import is_pickled_as_array, span_of
from nbpipe.store.content_objects import object_form
from nbpipe.store.content_plain import pairs_token
from nbpipe.store.content_walk import Form, NoCanonicalForm, Walk, node, word
from nbpipe.store.sparse import FORMATS, parts_of

if TYPE_CHECKING:
    import numpy as np

_CHUNK_BYTES = 512 * 1024
_RAW_KINDS = frozenset("biufcmMSU")
# What numpy notes on a masked array for itself, and changes when it likes.
_OF_MASKED_ARRAYS = frozenset({"_mask", "_fill_value", "_sharedmask", "_isfield", "_baseclass", "_basedict"})


def form_of(kind: type) -> Form | None:
    """Say how values of a type of numpy's are written, or `None` if as any object."""
    import numpy as np

    if issubclass(kind, np.ndarray):
        return form_of_arrays(kind)
    if issubclass(kind, np.generic):
        return _scalar_form
    if kind is np.random.Generator:
        return _generator_form
    if issubclass(kind, np.random.BitGenerator):
        return _bit_generator_form
    if kind is np.random.RandomState:
        return _random_state_form
    return _no_form if kind is np.ufunc else None


def form_of_arrays(kind: type) -> Form:
    """Say how arrays of numpy's own type or of a subclass, whoever defined it, are written."""
    import numpy as np

    if kind is np.ndarray:
        return array_form
    if kind is type(np.ma.masked):
        return _constant_form
    if not is_pickled_as_array(kind):
        return _self_told_form
    return _masked_form if issubclass(kind, np.ma.MaskedArray) else _subclass_form


def sparse_form_of(kind: type) -> Form | None:
    """Say how values of a type of scipy's are written, or `None` if as any object."""
    is_sparse = kind.__module__.startswith("scipy.sparse") and getattr(kind, "_format", None) in FORMATS
    return _sparse_form if is_sparse else None


def array_form(walk: Walk, value: np.ndarray[Any, Any]) -> bytes:
    """Write an array.

    Raises:
        NoCanonicalForm: Its elements have none.
    """
    _note_memory(walk, value)
    shape = b",".join(b"%d" % length for length in value.shape)
    return node(b"A", word(b"s", shape), _elements(walk, value))


def elements_digest(value: np.ndarray[Any, Any]) -> bytes:
    """Hash the elements of an array of plain numbers, dates or fixed texts, in C order."""
    hasher = xxh3_128()
    floating = value.dtype.kind in "fc"
    for chunk in _chunks(value):
        hasher.update((_with_one_nan(chunk) if floating else chunk).view("u1").data)
    return hasher.digest()


def _note_memory(walk: Walk, value: np.ndarray[Any, Any]) -> None:
    walk.note_memory(*span_of(value), repr(value.strides).encode())


def _subclass_form(walk: Walk, value: np.ndarray[Any, Any]) -> bytes:
    import numpy as np

    walk.note_mutable(value)
    noted = vars(value)
    return node(b"K", walk.identity(type(value)), array_form(walk, value.view(np.ndarray)), walk.token(noted))


def _masked_form(walk: Walk, value: Any) -> bytes:
    import numpy as np

    walk.note_mutable(value)
    noted = vars(value)
    fill = noted.get("_fill_value")
    if fill is None:
        fill = np.ma.default_fill_value(value.dtype)
    own = {name: part for name, part in noted.items() if name not in _OF_MASKED_ARRAYS}
    walk.hold(own)
    parts = array_form(walk, value.view(np.ndarray)), walk.token(noted.get("_mask")), walk.token(own)
    return node(b"k", walk.identity(type(value)), *parts, _elements(walk, np.asarray(fill, value.dtype)))


def _constant_form(walk: Walk, value: Any) -> bytes:
    return node(b"g", walk.identity(type(value)))


def _self_told_form(walk: Walk, value: np.ndarray[Any, Any]) -> bytes:
    _note_memory(walk, value)
    return object_form(walk, value)


def _elements(walk: Walk, value: np.ndarray[Any, Any]) -> bytes:
    dtype = value.dtype
    if dtype.kind in "OT":
        return node(b"o", word(b"s", dtype.str.encode()), walk.token(tuple(value.ravel().tolist())))
    if dtype.names is not None:
        # Field by field: between them lies padding, which may hold anything.
        fields = [node(b"h", walk.token(name), _elements(walk, value[name])) for name in dtype.names]
        return node(b"v", *fields, *_names_beside(walk, dtype))
    if dtype.char in "gG" or dtype.kind not in _RAW_KINDS | {"V"}:
        raise NoCanonicalForm
    return node(b"a", word(b"s", dtype.str.encode()), elements_digest(value))


def _names_beside(walk: Walk, dtype: np.dtype[Any]) -> list[bytes]:
    """Write by what else than their names fields are reached: by titles, and in records as attributes."""
    import numpy as np

    fields = dict(dtype.fields or {})
    known = [fields[name] for name in dtype.names or ()]
    titles = tuple(field[2] if len(field) == 3 else None for field in known)
    tokens = [walk.token(titles)] if any(title is not None for title in titles) else []
    return [*tokens, b"r"] if dtype.type is np.record else tokens


def _chunks(value: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """Give the elements as flat contiguous pieces."""
    import numpy as np

    if not value.size or not value.dtype.itemsize:
        return
    rows = value.reshape(-1) if value.flags.c_contiguous or value.ndim == 0 else value
    at_once = max(1, _CHUNK_BYTES * len(rows) // value.nbytes)
    for start in range(0, len(rows), at_once):
        yield np.ascontiguousarray(rows[start : start + at_once]).reshape(-1)


def _with_one_nan(chunk: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    missing = np.isnan(chunk)
    if not missing.any():
        return chunk
    if chunk.dtype.kind == "c":
        parts = chunk.view(chunk.real.dtype)
        return np.where(np.isnan(parts), np.nan, parts).astype(parts.dtype)
    return np.where(missing, np.nan, chunk).astype(chunk.dtype)


def _scalar_form(walk: Walk, value: np.generic) -> bytes:
    import numpy as np

    if isinstance(value, np.void):
        # A record is no copy of an element of its array: it is the element.
        walk.note_mutable(value)
        walk.note_memory(*span_of(value), b"record")
    return node(b"x", _elements(walk, np.asarray(value)))


def _generator_form(walk: Walk, value: np.random.Generator) -> bytes:
    walk.note_mutable(value)
    return node(b"G", walk.token(value.bit_generator))


def _bit_generator_form(walk: Walk, value: np.random.BitGenerator) -> bytes:
    walk.note_mutable(value)
    # The seed sequence counts what was spawned: two generators of one state may part there.
    state, seed = value.state, getattr(value.seed_seq, "state", None)
    walk.hold((state, seed))
    return node(b"j", walk.identity(type(value)), pairs_token(walk, state.items()), walk.token(seed))


def _random_state_form(walk: Walk, value: np.random.RandomState) -> bytes:
    walk.note_mutable(value)
    state = value.get_state(legacy=False)
    walk.hold(state)
    return node(b"J", pairs_token(walk, state.items()))


def _sparse_form(walk: Walk, value: Any) -> bytes:
    import numpy as np

    # By its parts: flags such as `has_sorted_indices` appear when somebody asks.
    walk.note_mutable(value)
    parts = parts_of(value)
    if parts is None:
        raise NoCanonicalForm
    if value.format == "lil":
        for kept in (*value.rows.tolist(), *value.data.tolist()):
            walk.note_mutable(kept)
    if value.format == "dok":
        # As of any dictionary, the order in which it was filled does not count.
        order = np.lexsort(parts["keys"].T)
        parts = {name: part[order] for name, part in parts.items()}
    walk.hold(parts)
    tokens = [walk.token(part) for part in parts.values()]
    return node(b"q", walk.identity(type(value)), walk.token(tuple(map(int, value.shape))), *tokens)


def _no_form(_walk: Walk, _value: Any) -> bytes:
    raise NoCanonicalForm
