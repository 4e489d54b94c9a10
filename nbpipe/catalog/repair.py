"""Damaged lines of the logs, mended where that can be done for certain.

A line is never rewritten by its writer, and what is mended here is as long as it was: so it is
written at its own place, and whoever reads meanwhile sees the line damaged or whole. The bytes that
stood there are in quarantine before.

There are three ways, tried in this order: the one byte that makes the line sound again
(`catalog.correction`); the same bytes in an earlier copy, which the caller may have; and, if asked
for, giving the line up, so that what follows in the operation log can be read again. What is put
right must be of the shape of a record and, in the operation log, bear the number that belongs there.

This module decides what fills a gap. Where the gaps are says `catalog.gaps`, and it does not know
where earlier copies come from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nbpipe.base.clock import now_text
from nbpipe.base.locks import PolledLock
from nbpipe.base.log import seal, sync, unseal
from nbpipe.catalog import quarantine
from nbpipe.catalog.correction import corrected, joined, parted
from nbpipe.catalog.gaps import Gap, gaps, last_number, number_of
from nbpipe.catalog.identity import FORMAT, OPENED, user
from nbpipe.catalog.segments import CLOSED
from nbpipe.catalog.tails import Damage
from nbpipe.catalog.writable import prepare

if TYPE_CHECKING:
    from nbpipe.base.workspace import WorkspacePaths

LOST = "lost"
_OF_OPERATION = ("n", "req", "k", "at", "by", "b")

# Given a log, as a backup names it, and two places, the bytes that earlier copies have between them, newest first.
Earlier = Callable[[str, int, int], Iterable[bytes]]


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
            lock = stack.enter_context(closing(PolledLock(place)))
            stack.enter_context(lock)
        found = [mended for gap in gaps(paths) for mended in _mended(gap, earlier, give_up=give_up)]
        for mended in found:
            quarantine.keep(paths, (Damage(mended.gap.log, place, line) for place, line in mended.gap.lines()))
        for mended in found:
            if mended.how:
                _write(mended)
        if any(mended.how and mended.gap.is_operation for mended in found):
            # They were made of the log as it was; who needs one reads the log again.
            for state in paths.operations.glob("op-*.state"):
                state.unlink(missing_ok=True)
    return found


def _mended(gap: Gap, earlier: Earlier | None, *, give_up: bool) -> Iterator[Mended]:
    """Say what becomes of a gap: it falls into the parts that can be corrected and those between them."""
    for part in _corrected_parts(gap):
        if part.how:
            yield part
        else:
            yield _from_copy(part.gap, earlier) or (_given_up(part.gap) if give_up else None) or part


def _corrected_parts(gap: Gap) -> Iterator[Mended]:
    """Give the parts of a gap that can be corrected, and between them what is left, each with the numbers around it."""
    if not gap.data.endswith(b"\n"):
        data = gap.data[:-1] + b"\n"
        yield Mended(gap, "corrected" if _fits(data, gap) else "", data)
        return
    lines = gap.lines()
    former, done, at = gap.former, 0, 0
    while at < len(lines):
        found = _correction(gap, lines, former, done, at)
        if found is None:
            at += 1
            continue
        if at > done:
            later = number_of(found.data.partition(b"\n")[0]) if gap.is_operation else None
            rest = _part(gap, lines[done:at], former, later)
            yield Mended(rest, "", rest.data)
        yield found
        former = last_number(found.data[:-1].split(b"\n"), former)
        at += len(found.gap.lines())
        done = at
    if done < len(lines):
        rest = replace(_part(gap, lines[done:], former, gap.later), is_closing=gap.is_closing)
        yield Mended(rest, "", rest.data)


def _correction(gap: Gap, lines: Sequence[tuple[int, bytes]], former: int | None, done: int, at: int) -> Mended | None:
    """Correct the line at an index, if there is one way to do that and no other.

    Args:
        gap: The damage.
        lines: Its lines.
        former: The number of the last operation before it that is known.
        done: The index of the first line behind that operation.
        at: The line to correct.
    """
    fitting = []
    for count, data in _options(lines, at):
        part = _part(gap, lines[at : at + count], former, gap.later)
        # Beside lines that could not be corrected the next number is not known: any up to what follows will do.
        if _fits(data, part, is_first_exact=at == done, is_last_exact=at + count == len(lines)):
            fitting.append(Mended(part, "corrected", data))
    return fitting[0] if len(fitting) == 1 else None


def _part(gap: Gap, lines: Sequence[tuple[int, bytes]], former: int | None, later: int | None) -> Gap:
    data = b"".join(line + b"\n" for _, line in lines)
    return Gap(gap.path, gap.log, lines[0][0], data, former, later)


def _options(lines: Sequence[tuple[int, bytes]], at: int) -> Iterator[tuple[int, bytes]]:
    """Give what may have stood from a line on: how many of the damaged lines it replaces, and its bytes."""
    line = lines[at][1]
    yield from ((1, found + b"\n") for found in corrected(line))
    yield from ((1, found + b"\n") for found in parted(line))
    if at + 1 < len(lines):
        yield from ((2, found + b"\n") for found in joined(line, lines[at + 1][1]))


def _fits(data: bytes, gap: Gap, *, is_first_exact: bool = True, is_last_exact: bool = True) -> bool:
    """Tell whether these lines are sound records that may stand in a gap.

    Args:
        data: The lines.
        gap: Where they are to stand.
        is_first_exact: Whether the number that follows the former one must come first.
        is_last_exact: Whether the later one must be the next number.
    """
    if len(data) != len(gap.data) or not data.endswith(b"\n"):
        return False
    records = [_record(line) for line in data[:-1].split(b"\n")]
    if gap.former is None:
        return all(_is_fact(record) for record in records)
    if gap.start == 0:
        # The first line of a log says who began it.
        first = records.pop(0)
        if not _is_fact(first) or first["k"] != OPENED:
            return False
    if not all(_is_operation(record) for record in records):
        return False
    numbers = [int(record["n"]) for record in records]
    if is_first_exact or not numbers:
        numbers.insert(0, gap.former)
    elif numbers[0] == gap.former:
        return False
    if numbers[0] < gap.former or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return False
    if gap.later is None:
        return True
    return numbers[-1] == gap.later - 1 if is_last_exact else numbers[-1] < gap.later


def _record(line: bytes) -> dict[str, Any]:
    """Give the record of a line; an empty one, which is of no shape, if it is not sound."""
    try:
        return unseal(line)
    except ValueError:
        return {}


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
    for data in earlier(gap.name, gap.start, gap.end):
        if _fits(data, gap):
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
