"""Numpy's arrays, those of records, masked ones, and its scalars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from nbpipe.store.buffers import Piece
from nbpipe.store.loading import Loading
from nbpipe.store.npy import array_of, described_npy_of, npy_of
from nbpipe.store.npz import arrays_of, npz_of

if TYPE_CHECKING:
    import numpy as np


class Npy:
    """Arrays of anything but objects, whose types numpy's own files know."""

    name: ClassVar[str] = "npy"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ("numpy.ndarray",)

    def encode(self, value: np.ndarray[Any, Any]) -> list[Piece] | None:
        """Write the header, and the elements from where they lie; decline objects and subclasses."""
        return npy_of(value)

    def decode(self, data: memoryview, _loading: Loading) -> np.ndarray[Any, Any]:
        """Give an array in the memory of `data`."""
        return array_of(data)


class Records:
    """Arrays of fields with titles, gaps or an alignment, and arrays of records."""

    name: ClassVar[str] = "records"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ("numpy.ndarray",)

    def encode(self, value: np.ndarray[Any, Any]) -> list[Piece] | None:
        """Write a `.npy` with the type behind it; decline objects and other subclasses."""
        return described_npy_of(value)

    def decode(self, data: memoryview, _loading: Loading) -> np.ndarray[Any, Any]:
        """Give an array in the memory of `data`."""
        return array_of(data)


class MaskedArray:
    """Masked arrays: elements, mask, what is filled in, and whether the mask is hard."""

    name: ClassVar[str] = "masked"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ("numpy.ma.MaskedArray",)

    def encode(self, value: Any) -> list[Piece] | None:
        """Write an `.npz` of `data`, `mask` and `fill_value`; decline subclasses, and those with notes on them."""
        import numpy as np

        if type(value) is not np.ma.MaskedArray:
            return None
        noted = dict(vars(value))
        mask, fill = noted.pop("_mask"), noted.pop("_fill_value")
        flags = {name: noted.pop(name) for name in ("_hardmask", "_sharedmask", "_isfield")}
        if noted.pop("_baseclass") is not np.ndarray or noted != {"_optinfo": {}, "_basedict": {}}:
            return None
        arrays = {"data": value.view(np.ndarray)}
        if mask is not np.ma.nomask:
            arrays["mask"] = mask
        if fill is not None:
            arrays["fill_value"] = np.asarray(fill)
        return npz_of(arrays, flags)

    def decode(self, data: memoryview, _loading: Loading) -> Any:
        """Give an array in the memory of `data`."""
        import numpy as np

        arrays, flags = arrays_of(data)
        elements, mask, fill = arrays["data"], arrays.get("mask"), arrays.get("fill_value")
        if mask is not None and (mask.shape, mask.dtype) != (elements.shape, np.ma.make_mask_descr(elements.dtype)):
            raise ValueError("a mask of another shape than what it masks")
        if fill is not None and fill.shape != ():
            raise ValueError("what is filled in is more than one element")
        masked = elements.view(np.ma.MaskedArray)
        vars(masked).update({name: bool(flags[name]) for name in ("_hardmask", "_sharedmask", "_isfield")})
        vars(masked).update(_mask=np.ma.nomask if mask is None else mask, _fill_value=fill)
        return masked


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
