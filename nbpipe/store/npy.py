"""The `.npy` file of one array, and what numpy's format does not say of it.

The format is numpy's own, so any tool reads the blob. That an array is read-only, that its elements are
records and how its fields lie (titles, alignment, fields over one another) stands behind the elements, where numpy
does not look. No array of objects is written or read: that would be a pickle in disguise.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from nbpipe.store.arrays_in_memory import overlaps_itself
from nbpipe.store.buffers import Piece

if TYPE_CHECKING:
    import numpy as np

_KINDS = "biufcmMSUV"
_READ_ONLY = b"nbpipe: read-only\n"
_DESCRIBED = b"nbpipe: "


def npy_of(array: np.ndarray[Any, Any]) -> list[Piece] | None:
    """Write an array whose type numpy's format knows; `None` for another, and for a subclass.

    `None` is also given for what shows some of its memory twice, as a broadcast does: it may be far larger than that.
    """
    import numpy as np

    if type(array) is not np.ndarray or array.dtype.hasobject or array.dtype.kind not in _KINDS:
        return None
    if overlaps_itself(array) or array.dtype.metadata:
        return None
    again = np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(array.dtype))
    # Equal types need not be the same: that elements are `numpy.record`, only the longer name tells.
    if again != array.dtype or repr(again) != repr(array.dtype):
        return None
    try:
        pieces = _file(array, array.dtype)
    except UnicodeEncodeError:
        # This version of the format has no place for names of fields outside Latin-1.
        return None
    return pieces if array.flags.writeable else [*pieces, _READ_ONLY]


def described_npy_of(array: np.ndarray[Any, Any]) -> list[Piece] | None:
    """Write an array of any fields, or an array of records, with its type described behind its elements."""
    import numpy as np

    if type(array) not in (np.ndarray, np.recarray) or vars_of(array) or overlaps_itself(array):
        return None
    said = _description(array.dtype)
    if said is None or repr(_dtype_from(said)) != repr(array.dtype):
        return None
    described = {"dtype": said, "read-only": not array.flags.writeable, "records": type(array) is np.recarray}
    trailer = _DESCRIBED + json.dumps(described, separators=(",", ":")).encode() + b"\n"
    return [*_file(array.view(np.ndarray), _nearest(array.dtype)), trailer]


def any_npy_of(array: np.ndarray[Any, Any]) -> list[Piece] | None:
    """Write an array, with its type described only if that is needed."""
    pieces = npy_of(array)
    return described_npy_of(array) if pieces is None else pieces


def array_of(data: memoryview) -> np.ndarray[Any, Any]:
    """Give the array of a file that was written here, in the memory of `data`.

    Raises:
        ValueError: It is no such file.
    """
    import numpy as np

    file = io.BytesIO(data[: min(len(data), 1 << 16)])
    version = np.lib.format.read_magic(file)
    if version != (2, 0):
        raise ValueError(f"a .npy of version {version} was not written here")
    shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    start, count = file.tell(), int(np.prod(shape, dtype=object))
    behind = bytes(data[start + count * dtype.itemsize :])
    said = {}
    if behind.startswith(_DESCRIBED) and behind != _READ_ONLY:
        said = json.loads(behind[len(_DESCRIBED) :])
        if _dtype_from(said["dtype"]).itemsize != dtype.itemsize:
            raise ValueError("an array is described as another")
        dtype = _dtype_from(said["dtype"])
    if dtype.hasobject:
        raise ValueError("an array of objects is not read from .npy")
    array = np.ndarray(shape, dtype=dtype, buffer=data, offset=start, order="F" if fortran else "C")
    if said.get("records"):
        array = array.view(np.recarray)
    if behind == _READ_ONLY or said.get("read-only"):
        array.flags.writeable = False
    return array


def vars_of(array: Any) -> dict[str, Any]:
    """Give what is noted on an array of a subclass; an array of numpy's own has no room for it."""
    return getattr(array, "__dict__", {})


def _file(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> list[Piece]:
    import numpy as np

    laid_out = array if array.flags.forc else np.ascontiguousarray(array)
    header = io.BytesIO()
    said = np.lib.format.header_data_from_array_1_0(laid_out.view(dtype) if dtype != laid_out.dtype else laid_out)
    # An array without elements may be of any shape, which a view would not keep.
    np.lib.format.write_array_header_2_0(header, {**said, "shape": laid_out.shape})
    return [header.getvalue(), _bytes_of(laid_out)]


def _bytes_of(array: np.ndarray[Any, Any]) -> memoryview:
    import numpy as np

    if not array.nbytes:
        return memoryview(b"")
    return array.ravel(order="K").view(np.uint8).data


def _nearest(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give the type by which other tools see the elements; where no name says it, as bytes."""
    import numpy as np

    try:
        said = np.lib.format.dtype_to_descr(dtype)
        str(said).encode("latin-1")
        near = np.lib.format.descr_to_dtype(said)
    except ValueError:
        near = np.dtype(f"V{dtype.itemsize}")
    return near if near.itemsize == dtype.itemsize else np.dtype(f"V{dtype.itemsize}")


def _description(dtype: np.dtype[Any]) -> Any:
    """Describe a type as JSON; `None` if it holds objects, or what this does not know."""
    import numpy as np

    if dtype.metadata or dtype.hasobject or dtype.kind not in _KINDS:
        return None
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        inner = _description(base)
        return inner and {"of": inner, "shape": list(shape)}
    if dtype.names is None:
        return dtype.str if np.dtype(dtype.str) == dtype else None
    if dtype.type not in (np.void, np.record):
        return None
    fields = []
    for name in dtype.names:
        kind, offset, *title = _fields(dtype)[name]
        inner = _description(kind)
        if inner is None or not isinstance(title[0] if title else "", str):
            return None
        fields.append([name, inner, offset, title[0] if title else None])
    is_record = dtype.type is np.record
    return {"fields": fields, "size": dtype.itemsize, "aligned": dtype.isalignedstruct, "record": is_record}


def _fields(dtype: Any) -> dict[str, Any]:
    return dict(dtype.fields or {})


def _dtype_from(said: Any) -> np.dtype[Any]:
    import numpy as np

    if isinstance(said, str):
        return np.dtype(said)
    if "of" in said:
        return np.dtype((_dtype_from(said["of"]), tuple(said["shape"])))
    names, kinds, offsets, titles = zip(*said["fields"], strict=True) if said["fields"] else ((), (), (), ())
    layout = {
        "names": list(names),
        "formats": list(map(_dtype_from, kinds)),
        "offsets": list(offsets),
        "itemsize": said["size"],
    }
    if any(title is not None for title in titles):
        layout["titles"] = list(titles)
    dtype: np.dtype[Any] = np.dtype(layout, align=said["aligned"])  # type: ignore[call-overload]
    return np.dtype((np.record, dtype)) if said["record"] else dtype
