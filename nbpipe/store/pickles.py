"""Pickles: the last resort, and the only module that loads one.

Large buffers lie beside the pickle, each at a multiple of 64 bytes, so that arrays are read where
the file is mapped. Three things differ from what pickle does by itself. Arrays that share memory
still share it when they come back. A class defined in a notebook comes back as the class the
reader has by that name, and only if he has none as a copy. A figure does not announce itself to
pyplot, or a loaded figure would be shown once more.

Loading a pickle runs code. Whether one may be loaded is not decided here: `store.store` is the
one place that asks, and the only caller of `load`.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
import sys
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import cloudpickle

from nbpipe.base.digest import quick
from nbpipe.store.buffers import Piece
from nbpipe.store.content_walk import Mutables, is_of_a_notebook

if TYPE_CHECKING:
    import numpy as np

ClassLookup = Callable[[str], type | None]

_MAGIC = b"nbpipe pickle 1\n"
_ALIGNMENT = 64
_WORTH_A_BUFFER = 1024
_UNCHANGEABLE = (
    *(type, str, bytes, int, float, complex, tuple, frozenset, range),
    *(date, time, timedelta, tzinfo, Decimal, UUID, PurePath, Enum, re.Pattern),
    *(FunctionType, BuiltinFunctionType, CodeType, ModuleType),
)
# Of these libraries' objects only these can be changed; dtypes and indexes are shared by everybody.
_CHANGEABLE_OF = {
    "numpy": frozenset({"ndarray", "Generator", "RandomState"}),
    "pandas": frozenset({"DataFrame", "Series"}),
}
_HOLDERS_IN_PANDAS = ("Block", "Array", "Categorical")

_classes: ContextVar[ClassLookup | None] = ContextVar("_classes", default=None)


@dataclass(frozen=True, slots=True)
class Pickled:
    """A value as a pickle.

    Attributes:
        pieces: The file to write.
        mutables: Everything in the value that can be changed in place.
    """

    pieces: list[Piece]
    mutables: Mutables


def dump(value: Any) -> Pickled:
    """Pickle `value`.

    Raises:
        Exception: Whatever the value's own classes raise; it cannot be pickled.
    """
    pickler, pieces = _dumped(value, frozenset())
    met = [part for _, part in pickler.memo.copy().values()]
    arrays = _arrays_among(met)
    shared = _roots_of_shared_memory(arrays)
    if shared:
        _, pieces = _dumped(value, shared)
    ids = frozenset(id(part) for part in met if _may_change(part))
    from_arrays = tuple(_memory_of(array) for array in arrays)
    return Pickled(pieces, Mutables(ids, from_arrays, alive=(met,)))


def pickled_digest(value: Any) -> str:
    """Digest the pickle of an object, to tell whether it is changed later; `""` if it cannot be pickled."""
    try:
        pieces = dump(value).pieces
    except Exception:  # noqa: BLE001 - the value's own code
        return ""
    return quick("pickle", *(bytes(piece) for piece in pieces))


def load(data: memoryview, classes: ClassLookup | None = None) -> Any:
    """Give back what `dump` wrote; this runs the pickle's code.

    Args:
        data: The file. Arrays come back in its memory, writable if that is.
        classes: Gives the class that a notebook has by a name such as `"__main__:Point"`.
    """
    if bytes(data[: len(_MAGIC)]) != _MAGIC:
        raise ValueError("these bytes are no pickle of nbpipe's")
    (count,) = struct.unpack_from("<q", data, len(_MAGIC))
    lengths = struct.unpack_from(f"<{count}q", data, len(_MAGIC) + 8)
    views, place = [], _aligned(len(_MAGIC) + 8 + 8 * count)
    for length in lengths:
        views.append(data[place : place + length])
        place = _aligned(place + length)
    token = _classes.set(classes)
    try:
        return pickle.loads(views[0], buffers=views[1:])  # noqa: S301 - trust was asked for before
    finally:
        _classes.reset(token)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Cloudpickle's pickler with the three differences.

    Args:
        file: Where the pickle goes.
        shared: Identities of arrays whose memory is pickled once, for all their views.
        buffer_callback: Where large buffers go.
    """

    def __init__(self, file: io.BytesIO, shared: frozenset[int], buffer_callback: Callable[[Any], bool]) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self._shared = shared

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type):
            return self._class(obj)
        if self._shared and _is_array(obj):
            seen = self._view(obj)
            if seen is not None:
                return seen
        if _is_figure(obj):
            made, arguments, state = obj.__reduce_ex__(5)[:3]
            return made, arguments, {key: part for key, part in state.items() if key != "_restore_to_pylab"}
        return super().reducer_override(obj)

    def _class(self, kind: type) -> Any:
        if not is_of_a_notebook(kind) or "<" in kind.__qualname__:
            return super().reducer_override(kind)
        return _class_by_name, (f"{kind.__module__}:{kind.__qualname__}", _copy_of_class(kind))

    def _view(self, array: Any) -> Any:
        root = _root_of(array)
        if root is array or id(root) not in self._shared:
            return None
        first, start = array.__array_interface__["data"][0], root.__array_interface__["data"][0]
        return _view_of, (root, first - start, array.shape, array.strides, array.dtype)


def _dumped(value: Any, shared: frozenset[int]) -> tuple[_Pickler, list[Piece]]:
    buffers: list[memoryview] = []

    def keep(buffer: Any) -> bool:
        view = buffer.raw()
        if view.nbytes < _WORTH_A_BUFFER:
            return True
        buffers.append(view)
        return False

    file = io.BytesIO()
    pickler = _Pickler(file, shared, keep)
    pickler.dump(value)
    return pickler, _laid_out([file.getbuffer(), *buffers])


def _laid_out(parts: list[memoryview]) -> list[Piece]:
    header = _MAGIC + struct.pack(f"<{1 + len(parts)}q", len(parts), *(part.nbytes for part in parts))
    pieces: list[Piece] = [header]
    place = len(header)
    for part in parts:
        pieces.append(bytes(_aligned(place) - place))
        pieces.append(part)
        place = _aligned(place) + part.nbytes
    return pieces


def _aligned(place: int) -> int:
    return -(-place // _ALIGNMENT) * _ALIGNMENT


def _copy_of_class(kind: type) -> bytes:
    """Pickle a class by what it is made of, for a reader who has none of that name."""
    copy: bytes
    module = sys.modules.get(kind.__module__)
    if module is None or kind.__module__ == "__main__":
        copy = cloudpickle.dumps(kind, protocol=5)
        return copy
    listed = kind.__module__ in cloudpickle.list_registry_pickle_by_value()
    if not listed:
        cloudpickle.register_pickle_by_value(module)
    try:
        copy = cloudpickle.dumps(kind, protocol=5)
    finally:
        if not listed:
            cloudpickle.unregister_pickle_by_value(module)
    return copy


def _class_by_name(name: str, copy: bytes) -> type:
    """Stand in a pickle for a class that is defined in a notebook."""
    lookup = _classes.get()
    known = lookup(name) if lookup is not None else None
    return known if known is not None else pickle.loads(copy)  # noqa: S301 - part of a pickle being loaded


def _view_of(
    root: np.ndarray[Any, Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype[Any]
) -> np.ndarray[Any, Any]:
    """Stand in a pickle for an array that looks into the memory of another."""
    import numpy as np

    flat = root.ravel(order="K").view(np.uint8)
    return np.ndarray(shape, dtype=dtype, buffer=flat, offset=offset, strides=strides)


def _may_change(part: Any) -> bool:
    if isinstance(part, _UNCHANGEABLE):
        return False
    named = _CHANGEABLE_OF.get(type(part).__module__.partition(".")[0])
    return named is None or type(part).__name__ in named


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray


def _is_figure(value: Any) -> bool:
    figures = sys.modules.get("matplotlib.figure")
    return figures is not None and isinstance(value, figures.Figure)


def _arrays_among(met: list[Any]) -> list[Any]:
    """Pick the arrays that are values of their own.

    Those inside a frame are not: frames that share memory part as soon as one of them is changed,
    which is copy-on-write, and so they come back apart.
    """
    arrays = [part for part in met if _is_array(part) and not part.dtype.hasobject]
    if not arrays:
        return []
    inside = {
        id(getattr(part, name, None))
        for part in met
        if type(part).__module__.startswith("pandas") and type(part).__name__.endswith(_HOLDERS_IN_PANDAS)
        for name in ("values", "_ndarray", "_data", "_mask")
    }
    return [array for array in arrays if id(array) not in inside]


def _memory_of(array: Any) -> tuple[int, int]:
    from nbpipe.store.content_arrays import memory_of

    return memory_of(array)


def _root_of(array: Any) -> Any:
    kind = type(array)
    while type(array.base) is kind:
        array = array.base
    return array


def _roots_of_shared_memory(arrays: list[Any]) -> frozenset[int]:
    """Find the arrays into whose memory several of `arrays` look."""
    members = Counter(id(_root_of(array)) for array in arrays)
    return frozenset(
        id(root)
        for root in map(_root_of, arrays)
        if members[id(root)] > 1 and root.flags.forc and not root.dtype.hasobject
    )
