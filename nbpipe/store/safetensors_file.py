"""The safetensors format: names, types and shapes as JSON, and then the bytes of every tensor.

Written after its description at https://github.com/huggingface/safetensors#format: eight bytes that tell the length of
the header, the header, and the tensors without gaps, row by row, little-endian. Any tool of that format reads the
file; nothing in it is code. The longest elements come first, so that each lies where its type wants it.

This module knows bytes and names of types. What a tensor is, `store.tensors` knows.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from nbpipe.store.buffers import Piece

SIZES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}
RESERVED = "__metadata__"
_LENGTH = struct.Struct("<Q")
_ALIGNMENT = 64
_LONGEST_HEADER = 100_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of a file.

    Attributes:
        dtype: One of `SIZES`.
        shape: Its lengths.
        data: Its bytes.
    """

    dtype: str
    shape: tuple[int, ...]
    data: memoryview


def file_of(entries: Mapping[str, Entry], metadata: Mapping[str, str]) -> list[Piece]:
    """Write a file, without a copy of what the entries hold."""
    header: dict[str, object] = {RESERVED: dict(metadata)}
    pieces: list[Piece] = []
    place = 0
    for name, entry in sorted(entries.items(), key=lambda item: -SIZES[item[1].dtype]):
        behind = place + entry.data.nbytes
        header[name] = {"dtype": entry.dtype, "shape": list(entry.shape), "data_offsets": [place, behind]}
        pieces.append(entry.data)
        place = behind
    said = json.dumps(header, separators=(",", ":")).encode()
    said += b" " * (-(len(said) + _LENGTH.size) % _ALIGNMENT)
    return [_LENGTH.pack(len(said)) + said, *pieces]


def entries_of(data: memoryview) -> tuple[dict[str, Entry], dict[str, str]]:
    """Give the entries of a file, in the memory of `data`, and its metadata.

    Raises:
        ValueError: It is no such file.
    """
    if len(data) < _LENGTH.size:
        raise ValueError("too short for a safetensors file")
    (length,) = _LENGTH.unpack_from(data)
    if length > min(_LONGEST_HEADER, len(data) - _LENGTH.size):
        raise ValueError("the header of a safetensors file is longer than the file")
    header = json.loads(bytes(data[_LENGTH.size : _LENGTH.size + length]))
    held = data[_LENGTH.size + length :]
    metadata = header.pop(RESERVED, {})
    return {name: _entry(said, held) for name, said in header.items()}, metadata


def _entry(said: Mapping[str, object], held: memoryview) -> Entry:
    dtype, shape, place = said["dtype"], said["shape"], said["data_offsets"]
    if not isinstance(dtype, str) or dtype not in SIZES or not isinstance(shape, list) or not isinstance(place, list):
        raise ValueError("an entry of a safetensors file is none")
    first, behind = place
    if not all(type(number) is int and number >= 0 for number in (*shape, first, behind)):
        raise ValueError("an entry of a safetensors file has no size")
    if not first <= behind <= len(held) or behind - first != math.prod(shape) * SIZES[dtype]:
        raise ValueError("an entry of a safetensors file lies outside of it")
    return Entry(dtype, tuple(shape), held[first:behind])
