"""Damaged lines of the logs, found and mended where that can be done for certain.

A line is never rewritten by its writer, and what is mended here is as long as it was: so it is
written at its own place, and whoever reads meanwhile sees the line damaged or whole. The bytes that
stood there are in quarantine before.

There are three ways, tried in this order: the one byte that makes the line sound again
(`catalog.correction`); the same bytes in an earlier copy, which the caller may have; and, if asked
for, giving the line up, so that what follows in the operation log can be read again. What is put
right must be of the shape of a record and, in the operation log, bear the number that belongs there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from nbpipe.base.clock import now_text
from nbpipe.base.locks import PolledLock
from nbpipe.base.log import is_sound, seal, stretches, sync
from nbpipe.catalog import quarantine
from nbpipe.catalog.correction import corrected, joined, parted
from nbpipe.catalog.identity import FORMAT, OPENED, user
from nbpipe.catalog.segments import CLOSED
from nbpipe.catalog.tails import Damage, look
from nbpipe.catalog.writable import prepare

if TYPE_CHECKING:
    from nbpipe.base.workspace import WorkspacePaths

LOST = "lost"
_OF_OPERATION = ("n", "req", "k", "at", "by", "b")

# Given a log, as a backup names it, and two places, the bytes that earlier copies have between them, newest first.
Earlier = Callable[[str, int, int], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Gap:
    """Damaged lines, one after the other, between sound ones.

    Attributes:
        path: The log.
        log: Its name in positions.
        start: Where they begin, in bytes.
        data: What stands there, up to and with the last line break; without one at the very end of a log.
        former: In the operation log, the number of the operation before; else `None`.
        later: The number of the operation after; `None` if none follows.
        is_closing: Whether they are the last of a segment that another one follows.
    """

    path: Path
    log: str
    start: int
    data: bytes
    former: int | None = None
    later: int | None = None
    is_closing: bool = False

    @property
    def name(self) -> str:
        """The log by its folder and file."""
        return f"{self.path.parent.name}/{self.path.name}"

    def lines(self) -> list[tuple[int, bytes]]:
        """Give the lines, each with its place and without its line break."""
        found, place = [], self.start
        for line in self.data.removesuffix(b"\n").split(b"\n"):
            found.append((place, line))
            place += len(line) + 1
        return found


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of a gap, or of a part of it.

    Attributes:
        gap: The damage.
        how: `corrected`, `from a backup`, `given up` or `""` if nothing could be done.
        data: What stands there now.
    """

    gap: Gap
    how: str
    data: bytes


def gaps(paths: WorkspacePaths) -> list[Gap]:
    """Find the damaged lines of all logs, and a last line whose line break was changed."""
    extents = look(paths)
    segments = [extent.path for extent in extents.values() if extent.path.parent == paths.operations]
    found: list[Gap] = []
    for log, extent in extents.items():
        if extent.path.parent != paths.operations:
            found += _gaps_of(extent.path, log, extent.size, None, None)
            continue
        at = segments.index(extent.path)
        following = _first_number(segments[at + 1]) if at + 1 < len(segments) else None
        found += _gaps_of(extent.path, log, extent.size, _first_number(extent.path) - 1, following)
    return found


def foreseen(paths: WorkspacePaths) -> list[Mended]:
    """Say what `mend` could correct, without earlier copies; nothing is changed."""
    return [mended for gap in gaps(paths) for mended in _mended(gap, None, give_up=False)]


def mend(paths: WorkspacePaths, *, earlier: Earlier | None = None, give_up: bool = False) -> list[Mended]:
    """Mend what can be mended, and say what became of each damaged line.

    Args:
        paths: The workspace.
        earlier: Where to look for what cannot be corrected.
        give_up: Replace what is left by lines that say nothing.

    Raises:
        CatalogBusyError: Another process held the publisher's or the operation log's lock for too long.
        WorkspaceError: The workspace cannot be written.
        OSError: A log cannot be written.
    """
    prepare(paths)
    paths.catalog.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as stack:
        # No log is archived, and no operation appended, between the look and the writing.
        for place in (paths.catalog / "publish.lock", paths.operations / "lock"):
            stack.enter_context(_Closing(place))
        found = [mended for gap in gaps(paths) for mended in _mended(gap, earlier, give_up=give_up)]
        for mended in found:
            quarantine.keep(paths, (Damage(mended.gap.log, place, line) for place, line in mended.gap.lines()))
        for mended in found:
            if mended.how:
                _write(mended)
        if any(mended.how and mended.gap.former is not None for mended in found):
            # They were made of the log as it was; who needs one reads the log again.
            for state in paths.operations.glob("op-*.state"):
                state.unlink(missing_ok=True)
    return found


class _Closing(PolledLock):
    """A lock whose file is let go of with it."""

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.close()


# Finding ---------------------------------------------------------------------------------------


def _first_number(path: Path) -> int:
    return int(path.stem) if path.stem.isdecimal() else 1


def _gaps_of(path: Path, log: str, size: int, former: int | None, following: int | None) -> Iterator[Gap]:
    is_operation = former is not None
    last = former
    run: list[tuple[int, bytes]] = []
    changed_end: list[tuple[int, bytes]] = []
    for stretch in stretches(path, 0, size):
        if stretch.end == stretch.start:
            # The whole last line, with another byte than a line break behind it.
            changed_end = stretch.damaged
            break
        if not stretch.damaged:
            if run:
                yield _gap(path, log, run, last, _number(stretch.lines[0][1]) if is_operation else None)
                run = []
            last = _last_of((line for _, line in stretch.lines[-1:]), last)
            continue
        sound = [(after - len(line) - 1, line, True) for after, line in stretch.lines]
        for place, line, is_whole in sorted([*sound, *((place, line, False) for place, line in stretch.damaged)]):
            if not is_whole:
                run.append((place, line))
                continue
            if run:
                yield _gap(path, log, run, last, _number(line) if is_operation else None)
                run = []
            last = _last_of([line], last)
    if run:
        is_closing = following is not None and run[-1][0] + len(run[-1][1]) + 1 == size
        yield _gap(path, log, run, last, following, is_closing=is_closing)
        last = None if last is None else last + len(run)
    for place, tail in changed_end:
        yield Gap(path, log, place, tail, last)


def _gap(
    path: Path,
    log: str,
    run: Sequence[tuple[int, bytes]],
    former: int | None,
    later: int | None,
    *,
    is_closing: bool = False,
) -> Gap:
    data = b"".join(line + b"\n" for _, line in run)
    return Gap(path, log, run[0][0], data, former, later, is_closing)


def _number(line: bytes) -> int:
    """Give the number of a sound operation; -1, which fits nowhere, if it has none."""
    try:
        n = from_json(line)["n"]
    except (ValueError, KeyError, TypeError):
        return -1
    return n if isinstance(n, int) else -1


def _last_of(lines: Iterable[bytes], former: int | None) -> int | None:
    """Give the number of the last operation among these lines, or the one before; the first line of a log is none."""
    if former is None:
        return None
    return max([former, *map(_number, lines)])


def _lines(data: bytes) -> list[bytes]:
    return data.removesuffix(b"\n").split(b"\n") if data else []


# Mending ---------------------------------------------------------------------------------------


def _mended(gap: Gap, earlier: Earlier | None, *, give_up: bool) -> Iterator[Mended]:
    """Say what becomes of a gap: it falls into the parts that can be corrected and those between them."""
    for part in _corrected_parts(gap):
        if part.how:
            yield part
        else:
            yield _from_copy(part.gap, earlier) or (_given_up(part.gap) if give_up else None) or part


def _corrected_parts(gap: Gap) -> Iterator[Mended]:
    if not gap.data.endswith(b"\n"):
        data = gap.data[:-1] + b"\n"
        yield Mended(gap, "corrected" if _fits(data, _room_of(gap)) else "", data)
        return
    lines = gap.lines()
    parts: list[tuple[int, int, bytes]] = []
    at = 0
    while at < len(lines):
        fitting = [
            (count, data)
            for count, data in _options(lines, at)
            if _fits(data, _room(gap, lines, parts, at, at + count))
        ]
        if len(fitting) == 1:
            count, data = fitting[0]
            parts.append((at, at + count, data))
            at += count
        else:
            at += 1
    yield from _with_rests(gap, lines, parts)


def _options(lines: Sequence[tuple[int, bytes]], at: int) -> Iterator[tuple[int, bytes]]:
    """Give what may have stood from a line on: how many of the damaged lines it replaces, and its bytes."""
    line = lines[at][1]
    yield from ((1, found + b"\n") for found in corrected(line))
    yield from ((1, found + b"\n") for found in parted(line))
    if at + 1 < len(lines):
        yield from ((2, found + b"\n") for found in joined(line, lines[at + 1][1]))


def _room(
    gap: Gap, lines: Sequence[tuple[int, bytes]], parts: Sequence[tuple[int, int, bytes]], start: int, end: int
) -> _Room:
    """Say what may fill a part of a gap: the numbers of operations before and behind it, as far as they are known.

    Behind lines that could not be corrected the next number is not known: anything up to what follows will do.
    """
    former, known_to = gap.former, 0
    if parts:
        _, known_to, data = parts[-1]
        former = _last_of(_lines(data), gap.former)
    length = sum(len(line) + 1 for _, line in lines[start:end])
    is_last = end == len(lines)
    return _Room(
        length,
        former,
        gap.later,
        is_first_exact=start == known_to,
        is_last_exact=is_last,
        is_first=lines[start][0] == 0,
    )


def _with_rests(
    gap: Gap, lines: Sequence[tuple[int, bytes]], parts: Sequence[tuple[int, int, bytes]]
) -> Iterator[Mended]:
    """Give the corrected parts, and between them what is left, each with the numbers around it."""
    last, former = 0, gap.former
    for start, end, data in [*parts, (len(lines), len(lines), b"")]:
        is_last = start == len(lines)
        if start > last:
            rest = b"".join(line + b"\n" for _, line in lines[last:start])
            later = gap.later if is_last else _number(_lines(data)[0]) if gap.former is not None else None
            left = Gap(gap.path, gap.log, lines[last][0], rest, former, later, gap.is_closing and is_last)
            yield Mended(left, "", rest)
        if data:
            old = b"".join(line + b"\n" for _, line in lines[start:end])
            yield Mended(Gap(gap.path, gap.log, lines[start][0], old, former), "corrected", data)
            former = _last_of(_lines(data), former)
        last = end


@dataclass(frozen=True, slots=True)
class _Room:
    """What may fill a place in a log.

    Attributes:
        length: How many bytes, no more and no less.
        former: In the operation log, the number of an operation before it; else `None`.
        later: The number of an operation behind it, if one follows.
        is_first_exact: Whether the next number must come first.
        is_last_exact: Whether what follows must be the next number.
        is_first: Whether it is the beginning of the log, whose first line says who began it.
    """

    length: int
    former: int | None
    later: int | None
    is_first_exact: bool = True
    is_last_exact: bool = True
    is_first: bool = False


def _room_of(gap: Gap) -> _Room:
    return _Room(len(gap.data), gap.former, gap.later, is_first=gap.start == 0)


def _fits(data: bytes, room: _Room) -> bool:
    """Tell whether these lines are sound records that may stand in a room."""
    if len(data) != room.length or not data.endswith(b"\n"):
        return False
    records = [_record(line) for line in data[:-1].split(b"\n")]
    if room.former is None:
        return all(record is not None and _is_fact(record) for record in records)
    if room.is_first:
        first = records.pop(0)
        if first is None or not _is_fact(first) or first["k"] != OPENED:
            return False
    if not all(record is not None and _is_operation(record) for record in records):
        return False
    numbers = [int(record["n"]) for record in records if record is not None]
    if room.is_first_exact or not numbers:
        numbers.insert(0, room.former)
    if numbers[0] < room.former or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return False
    if room.later is None:
        return True
    return numbers[-1] == room.later - 1 if room.is_last_exact else numbers[-1] < room.later


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = from_json(line) if is_sound(line) else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _is_fact(record: dict[str, Any]) -> bool:
    texts = (record.get("k"), record.get("id"), record.get("at"))
    return "n" not in record and all(isinstance(text, str) for text in texts) and isinstance(record.get("b"), dict)


def _is_operation(record: dict[str, Any]) -> bool:
    body = record.get("b")
    return (
        all(name in record for name in _OF_OPERATION)
        and isinstance(record["n"], int)
        and isinstance(record["req"], str)
        and isinstance(body, dict)
        and isinstance(body.get("changes"), list)
        and "answer" in body
    )


def _from_copy(gap: Gap, earlier: Earlier | None) -> Mended | None:
    if earlier is None:
        return None
    for data in earlier(gap.name, gap.start, gap.start + len(gap.data)):
        if _fits(data, _room_of(gap)):
            return Mended(gap, "from a backup", data)
    return None


def _given_up(gap: Gap) -> Mended | None:
    """Fill a gap with lines that say nothing; `None` if they do not fit into it."""
    heads = _heads_of_nothing(gap)
    if not heads:
        return None
    room = len(gap.data) - sum(len(_nothing(head, "")) for head in heads)
    if room < 0:
        return None
    lines = [*(_nothing(head, "") for head in heads[:-1]), _nothing(heads[-1], " " * room)]
    return Mended(gap, "given up", b"".join(lines))


def _heads_of_nothing(gap: Gap) -> list[dict[str, Any]]:
    """Give the heads of the lines that are to fill a gap."""
    at = now_text()
    if gap.former is None:
        return [{"k": LOST, "id": "", "run": "", "at": at}]
    heads: list[dict[str, Any]] = [{"k": OPENED, "id": gap.path.stem, "at": at}] if gap.start == 0 else []
    lost = len(gap.lines()) - len(heads) if gap.later is None else gap.later - gap.former - 1
    heads += [
        {"n": n, "req": f"{LOST}-{n}", "k": LOST, "at": at, "by": user()}
        for n in range(gap.former + 1, gap.former + 1 + lost)
    ]
    if gap.is_closing and lost:
        heads[-1]["k"] = CLOSED
    return heads


def _nothing(head: dict[str, Any], padding: str) -> bytes:
    body: dict[str, Any] = {"changes": [], "answer": {}} if "n" in head else {}
    if head["k"] == OPENED:
        body = {"format": FORMAT}
    return seal({**head, "b": {**body, LOST: padding}})


def _write(mended: Mended) -> None:
    """Put the mended bytes at their place; the file keeps its length."""
    assert len(mended.data) == len(mended.gap.data), "what is mended is as long as it was"
    # Not for appending: on Linux such a file is written at its end, whatever place is named.
    descriptor = os.open(mended.gap.path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, mended.data, mended.gap.start)
        sync(descriptor)
    finally:
        os.close(descriptor)
