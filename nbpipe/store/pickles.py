"""Pickles: the last resort, and the only module that loads one.

Large buffers lie beside the pickle, each at a multiple of 64 bytes, so that arrays are read where
the file is mapped. Some things differ from what pickle does by itself. Arrays that share memory
still share it when they come back, keep what their subclass noted on them, and stay read-only if
they were. A class defined in a notebook comes back as the class the reader has by that name, and
only if he has none as a copy. A view of a dictionary still follows it. A figure does not announce
itself to pyplot, or a loaded figure would be shown once more. What lives by what it is tied to is
refused (`store.live`).

Loading a pickle runs code. Whether one may be loaded is not decided here: `store.store` is the
one place that asks. `store.keeping` loads what this process has just written, to see whether it
comes back as it was; nobody else calls `load`. `received` reads what a process that this one started
has sent it over a pipe of theirs, and nothing that was ever stored.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary, WeakValueDictionary

import cloudpickle
from xxhash import xxh3_128_digest

from nbpipe.base.digest import quick
from nbpipe.base.ids import new_id
from nbpipe.store.arrays_in_memory import (
    Root,
    Roots,
    is_pickled_as_array,
    reach_into_memory,
    record_of,
    roots_of,
    span_of,
    view_of,
)
from nbpipe.store.buffers import Piece
from nbpipe.store.content_walk import Mutables, is_of_a_notebook, say_text_of_class, text_of_class
from nbpipe.store.live import MAPPING_VIEWS, mapping_behind, name_of_view, refusal, view_of_mapping

ClassLookup = Callable[[str], type | None]

_MAGIC = b"nbpipe pickle 1\n"
_ALIGNMENT = 64
_WORTH_A_BUFFER = 1024
_UNCHANGEABLE = (
    *(type, str, bytes, int, float, complex, tuple, frozenset, range),
    *(date, time, timedelta, tzinfo, Decimal, UUID, PurePath, Enum, re.Pattern),
    *(FunctionType, BuiltinFunctionType, CodeType, ModuleType),
)
# Of pandas' objects only these can be changed; indexes are shared by everybody.
_CHANGEABLE_OF_PANDAS = ("DataFrame", "Series")
_HOLDERS_IN_PANDAS = ("Block", "Array", "Categorical")
# Each level of nesting takes some 300 bytes of the machine's stack, which has at least 8 MiB.
_MOST_FRAMES = 15_000

_classes: ContextVar[ClassLookup | None] = ContextVar("_classes", default=None)
# Cloudpickle would write the stored attributes over those of a class that still lives here.
_marks: WeakKeyDictionary[type, str] = WeakKeyDictionary()
_marked: WeakValueDictionary[str, type] = WeakValueDictionary()


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
    with no_deeper_than_the_stack():
        pickler, pieces = _dumped(value, Roots(), frozenset())
        met = [part for _, part in pickler.memo.copy().values()]
        in_frames = _arrays_of_frames(met)
        left_out = in_frames | pickler.made
        reaching = [part for part in reach_into_memory(met) if id(part) not in left_out]
        roots = roots_of(reaching)
        if roots:
            # What was met stays alive meanwhile, so that an address means what it meant.
            _, pieces = _dumped(value, roots, in_frames)
    ids = frozenset(id(part) for part in met if id(part) not in pickler.made and _may_change(part))
    return Pickled(pieces, Mutables(ids, tuple(map(span_of, reaching)), alive=(met,)))


@contextmanager
def no_deeper_than_the_stack() -> Iterator[None]:
    """Have nested values end in a `RecursionError` where else the machine's stack would: no one survives that.

    A program that allows itself a million frames means its own, not those of the C code that writes values.
    """
    allowed = sys.getrecursionlimit()
    if allowed <= _MOST_FRAMES:
        yield
        return
    sys.setrecursionlimit(_MOST_FRAMES)
    try:
        yield
    finally:
        sys.setrecursionlimit(allowed)


def pickled_digest(value: Any) -> tuple[str, frozenset[int]]:
    """Digest the pickle of an object, to tell whether it is changed later.

    Returns:
        The digest, `""` if it cannot be pickled, and the identities of all that was met on the way.
    """
    try:
        with no_deeper_than_the_stack():
            pickler, pieces = _dumped(value, Roots(), frozenset())
    except Exception:  # noqa: BLE001 - the value's own code
        return "", frozenset()
    met = frozenset(id(part) for _, part in pickler.memo.copy().values())
    return quick("pickle", *map(xxh3_128_digest, pieces)), met


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
    """Cloudpickle's pickler with the differences that the module tells of.

    Args:
        file: Where the pickle goes.
        roots: Memory that is pickled once, for all that reaches into it.
        apart: Identities of arrays that are left out of it.
        buffer_callback: Where large buffers go.

    Attributes:
        made: Identities of what was made on the way, and is no part of the value.
    """

    def __init__(
        self, file: io.BytesIO, roots: Roots, apart: frozenset[int], buffer_callback: Callable[[Any], bool]
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self._roots = roots
        self._apart = apart
        self.made: set[int] = set()

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type):
            return self._class(obj)
        kind = type(obj)
        why = refusal(kind)
        if why:
            raise pickle.PicklingError(why)
        if kind in MAPPING_VIEWS:
            return view_of_mapping, (mapping_behind(obj), name_of_view(obj))
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(obj, (numpy.ndarray, numpy.void)):
            return self._array(obj)
        if _is_figure(obj):
            made, arguments, state = obj.__reduce_ex__(5)[:3]
            return made, arguments, {key: part for key, part in state.items() if key != "_restore_to_pylab"}
        return super().reducer_override(obj)

    def _class(self, kind: type) -> Any:
        if "<" in kind.__qualname__:
            return _class_by_name, ("", cloudpickle.dumps(kind, protocol=5), _mark_of(kind))
        if not is_of_a_notebook(kind):
            return super().reducer_override(kind)
        name = f"{kind.__module__}:{kind.__qualname__}"
        return _class_by_name, (name, _copy_of_class(kind), _mark_of(kind), text_of_class(kind))

    def _array(self, value: Any) -> Any:
        import numpy as np

        root = None if id(value) in self._apart else self._roots.under(value)
        if isinstance(value, np.void):
            return _record(value, root) if root is not None else NotImplemented
        if type(value) is not np.ndarray:
            if not is_pickled_as_array(type(value)):
                return NotImplemented
            plain = self._made(value.view(np.ndarray))
            return _array_as, (plain, type(value)), vars(value), None, None, _noted
        if root is not None:
            start = value.__array_interface__["data"][0] - root.first
            return view_of, (root.holder, start, (value.shape, value.strides), value.dtype, value.flags.writeable)
        if not value.flags.writeable and not value.flags.forc:
            return _read_only, (self._made(value.copy(order="K")),)
        return NotImplemented

    def _made(self, part: Any) -> Any:
        self.made.add(id(part))
        return part


def sent(value: Any) -> bytes:
    """Write a value for a process that is ours and that reads it at once; nothing of this is ever kept.

    Raises:
        Exception: Whatever the value's own classes raise; it cannot be sent.
    """
    return bytes(cloudpickle.dumps(value))


def received(data: bytes) -> Any:
    """Read back what a process that is ours has `sent`."""
    return pickle.loads(data)  # noqa: S301 — whoever sent it runs code of the same user as this process does


def _record(value: Any, root: Root) -> Any:
    return record_of, (root.holder, span_of(value)[0] - root.first, value.dtype)


def _dumped(value: Any, roots: Roots, apart: frozenset[int]) -> tuple[_Pickler, list[Piece]]:
    buffers: list[memoryview] = []

    def keep(buffer: Any) -> bool:
        view = buffer.raw()
        if view.nbytes < _WORTH_A_BUFFER:
            return True
        buffers.append(view)
        return False

    file = io.BytesIO()
    pickler = _Pickler(file, roots, apart, keep)
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


def _mark_of(kind: type) -> str:
    """Mark a class, so that a pickle which is loaded while the class lives finds it."""
    mark = _marks.setdefault(kind, new_id())
    _marked[mark] = kind
    return mark


def _class_by_name(name: str, copy: bytes, mark: str = "", text: str = "") -> type:
    """Stand in a pickle for a class that no module has: of a notebook, or defined in a function.

    Args:
        name: Such as `"__main__:Point"`; `""` if it goes by none.
        copy: The class, as a pickle.
        mark: What the process that wrote it knows it by.
        text: The digest of the text that defined it, if that was known.
    """
    lookup = _classes.get()
    known = lookup(name) if lookup is not None and name else None
    if known is None:
        known = _marked.get(mark)
    if known is None:
        known = pickle.loads(copy)  # noqa: S301 - part of a pickle being loaded
        if mark:
            _marks[known], _marked[mark] = mark, known
        if text:
            say_text_of_class(known, text)
    return known


def _array_as(plain: Any, kind: type) -> Any:
    """Stand in a pickle for an array of a subclass."""
    return plain.view(kind)


def _noted(array: Any, noted: dict[str, Any]) -> None:
    vars(array).update(noted)


def _read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


def _may_change(part: Any) -> bool:
    if isinstance(part, _UNCHANGEABLE) or type(part) in MAPPING_VIEWS:
        return False
    library = type(part).__module__.partition(".")[0]
    if library == "pandas":
        return type(part).__name__ in _CHANGEABLE_OF_PANDAS
    return library != "numpy" or not _is_shared_by_all(part)


def _is_shared_by_all(part: Any) -> bool:
    """Tell whether something of numpy's cannot be changed: whoever has one has the same."""
    import numpy as np

    if isinstance(part, np.generic):
        return not isinstance(part, np.void)
    return isinstance(part, (np.dtype, np.ufunc)) or part is np.ma.masked


def _is_figure(value: Any) -> bool:
    figures = sys.modules.get("matplotlib.figure")
    return figures is not None and isinstance(value, figures.Figure)


def _arrays_of_frames(met: list[Any]) -> frozenset[int]:
    """Give the identities of arrays that are no values of their own, but lie inside a frame.

    Frames that share memory part as soon as one of them is changed, which is copy-on-write, and so
    they come back apart.
    """
    return frozenset(
        id(getattr(part, name, None))
        for part in met
        if type(part).__module__.startswith("pandas") and type(part).__name__.endswith(_HOLDERS_IN_PANDAS)
        for name in ("values", "_ndarray", "_data", "_mask")
    )
