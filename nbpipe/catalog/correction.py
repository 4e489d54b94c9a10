"""One changed byte in a sealed line, found by its checksum and put right.

CRC-32 is linear: what a wrong byte does to it depends on the byte's change and its distance from
the end, and on nothing else in the line. So the difference between the checksum that a line has and
the one that it should have is walked back from the end, a byte at a time, until it is the mark that
one changed byte leaves there. That is one pass over the line, and no guessing.

A line break is a byte too: one that was changed has joined two lines, one that arose has split one.

This module knows bytes. Whether what comes out may stand where it does, its caller says.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from nbpipe.base.log import PREFIX_LENGTH, is_sound

# A longer line would take seconds, and chance would find a second answer for it.
LONGEST_BYTES = 2**20
_PREFIX = re.compile(rb'\{"c":"([0-9a-f]{8})",')
_START = b'{"c":"'
_POLYNOMIAL = 0xEDB88320


def _marks() -> list[int]:
    """Give what each change of the last byte does to the checksum."""
    marks = []
    for change in range(256):
        mark = change
        for _ in range(8):
            mark = (mark >> 1) ^ (_POLYNOMIAL if mark & 1 else 0)
        marks.append(mark)
    return marks


_MARKS = _marks()
_CHANGES = {mark: change for change, mark in enumerate(_MARKS) if change}
_BY_TOP = {mark >> 24: change for change, mark in enumerate(_MARKS)}


def corrected(line: bytes, at: int | None = None) -> Iterator[bytes]:
    """Give the sound lines that differ from `line`, which has no line break at its end, in one byte.

    Args:
        line: What stands there.
        at: Only a change of the byte at this place.
    """
    if not PREFIX_LENGTH < len(line) <= LONGEST_BYTES:
        return
    rest = line[PREFIX_LENGTH:]
    checksum = zlib.crc32(rest)
    prefix = b'{"c":"%08x",' % checksum
    wrong = [place for place in range(PREFIX_LENGTH) if line[place] != prefix[place]]
    if len(wrong) == 1 and at in (None, wrong[0]) and b"\n" not in rest:
        yield prefix + rest
    said = _PREFIX.match(line)
    if said is None:
        return
    for place, change in _changes(checksum ^ int(said[1], 16), len(rest)):
        whole = PREFIX_LENGTH + place
        if at in (None, whole):
            found = line[:whole] + bytes((line[whole] ^ change,)) + line[whole + 1 :]
            if b"\n" not in found:
                yield found


def parted(line: bytes) -> Iterator[bytes]:
    """Give the pairs of sound lines, with the line break between them, that `line` is if one byte was that break."""
    place = line.find(_START, 1)
    while place > 0:
        before, after = line[: place - 1], line[place:]
        if is_sound(after) and is_sound(before):
            yield before + b"\n" + after
        place = line.find(_START, place + 1)


def joined(first: bytes, second: bytes) -> Iterator[bytes]:
    """Give the sound lines that these two are if the line break between them was another byte."""
    return corrected(first + b"\n" + second, at=len(first))


def _changes(difference: int, length: int) -> Iterator[tuple[int, int]]:
    """Give each (place, change) of one byte among `length` that makes this difference of checksums."""
    for place in range(length - 1, -1, -1):
        if difference in _CHANGES:
            yield place, _CHANGES[difference]
        change = _BY_TOP[difference >> 24]
        difference = ((difference ^ _MARKS[change]) << 8 | change) & 0xFFFFFFFF
