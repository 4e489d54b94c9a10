"""Damaged lines of the logs, found: where they are, what stands there, and what stood around them.

Damaged lines that follow one another are one gap. In the operation log it lies between two numbers,
and these say how many operations are damaged; in a process log nothing is numbered. A last line whose
line break is another byte now is a gap as well, though nobody reads beyond it.

This module reads and numbers. It does not know what may be put into a gap: that is `catalog.repair`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic_core import from_json

from nbpipe.base.log import Stretch, stretches
from nbpipe.catalog.tails import Extent, look

if TYPE_CHECKING:
    from nbpipe.base.workspace import WorkspacePaths


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

    @property
    def end(self) -> int:
        """Where they end, in bytes."""
        return self.start + len(self.data)

    @property
    def is_operation(self) -> bool:
        """Whether they stand in the operation log, which is not read beyond them."""
        return self.former is not None

    def lines(self) -> list[tuple[int, bytes]]:
        """Give the lines, each with its place and without its line break."""
        found, place = [], self.start
        for line in self.data.removesuffix(b"\n").split(b"\n"):
            found.append((place, line))
            place += len(line) + 1
        return found


def gaps(paths: WorkspacePaths) -> list[Gap]:
    """Find the damaged lines of all logs, and a last line whose line break was changed."""
    extents = look(paths)
    segments = [log for log, extent in extents.items() if extent.path.parent == paths.operations]
    formers = {log: int(log) - 1 for log in segments}
    followings = {log: int(following) for log, following in pairwise(segments)}
    found: list[Gap] = []
    for log, extent in extents.items():
        # One that was archived meanwhile has none.
        with suppress(FileNotFoundError):
            found += _gaps_of(log, extent, formers.get(log), followings.get(log))
    return found


def last_number(lines: Iterable[bytes], former: int | None) -> int | None:
    """Give the number of the last operation among sound lines, or the one before; the first line of a log is none.

    Args:
        lines: The lines, without their line breaks.
        former: The number of the operation before them; `None` if they stand in a process log.
    """
    if former is None:
        return None
    return max([former, *map(number_of, lines)])


def number_of(line: bytes) -> int:
    """Give the number of a sound operation; -1, which fits nowhere, if it has none."""
    try:
        n = from_json(line)["n"]
    except (ValueError, KeyError, TypeError):
        return -1
    return n if isinstance(n, int) else -1


def _gaps_of(log: str, extent: Extent, former: int | None, following: int | None) -> Iterator[Gap]:
    """Find the gaps of one log.

    Args:
        log: Its name in positions.
        extent: Its file and size.
        former: Of a segment, the number of the operation before it; else `None`.
        following: The first number of the segment that follows, if one does.
    """
    last = former
    run: list[tuple[int, bytes]] = []
    changed_end: list[tuple[int, bytes]] = []
    for stretch in stretches(extent.path, 0, extent.size):
        if stretch.end == stretch.start:
            # The whole last line, with another byte than a line break behind it.
            changed_end = stretch.damaged
            break
        for place, line, is_damaged in _in_order(stretch):
            if is_damaged:
                run.append((place, line))
                continue
            if run:
                yield _gap(log, extent, run, last, None if former is None else number_of(line))
                run = []
            last = last_number([line], last)
    if run:
        gap = _gap(log, extent, run, last, following)
        yield replace(gap, is_closing=following is not None and gap.end == extent.size)
        last = None if last is None else last + len(run)
    for place, tail in changed_end:
        yield Gap(extent.path, log, place, tail, last)


def _in_order(stretch: Stretch) -> list[tuple[int, bytes, bool]]:
    """Give the lines by their places, and whether each is damaged; where none is, only the outermost are of use."""
    sound = stretch.lines if stretch.damaged else [stretch.lines[0], stretch.lines[-1]]
    return sorted(
        [
            *((end - len(line) - 1, line, False) for end, line in sound),
            *((place, line, True) for place, line in stretch.damaged),
        ]
    )


def _gap(log: str, extent: Extent, run: Sequence[tuple[int, bytes]], former: int | None, later: int | None) -> Gap:
    return Gap(extent.path, log, run[0][0], b"".join(line + b"\n" for _, line in run), former, later)
