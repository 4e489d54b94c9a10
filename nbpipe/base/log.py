"""The append-only log: one JSON record a line, each line sealed with a checksum.

A line reads `{"c":"xxxxxxxx",…}`: `c` is the CRC-32, in hexadecimal, of everything that follows
the 16 bytes before it, up to the line's end. So a line is plain JSON for every reader, and is
checked by slicing. What a file says ends at its last line break; what stands after it was being
written when its writer died, and means nothing. A complete line is never taken back.

This module knows lines and files. It does not know what the records say, nor who may write.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from dataclasses import dataclass, field
from json.encoder import encode_basestring as _quoted
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from nbpipe.errors import BadValueError, NotRecordedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

PREFIX_LENGTH = len('{"c":"xxxxxxxx",')
_CHUNK_BYTES = 16 * 2**20
_LARGEST_WRITE_BYTES = 2**20
_BLOCK_BYTES = 2**16

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def seal(record: Mapping[str, Any]) -> bytes:
    """Write a record, which has at least one field, as a line.

    Raises:
        BadValueError: The record holds something that plain JSON does not: NaN, half of a
            surrogate pair, an object.
    """
    try:
        rest = _encode(record)[1:].encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadValueError(f"This cannot be written to a log: {error}.") from error
    return b'{"c":"%08x",%b\n' % (zlib.crc32(rest), rest)


def seal_with_body(head: Mapping[str, Any], body: bytes) -> bytes:
    """Write a record as a line, whose last field `b` is there as JSON already (`plain_json`)."""
    start = plain_json(head)[1:-1] + b',"b":'
    checksum = zlib.crc32(b"}", zlib.crc32(body, zlib.crc32(start)))
    return b"".join((b'{"c":"%08x",' % checksum, start, body, b"}\n"))


def seal_facts(facts: Iterable[tuple[str, str, str, Mapping[str, Any] | bytes]], at: str) -> list[bytes]:
    """Write facts of one moment as lines, as `seal_with_body` would write each.

    Args:
        facts: Each its kind, its id, its run and its body, which may be there as JSON already.
        at: The moment.

    Raises:
        BadValueError: One holds something that plain JSON does not.
    """
    lines, end, run_before = [], "", None
    try:
        for kind, id, run, body in facts:
            if run != run_before:
                run_before, end = run, f',"run":{_quoted(run)},"at":{_quoted(at)},"b":'
            rest = f'"k":"{kind}","id":{_quoted(id)}{end}'.encode() + (
                body if isinstance(body, bytes) else plain_json(body)
            )
            lines.append(b'{"c":"%08x",%b}\n' % (zlib.crc32(b"}", zlib.crc32(rest)), rest))
    except UnicodeEncodeError as error:
        raise BadValueError(f"This cannot be written to a log: {error}.") from error
    return lines


def plain_json(value: Any) -> bytes:
    """Write what was made of plain data, in a quarter of the time that `seal` takes for it.

    Nobody looks whether it holds a set or a date, which become something else on their way.

    Raises:
        BadValueError: It holds NaN, half of a surrogate pair or an object.
    """
    try:
        data = to_json(value)
        # What JSON has no number for stands there as a bare word; a text that holds the word is looked at twice.
        is_suspect = (b"N" in data and b"NaN" in data) or (b"I" in data and b"Infinity" in data)
        return _encode(value).encode() if is_suspect else data
    except (TypeError, ValueError, RecursionError) as error:
        raise BadValueError(f"This cannot be written to a log: {error}.") from error


def is_sound(line: bytes) -> bool:
    """Tell whether a line, without its line break, is what was once sealed."""
    return line[:PREFIX_LENGTH] == b'{"c":"%08x",' % zlib.crc32(line[PREFIX_LENGTH:])


def unseal(line: bytes) -> dict[str, Any]:
    """Give back the record of a sound line.

    Raises:
        ValueError: The line is not sound, or holds no record.
    """
    if not is_sound(line):
        raise ValueError("its checksum is wrong")
    record = from_json(line)
    if not isinstance(record, dict):
        raise ValueError("it holds no record")
    return record


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whole lines of a log, one after the other.

    Attributes:
        start: Where the first one begins, in bytes from the beginning of the log.
        end: Where the last one ends: the place to go on from.
        lines: The sound ones, each with its own end.
        damaged: The others, each with its beginning. A last line whose line break is another byte now comes with
            that byte, in a stretch of its own that ends where it begins: nobody gets beyond it.
    """

    start: int
    end: int
    lines: list[tuple[int, bytes]] = field(default_factory=list)
    damaged: list[tuple[int, bytes]] = field(default_factory=list)


def stretches(path: Path, start: int, size: int) -> Iterator[Stretch]:
    """Read the whole lines of a log between two places, some megabytes at a time.

    Args:
        path: The log.
        start: The end of a line, or 0.
        size: Where to stop; what is not ended by a line break there is left for later, unless it was ended by one.
    """
    if start >= size:
        return
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        carried = b""
        left = size - start
        while left > 0:
            chunk = file.read(min(left, _CHUNK_BYTES))
            if not chunk:
                break
            left -= len(chunk)
            cut = chunk.rfind(b"\n") + 1
            if not cut:
                carried += chunk
                continue
            stretch = _checked(start, carried + chunk[:cut])
            yield stretch
            start = stretch.end
            carried = chunk[cut:]
        if is_sound(carried[:-1]):
            # Nobody died in the middle of this line: it was whole, and its line break is another byte now.
            yield Stretch(start, start, damaged=[(start, carried)])


def _checked(start: int, data: bytes) -> Stretch:
    lines: list[tuple[int, bytes]] = []
    damaged: list[tuple[int, bytes]] = []
    place = start
    for line in data[:-1].split(b"\n"):
        end = place + len(line) + 1
        if is_sound(line):
            lines.append((end, line))
        else:
            damaged.append((place, line))
        place = end
    return Stretch(start, place, lines, damaged)


class LogFile:
    """A log open for appending, by one writer at a time.

    Args:
        path: The file.
        descriptor: The same file, open for reading and for appending; closed by `close()`.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self._may_be_torn = False

    def append(self, data: bytes) -> None:
        """Write whole lines, up to a mebibyte at once.

        A line is recorded in full or not at all. Of several lines, those that were complete when
        the room ran out stay, since a reader may have seen them.

        Raises:
            NotRecordedError: Not everything could be written.
            OSError: Nor could what was written in part be taken back: append nothing more here.
        """
        if self._may_be_torn:
            self.cut_torn_end()
        done = 0
        while done < len(data):
            piece = data[done : _end_of_piece(data, done)] if len(data) > _LARGEST_WRITE_BYTES else data
            self._may_be_torn = True
            written, problem = self._write(piece)
            done += written
            if written < len(piece):
                self.cut_torn_end()
                whole = data.count(b"\n", 0, done)
                raise NotRecordedError(self.path, problem + (f" after {whole} complete lines" if whole else ""))
            self._may_be_torn = False

    def size(self) -> int:
        """Give the size of the file in bytes."""
        return os.fstat(self.descriptor).st_size

    def is_gone(self) -> bool:
        """Tell whether the file has no name any more: somebody deleted it under us."""
        return os.fstat(self.descriptor).st_nlink == 0

    def cut_torn_end(self) -> None:
        """Take back what follows the last line break; only for whoever may write."""
        size = self.size()
        place = size
        while place:
            start = max(0, place - _BLOCK_BYTES)
            found = os.pread(self.descriptor, place - start, start).rfind(b"\n")
            if found >= 0:
                place = start + found + 1
                break
            place = start
        if place < size:
            os.ftruncate(self.descriptor, place)
        self._may_be_torn = False

    def close(self) -> None:
        """Let go of the file, and of any lock on it."""
        if self.descriptor >= 0:
            descriptor, self.descriptor = self.descriptor, -1
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()

    def _write(self, piece: bytes) -> tuple[int, str]:
        try:
            return os.write(self.descriptor, piece), "the disk is full"
        except OSError as error:
            return 0, error.strerror or str(error)


def _end_of_piece(data: bytes, start: int) -> int:
    """Give the end of the lines that go into one write; a line longer than that goes alone."""
    if len(data) - start <= _LARGEST_WRITE_BYTES:
        return len(data)
    end = data.rfind(b"\n", start, start + _LARGEST_WRITE_BYTES) + 1
    return end or data.index(b"\n", start) + 1


def sync(descriptor: int) -> None:
    """Have the disk hold what was written to an open file."""
    if sys.platform == "darwin":
        # There, fsync only hands the data to the drive, which may keep it in memory.
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(descriptor)


def sync_folder(path: Path) -> None:
    """Have the disk hold the names in a folder: files made, renamed and deleted."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
