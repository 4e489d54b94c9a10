"""Several arrays in one `.npz`, as numpy writes it: a ZIP file of `.npy` files, without compression.

Each array lies at a multiple of 64 bytes, so that it is read where the file is mapped. What numpy has no place for
stands beside the arrays as JSON.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zipfile import ZIP64_LIMIT, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from nbpipe.store.arrays_in_memory import span_of
from nbpipe.store.buffers import Gathered, Piece, Pieces, size_of
from nbpipe.store.npy import any_npy_of, array_of

if TYPE_CHECKING:
    import numpy as np

_SAID = "nbpipe.json"
_ALIGNMENT = 64
_LOCAL_HEADER = struct.Struct("<26xHH")
_EXTRA = struct.Struct("<HH")
# The number under which Android's zipalign pads; readers skip what they do not know.
_PADDING = 0xD935


def npz_of(arrays: Mapping[str, np.ndarray[Any, Any]], said: Mapping[str, Any]) -> list[Piece] | None:
    """Write arrays and plain JSON; `None` if one cannot be written, or two reach into the same memory."""
    if _share_memory(arrays):
        return None
    files: dict[str, Pieces] = {}
    for name, array in arrays.items():
        pieces = any_npy_of(array)
        if pieces is None:
            return None
        files[f"{name}.npy"] = pieces
    files[_SAID] = [json.dumps(said, separators=(",", ":")).encode()]
    gathered = Gathered()
    with ZipFile(gathered, "w", ZIP_STORED) as archive:
        for name, held in files.items():
            _add(archive, gathered, name, held)
    return gathered.pieces


def arrays_of(data: memoryview) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
    """Give the arrays of a file that was written here, in the memory of `data`, and what was said beside them.

    Raises:
        ValueError: It is no such file.
    """
    try:
        with ZipFile(_Memory(data)) as archive:
            members = {member.filename: _held(data, member) for member in archive.infolist()}
    except (BadZipFile, struct.error) as error:
        raise ValueError(f"no .npz: {error}") from error
    said = json.loads(bytes(members.pop(_SAID)))
    return {name.removesuffix(".npy"): array_of(held) for name, held in members.items()}, said


def _add(archive: ZipFile, gathered: Gathered, name: str, pieces: Pieces) -> None:
    member = ZipInfo(name)
    member.file_size = size_of(pieces)
    start = gathered.size_bytes + _LOCAL_HEADER.size + len(name) + _EXTRA.size
    if member.file_size * 1.05 > ZIP64_LIMIT:
        # What zipfile adds for a size of eight bytes.
        start += 20
    padding = -start % _ALIGNMENT
    member.extra = _EXTRA.pack(_PADDING, padding) + bytes(padding)
    with archive.open(member, "w") as file:
        for piece in pieces:
            file.write(piece)


def _held(data: memoryview, member: ZipInfo) -> memoryview:
    if member.compress_type != ZIP_STORED or member.compress_size != member.file_size:
        raise ValueError("a compressed .npz was not written here")
    name_length, extra_length = _LOCAL_HEADER.unpack_from(data, member.header_offset)
    start = member.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    if start + member.file_size > len(data):
        raise ValueError("a member of an .npz reaches beyond its end")
    return data[start : start + member.file_size]


def _share_memory(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bool:
    spans = sorted(span for span in map(span_of, arrays.values()) if span[0] != span[1])
    return any(behind > first for (_, behind), (first, _) in pairwise(spans))


class _Memory(io.RawIOBase):
    """A file that lies in memory, read without a copy of the whole."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: len(self._data)}[whence]
        if start + offset < 0:
            raise OSError("a place before the beginning")
        self._place = start + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        found = self._data[self._place : self._place + len(buffer)]
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)
