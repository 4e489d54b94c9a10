"""Numpy's arrays as `.npy`, read where the file is mapped, and its scalars.

The format is numpy's own, so any tool reads the blob; that an array is read-only stands behind its
elements, where numpy does not look. No array of objects is written or read: that would be a pickle
in disguise.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, ClassVar

from nbpipe.store.arrays_in_memory import overlaps_itself
from nbpipe.store.buffers import Piece
from nbpipe.store.loading import Loading

if TYPE_CHECKING:
    import numpy as np


_READ_ONLY = b"nbpipe: read-only\n"


class Npy:
    """Arrays of anything but objects."""

    name: ClassVar[str] = "npy"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ("numpy.ndarray",)

    def encode(self, value: np.ndarray[Any, Any]) -> list[Piece] | None:
        """Write the header, and the elements from where they lie; decline objects and subclasses.

        Declined is also what shows some of its memory twice, as a broadcast does: it may be far larger than that.
        """
        import numpy as np

        if type(value) is not np.ndarray or value.dtype.hasobject or value.dtype.kind not in "biufcmMSUV":
            return None
        if overlaps_itself(value) or value.dtype.metadata:
            return None
        again = np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(value.dtype))
        # Equal types need not be the same: that elements are `numpy.record`, only the longer name tells.
        if again != value.dtype or repr(again) != repr(value.dtype):
            return None
        laid_out = value if value.flags.forc else np.ascontiguousarray(value)
        header = io.BytesIO()
        np.lib.format.write_array_header_2_0(header, np.lib.format.header_data_from_array_1_0(laid_out))
        pieces: list[Piece] = [header.getvalue(), _bytes_of(laid_out)]
        return pieces if value.flags.writeable else [*pieces, _READ_ONLY]

    def decode(self, data: memoryview, _loading: Loading) -> np.ndarray[Any, Any]:
        """Give an array in the memory of `data`."""
        import numpy as np

        file = io.BytesIO(data[: min(len(data), 1 << 16)])
        version = np.lib.format.read_magic(file)
        if version != (2, 0):
            raise ValueError(f"a .npy of version {version} was not written here")
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
        if dtype.hasobject:
            raise ValueError("an array of objects is not read from .npy")
        array = np.ndarray(shape, dtype=dtype, buffer=data, offset=file.tell(), order="F" if fortran else "C")
        if data[file.tell() + array.nbytes :] == _READ_ONLY:
            array.flags.writeable = False
        return array


class NumpyScalar:
    """One number, date or text of numpy's."""

    name: ClassVar[str] = "numpy-scalar"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ("numpy.generic",)

    def encode(self, value: np.generic) -> list[Piece] | None:
        """Write its type on a line and then its bytes; decline records and objects."""
        if value.dtype.kind not in "biufcmMSU" or type(value) is not value.dtype.type:
            return None
        return [value.dtype.str.encode() + b"\n" + value.tobytes()]

    def decode(self, data: memoryview, _loading: Loading) -> Any:
        """Read it back."""
        import numpy as np

        said, held = bytes(data).split(b"\n", 1)
        dtype = np.dtype(said.decode())
        if dtype.hasobject:
            raise ValueError("an object is no numpy scalar")
        return np.ndarray((), dtype=dtype, buffer=held)[()]


def _bytes_of(array: np.ndarray[Any, Any]) -> memoryview:
    import numpy as np

    if not array.nbytes:
        return memoryview(b"")
    return array.ravel(order="K").view(np.uint8).data
