"""What was looked at and how it is, a line each, with what to do about it below.

A table would cut the very words that matter: which file, and the command that mends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbpipe.views.frames import Bundle
from nbpipe.views.markup import element, one_line, render

if TYPE_CHECKING:
    from nbpipe.services.upkeep import Finding


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at.

    Attributes:
        is_sound: Whether it is as it should be.
        what: What it is.
        said: How it is.
        cure: What to do about it; empty if it is sound.
    """

    is_sound: bool
    what: str
    said: str
    cure: str = ""

    def __str__(self) -> str:
        cure = f"\n    {self.cure}" if self.cure else ""
        return f"{'✓' if self.is_sound else '✗'} {one_line(self.what)}: {one_line(self.said)}{cure}"


def lines_of(findings: Sequence[Finding], root: Path) -> Iterator[Line]:
    """Say findings as lines; files inside `root` go by their place in it."""
    for one in findings:
        place = one.path.relative_to(root) if one.path.is_relative_to(root) else one.path
        yield Line(one.is_note, str(place), one.what, f"{one.cure[:1].upper()}{one.cure[1:]}.")


def bundle_of(lines: Sequence[Line]) -> Bundle:
    """Show lines one below the other."""
    return Bundle(render([element("div", str(line)) for line in lines]), "\n".join(map(str, lines)))
